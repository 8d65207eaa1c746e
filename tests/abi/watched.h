/* Controls of the tool that a program runs under: what it has to report, each in a process of its own. */
#pragma once
#include "abi.h"
#include <pthread.h>

#define REPORTED 9 /* the code of a process in which it reports something, see "run under" */

static inline void is_reported(const char *what, void (*flaw)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        flaw();
        _exit(0);
    }
    int status = -1;
    bool waited = waitpid(child, &status, 0) == child;
    check(waited && WIFEXITED(status) && WEXITSTATUS(status) == REPORTED, "the tool reports %s", what);
}

static __attribute__((unused)) volatile int seen_there;

/* Sixteen bytes of which the compiler knows nothing. */
static inline char *sixteen_bytes(void)
{
    char *bytes = malloc(16);
    __asm__ volatile("" : "+r"(bytes));
    return bytes;
}

static inline void read_what_was_never_written(void)
{
    char *bytes = sixteen_bytes();
    if (bytes[3])
        seen_there = 1;
    free(bytes);
}

static inline void read_beyond_the_end(void)
{
    char *bytes = sixteen_bytes();
    seen_there = bytes[16];
    free(bytes);
}

static inline void lose_memory(void)
{
    memset(sixteen_bytes(), 0, 16);
}

static inline void memory_is_watched(void)
{
    is_reported("a read of what was never written", read_what_was_never_written);
    is_reported("a read beyond the end", read_beyond_the_end);
}

static inline void *count_unguarded(void *counter)
{
    for (int i = 0; i < 100; i++)
        ++*(volatile int *)counter;
    return NULL;
}

static inline void share_a_counter(void)
{
    static int counter;
    pthread_t threads[2];
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, count_unguarded, &counter);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}
