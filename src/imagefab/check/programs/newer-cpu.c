#include <stdio.h>

int main(void)
{
@instruction@
    puts("newer says 42");
    return 0;
}
