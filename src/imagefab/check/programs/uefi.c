/* A UEFI application that writes to the machine's ports directly. */
static void put(char letter)
{
    __asm__ volatile("outb %0, %1" : : "a"(letter), "d"((unsigned short)0x3f8));
}

int efi_main(void *handle, void *system)
{
    (void)handle;
    if (!system)
        return 1;
    for (const char *line = "\nuefi says 42\n"; *line; line++)
        put(*line);
    for (;;)
        __asm__ volatile("outl %0, %1" : : "a"(16), "d"((unsigned short)0xf4));
}
