/* Replay: from the oldest image that is there, every event through a core of this build, and everything that it does
 * compared with what was recorded. */
#include "flight_replay.h"
#include "flight_codec.h"
#include "flight_reader.h"

#include <dgraft/record.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum go_on { GO_ON = 1, STOP, NO_MEMORY_LEFT };

__attribute__((format(printf, 3, 4))) static void find(struct replay *replay, enum dgraft_severity severity,
                                                       const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    replay->summary->notes += severity == DGRAFT_SEVERITY_NOTE;
    replay->summary->damages += severity == DGRAFT_SEVERITY_DAMAGE;
    if (replay->visitor->finding != NULL) {
        replay->visitor->finding(replay->visitor->context, replay->number, severity, text);
    }
}

static enum go_on stop_at(struct replay *replay, enum dgraft_flight_end end)
{
    replay->summary->end = end;
    return STOP;
}

/* Gets memory for a core of this config. */
static bool make_room(struct replay *replay, const struct dgraft_config *config)
{
    free(replay->core_memory);
    free(replay->image);
    free(replay->actions_memory);
    replay->core_bytes = dgraft_core_size(config);
    replay->core_memory = calloc(1, replay->core_bytes);
    replay->image = calloc(1, replay->core_bytes);
    replay->actions_memory = calloc(1, dgraft_actions_size(config));
    replay->core = NULL;
    return replay->core_memory != NULL && replay->image != NULL && replay->actions_memory != NULL;
}

/* Reads the block's image into `replay->image`. */
static bool read_image(struct replay *replay)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    const uint64_t end = (uint64_t)FLIGHT_BLOCK_HEADER_BYTES + header->image_bytes;
    return end <= replay->reader.block_bytes &&
           dgraft_flight_image_decode(replay->reader.block + FLIGHT_BLOCK_HEADER_BYTES, header->image_bytes,
                                      replay->image, replay->core_bytes) &&
           dgraft_flight_state_hash(replay->image, replay->core_bytes) == header->state_hash;
}

static bool begins_with_start(const struct replay *replay)
{
    const struct flight_reader *reader = &replay->reader;
    const uint32_t begin = flight_records_begin(reader->block_header.image_bytes);
    const uint8_t *at = reader->block + begin;
    size_t body_bytes = 0;
    if (begin >= reader->block_bytes) {
        return false;
    }
    const uint8_t *body = dgraft_flight_record_open(&at, reader->block + reader->block_bytes, reader->block,
                                                    reader->block_header.number, &body_bytes);
    return body != NULL && body_bytes > 1 && body[0] == FLIGHT_RECORD_EVENT && body[1] == DGRAFT_EVENT_START;
}

/* Makes a core of the block's image; NULL when that is damaged. */
static struct dgraft_core *core_of_image(struct replay *replay)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    const bool readable = read_image(replay);
    memcpy(replay->core_memory, replay->image, replay->core_bytes);
    struct dgraft_core *core = readable ? dgraft_core_adopt(replay->core_memory, &header->config) : NULL;
    if (core == NULL) {
        find(replay, DGRAFT_SEVERITY_DAMAGE, "block %llu: the image of the core before event %llu %s",
             (unsigned long long)header->number, (unsigned long long)header->first,
             readable ? "is none that a core can be in" : "is damaged");
    }
    return core;
}

/* Makes a core for a stretch; NULL when that cannot be done, and why was found. What begins with START needs no image.
 */
static struct dgraft_core *make_core(struct replay *replay)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    struct dgraft_core *core = replay->same_core ? core_of_image(replay) : NULL;
    if (core == NULL && begins_with_start(replay)) {
        return dgraft_core_init(replay->core_memory, &header->config);
    }
    if (!replay->same_core) {
        find(
            replay, DGRAFT_SEVERITY_NOTE,
            "from event %llu on this was recorded by dgraft %.23s, whose core is not laid out like this one's, and the "
            "node's START is no longer there: replay it with a raftctl of that build",
            (unsigned long long)header->first, header->version);
        replay->others++;
    }
    return core;
}

