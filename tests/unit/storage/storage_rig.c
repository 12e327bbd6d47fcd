#include "storage_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct dgraft_identity rig_identity = {
    .cluster = 0x1122334455667788, .store = 0x99aabbccddeeff01, .node = 3, .group = 0, .cluster_name = "rig"};

static uint8_t payload_byte(dgraft_index index, dgraft_term term, uint32_t at)
{
    return (uint8_t)(index * 31 + term * 7 + at);
}

/* Frames one record by hand, field by field. Returns its size. */
static size_t frame(const struct rig_log *log, dgraft_index index, uint8_t *out)
{
    struct dgraft_record record = {
        .entry = {.index = index,
                  .term = log->terms[index],
                  .payload_bytes = log->sizes[index],
                  .kind = log->memberships[index] ? DGRAFT_ENTRY_MEMBERSHIP : DGRAFT_ENTRY_COMMAND}};
    uint8_t *payload = out + DGRAFT_RECORD_HEADER_BYTES;
    for (uint32_t i = 0; i < log->sizes[index]; i++) {
        payload[i] = payload_byte(index, log->terms[index], i);
    }
    record.entry.checksum = dgraft_crc32c(0, payload, log->sizes[index]);
    dgraft_record_encode_header(&record, out);
    memset(payload + log->sizes[index], 0, dgraft_record_padding(log->sizes[index]));
    return dgraft_record_bytes(log->sizes[index]);
}

enum dgraft_status rig_format(struct dgraft_fs *fs, struct rig_log *log, struct dgraft_why *why)
{
    uint8_t bytes[256];
    memset(log, 0, sizeof *log);
    log->last = 1;
    log->terms[1] = 1;
    log->sizes[1] = 20;
    log->memberships[1] = true;
    log->term = 1;
    const struct iovec piece = {bytes, frame(log, 1, bytes)};
    return dgraft_storage_format(fs, "node", &rig_identity, &piece, 1, why);
}

/* What a snapshot, its installation, or forgetting changes. */
static void apply_snapshot(struct rig_log *log, const struct rig_write *write)
{
    if (write->operation == RIG_FORGET) {
        log->begin = write->keep > log->begin ? write->keep : log->begin;
        return;
    }
    log->snapshot = write->keep;
    if (write->operation == RIG_INSTALL) {
        log->terms[write->keep] = write->entry_term;
        log->last = write->keep;
        log->begin = write->keep;
        log->begin_least = write->keep;
    }
}

void rig_apply(struct rig_log *log, const struct rig_write *write)
{
    if (write->operation == RIG_MEND) {
        return;
    }
    if (write->operation != RIG_WRITE) {
        apply_snapshot(log, write);
        return;
    }
    if (write->state) {
        log->term = write->term;
        log->vote = write->vote;
    }
    if (!write->log) {
        return;
    }
    for (uint32_t i = 0; i < write->count; i++) {
        const dgraft_index index = write->keep + 1 + i;
        if (index > RIG_ENTRIES_MAX) {
            abort();
        }
        log->terms[index] = write->entry_term;
        log->sizes[index] = write->payload_bytes + i;
        log->memberships[index] = write->membership && i == 0;
    }
    log->last = write->keep + write->count;
}

void rig_snapshot_bytes(struct dgraft_position position, uint8_t bytes[RIG_SNAPSHOT_BYTES])
{
    for (size_t i = 0; i < RIG_SNAPSHOT_BYTES; i++) {
        bytes[i] = (uint8_t)(position.index * 7 + position.term + i * i);
    }
}

struct dgraft_snapshot rig_snapshot_of(struct dgraft_position position)
{
    uint8_t bytes[RIG_SNAPSHOT_BYTES];
    rig_snapshot_bytes(position, bytes);
    return (struct dgraft_snapshot){position, RIG_SNAPSHOT_BYTES, dgraft_snapshot_digest(bytes, RIG_SNAPSHOT_BYTES)};
}

