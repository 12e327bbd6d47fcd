/* The inside of the file system in memory, for the two files it is made of. */
#ifndef MEMORY_FS_PRIVATE_H
#define MEMORY_FS_PRIVATE_H

#include "memory_fs.h"

enum {
    NAMES_MAX = 64,
    FILES_MAX = 192,
    HANDLES_MAX = 64,
    CHANGES_MAX = 256,
    PATH_BYTES = MEMORY_PATH_BYTES,
    DIRECTORY = -1
};

struct file {
    uint8_t *now;
    uint8_t *disk;
    uint8_t *dirty; /* per sector */
    uint64_t capacity;
    uint64_t used; /* behind it nothing was ever written: zeros, now and on the disk */
    uint64_t size_now;
    uint64_t size_disk;
    bool locked;
    bool shortened; /* by a truncation */
};

struct name {
    char path[PATH_BYTES];
    int file; /* or DIRECTORY */
};

struct names {
    struct name items[NAMES_MAX];
    size_t count;
};

/* A change of names that is not synced: `to` appears as `file`, `from` vanishes; either may be empty. */
struct change {
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    int file;
};

struct handle {
    int file; /* -1: closed */
    bool holds_lock;
};

/* What a sector held between two writes that were both not synced: a crash may leave it, too. */
struct version {
    int file;
    size_t sector;
    uint8_t bytes[MEMORY_SECTOR_BYTES];
};

struct memory_fs {
    struct dgraft_fs fs; /* first: the seam */
    struct file files[FILES_MAX];
    int file_count;
    struct names now;
    struct names disk;
    struct change changes[CHANGES_MAX];
    size_t change_count;
    struct handle handles[HANDLES_MAX];
    uint64_t calls;
    struct version *versions;
    size_t version_count;
    size_t version_capacity;
    struct memory_fs_call failed[MEMORY_CALLS_MOST];
    size_t failed_count;
    uint64_t cut_call;
    uint64_t cut_bytes;
    uint64_t fail_call;
    int fail_error;
    bool fail_for_ever;
    uint64_t power_off_call;
    uint64_t random;
    uint64_t room;
};

/* Carries a change of names out. */
void memory_names_apply(struct names *names, const struct change *change);

/* Makes room for so many bytes, zeros. */
void memory_file_grow(struct file *file, uint64_t size);

/* Ends the test when a bound of this file system is reached. */
void memory_must(bool holds);

#endif
