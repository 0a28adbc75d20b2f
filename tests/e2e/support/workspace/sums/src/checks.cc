#include <stdexcept>
#include <string>
#include <thread>

extern "C" int is_negative(long long total)
{
    int found = 0;
    std::thread checker([&] {
        try {
            if (total < 0)
                throw std::out_of_range("negative: " + std::to_string(total));
        } catch (const std::exception &) {
            found = 1;
        }
    });
    checker.join();
    return found;
}
