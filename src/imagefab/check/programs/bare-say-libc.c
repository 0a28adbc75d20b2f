#include <stdio.h>

void say(const char *line)
{
    printf("%s\n", line);
}
