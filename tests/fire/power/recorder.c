/* Records what a program does to the files below a folder, in the order in which it does it: for a preload.
 *
 * RECORDER_ROOT names the folder, RECORDER_LOG the file that records are appended to. A record is its kind (one
 * byte), three numbers (8 bytes each: the file's, the offset or length, the number of bytes that follow) and these
 * bytes, in the machine's byte order. Paths are relative to the folder.
 *
 *   o  a path, and the number of the file that has it    c  the same, of a file or folder that was made with it
 *   w  bytes written at an offset                        t  a file was given a length
 *   s  a file was synced                                 d  a folder was synced: its path
 *   r  a path was renamed: from, zero, to                l  a path got a second name: from, zero, to
 *   u  a path was removed                                a  something is about to be sent to a socket
 *
 * What is called without the C library (by rustix) is not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_length;
static int log_file = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void begin(void)
{
    pthread_mutex_lock(&one_at_a_time);
    if (!root && getenv("RECORDER_ROOT") && getenv("RECORDER_LOG")) {
        root = getenv("RECORDER_ROOT");
        root_length = strlen(root);
        log_file = REAL(open)(getenv("RECORDER_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (log_file < 0)
            abort();
    }
}

static void end(void)
{
    int number = errno;

    pthread_mutex_unlock(&one_at_a_time);
    errno = number;
}

static void record(char kind, uint64_t file, uint64_t at, const void *bytes, uint64_t length)
{
    char head[25] = {kind};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, length}};
    int number = errno;

    memcpy(head + 1, &file, 8);
    memcpy(head + 9, &at, 8);
    memcpy(head + 17, &length, 8);
    if (REAL(writev)(log_file, parts, 2) != (ssize_t)(sizeof head + length))
        abort();
    errno = number;
}

/* The path below the folder; NULL where it is elsewhere. */
static const char *below(const char *path)
{
    if (!root || strncmp(path, root, root_length) || path[root_length] != '/')
        return NULL;
    return path + root_length + 1;
}

static const char *path_at(int folder, const char *name, char path[static 2 * PATH_MAX])
{
    char link[64];
    ssize_t length;

    if (*name == '/' || folder == AT_FDCWD)
        return below(name);
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, path, PATH_MAX);
    if (length < 0)
        return NULL;
    snprintf(path + length, 2 * PATH_MAX - length, "/%s", name);
    return below(path);
}

/* The number of a file, and whether it is below the folder; its path there, empty for the folder itself. */
static int is_ours(int descriptor, struct stat *status, char path[static PATH_MAX])
{
    char link[64];
    ssize_t length;

    if (!root || fstat(descriptor, status) || !(S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (!strcmp(path, root)) {
        *path = 0;
        return 1;
    }
    if (!below(path))
        return 0;
    memmove(path, below(path), strlen(below(path)) + 1);
    return 1;
}

static int opened(int (*real)(int, const char *, int, ...), int folder, const char *name, int flags, mode_t mode)
{
    char buffer[2 * PATH_MAX];
    const char *path;
    struct stat status;
    int made, descriptor;

    begin();
    path = path_at(folder, name, buffer);
    made = path && fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW);
    descriptor = real(folder, name, flags, mode);
    if (path && descriptor >= 0 && !fstat(descriptor, &status) && S_ISREG(status.st_mode)) {
        record(made ? 'c' : 'o', status.st_ino, 0, path, strlen(path));
        if (flags & O_TRUNC)
            record('t', status.st_ino, 0, "", 0);
    }
    end();
    return descriptor;
}

#define OPEN(name, at)                                                                             \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(more, flags);                                                                     \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                           \
        va_end(more);                                                                              \
        return opened(REAL(at), AT_FDCWD, path, flags, mode);                                      \
    }                                                                                              \
                                                                                                   \
    int at(int folder, const char *path, int flags, ...)                                           \
    {                                                                                              \
        va_list more;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(more, flags);                                                                     \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                           \
        va_end(more);                                                                              \
        return opened(REAL(at), folder, path, flags, mode);                                        \
    }

OPEN(open, openat)
OPEN(open64, openat64)

static ssize_t written(int descriptor, ssize_t length, const void *bytes, off_t at)
{
    char path[PATH_MAX];
    struct stat status;

    if (length > 0 && is_ours(descriptor, &status, path))
        record('w', status.st_ino, at, bytes, length);
    end();
    return length;
}

