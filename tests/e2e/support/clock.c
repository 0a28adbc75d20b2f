/* Puts the clock forward by as many seconds as the domain name of the UTS namespace says. To be preloaded. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static time_t offset(void)
{
    struct utsname names;
    time_t seconds = 0;
    if (uname(&names) == 0)
        for (const char *digit = names.domainname; *digit >= '0' && *digit <= '9'; digit++)
            seconds = seconds * 10 + (*digit - '0');
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
    int result = (int)syscall(SYS_clock_gettime, clock, found);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *found)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found)
        *found = now.tv_sec;
    return now.tv_sec;
}
