template <typename Number> static Number twice(Number number)
{
    return number + number;
}

extern "C" int probe_answer()
{
    return twice(21);
}
