#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <stdint.h>

struct probe {
    size_t size;
    uint8_t *bytes;
};
_Static_assert(sizeof(void *) * 8 == @bits@, "headers of another architecture");
