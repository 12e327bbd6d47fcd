#include "inspect_follow.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 200, SEQUENCES_MAX = 64, PATH_BYTES = 4096 };

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static void on_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    struct inspect_follow *follow = context;
    follow->wanted = false;
    if (batch->refusal != DGRAFT_ACCEPT || batch->number <= follow->number) {
        return;
    }
    follow->number = batch->number;
    if (follow->quiet || !inspect_wants_batch(follow->options, batch)) {
        return;
    }
    follow->wanted = true;
    follow->shown++;
    follow->last = batch->count == 0 ? batch->keep : batch->first + batch->count - 1;
    if (follow->json) {
        inspect_json_batch(follow->stream, path, batch);
    } else {
        inspect_text_batch(follow->stream, path, batch);
    }
}

static void on_record(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                      enum dgraft_refusal refusal)
{
    struct inspect_follow *follow = context;
    if (!follow->wanted || !inspect_wants_record(follow->options, record)) {
        return;
    }
    if (follow->json) {
        inspect_json_record(follow->stream, follow->options, path, offset, record, refusal);
    } else {
        inspect_text_record(follow->stream, follow->options, record, refusal);
    }
}

/* The sequences of a directory's segments from one on, ascending, as many as there is room for. */
struct sequences {
    uint64_t from;
    uint64_t items[SEQUENCES_MAX];
    unsigned count;
};

static int note_name(void *context, const char *name)
{
    struct sequences *sequences = context;
    char *end = NULL;
    if (strncmp(name, "log-", 4) != 0 || strspn(name + 4, "0123456789") != 16 || name[20] != '\0') {
        return 0;
    }
    const uint64_t sequence = strtoull(name + 4, &end, 10);
    if (sequence < sequences->from) {
        return 0;
    }
    unsigned at = sequences->count < SEQUENCES_MAX ? sequences->count++ : SEQUENCES_MAX;
    while (at > 0 && sequences->items[at - 1] > sequence) { /* the lowest are kept: the others have their turn later */
        if (at < SEQUENCES_MAX) {
            sequences->items[at] = sequences->items[at - 1];
        }
        at--;
    }
    if (at < SEQUENCES_MAX) {
        sequences->items[at] = sequence;
    }
    return 0;
}

enum dgraft_status inspect_follow_poll(struct inspect_follow *follow, struct dgraft_why *why)
{
    struct sequences sequences = {.from = follow->sequence};
    const bool records = follow->options->rows == INSPECT_ROWS_ALL;
    const struct dgraft_inspect_visitor visitor = {
        .context = follow, .batch = on_batch, .record = records && !follow->quiet ? on_record : NULL};
    const int listed = follow->fs->ops->list(follow->fs, follow->path, note_name, &sequences);
    if (listed < 0) {
        (void)snprintf(why->text, sizeof(why->text), "%.250s: %s", follow->path, strerror(-listed));
        return DGRAFT_STATUS_NOT_FOUND;
    }
    for (unsigned i = 0; i < sequences.count; i++) {
        struct dgraft_inspect_summary summary;
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s/log-%016" PRIu64, follow->path, sequences.items[i]);
        const uint64_t before = follow->number;
        const enum dgraft_status status = dgraft_inspect(follow->fs, path, &visitor, &summary, why);
        if (status != DGRAFT_OK && status != DGRAFT_STATUS_NOT_FOUND) {
            return status;
        }
        if (follow->number > before) { /* what is older is finished */
            follow->sequence = sequences.items[i];
        }
    }
    (void)fflush(follow->stream);
    return DGRAFT_OK;
}

enum dgraft_status inspect_follow_begin(struct inspect_follow *follow, struct dgraft_why *why)
{
    struct sequences sequences = {.from = 0};
    const int listed = follow->fs->ops->list(follow->fs, follow->path, note_name, &sequences);
    if (listed < 0 || sequences.count == 0) {
        (void)snprintf(why->text, sizeof(why->text), "%.250s: %s", follow->path,
                       listed < 0 ? strerror(-listed) : "no node's directory: there is no segment of a log");
        return listed < 0 ? DGRAFT_STATUS_NOT_FOUND : DGRAFT_STATUS_DAMAGED;
    }
    uint64_t number;
    follow->quiet = true;
    follow->sequence = 0;
    follow->number = 0;
    do { /* of many segments, some at a time */
        number = follow->number;
        const enum dgraft_status status = inspect_follow_poll(follow, why);
        if (status != DGRAFT_OK) {
            return status;
        }
    } while (follow->number > number);
    follow->quiet = false;
    return DGRAFT_OK;
}

static bool say_end(struct inspect_follow *follow, enum dgraft_status status, const struct dgraft_why *why)
{
    char escaped[1024];
    char reason[2 * DGRAFT_WHY_BYTES];
    if (status != DGRAFT_OK) {
        (void)fprintf(stderr, "raftctl inspect: %s\n", cli_escape_text(why->text, reason, sizeof(reason)));
        return false;
    }
    if (follow->json) {
        return fflush(follow->stream) == 0;
    }
    (void)fprintf(follow->stream, "%s: followed; %" PRIu64 " batch%s shown",
                  cli_escape_text(follow->path, escaped, sizeof(escaped)), follow->shown,
                  follow->shown == 1 ? "" : "es");
    if (follow->shown > 0) {
        (void)fprintf(follow->stream, ", the newest of them ends with entry %" PRIu64, follow->last);
    }
    (void)fputs("\n", follow->stream);
    return fflush(follow->stream) == 0;
}

static uint64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool inspect_follow_run(struct inspect_follow *follow, uint64_t seconds)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    const uint64_t end_ms = seconds == 0 ? UINT64_MAX : now_ms() + seconds * 1000;
    struct dgraft_why why = {.text = ""};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    enum dgraft_status status = inspect_follow_begin(follow, &why);
    if (status == DGRAFT_OK && !follow->json) {
        inspect_text_batch_heading(follow->stream);
        (void)fflush(follow->stream);
    }
    while (status == DGRAFT_OK && ended == 0 && now_ms() < end_ms && ferror(follow->stream) == 0) {
        (void)nanosleep(&pause, NULL);
        status = inspect_follow_poll(follow, &why);
    }
    return say_end(follow, status, &why);
}
