int part_answer(void)
{
    return 42;
}
