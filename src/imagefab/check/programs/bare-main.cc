extern "C" void say(const char *line);

struct Shape {
    virtual int area() const { return 0; }
};

struct Square : Shape {
    explicit Square(int side) : side(side) {}
    int area() const override { return side * side; }
    int side;
};

template <typename T> static int measure(const T &shape)
{
    const Shape &base = shape;
    return base.area();
}

extern "C" int main()
{
    volatile int side = 6;
    if (measure(Square(side)) != 36)
        return 1;
    say("c++ says 42");
    return 0;
}
