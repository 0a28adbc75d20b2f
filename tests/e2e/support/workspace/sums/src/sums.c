#include <stddef.h>
#include <stdint.h>

int64_t sum_up(const int64_t *numbers, size_t count)
{
    int64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += numbers[i];
    return total;
}