enum dgraft_status rig_store_snapshot(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                      struct dgraft_position position, size_t until)
{
    uint8_t bytes[RIG_SNAPSHOT_BYTES];
    const struct dgraft_snapshot snapshot = rig_snapshot_of(position);
    struct dgraft_why why;
    bool done = false;
    rig_snapshot_bytes(position, bytes);
    enum dgraft_status status = dgraft_storage_snapshot_begin(storage, which, &snapshot, RIG_CHUNK_BYTES, &why);
    for (size_t at = 0; at < until && status == DGRAFT_OK; at += RIG_CHUNK_BYTES) {
        const size_t size = RIG_SNAPSHOT_BYTES - at < RIG_CHUNK_BYTES ? RIG_SNAPSHOT_BYTES - at : RIG_CHUNK_BYTES;
        status = dgraft_storage_snapshot_write(storage, which, at, bytes + at, size, &why);
    }
    while (status == DGRAFT_OK && until >= RIG_SNAPSHOT_BYTES && !done) {
        status = dgraft_storage_snapshot_check(storage, which, &done, &why);
    }
    if (status == DGRAFT_OK && done) {
        status = dgraft_storage_snapshot_publish(storage, which, &why);
    }
    if (status == DGRAFT_OK && done) {
        dgraft_storage_snapshot_adopt(storage, which);
    }
    return status;
}

static enum dgraft_status install(struct dgraft_storage *storage, const struct rig_write *write)
{
    const struct dgraft_position position = {write->keep, write->entry_term};
    enum dgraft_status status = rig_store_snapshot(storage, DGRAFT_SNAPSHOT_RECEIVED, position, RIG_SNAPSHOT_BYTES);
    const struct dgraft_storage_write anew = {.log = true,
                                              .restart = position.term,
                                              .keep = position.index,
                                              .first = position.index + 1,
                                              .last = position,
                                              .commit = position.index,
                                              .wall_clock_ns = 1000};
    if (status == DGRAFT_OK) {
        status = dgraft_storage_prepare(storage, &anew);
    }
    if (status == DGRAFT_OK) {
        dgraft_storage_perform(storage);
        status = dgraft_storage_complete(storage, NULL);
    }
    return status;
}

static enum dgraft_status do_snapshot(struct dgraft_storage *storage, const struct rig_log *before,
                                      const struct rig_write *write)
{
    enum dgraft_status status = DGRAFT_OK;
    if (write->operation == RIG_SNAPSHOT) {
        status =
            rig_store_snapshot(storage, DGRAFT_SNAPSHOT_OWN,
                               (struct dgraft_position){write->keep, before->terms[write->keep]}, RIG_SNAPSHOT_BYTES);
    } else if (write->operation == RIG_INSTALL) {
        status = install(storage, write);
    } else {
        dgraft_storage_forget(storage, write->keep);
    }
    while (status == DGRAFT_OK && dgraft_storage_drop(storage)) {
    }
    return status;
}