/* Where the next write goes. */
static off_t place(int descriptor)
{
    struct stat status;

    if (fcntl(descriptor, F_GETFL) & O_APPEND)
        return fstat(descriptor, &status) ? 0 : status.st_size;
    return lseek(descriptor, 0, SEEK_CUR);
}

/* An answer is recorded before it can be read: what is recorded behind it was done behind it. */
static void answers(int descriptor)
{
    struct stat status;

    if (root && !fstat(descriptor, &status) && S_ISSOCK(status.st_mode))
        record('a', 0, 0, "", 0);
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags)
{
    ssize_t sent;

    begin();
    answers(descriptor);
    sent = REAL(send)(descriptor, bytes, length, flags);
    end();
    return sent;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    off_t at;

    begin();
    answers(descriptor);
    at = place(descriptor);
    return written(descriptor, REAL(write)(descriptor, bytes, length), bytes, at);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    char path[PATH_MAX];
    struct stat status;
    ssize_t length, left;
    off_t at;
    int part;

    begin();
    answers(descriptor);
    at = place(descriptor);
    length = REAL(writev)(descriptor, parts, count);
    if (length > 0 && is_ours(descriptor, &status, path)) {
        left = length;
        for (part = 0; part < count && left > 0; part++) {
            size_t of_it = parts[part].iov_len < (size_t)left ? parts[part].iov_len : (size_t)left;

            record('w', status.st_ino, at + (length - left), parts[part].iov_base, of_it);
            left -= of_it;
        }
    }
    end();
    return length;
}

#define PWRITE(name)                                                                               \
    ssize_t name(int descriptor, const void *bytes, size_t length, off_t at)                       \
    {                                                                                              \
        begin();                                                                                   \
        return written(descriptor, REAL(name)(descriptor, bytes, length, at), bytes, at);          \
    }

PWRITE(pwrite)
PWRITE(pwrite64)

#define FTRUNCATE(name)                                                                            \
    int name(int descriptor, off_t length)                                                         \
    {                                                                                              \
        char path[PATH_MAX];                                                                       \
        struct stat status;                                                                        \
        int failed;                                                                                \
                                                                                                   \
        begin();                                                                                   \
        failed = REAL(name)(descriptor, length);                                                   \
        if (!failed && is_ours(descriptor, &status, path))                                         \
            record('t', status.st_ino, length, "", 0);                                             \
        end();                                                                                     \
        return failed;                                                                             \
    }

FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define SYNC(name)                                                                                 \
    int name(int descriptor)                                                                       \
    {                                                                                              \
        char path[PATH_MAX];                                                                       \
        struct stat status;                                                                        \
        int failed;                                                                                \
                                                                                                   \
        begin();                                                                                   \
        failed = REAL(name)(descriptor);                                                           \
        if (!failed && is_ours(descriptor, &status, path))                                         \
            record(S_ISDIR(status.st_mode) ? 'd' : 's', status.st_ino, 0, path, strlen(path));     \
        end();                                                                                     \
        return failed;                                                                             \
    }

SYNC(fsync)
SYNC(fdatasync)

static int moved(char kind, int failed, const char *from, const char *to)
{
    char both[2 * PATH_MAX];
    int length;

    if (!failed && below(from) && below(to)) {
        length = snprintf(both, sizeof both, "%s%c%s", below(from), 0, below(to));
        record(kind, 0, 0, both, length);
    }
    end();
    return failed;
}

int rename(const char *from, const char *to)
{
    begin();
    return moved('r', REAL(rename)(from, to), from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    begin();
    return moved('l', REAL(linkat)(from_folder, from, to_folder, to, flags), from, to);
}

static int removed(int failed, const char *path)
{
    if (!failed && path)
        record('u', 0, 0, path, strlen(path));
    end();
    return failed;
}

int unlink(const char *path)
{
    begin();
    return removed(REAL(unlink)(path), below(path));
}

int rmdir(const char *path)
{
    begin();
    return removed(REAL(rmdir)(path), below(path));
}

int unlinkat(int folder, const char *name, int flags)
{
    char buffer[2 * PATH_MAX];

    begin();
    return removed(REAL(unlinkat)(folder, name, flags), path_at(folder, name, buffer));
}

int mkdir(const char *path, mode_t mode)
{
    int failed;

    begin();
    failed = REAL(mkdir)(path, mode);
    if (!failed && below(path))
        record('c', 0, 1, below(path), strlen(below(path)));
    end();
    return failed;
}
