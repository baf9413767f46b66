/* Counts what a process asks the system to do to files under a folder; the chosen call kills it or fails.
 * Built and preloaded by syscall_faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long left = 0, seen = 0;
static int how = 0; /* 0 kills, else an errno; ENOSPC stays */
static char folder[4096] = "";

void fault_arm(const char *within, long at, int error) {
    snprintf(folder, sizeof folder, "%s", within);
    left = at; how = error; seen = 0;
}
long fault_seen(void) { return seen; }

static int strikes(void) {
    seen++;
    if (seen < left || (seen > left && how != ENOSPC)) return 0;
    if (how == 0) kill(getpid(), SIGKILL);
    errno = how;
    return 1;
}
static int on_path(const char *path) {
    return folder[0] && left && path && strncmp(path, folder, strlen(folder)) == 0 && strikes();
}
static int on_file(int fd) {
    char link[64], path[4096];
    if (!folder[0] || !left) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return on_path(path);
}

#define WRAP(type, name, params, call, hit) \
    type name params { \
        static type (*next) params; \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        return (hit) ? -1 : next call; \
    }
#define WRAP_OPEN(name) \
    int name(const char *path, int flags, ...) { \
        static int (*next)(const char *, int, ...); \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return (flags & (O_WRONLY | O_RDWR)) && on_path(path) ? -1 : next(path, flags, mode); \
    }
#define WRAP_OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        static int (*next)(int, const char *, int, ...); \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return (flags & (O_WRONLY | O_RDWR)) && on_path(path) ? -1 : next(at, path, flags, mode); \
    }

WRAP_OPEN(open) WRAP_OPEN(open64) WRAP_OPENAT(openat) WRAP_OPENAT(openat64)
WRAP(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n), on_file(fd))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at), on_file(fd))
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at), on_file(fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), on_file(fd))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), on_file(fd))
WRAP(int, fsync, (int fd), (fd), on_file(fd))
WRAP(int, fdatasync, (int fd), (fd), on_file(fd))
WRAP(int, rename, (const char *one, const char *other), (one, other), on_path(one))
WRAP(int, renameat2, (int a, const char *one, int b, const char *other, unsigned flags),
     (a, one, b, other, flags), on_path(one))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), on_path(path))
WRAP(int, rmdir, (const char *path), (path), on_path(path))
WRAP(int, unlink, (const char *path), (path), on_path(path))