/* Begins a stretch with the state that the block says. */
static enum go_on begin_stretch(struct replay *replay)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    replay->core = NULL;
    replay->number = header->first - 1;
    if (header->start != replay->start) {
        replay->summary->starts++;
    }
    replay->start = header->start;
    if (dgraft_config_check(&header->config, NULL) != DGRAFT_OK ||
        (header->fingerprint == replay->fingerprint && header->core_bytes != dgraft_core_size(&header->config))) {
        find(replay, DGRAFT_SEVERITY_DAMAGE, "block %llu: its configuration is none",
             (unsigned long long)header->number);
        return GO_ON;
    }
    replay->same_core = header->fingerprint == replay->fingerprint;
    if (!make_room(replay, &header->config)) {
        return NO_MEMORY_LEFT;
    }
    replay->actions = dgraft_actions_init(replay->actions_memory, &header->config);
    replay->core = make_core(replay);
    replay->chain = header->chain;
    const struct dgraft_flight_stretch stretch = {.start = header->start,
                                                  .first = header->first,
                                                  .lost = header->lost,
                                                  .now_ns = header->now_ns,
                                                  .wall_clock_ns = header->wall_clock_ns,
                                                  .version = header->version,
                                                  .same_core = replay->same_core,
                                                  .config = header->config};
    if (replay->core != NULL && replay->visitor->stretch != NULL) {
        replay->visitor->stretch(replay->visitor->context, &stretch);
    }
    return GO_ON;
}

/* A block that goes on where the last one ended holds the state that the core must now have. */
static enum go_on compare_state(struct replay *replay)
{
    if (!replay->same_core) {
        return GO_ON;
    }
    if (!read_image(replay)) {
        find(replay, DGRAFT_SEVERITY_DAMAGE, "block %llu: the image of the core after event %llu is damaged",
             (unsigned long long)replay->reader.block_header.number, (unsigned long long)replay->number);
        return GO_ON;
    }
    if (memcmp(replay->core_memory, replay->image, replay->core_bytes) == 0) {
        return GO_ON;
    }
    dgraft_flight_tell_state(replay);
    return stop_at(replay, DGRAFT_FLIGHT_DIFFERENCE);
}

static enum go_on step(struct replay *replay, const uint8_t *bytes, size_t size)
{
    struct dgraft_event *event = &replay->decoded.event;
    const struct dgraft_flight_visitor *visitor = replay->visitor;
    const enum dgraft_status read = dgraft_flight_decode(bytes, size, replay->now_ns, &replay->decoded);
    if (read == DGRAFT_STATUS_NO_MEMORY) {
        return NO_MEMORY_LEFT;
    }
    if (read != DGRAFT_OK) {
        find(replay, DGRAFT_SEVERITY_DAMAGE,
             "event %llu is none that this raftctl knows: it was recorded by dgraft %.23s",
             (unsigned long long)replay->number + 1, replay->reader.block_header.version);
        replay->core = NULL;
        return GO_ON;
    }
    if (replay->number >= replay->until) {
        return stop_at(replay, DGRAFT_FLIGHT_UNTIL);
    }
    replay->number++;
    replay->now_ns = event->now_ns;
    if (visitor->event != NULL) {
        visitor->event(visitor->context, replay->number, event);
    }
    if (event->kind == DGRAFT_EVENT_START) { /* a node that opens its store again begins with a new core */
        replay->core = dgraft_core_init(replay->core_memory, &replay->reader.block_header.config);
    }
    replay->status = dgraft_step(replay->core, event, replay->actions);
    replay->chain = dgraft_flight_hash_actions(replay->chain, replay->status, replay->actions);
    replay->pending = true;
    replay->summary->events++;
    replay->summary->last = replay->number;
    if (visitor->stepped != NULL) {
        visitor->stepped(visitor->context, replay->number, event, replay->actions);
    }
    const char *rule = dgraft_core_check(replay->core);
    if (rule != NULL) {
        dgraft_flight_tell_rule(replay, rule);
        return stop_at(replay, DGRAFT_FLIGHT_BROKEN);
    }
    return GO_ON;
}

