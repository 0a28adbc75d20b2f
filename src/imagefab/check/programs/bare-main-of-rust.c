void say(const char *line);
int rust_answer(int number);

int main(void)
{
    if (rust_answer(40) != 84)
        return 1;
    say("rust says 42");
    return 0;
}
