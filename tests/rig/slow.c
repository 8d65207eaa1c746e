/* A disk that takes its time: what makes a file durable waits first for as many milliseconds as the
 * file says that the environment names, while there is one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_first(void)
{
    const char *name = getenv("SLOW_DISK");
    FILE *file = name ? fopen(name, "re") : NULL;
    unsigned milliseconds = 0;

    if (!file)
        return;
    if (fscanf(file, "%u", &milliseconds) == 1)
        usleep(milliseconds * 1000);
    fclose(file);
}

int fsync(int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    wait_first();
    return real(descriptor);
}

int fdatasync(int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    wait_first();
    return real(descriptor);
}
