#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    uint16_t *numbers = calloc(4, sizeof *numbers);
    numbers[3] = 42;
    printf("c says %d\n", (int)numbers[3]);
    free(numbers);
    return 0;
}
