#include <stddef.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

const size_t widths[] = {
    sizeof(time_t), sizeof(off_t), sizeof(ino_t), sizeof(struct stat), sizeof(struct timeval),
};

size_t format_day(time_t when, char *text, size_t size)
{
    struct tm parts;
    return gmtime_r(&when, &parts) ? strftime(text, size, "%Y-%m-%d", &parts) : 0;
}
