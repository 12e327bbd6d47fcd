/* A file system in memory that can do what disks do: fail, fill up, be interrupted, do less than asked, and crash so
 * that any subset of the sectors, sizes and names that were not synced has reached the disk.
 */
#ifndef MEMORY_FS_H
#define MEMORY_FS_H

#include <dgraft/fs.h>

enum { MEMORY_SECTOR_BYTES = 512, MEMORY_PATH_BYTES = 96 };

struct memory_fs;

struct memory_fs *memory_fs_new(void);
void memory_fs_free(struct memory_fs *memory);

/* Makes it as if new, but keeps the memory of its files: for who needs thousands a second. */
void memory_fs_clear(struct memory_fs *memory);
struct dgraft_fs *memory_fs_seam(struct memory_fs *memory);

/* Calls of the seam made so far. */
uint64_t memory_fs_calls(const struct memory_fs *memory);

/* The call of this number (from 1) fails with -error; with `for_ever` all later ones as well. 0: none. A failing sync
 * drops its pages: they can still be read, but will never be on the disk. */
void memory_fs_fail_at(struct memory_fs *memory, uint64_t call, int error, bool for_ever);

/* The call of this number, a read or a write, does at most so many bytes. 0: none. */
void memory_fs_cut_at(struct memory_fs *memory, uint64_t call, uint64_t bytes);

/* Which calls it was that failed, or were cut, since fail_at, cut_at or room was called: "write" of "node/state", for
 * example; "sync shortened" of a file that was truncated. The first CALLS_MOST of them. */
enum { MEMORY_CALLS_MOST = 64 };
struct memory_fs_call {
    const char *call;
    char path[MEMORY_PATH_BYTES];
};
const struct memory_fs_call *memory_fs_failed(const struct memory_fs *memory, size_t *count);

/* Files that are open. */
int memory_fs_open_files(const struct memory_fs *memory);

/* The power fails during the call of this number: it has its effect on memory, and every later call fails. */
void memory_fs_power_off_at(struct memory_fs *memory, uint64_t call);

/* Reads and writes do 1 to n bytes, and every call may be interrupted. 0: off. */
void memory_fs_short(struct memory_fs *memory, uint64_t seed);

/* Bytes that all files together may take; UINT64_MAX: any. */
void memory_fs_room(struct memory_fs *memory, uint64_t bytes);

/* Bytes that all files together take. */
uint64_t memory_fs_used(const struct memory_fs *memory);

/* How many sectors, sizes and names have not been synced. */
size_t memory_fs_uncertain(const struct memory_fs *memory);

/* Returns what is there after a crash: `kept` is asked about each uncertain thing, in a fixed order. */
struct memory_fs *memory_fs_crash(const struct memory_fs *memory, bool (*kept)(void *context, size_t which),
                                  void *context);

/* The same, where a sector that was written several times since its last sync may be left as each of those writes left
 * it, and a write that changed nothing leaves no doubt: `ways` gets, for each uncertain thing in that order, how many
 * ways there are (1 to 255); a crash is made of a number below that for each, 0 as on the disk, the last as it is now.
 * Returns how many there are; at most `most` are stored. */
size_t memory_fs_ways(const struct memory_fs *memory, uint8_t *ways, size_t most);
struct memory_fs *memory_fs_crash_as(const struct memory_fs *memory, const uint8_t *taken);

/* Returns a copy as it is now, everything synced. */
struct memory_fs *memory_fs_copy(const struct memory_fs *memory);

/* The bytes of a file, to look at and to damage; NULL when it is not there. Valid until the next call of the seam. */
uint8_t *memory_fs_bytes(struct memory_fs *memory, const char *path, uint64_t *size);

/* Makes a file of these bytes, synced; and its directory. */
void memory_fs_put(struct memory_fs *memory, const char *directory, const char *path, const uint8_t *bytes,
                   size_t size);

/* A number that depends on every name and byte. */
uint64_t memory_fs_hash(const struct memory_fs *memory);

#endif
