/* A disk in memory behind storage's seam (dgraft/fs.h): what was not synced may be lost or torn by a crash.
 *
 * Each file has two contents: what readers see now (the page cache) and what the disk holds. A sync copies the changed
 * blocks down; a power failure keeps any seeded subset of them. Names, renames and unlinks work the same way: they are
 * sure only after their directory was synced.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim_counts.h"
#include "sim_random.h"

#include <dgraft/fs.h>

#define SIM_DISK_FILES_MAX  512 /* inodes alive or forgotten, and names, at once */
#define SIM_DISK_OPEN_MAX   64
#define SIM_DISK_PATH_BYTES 96
#define SIM_DISK_NAMES_MAX  512 /* changes of names not yet synced */

/* How often an operation misbehaves, per million. */
struct sim_disk_rates {
    uint32_t short_read;
    uint32_t short_write;
    uint32_t eintr;
    uint32_t block_bytes;    /* what survives a crash as a whole: 512 or 4096 */
    uint32_t names_in_order; /* per million crashes: lost changes of names are the newest ones, not any */
};

/* Called after each sync that succeeded, with the bytes of the file and the range written since the sync before. */
typedef void sim_disk_synced(void *context, const char *path, const uint8_t *bytes, uint64_t size, uint64_t begin,
                             uint64_t end);

/* Called for each name that is sure from now on, with what the disk holds of its file. */
typedef void sim_disk_named(void *context, const char *path, const uint8_t *bytes, uint64_t size);

struct sim_inode {
    bool used;
    bool directory;
    bool locked;
    uint32_t handles;
    uint8_t *now;   /* what a reader sees */
    uint8_t *disk;  /* what the disk holds */
    uint8_t *dirty; /* one for each sector of 512 bytes */
    uint64_t capacity;
    uint64_t now_size;
    uint64_t disk_size;
    uint64_t dirty_begin; /* range written since the last sync; begin >= end: none */
    uint64_t dirty_end;
    uint64_t unsure_begin; /* the same, but a sync that fails does not end it */
    uint64_t unsure_end;
    uint64_t synced_end; /* up to here it was written and synced at some time */
    bool sync_failed;
};

struct sim_name {
    char path[SIM_DISK_PATH_BYTES]; /* empty: free */
    int now;                        /* inode; -1 none */
    int disk;
};

/* A change of names that its directory's sync has not made sure yet. */
struct sim_name_change {
    int path;
    int to;    /* a rename's target; -1 otherwise */
    int inode; /* what `path` (or `to`) names from now on; -1: nothing */
};

struct sim_handle {
    bool used;
    bool writes;
    bool locks;
    int inode;
    int name;
};

struct sim_disk {
    struct dgraft_fs fs; /* what storage is given */
    struct sim_random random;
    struct sim_disk_rates rates;
    struct sim_counts *counts;
    sim_disk_synced *synced; /* optional */
    sim_disk_named *named;   /* optional: by a sync of the directory */
    void *context;
    uint64_t room;          /* bytes by which files may still grow; UINT64_MAX: no bound */
    uint64_t crash_in;      /* power fails within the so-manieth operation from now that changes something; 0 never */
    uint32_t failing_syncs; /* the next so many syncs fail, and drop what they should have written */
    uint32_t sync_failures_seen; /* how many did, since its owner set it to 0 */
    uint32_t full_seen;          /* writes and new files refused for want of room, likewise */
    bool crashed;                /* every operation fails until sim_disk_power_on */
    uint64_t operations;
    struct sim_inode inodes[SIM_DISK_FILES_MAX];
    struct sim_name names[SIM_DISK_FILES_MAX];
    struct sim_name_change changes[SIM_DISK_NAMES_MAX];
    uint32_t change_count;
    struct sim_handle handles[SIM_DISK_OPEN_MAX];
};

/* Returns an empty disk without faults; NULL when there is no memory. counts is borrowed until close. */
struct sim_disk *sim_disk_open(uint64_t seed, struct sim_counts *counts);
void sim_disk_close(struct sim_disk *disk);

/* Power is gone: from now on every operation fails and changes nothing. */
void sim_disk_power_off(struct sim_disk *disk);

/* Decides what of the unsynced survived, forgets all open files and goes on. */
void sim_disk_power_on(struct sim_disk *disk);

/* Visits each file that was written since its last good sync, with the range written. */
typedef void sim_disk_unsynced(void *context, const char *path, const uint8_t *bytes, uint64_t size, uint64_t begin,
                               uint64_t end);
void sim_disk_each_unsynced(struct sim_disk *disk, sim_disk_unsynced *visit, void *context);

/* Visits each name that a crash leaves, with what the disk holds of its file. */
void sim_disk_each_named(const struct sim_disk *disk, sim_disk_named *visit, void *context);

/* Flips a bit of a file at an offset, for readers and on the disk: it has rotted. Does nothing when there is no such.
 */
void sim_disk_rot(struct sim_disk *disk, const char *path, uint64_t offset, uint32_t bit);

/* Returns the bytes that a reader of this file sees and their size; NULL when there is no such file. */
const uint8_t *sim_disk_peek(const struct sim_disk *disk, const char *path, uint64_t *size);

/* Returns up to where such a file was ever synced: what is behind may be what a crash made of it. 0: no such file. */
uint64_t sim_disk_synced_end(const struct sim_disk *disk, const char *path);

/* The process is gone, the machine is not: open files are closed, the page cache stays. */
void sim_disk_kill(struct sim_disk *disk);

#endif