enum dgraft_status rig_do(struct dgraft_storage *storage, const struct rig_log *before, const struct rig_write *write)
{
    if (write->operation != RIG_WRITE && write->operation != RIG_MEND) {
        return do_snapshot(storage, before, write);
    }
    const bool mends = write->operation == RIG_MEND;
    struct rig_log *after = malloc(sizeof *after);
    struct dgraft_entry *entries = calloc(write->count + 1, sizeof *entries);
    struct iovec *pieces = calloc(2 * (size_t)write->count + 1, sizeof *pieces);
    size_t size = 8;
    if (after == NULL || entries == NULL || pieces == NULL) {
        abort();
    }
    *after = *before;
    rig_apply(after, write);
    for (uint32_t i = 0; i < write->count; i++) {
        size += dgraft_record_bytes(after->sizes[write->keep + 1 + i]);
    }
    uint8_t *bytes = malloc(size);
    size_t used = 0;
    for (uint32_t i = 0; i < write->count && bytes != NULL; i++) {
        const dgraft_index index = write->keep + 1 + i;
        const size_t record = frame(after, index, bytes + used);
        entries[i] =
            (struct dgraft_entry){.index = index,
                                  .term = after->terms[index],
                                  .payload_bytes = after->sizes[index],
                                  .kind = after->memberships[index] ? DGRAFT_ENTRY_MEMBERSHIP : DGRAFT_ENTRY_COMMAND};
        pieces[2 * (size_t)i] = (struct iovec){bytes + used, DGRAFT_RECORD_HEADER_BYTES};
        pieces[2 * (size_t)i + 1] =
            (struct iovec){bytes + used + DGRAFT_RECORD_HEADER_BYTES, record - DGRAFT_RECORD_HEADER_BYTES};
        used += record;
    }
    const struct dgraft_storage_write planned = {.state = write->state,
                                                 .term = write->term,
                                                 .vote = write->vote,
                                                 .log = write->log || mends,
                                                 .mends = mends,
                                                 .keep = mends ? after->last : write->keep,
                                                 .first = write->keep + 1,
                                                 .count = write->count,
                                                 .last = {after->last, after->terms[after->last]},
                                                 .records = pieces,
                                                 .record_pieces = 2 * (size_t)write->count,
                                                 .commit = before->commit,
                                                 .wall_clock_ns = 1000,
                                                 .entries = entries};
    enum dgraft_status status = dgraft_storage_prepare(storage, &planned);
    memset(entries, 0xEE, (write->count + 1) * sizeof *entries); /* borrowed for prepare only */
    if (status == DGRAFT_OK) {
        dgraft_storage_perform(storage);
        status = dgraft_storage_complete(storage, NULL);
    }
    free(after);
    free(entries);
    free(pieces);
    free(bytes);
    return status;
}

/* Returns the damage that index lies in, NULL when in none. */
static const struct dgraft_damage *damage_of(const struct dgraft_found *found, dgraft_index index)
{
    for (uint32_t i = 0; i < found->damage_count; i++) {
        if (index >= found->damage[i].first && index <= found->damage[i].last) {
            return &found->damage[i];
        }
    }
    return NULL;
}

static const char *damage_differs(struct dgraft_storage *storage, const struct rig_log *log)
{
    struct dgraft_found found;
    dgraft_index behind = 0;
    dgraft_storage_found(storage, &found);
    for (uint32_t i = 0; i < found.damage_count; i++) {
        const struct dgraft_damage *damage = &found.damage[i];
        const dgraft_index anchor = damage->last < log->last ? damage->last + 1 : log->last;
        if (damage->first <= behind || damage->last < damage->first || damage->first <= found.compacted.index ||
            damage->last > log->last) {
            return "the damage is out of order, or outside the log";
        }
        if (damage->anchor.index != anchor || damage->anchor.term != log->terms[anchor]) {
            return "what lies behind the damage is another entry";
        }
        behind = damage->last + 1;
    }
    return NULL;
}

enum dgraft_status rig_mend(struct dgraft_storage *storage, const struct rig_log *log)
{
    struct dgraft_found found;
    enum dgraft_status status = DGRAFT_OK;
    dgraft_storage_found(storage, &found);
    while (status == DGRAFT_OK && found.damage_count > 0) {
        const struct dgraft_damage *damage = &found.damage[found.damage_count / 2];
        const uint32_t left = (uint32_t)(damage->last - damage->first + 1);
        status =
            rig_do(storage, log,
                   &(struct rig_write){
                       .operation = RIG_MEND, .keep = damage->first - 1, .count = left > 2 ? (left + 1) / 2 : left});
        dgraft_storage_found(storage, &found);
    }
    return status;
}

