#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(void *) * 8 == @bits@, "headers of another architecture");
