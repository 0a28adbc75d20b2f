#include <CoreFoundation/CoreFoundation.h>

int main(void)
{
    return CFAbsoluteTimeGetCurrent() < 0;
}
