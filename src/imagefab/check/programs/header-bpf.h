#include <linux/bpf.h>

struct probe {
    __u64 size;
    struct xdp_md *packet;
};
_Static_assert(sizeof(void *) * 8 == @bits@, "headers of another architecture");
