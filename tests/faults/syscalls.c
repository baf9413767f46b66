/* Tells what a process asks the system to do to files under a folder; the chosen call kills it or fails.
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
#include <sys/uio.h>
#include <unistd.h>

static long left = 0, seen = 0;
static int how = 0; /* 0 kills, else an errno; ENOSPC stays */
static int told = -1; /* where the calls are listed, a line each */
static char folder[4096] = "";

void fault_arm(const char *within, long at, int error, int list) {
    snprintf(folder, sizeof folder, "%s", within);
    left = at; how = error; seen = 0; told = list;
}

static int strikes(const char *call, const char *path) {
    seen++;
    dprintf(told, "%s %s\n", call, path + strlen(folder));
    if (seen < left || (seen > left && how != ENOSPC)) return 0;
    if (how == 0) kill(getpid(), SIGKILL);
    errno = how;
    return 1;
}
static int on_path(const char *call, const char *path) {
    return folder[0] && left && path && strncmp(path, folder, strlen(folder)) == 0 && strikes(call, path);
}
static int on_file(const char *call, int fd) {
    char link[64], path[4096];
    if (!folder[0] || !left) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return on_path(call, path);
}
static int on_entry(const char *call, int at, const char *path) {
    char link[64], whole[8192];
    if (path[0] == '/') return on_path(call, path);
    if (!folder[0] || !left) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t n = readlink(link, whole, 4000);
    if (n < 0) return 0;
    snprintf(whole + n, sizeof whole - n, "/%s", path);
    return on_path(call, whole);
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
        return (flags & (O_WRONLY | O_RDWR)) && on_path(#name, path) ? -1 : next(path, flags, mode); \
    }
#define WRAP_OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        static int (*next)(int, const char *, int, ...); \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return (flags & (O_WRONLY | O_RDWR)) && on_path(#name, path) ? -1 : next(at, path, flags, mode); \
    }

WRAP_OPEN(open) WRAP_OPEN(open64) WRAP_OPENAT(openat) WRAP_OPENAT(openat64)
WRAP(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n), on_file("write", fd))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at), on_file("pwrite", fd))
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at),
     on_file("pwrite64", fd))
WRAP(ssize_t, writev, (int fd, const struct iovec *data, int n), (fd, data, n), on_file("writev", fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), on_file("ftruncate", fd))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), on_file("ftruncate64", fd))
WRAP(int, fsync, (int fd), (fd), on_file("fsync", fd))
WRAP(int, fdatasync, (int fd), (fd), on_file("fdatasync", fd))
WRAP(int, rename, (const char *one, const char *other), (one, other), on_path("rename", one))
WRAP(int, renameat2, (int a, const char *one, int b, const char *other, unsigned flags),
     (a, one, b, other, flags), on_path("renameat2", one))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), on_path("mkdir", path))
WRAP(int, rmdir, (const char *path), (path), on_path("rmdir", path))
WRAP(int, unlink, (const char *path), (path), on_path("unlink", path))
WRAP(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), on_entry("unlinkat", at, path))
