/* A row for each type, as text in the object file, and an array of its size, for libclang. */
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

struct row {
    char mark[8], name[16], digits[3], end;
};
#define DIGITS(n) { '0' + (n) / 100 % 10, '0' + (n) / 10 % 10, '0' + (n) % 10 }
#define ROW(name, type) { "size-of", name, DIGITS(sizeof(type)), '\n' }

const struct row sizes[] = {
    ROW("time_t", time_t),
    ROW("off_t", off_t),
    ROW("ino_t", ino_t),
    ROW("stat", struct stat),
    ROW("timeval", struct timeval),
};
extern char size_of_time_t[sizeof(time_t)];
extern char size_of_off_t[sizeof(off_t)];
extern char size_of_ino_t[sizeof(ino_t)];
extern char size_of_stat[sizeof(struct stat)];
extern char size_of_timeval[sizeof(struct timeval)];
