#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

struct probe {
    HANDLE thread;
    size_t size;
    FILE *file;
};
_Static_assert(sizeof(void *) * 8 == @bits@, "headers of another architecture");
