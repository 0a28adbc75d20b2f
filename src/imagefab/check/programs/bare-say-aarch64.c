/* Uses semihosting. */
static long call(long number, const void *block)
{
    register long first __asm__("x0") = number;
    register const void *second __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(first) : "r"(second) : "memory");
    return first;
}

void say(const char *line)
{
    call(4, line);
    call(4, "\n");
}

_Noreturn void finish(long code)
{
    long block[2] = { 0x20026, code };
    for (;;)
        call(0x18, block);
}