static enum go_on compare_actions(struct replay *replay, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    struct flight_told told = {0};
    bytes = dgraft_flight_take(bytes, end, &told.status);
    bytes = dgraft_flight_take(bytes, end, &told.count);
    bytes = dgraft_flight_take(bytes, end, &told.kinds);
    if (bytes == NULL || end - bytes != 4 || !replay->pending) {
        find(replay, DGRAFT_SEVERITY_DAMAGE, "what is recorded of the actions of event %llu is not as it should be",
             (unsigned long long)replay->number);
        replay->core = NULL;
        return GO_ON;
    }
    replay->pending = false;
    if (dgraft_get_u32(bytes) == (uint32_t)replay->chain) {
        return GO_ON;
    }
    dgraft_flight_tell_actions(replay, &told);
    return stop_at(replay, DGRAFT_FLIGHT_DIFFERENCE);
}

static enum go_on compare_hash(struct replay *replay, const uint8_t *bytes, size_t size)
{
    if (size == 8 && replay->same_core &&
        dgraft_get_u64(bytes) != dgraft_flight_state_hash(replay->core, replay->core_bytes)) {
        (void)snprintf(replay->summary->text, sizeof replay->summary->text,
                       "after event %llu the state is another than was recorded, while all actions since the last look "
                       "at it were the same",
                       (unsigned long long)replay->number);
        return stop_at(replay, DGRAFT_FLIGHT_DIFFERENCE);
    }
    return GO_ON;
}

static enum go_on take_record(struct replay *replay, const uint8_t *body, size_t size)
{
    switch (body[0]) {
    case FLIGHT_RECORD_EVENT:
        return step(replay, body + 1, size - 1);
    case FLIGHT_RECORD_ACTIONS:
        return compare_actions(replay, body + 1, size - 1);
    case FLIGHT_RECORD_STATE:
        return compare_hash(replay, body + 1, size - 1);
    case FLIGHT_RECORD_CLOSED:
        replay->closed = true;
        return GO_ON;
    default:
        find(replay, DGRAFT_SEVERITY_DAMAGE, "after event %llu stands a record of an unknown kind",
             (unsigned long long)replay->number);
        replay->core = NULL;
        return GO_ON;
    }
}

/* Says what the end of the records means. Returns whether the next block may go on from here. */
static bool end_of_block(struct replay *replay, uint64_t end)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    if (replay->core == NULL) {
        return false;
    }
    if (end < header->used) {
        find(replay, DGRAFT_SEVERITY_DAMAGE,
             "block %llu: what follows event %llu is damaged, or was never on the disk (%llu of %u bytes are good)",
             (unsigned long long)header->number, (unsigned long long)replay->number, (unsigned long long)end,
             header->used);
        return false;
    }
    if (replay->pending) {
        find(replay, DGRAFT_SEVERITY_NOTE,
             "event %llu is the last of this start, and its actions were not recorded: the process ended in it or was "
             "killed right then",
             (unsigned long long)replay->number);
        return false;
    }
    return header->state == FLIGHT_BLOCK_FULL && !replay->closed;
}

static enum go_on replay_block(struct replay *replay)
{
    const struct flight_reader *reader = &replay->reader;
    const struct flight_block_header *header = &reader->block_header;
    const uint8_t *end = reader->block + reader->block_bytes;
    const uint32_t begin = flight_records_begin(header->image_bytes);
    const uint8_t *at = reader->block + (begin < reader->block_bytes ? begin : reader->block_bytes);
    const uint8_t *body = NULL;
    enum go_on what = GO_ON;
    size_t size = 0;
    replay->now_ns = header->now_ns;
    replay->pending = false;
    replay->closed = false;
    while (what == GO_ON && replay->core != NULL &&
           (body = dgraft_flight_record_open(&at, end, reader->block, header->number, &size)) != NULL) {
        what = take_record(replay, body, size);
    }
    if (what == GO_ON) {
        replay->goes_on = end_of_block(replay, (uint64_t)(at - reader->block));
    }
    return what;
}

