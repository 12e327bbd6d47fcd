/* Whoever inspects and walks a directory while its node writes, makes snapshots and drops the log before them finds no
 * fault in it, and does nothing to it: one thread writes, the other looks, through a file system that can only read.
 */
#include "plain_check.h"

#include <dgraft/log_walk.h>
#include <dgraft/node.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 1000, BATCH = 8, SNAPSHOT_EVERY = 5, BATCHES = 600, LOOKS = 200 };

static char base[] = "walk-beside-XXXXXX";
static char directory[64];
static atomic_bool stopping;
static atomic_uint looks;
static atomic_uint dropped_while_looking;

/* A file system without a way to change anything: a call of what is missing ends the process. */
static struct dgraft_fs *readers_fs(void)
{
    static struct dgraft_fs_ops ops;
    static struct dgraft_fs fs = {&ops};
    const struct dgraft_fs_ops *posix = dgraft_fs_posix()->ops;
    ops = (struct dgraft_fs_ops){.open = posix->open,
                                 .close = posix->close,
                                 .pread = posix->pread,
                                 .size = posix->size,
                                 .locked = posix->locked,
                                 .list = posix->list};
    return &fs;
}

static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *text, const char *remedy)
{
    (void)context;
    CHECK(severity == DGRAFT_SEVERITY_NOTE, "%s at %llu: %s (%s)", path, (unsigned long long)offset, text, remedy);
}

/* Every entry is the one that was written at its index; what is gone was dropped. */
static void look(void)
{
    const struct dgraft_inspect_visitor visitor = {.finding = on_finding};
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    struct dgraft_walk *walk;
    struct dgraft_why why = {""};
    CHECK(dgraft_walk_open(readers_fs(), directory, &visitor, &summary, &walk, &why) == DGRAFT_OK, "%s", why.text);
    CHECK(summary.running, "the lock is not seen");
    do {
        CHECK(dgraft_walk_next(walk, &step, &why) == DGRAFT_OK, "%s", why.text);
        CHECK(step.what != DGRAFT_WALKED_DAMAGED && step.what != DGRAFT_WALKED_UNKNOWN, "from %llu on",
              (unsigned long long)step.first);
        CHECK(step.what != DGRAFT_WALKED_ENTRY || step.first == 1 ||
                  step.record.payload[0] == (uint8_t)(step.first * 37),
              "entry %llu", (unsigned long long)step.first);
        atomic_fetch_add(&dropped_while_looking, step.what == DGRAFT_WALKED_GONE ? 1u : 0u);
    } while (step.what != DGRAFT_WALKED_END);
    dgraft_walk_close(walk);
}

static void *look_often(void *unused)
{
    (void)unused;
    while (!atomic_load(&stopping)) {
        look();
        atomic_fetch_add(&looks, 1);
    }
    return NULL;
}

static void write_batch(struct dgraft_storage *storage, dgraft_index keep)
{
    static uint8_t bytes[BATCH * (DGRAFT_RECORD_HEADER_BYTES + PAYLOAD_BYTES)];
    struct dgraft_entry entries[BATCH];
    struct dgraft_why why = {""};
    uint8_t *at = bytes;
    for (dgraft_index i = 0; i < BATCH; i++) {
        uint8_t *payload = at + DGRAFT_RECORD_HEADER_BYTES;
        memset(payload, (int)(uint8_t)((keep + 1 + i) * 37), PAYLOAD_BYTES);
        entries[i] = (struct dgraft_entry){.index = keep + 1 + i,
                                           .term = 1,
                                           .payload_bytes = PAYLOAD_BYTES,
                                           .checksum = dgraft_crc32c(0, payload, PAYLOAD_BYTES),
                                           .kind = DGRAFT_ENTRY_COMMAND};
        dgraft_record_encode_header(&(struct dgraft_record){.entry = entries[i]}, at);
        at += DGRAFT_RECORD_HEADER_BYTES + PAYLOAD_BYTES;
    }
    const struct iovec piece = {bytes, sizeof bytes};
    const struct dgraft_storage_write write = {.log = true,
                                               .keep = keep,
                                               .first = keep + 1,
                                               .count = BATCH,
                                               .last = {keep + BATCH, 1},
                                               .records = &piece,
                                               .record_pieces = 1,
                                               .commit = keep,
                                               .membership = 1,
                                               .entries = entries};
    CHECK(dgraft_storage_prepare(storage, &write) == DGRAFT_OK, "prepare");
    dgraft_storage_perform(storage);
    CHECK(dgraft_storage_complete(storage, &why) == DGRAFT_OK, "%s", why.text);
}

static void make_snapshot(struct dgraft_storage *storage, dgraft_index index)
{
    static const uint8_t bytes[5000] = "a state";
    const struct dgraft_snapshot snapshot = {{index, 1}, sizeof bytes, dgraft_snapshot_digest(bytes, sizeof bytes)};
    struct dgraft_why why = {""};
    bool done = false;
    bool well = dgraft_storage_snapshot_begin(storage, DGRAFT_SNAPSHOT_OWN, &snapshot, 4096, &why) == DGRAFT_OK &&
                dgraft_storage_snapshot_write(storage, DGRAFT_SNAPSHOT_OWN, 0, bytes, sizeof bytes, &why) == DGRAFT_OK;
    while (well && !done) {
        well = dgraft_storage_snapshot_check(storage, DGRAFT_SNAPSHOT_OWN, &done, &why) == DGRAFT_OK;
    }
    well = well && dgraft_storage_snapshot_publish(storage, DGRAFT_SNAPSHOT_OWN, &why) == DGRAFT_OK;
    CHECK(well, "%s", why.text);
    dgraft_storage_snapshot_adopt(storage, DGRAFT_SNAPSHOT_OWN);
    dgraft_storage_forget(storage, index);
    while (dgraft_storage_drop(storage)) {
    }
}

int main(void)
{
    const struct dgraft_storage_options options = {.segment_bytes = 24576};
    struct dgraft_storage *storage = NULL;
    struct dgraft_storage_stats stats;
    struct dgraft_why why = {""};
    pthread_t looker;
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    (void)snprintf(directory, sizeof directory, "%s/1", base);
    CHECK(dgraft_node_format(directory, "beside", 1, "1=127.0.0.1:7001", &why) == DGRAFT_OK, "%s", why.text);
    CHECK(dgraft_storage_open(dgraft_fs_posix(), directory, &options, &storage, &why) == DGRAFT_OK, "%s", why.text);
    CHECK(pthread_create(&looker, NULL, look_often, NULL) == 0, "pthread_create");
    dgraft_index last = 1;
    for (unsigned batches = 1; batches < BATCHES || atomic_load(&looks) < LOOKS; batches++) {
        write_batch(storage, last);
        last += BATCH;
        if (batches % SNAPSHOT_EVERY == 0) {
            make_snapshot(storage, last - BATCH / 2);
        }
    }
    atomic_store(&stopping, true);
    CHECK(pthread_join(looker, NULL) == 0, "pthread_join");
    dgraft_storage_stats(storage, &stats);
    CHECK(stats.segments_dropped > 0, "nothing was dropped");
    CHECK(dgraft_storage_close(storage, &why) == DGRAFT_OK, "%s", why.text);
    printf("%u looks beside %llu entries and %llu segments dropped, of which %u were seen to go\n", atomic_load(&looks),
           (unsigned long long)last, (unsigned long long)stats.segments_dropped, atomic_load(&dropped_while_looking));
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    CHECK(system(command) == 0, "%s", command);
    return 0;
}
