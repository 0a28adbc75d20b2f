#include <stddef.h>
#include <stdint.h>

void say(const char *line);
int probe_answer(void);

static volatile uint64_t numbers[4];

int main(void)
{
    numbers[3] = probe_answer();
    if (numbers[3] / 6 != 7 || sizeof(uintptr_t) != sizeof(void *))
        return 1;
    say("c says 42");
    return 0;
}
