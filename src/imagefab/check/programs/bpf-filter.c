#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int probe_filter(struct xdp_md *packet)
{
    return packet->data_end - packet->data > 42 ? XDP_PASS : XDP_DROP;
}

char probe_license[] SEC("license") = "GPL";
