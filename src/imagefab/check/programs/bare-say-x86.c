/* Uses the first serial port, and QEMU's port for exit codes, where 16 is success. */
static void put(char letter)
{
    __asm__ volatile("outb %0, %1" : : "a"(letter), "d"((unsigned short)0x3f8));
}

void say(const char *line)
{
    while (*line)
        put(*line++);
    put('\n');
}

_Noreturn void finish(int code)
{
    for (;;)
        __asm__ volatile("outl %0, %1" : : "a"(code ? code : 16), "d"((unsigned short)0xf4));
}
