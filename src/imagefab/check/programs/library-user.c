#include <stdio.h>

int probe_answer(void);

int main(void)
{
    printf("library says %d\n", probe_answer());
    return 0;
}
