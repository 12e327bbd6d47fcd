/* Whole reads and writes over a file system that may do less than asked, and the counting of what that costs.
 *
 * Every call that storage makes of the file system is made here. Short counts are continued, EINTR is tried again (a
 * bounded number of times: a system that only ever interrupts has failed). Results are 0, a count or a negative errno.
 */
#ifndef DGRAFT_FULL_IO_H
#define DGRAFT_FULL_IO_H

#include <dgraft/fs.h>

#include <stdatomic.h>

/* Longest path that storage builds: directory, slash, name, zero. */
#define DGRAFT_DISK_PATH_BYTES 1024u

/* A directory on a file system. The counters may be read by one thread while another does I/O. */
struct dgraft_disk {
    struct dgraft_fs *fs;
    const char *directory; /* retained by the owner */
    _Atomic uint64_t system_calls;
    _Atomic uint64_t syncs;
    _Atomic uint64_t bytes_written;
};

void dgraft_disk_init(struct dgraft_disk *disk, struct dgraft_fs *fs, const char *directory);

/* Writes "directory/name"; an empty name gives the directory itself. Cut when it does not fit: whoever takes a
 * directory from outside bounds its length first. */
void dgraft_disk_path(const struct dgraft_disk *disk, const char *name, char path[DGRAFT_DISK_PATH_BYTES]);

int dgraft_disk_open(struct dgraft_disk *disk, const char *name, enum dgraft_fs_open mode);
void dgraft_disk_close(struct dgraft_disk *disk, int file);
int64_t dgraft_disk_size(struct dgraft_disk *disk, int file);
int dgraft_disk_sync(struct dgraft_disk *disk, int file);
int dgraft_disk_sync_directory(struct dgraft_disk *disk);
int dgraft_disk_truncate(struct dgraft_disk *disk, int file, uint64_t size);
int dgraft_disk_lock(struct dgraft_disk *disk, int file);
int dgraft_disk_locked(struct dgraft_disk *disk, int file);
int dgraft_disk_unlink(struct dgraft_disk *disk, const char *name);
int dgraft_disk_rename(struct dgraft_disk *disk, const char *from, const char *to);
/* Calls found() for every name, perhaps more than once. */
int dgraft_disk_list(struct dgraft_disk *disk, int (*found)(void *context, const char *name), void *context);

/* Makes the directory itself. Returns 0 or a negative errno. */
int dgraft_disk_make_directory(struct dgraft_disk *disk);

/* Reads until `size` bytes are there or the file ends. Returns how many, or a negative errno. */
int64_t dgraft_disk_read(struct dgraft_disk *disk, int file, void *bytes, size_t size, uint64_t offset);

/* Writes all of the pieces, which it changes on the way. Returns 0 or a negative errno. */
int dgraft_disk_write(struct dgraft_disk *disk, int file, struct iovec *pieces, size_t piece_count, uint64_t offset);

/* Writes zeros from offset `begin` up to `end`. */
int dgraft_disk_zero(struct dgraft_disk *disk, int file, uint64_t begin, uint64_t end);

#endif
