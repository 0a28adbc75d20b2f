#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int count(int depth)
{
    if (depth == 0)
        throw std::runtime_error("caught");
    return count(depth - 1) + 1;
}

int main()
{
    std::vector<std::string> said(4);
    std::vector<std::thread> threads;
    for (auto &word : said)
        threads.emplace_back([&word] {
            try {
                count(8);
            } catch (const std::exception &error) {
                word = error.what();
            }
        });
    for (auto &thread : threads)
        thread.join();
    for (const auto &word : said)
        if (word != "caught")
            return 1;
    std::cout << "c++ says " << 40 + 2 << std::endl;
    return 0;
}
