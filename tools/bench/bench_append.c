/* Appending: storage, and the raw pattern beside it. */
#include "bench_storage.h"

#include "bench_cluster.h"
#include "bench_histogram.h"
#include "bench_records.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BATCH_HEAD_BYTES 128u /* as storage's */
#define SEGMENT_BYTES    (UINT64_C(8) << 20)
#define PREPARED_MOST    (UINT64_C(256) << 20)
#define BATCHES_PER_S    20000u /* at most, for how much room is prepared */
#define ZEROS_BYTES      (1u << 20)
#define WARM_SHARE       4u /* a quarter of the time is for warming up */
#define SPARE_LOOKS_NS   100000
#define STORE_NUMBER     UINT64_C(0x73746f7265)
#define MEASURED_NODE    1u

/* What both sides share of one measurement. */
struct append {
    const struct bench_append_point *point;
    uint64_t prepared_bytes; /* of zeros, to be written over */
    uint64_t measure_ns;
    uint64_t spent_ns; /* in batches of the window */
    uint64_t commands;
    struct bench_histogram latencies;
    struct bench_records records;
};

struct spare_maker {
    struct dgraft_storage *storage;
    pthread_t thread;
    atomic_bool ends;
};

static bool failed(struct dgraft_why *why, const char *doing, int error)
{
    (void)snprintf(why->text, sizeof why->text, "%s: %s", doing, strerror(error));
    return false;
}

/* Takes one batch into account. Returns whether the window is over. */
static bool count(struct append *append, uint64_t took_ns)
{
    append->spent_ns += took_ns;
    append->commands += append->point->batch;
    bench_histogram_add(&append->latencies, took_ns);
    return append->spent_ns >= append->measure_ns;
}

static void begin_window(struct append *append)
{
    append->spent_ns = 0;
    append->commands = 0;
    bench_histogram_clear(&append->latencies);
}

