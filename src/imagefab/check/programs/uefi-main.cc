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

extern "C" int efi_main(void *, void *)
{
    volatile int side = 6;
    return measure(Square(side)) - 36;
}