static enum go_on next_block(struct replay *replay)
{
    const struct flight_block_header *header = &replay->reader.block_header;
    const bool same_start = header->start == replay->start;
    if (replay->core != NULL && replay->goes_on && same_start && header->first == replay->number + 1) {
        const enum go_on what = compare_state(replay);
        return what == GO_ON ? replay_block(replay) : what;
    }
    if (header->first > replay->until) {
        return stop_at(replay, DGRAFT_FLIGHT_UNTIL);
    }
    if (header->lost > 0) {
        find(replay, DGRAFT_SEVERITY_NOTE, "%llu events before event %llu were lost: the recorder had no room for them",
             (unsigned long long)header->lost, (unsigned long long)header->first);
        replay->summary->lost += header->lost;
    }
    const enum go_on what = begin_stretch(replay);
    if (what != GO_ON || replay->core == NULL) {
        return what;
    }
    return replay_block(replay);
}

static enum dgraft_status replay_all(struct replay *replay, struct dgraft_why *why)
{
    struct flight_reader *reader = &replay->reader;
    enum go_on what = GO_ON;
    if (reader->unreadable > 0) {
        find(replay, DGRAFT_SEVERITY_DAMAGE, "%u blocks cannot be read at all", reader->unreadable);
    }
    for (uint32_t i = 0; i < reader->count && what == GO_ON; i++) {
        const enum dgraft_status status = dgraft_flight_reader_load(reader, i, why);
        if (status == DGRAFT_STATUS_DAMAGED) {
            find(replay, DGRAFT_SEVERITY_NOTE, "block %llu has been overwritten meanwhile: the node is running",
                 (unsigned long long)reader->numbers[i]);
            continue;
        }
        if (status != DGRAFT_OK) {
            return status;
        }
        what = next_block(replay);
    }
    if (what == NO_MEMORY_LEFT) {
        (void)snprintf(why->text, sizeof why->text, "out of memory");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (replay->summary->events == 0 && replay->others > 0) {
        (void)snprintf(
            why->text, sizeof why->text,
            "all of it was recorded by a dgraft whose core is not laid out like this one's: replay it with a "
            "raftctl of that build");
        return DGRAFT_STATUS_UNSUPPORTED;
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_flight_replay(struct dgraft_fs *fs, const char *path, uint64_t until,
                                        const struct dgraft_flight_visitor *visitor,
                                        struct dgraft_flight_summary *summary, struct dgraft_why *why)
{
    static const struct dgraft_flight_visitor nobody = {.context = NULL};
    struct replay replay = {.until = until,
                            .visitor = visitor != NULL ? visitor : &nobody,
                            .summary = summary,
                            .fingerprint = dgraft_flight_fingerprint()};
    *summary = (struct dgraft_flight_summary){.end = DGRAFT_FLIGHT_END};
    enum dgraft_status status = dgraft_flight_reader_open(&replay.reader, fs, path, why);
    if (status == DGRAFT_OK) {
        summary->node = replay.reader.header.node;
        summary->cluster = replay.reader.header.cluster;
        status = replay_all(&replay, why);
    }
    if (status == DGRAFT_OK && replay.core != NULL) {
        summary->has_state = true;
        summary->state_hash = dgraft_flight_state_hash(replay.core, replay.core_bytes);
        dgraft_core_status(replay.core, &summary->state);
    }
    dgraft_flight_reader_close(&replay.reader);
    dgraft_flight_decoded_free(&replay.decoded);
    free(replay.core_memory);
    free(replay.image);
    free(replay.actions_memory);
    return status;
}
