#include "segment_pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written and synced at once: so long may a sync of the log that begins meanwhile have to wait. */
#define SLICE_BYTES (1024u * 1024)

enum { NAME_BYTES = 32, NUMBER_DIGITS = 16 };

static const char draft_name[] = "spare.new";

static void spare_name(uint64_t number, char name[NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, "spare-%016" PRIu64, number);
}

uint64_t dgraft_pool_number(const char *name)
{
    static const char prefix[] = "spare-";
    uint64_t number = 0;
    if (strcmp(name, draft_name) == 0) {
        return UINT64_MAX;
    }
    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || strlen(name) != sizeof prefix - 1 + NUMBER_DIGITS) {
        return 0;
    }
    for (const char *digit = name + sizeof prefix - 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(*digit - '0');
    }
    return number;
}

static bool add(struct dgraft_pool *pool, uint64_t number)
{
    if (pool->count == pool->capacity) {
        const size_t capacity = pool->capacity == 0 ? 16 : 2 * pool->capacity;
        uint64_t *larger = realloc(pool->numbers, capacity * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        pool->numbers = larger;
        pool->capacity = capacity;
    }
    pool->numbers[pool->count++] = number;
    return true;
}

static int list_name(void *context, const char *name)
{
    struct dgraft_pool *pool = context;
    const uint64_t number = dgraft_pool_number(name);
    if (number == UINT64_MAX) {
        pool->left_over = true;
        return 0;
    }
    if (number == 0) {
        return 0;
    }
    if (number >= pool->next_number) {
        pool->next_number = number + 1;
    }
    return add(pool, number) ? 0 : -ENOMEM;
}

int dgraft_pool_open(struct dgraft_pool *pool, struct dgraft_disk *disk, uint64_t segment_bytes, uint32_t wanted)
{
    int result;
    int tries = 0;
    *pool = (struct dgraft_pool){.disk = disk,
                                 .segment_bytes = segment_bytes,
                                 .wanted = wanted < DGRAFT_SPARES_MAX ? wanted : DGRAFT_SPARES_MAX,
                                 .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .next_number = 1,
                                 .draft = -1};
    do {
        pool->count = 0;
        result = disk->fs->ops->list(disk->fs, disk->directory, list_name, pool);
    } while (result == -EINTR && ++tries < 1000);
    return result;
}

void dgraft_pool_close(struct dgraft_pool *pool)
{
    if (pool->draft >= 0) {
        dgraft_disk_close(pool->disk, pool->draft);
        (void)dgraft_disk_unlink(pool->disk, draft_name);
        pool->draft = -1;
    }
    free(pool->numbers);
    pool->numbers = NULL;
    pool->count = 0;
    pool->capacity = 0;
}

/* Takes the newest number out, if there are more than `keep`. Returns 0 otherwise. */
static uint64_t pop(struct dgraft_pool *pool, size_t keep)
{
    uint64_t number = 0;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->count > keep) {
        number = pool->numbers[--pool->count];
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return number;
}

size_t dgraft_pool_count(const struct dgraft_pool *pool)
{
    return atomic_load(&pool->count);
}

bool dgraft_pool_lacks(const struct dgraft_pool *pool)
{
    return !atomic_load(&pool->given_up) && (pool->left_over || dgraft_pool_count(pool) != pool->wanted);
}

/* Ends an attempt: nothing of it stays, and there is no other before the next segment begins. */
static bool give_up(struct dgraft_pool *pool)
{
    if (pool->draft >= 0) {
        dgraft_disk_close(pool->disk, pool->draft);
        (void)dgraft_disk_unlink(pool->disk, draft_name);
        pool->draft = -1;
    }
    atomic_store(&pool->given_up, true);
    return false;
}

/* The draft is whole and durable: its name may say so. */
static bool finish(struct dgraft_pool *pool)
{
    char name[NAME_BYTES];
    spare_name(pool->next_number, name);
    dgraft_disk_close(pool->disk, pool->draft);
    pool->draft = -1;
    if (dgraft_disk_rename(pool->disk, draft_name, name) != 0) {
        pool->left_over = true;
        return give_up(pool);
    }
    (void)pthread_mutex_lock(&pool->lock);
    const bool added = add(pool, pool->next_number);
    (void)pthread_mutex_unlock(&pool->lock);
    pool->next_number++;
    return added ? dgraft_pool_lacks(pool) : give_up(pool);
}

bool dgraft_pool_fill(struct dgraft_pool *pool)
{
    char name[NAME_BYTES];
    if (!dgraft_pool_lacks(pool)) {
        return false;
    }
    if (pool->left_over) {
        /* Never written to again: unlinking is harmless even if a crash left the file a second name. */
        const int removed = dgraft_disk_unlink(pool->disk, draft_name);
        pool->left_over = false;
        return removed != 0 && removed != -ENOENT ? give_up(pool) : dgraft_pool_lacks(pool);
    }
    const uint64_t surplus = pop(pool, pool->wanted);
    if (surplus != 0) {
        spare_name(surplus, name);
        return dgraft_disk_unlink(pool->disk, name) != 0 ? give_up(pool) : dgraft_pool_lacks(pool);
    }
    if (pool->draft < 0) {
        pool->draft = dgraft_disk_open(pool->disk, draft_name, DGRAFT_FS_CREATE);
        pool->filled = 0;
        if (pool->draft < 0) {
            return give_up(pool);
        }
    }
    const uint64_t left = pool->segment_bytes - pool->filled;
    const uint64_t end = pool->filled + (left < SLICE_BYTES ? left : SLICE_BYTES);
    if (dgraft_disk_zero(pool->disk, pool->draft, pool->filled, end) != 0 ||
        dgraft_disk_sync(pool->disk, pool->draft) != 0) {
        return give_up(pool);
    }
    pool->filled = end;
    return pool->filled < pool->segment_bytes ? true : finish(pool);
}

int dgraft_pool_probe(struct dgraft_pool *pool, uint64_t bytes)
{
    struct dgraft_disk *disk = pool->disk;
    const int file = dgraft_disk_open(disk, draft_name, DGRAFT_FS_CREATE);
    int result = file;
    if (result >= 0) {
        result = dgraft_disk_zero(disk, file, 0, bytes);
    }
    if (result >= 0) { /* what says yes to a write may still say no to its sync */
        result = dgraft_disk_sync(disk, file);
    }
    dgraft_disk_close(disk, file);
    if (file >= 0 || file == -EEXIST) { /* one that was being filled stays behind, and takes room */
        (void)dgraft_disk_unlink(disk, draft_name);
    }
    return result < 0 ? result : 0;
}

int dgraft_pool_take(struct dgraft_pool *pool, const char *name)
{
    char spare[NAME_BYTES];
    atomic_store(&pool->given_up, false);
    for (uint64_t number = pop(pool, 0); number != 0; number = pop(pool, 0)) {
        spare_name(number, spare);
        const int file = dgraft_disk_open(pool->disk, spare, DGRAFT_FS_WRITE);
        if (file == -ENOENT) {
            continue; /* somebody removed it: no harm */
        }
        if (file < 0) {
            return file;
        }
        const int64_t size = dgraft_disk_size(pool->disk, file);
        if (size != (int64_t)pool->segment_bytes) {
            /* Made when segments had another size. */
            dgraft_disk_close(pool->disk, file);
            (void)dgraft_disk_unlink(pool->disk, spare);
            continue;
        }
        const int renamed = dgraft_disk_rename(pool->disk, spare, name);
        if (renamed != 0) {
            dgraft_disk_close(pool->disk, file);
            return renamed;
        }
        return file;
    }
    return -ENOENT;
}
