#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct probe {
    pthread_t thread;
    size_t size;
    FILE *file;
};
_Static_assert(sizeof(void *) * 8 == @bits@, "headers of another architecture");