/* Has the next segment made ready beside the log, as a node's helper does. */
static void *make_spares(void *context)
{
    struct spare_maker *maker = context;
    const struct timespec pause = {.tv_nsec = SPARE_LOOKS_NS};
    while (!atomic_load(&maker->ends)) {
        if (dgraft_storage_wants_spare(maker->storage)) {
            dgraft_storage_spare(maker->storage);
        }
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool store_batch(struct append *append, struct dgraft_storage *storage, uint64_t *took_ns,
                        struct dgraft_why *why)
{
    struct dgraft_storage_write write;
    bench_records_next(&append->records, append->point->batch, &write);
    const uint64_t begun = bench_now_ns();
    if (dgraft_storage_prepare(storage, &write) != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "storage refuses a batch");
        return false;
    }
    dgraft_storage_perform(storage);
    const bool done = dgraft_storage_complete(storage, why) == DGRAFT_OK;
    *took_ns = bench_now_ns() - begun;
    return done;
}

static bool store_window(struct append *append, struct dgraft_storage *storage, struct bench_append_sample *sample,
                         struct dgraft_why *why)
{
    struct dgraft_storage_stats before;
    struct dgraft_storage_stats after;
    const uint64_t batch_bytes = BATCH_HEAD_BYTES + append->records.record_bytes * append->point->batch;
    const uint64_t batches = append->prepared_bytes / batch_bytes;
    uint64_t done = 0;
    uint64_t took_ns = 0;
    for (; append->spent_ns < append->measure_ns / WARM_SHARE && done < batches / WARM_SHARE; done++) {
        if (!store_batch(append, storage, &took_ns, why)) {
            return false;
        }
        append->spent_ns += took_ns;
    }
    begin_window(append);
    dgraft_storage_stats(storage, &before);
    for (bool over = false; !over && done < batches; done++) {
        if (!store_batch(append, storage, &took_ns, why)) {
            return false;
        }
        over = count(append, took_ns);
    }
    dgraft_storage_stats(storage, &after);
    const double payload = (double)append->commands * append->point->bytes;
    sample->syncs_per_command = (double)(after.syncs - before.syncs) / (double)append->commands;
    sample->bytes_per_payload_byte = (double)(after.bytes_written - before.bytes_written) / payload;
    return true;
}

static bool append_store(struct append *append, const char *path, struct bench_append_sample *sample,
                         struct dgraft_why *why)
{
    const struct dgraft_identity identity = {
        .cluster = STORE_NUMBER, .store = STORE_NUMBER, .node = MEASURED_NODE, .cluster_name = "bench"};
    const struct dgraft_storage_options options = {.segment_bytes = SEGMENT_BYTES,
                                                   .spares = (uint32_t)(append->prepared_bytes / SEGMENT_BYTES) + 2};
    struct spare_maker maker = {.storage = NULL};
    if (dgraft_storage_format(dgraft_fs_posix(), path, &identity, NULL, 0, why) != DGRAFT_OK ||
        dgraft_storage_open(dgraft_fs_posix(), path, &options, &maker.storage, why) != DGRAFT_OK) {
        return false;
    }
    dgraft_storage_spare(maker.storage);
    while (dgraft_storage_fill(maker.storage)) {
    }
    const int error = pthread_create(&maker.thread, NULL, make_spares, &maker);
    bool done = error == 0 ? store_window(append, maker.storage, sample, why) : failed(why, "a thread", error);
    if (error == 0) {
        atomic_store(&maker.ends, true);
        (void)pthread_join(maker.thread, NULL);
    }
    struct dgraft_why unheard;
    return dgraft_storage_close(maker.storage, done ? why : &unheard) == DGRAFT_OK && done;
}

static bool write_zeros(int file, uint64_t bytes)
{
    uint8_t *zeros = calloc(1, ZEROS_BYTES);
    bool done = zeros != NULL;
    for (uint64_t at = 0; at < bytes && done; at += ZEROS_BYTES) {
        done = pwrite(file, zeros, ZEROS_BYTES, (off_t)at) == (ssize_t)ZEROS_BYTES;
    }
    free(zeros);
    return done && fsync(file) == 0;
}

static bool raw_batch(struct append *append, int file, uint64_t offset, uint64_t *took_ns)
{
    uint8_t head[BATCH_HEAD_BYTES] = {1};
    struct dgraft_storage_write write;
    bench_records_next(&append->records, append->point->batch, &write);
    const struct iovec pieces[2] = {{head, sizeof head}, write.records[0]};
    const uint64_t begun = bench_now_ns();
    const ssize_t got = pwritev(file, pieces, 2, (off_t)offset);
    const bool done = got == (ssize_t)(sizeof head + write.records[0].iov_len) && fdatasync(file) == 0;
    *took_ns = bench_now_ns() - begun;
    return done;
}

static bool append_raw(struct append *append, const char *path, struct bench_append_sample *sample,
                       struct dgraft_why *why)
{
    const uint64_t batch_bytes = BATCH_HEAD_BYTES + append->records.record_bytes * append->point->batch;
    const uint64_t batches = append->prepared_bytes / batch_bytes;
    uint64_t done = 0;
    uint64_t took_ns = 0;
    const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = file >= 0 && write_zeros(file, append->prepared_bytes + SEGMENT_BYTES);
    for (; good && append->spent_ns < append->measure_ns / WARM_SHARE && done < batches / WARM_SHARE; done++) {
        good = raw_batch(append, file, done * batch_bytes, &took_ns);
        append->spent_ns += took_ns;
    }
    begin_window(append);
    for (bool over = false; good && !over && done < batches; done++) {
        good = raw_batch(append, file, done * batch_bytes, &took_ns);
        over = count(append, took_ns);
    }
    const int error = errno;
    if (file >= 0) {
        (void)close(file);
    }
    sample->syncs_per_command = 1.0 / (double)append->point->batch;
    sample->bytes_per_payload_byte = (double)batch_bytes / ((double)append->point->bytes * append->point->batch);
    return good || failed(why, "the raw file", error);
}

bool bench_append_measure(enum bench_append_side side, const char *directory, const struct bench_append_point *point,
                          uint64_t measure_ns, struct bench_append_sample *sample, struct dgraft_why *why)
{
    char path[BENCH_PATH_MAX];
    struct append append = {.point = point, .measure_ns = measure_ns};
    *sample = (struct bench_append_sample){.commands_per_s = 0};
    if (!bench_records_init(&append.records, point->batch, point->bytes)) {
        return failed(why, "records", ENOMEM);
    }
    const double wanted = (double)measure_ns / 1e9 * BATCHES_PER_S *
                          (double)(BATCH_HEAD_BYTES + append.records.record_bytes * point->batch);
    const uint64_t most = wanted < (double)PREPARED_MOST ? (uint64_t)wanted : PREPARED_MOST;
    append.prepared_bytes = (most / SEGMENT_BYTES + 1) * SEGMENT_BYTES;
    (void)snprintf(path, sizeof path, "%s/%s", directory, side == BENCH_APPEND_STORE ? "store" : "raw");
    const bool done =
        side == BENCH_APPEND_STORE ? append_store(&append, path, sample, why) : append_raw(&append, path, sample, why);
    if (side == BENCH_APPEND_STORE) {
        bench_directory_remove(path);
    } else {
        (void)unlink(path);
    }
    sample->commands_per_s = append.spent_ns > 0 ? (double)append.commands * 1e9 / (double)append.spent_ns : 0.0;
    sample->p50_ns = bench_histogram_percentile(&append.latencies, 50.0);
    sample->p99_ns = bench_histogram_percentile(&append.latencies, 99.0);
    bench_records_free(&append.records);
    return done;
}
