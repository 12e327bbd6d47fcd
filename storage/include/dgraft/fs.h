/* The seam between storage and the operating system's files. Everything storage does to a disk goes through here, so
 * that a simulated disk drives the very same code: short reads and writes, EINTR, EIO, ENOSPC, torn writes, lost names.
 *
 * Calls behave as the system calls they are named after: they may do less than asked (read, write), and return -1 - or
 * less - as the negative errno. storage loops over short counts; an implementation need not.
 */
#ifndef DGRAFT_FS_H
#define DGRAFT_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dgraft_fs_open {
    DGRAFT_FS_READ = 1,  /* an existing file, for reading */
    DGRAFT_FS_WRITE = 2, /* an existing file, for reading and writing */
    DGRAFT_FS_CREATE = 3 /* a new file, for reading and writing; -EEXIST when it is there */
};

struct dgraft_fs {
    const struct dgraft_fs_ops *ops;
};

/* A file is a number >= 0. Paths are "directory/name". All return 0 or a count, or a negative errno. */
struct dgraft_fs_ops {
    int (*open)(struct dgraft_fs *fs, const char *path, enum dgraft_fs_open mode);
    int (*close)(struct dgraft_fs *fs, int file);
    ssize_t (*pread)(struct dgraft_fs *fs, int file, void *bytes, size_t size, uint64_t offset);
    ssize_t (*pwritev)(struct dgraft_fs *fs, int file, const struct iovec *pieces, int piece_count, uint64_t offset);
    int (*sync)(struct dgraft_fs *fs, int file); /* as fdatasync: data, and the size needed to read it */
    int (*truncate)(struct dgraft_fs *fs, int file, uint64_t size);
    int64_t (*size)(struct dgraft_fs *fs, int file);
    /* Exclusive, until closed; the file is open for writing. -EWOULDBLOCK when another holds it. */
    int (*lock)(struct dgraft_fs *fs, int file);
    /* Asks without taking it: 1 when another holds the lock, else 0. NULL: it cannot be known. */
    int (*locked)(struct dgraft_fs *fs, int file);
    int (*rename)(struct dgraft_fs *fs, const char *from, const char *to);
    int (*unlink)(struct dgraft_fs *fs, const char *path);
    int (*make_directory)(struct dgraft_fs *fs, const char *path);
    int (*sync_directory)(struct dgraft_fs *fs, const char *path);
    /* Calls found() for each name but "." and ".."; stops and returns its result when that is not 0. */
    int (*list)(struct dgraft_fs *fs, const char *path, int (*found)(void *context, const char *name), void *context);
};

/* The operating system's files. One static object without state; do not free. */
struct dgraft_fs *dgraft_fs_posix(void);

#ifdef __cplusplus
}
#endif
#endif
