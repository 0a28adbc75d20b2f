#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual int count() const = 0;
};

struct Square : Shape {
    int count() const override { return 4; }
};

int main()
{
    std::vector<std::string> words{"says", "c++"};
    std::reverse(words.begin(), words.end());
    std::unique_ptr<Shape> shape = std::make_unique<Square>();
    for (const auto &word : words)
        std::cout << word << ' ';
    std::cout << shape->count() * 10 + 2 << std::endl;
    return 0;
}
