/* Where no runner boots programs, this is enough to link one. */
int main(void);

void say(const char *line)
{
    (void)line;
}

_Noreturn void _start(void)
{
    main();
    for (;;)
        ;
}