static const char *log_differs(struct dgraft_storage *storage, const struct rig_log *log, uint8_t *bytes, size_t size)
{
    static char text[160];
    struct dgraft_found found;
    dgraft_storage_found(storage, &found);
    if (found.last.index != log->last || found.last.term != log->terms[log->last]) {
        (void)snprintf(text, sizeof text, "last is (%llu, %llu), not (%llu, %llu)",
                       (unsigned long long)found.last.index, (unsigned long long)found.last.term,
                       (unsigned long long)log->last, (unsigned long long)log->terms[log->last]);
        return text;
    }
    if (found.snapshot.position.index != log->snapshot ||
        found.snapshot.position.term != (log->snapshot == 0 ? 0 : log->terms[log->snapshot])) {
        (void)snprintf(text, sizeof text, "the snapshot is that of %llu, not of %llu",
                       (unsigned long long)found.snapshot.position.index, (unsigned long long)log->snapshot);
        return text;
    }
    if (found.compacted.index > log->begin || found.compacted.index < log->begin_least ||
        found.compacted.term != (found.compacted.index == 0 ? 0 : log->terms[found.compacted.index])) {
        (void)snprintf(text, sizeof text, "the log begins behind (%llu, %llu), not %llu",
                       (unsigned long long)found.compacted.index, (unsigned long long)found.compacted.term,
                       (unsigned long long)log->begin);
        return text;
    }
    dgraft_index newest = 0;
    dgraft_index before = 0;
    uint8_t expected[4096];
    for (dgraft_index index = found.compacted.index + 1; index <= log->last;) {
        uint32_t count = 0;
        size_t used = 0;
        struct dgraft_why why = {"?"};
        const enum dgraft_status status =
            dgraft_storage_read(storage, index, log->last, bytes, size, &count, &used, &why);
        if (status == DGRAFT_STATUS_DAMAGED && damage_of(&found, index) != NULL) {
            index++;
            continue;
        }
        if (status != DGRAFT_OK || count == 0) {
            (void)snprintf(text, sizeof text, "read of %llu: %s %.100s", (unsigned long long)index,
                           dgraft_status_name(status), why.text);
            return text;
        }
        for (size_t at = 0; count > 0; count--, index++) {
            const size_t record = frame(log, index, expected);
            if (at + record > used || memcmp(expected, bytes + at, record) != 0) {
                (void)snprintf(text, sizeof text, "entry %llu has other bytes", (unsigned long long)index);
                return text;
            }
            at += record;
            if (log->memberships[index]) {
                before = newest;
                newest = index;
            }
            if (dgraft_storage_term_at(storage, index) != log->terms[index]) {
                return "a term is not as it should be";
            }
        }
    }
    if (found.membership_index != newest || found.membership_before != before) {
        return "the memberships are not as they should be";
    }
    return NULL;
}

static const char *log_differs_in_memory_of_its_own(struct dgraft_storage *storage, const struct rig_log *log)
{
    enum { BYTES = 8192 };
    uint8_t *bytes = malloc(BYTES); /* so that a sanitizer sees its end */
    const char *differs = bytes == NULL ? "memory" : log_differs(storage, log, bytes, BYTES);
    free(bytes);
    return differs;
}

const char *rig_log_differs(struct dgraft_storage *storage, const struct rig_log *log)
{
    struct dgraft_found found;
    dgraft_storage_found(storage, &found);
    return found.damage_found[0] != '\0' ? "damage was met" : log_differs_in_memory_of_its_own(storage, log);
}

const char *rig_differs_beside_damage(struct dgraft_storage *storage, const struct rig_log *log)
{
    const char *differs = rig_state_differs(storage, log);
    differs = differs != NULL ? differs : damage_differs(storage, log);
    return differs != NULL ? differs : log_differs_in_memory_of_its_own(storage, log);
}

const char *rig_state_differs(struct dgraft_storage *storage, const struct rig_log *log)
{
    static char text[96];
    struct dgraft_found found;
    dgraft_storage_found(storage, &found);
    if (found.term == log->term && found.vote == log->vote) {
        return NULL;
    }
    (void)snprintf(text, sizeof text, "term and vote are %llu, %u, not %llu, %u", (unsigned long long)found.term,
                   found.vote, (unsigned long long)log->term, log->vote);
    return text;
}

const char *rig_differs(struct dgraft_storage *storage, const struct rig_log *log)
{
    const char *differs = rig_state_differs(storage, log);
    return differs != NULL ? differs : rig_log_differs(storage, log);
}
