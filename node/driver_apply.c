/* Committed, locally durable entries go to the state machine: from the window, or, after a restart, from segments. */
#include "driver_state.h"

#include <assert.h>
#include <string.h>

/* Bounds of one turn's applying, so that it cannot delay a heartbeat for long. */
#define APPLY_BATCH_MAX     256u
#define APPLY_PER_TURN      4096u
#define APPLY_SCRATCH_BYTES (256u * 1024)

/* What is kept of records that nobody is waiting for. Little: memory that is soon used again is still in the
 * processor's cache, and a command passes through it several times. */
#define FOLLOWER_KEEPS_BYTES (256u * 1024)
#define LEADER_KEEPS_BYTES   (1024u * 1024)

/* An entry that is to be applied, from wherever. */
struct to_apply {
    struct dgraft_applied applied; /* payload and its size are the record's */
    enum dgraft_entry_kind kind;
    struct dgraft_session_head head; /* of a command in a session; session 0: it is in none */
};

/* Answers whoever proposed an entry that is applied, and gives a payload back that was read where its caller had it. */
static void answer_applied(struct dgraft_driver *driver, dgraft_index index, struct dgraft_proposal_answer *said)
{
    struct window_slot *slot = dgraft_window_at(&driver->window, index);
    if (slot == NULL || (slot->proposal == NULL && slot->gathered == NULL)) {
        return;
    }
    said->leader = driver->identity.node;
    if (said->position.index == 0) {
        said->position = (struct dgraft_position){slot->entry.index, slot->entry.term};
    }
    dgraft_driver_answer_slot(driver, slot, said);
    if (slot->gathered != NULL) {
        dgraft_driver_release(dgraft_window_forget_payload(&driver->window, slot));
    }
}

/* Hands a batch over, remembers what its commands in sessions came to, then answers its proposals. */
static void apply_batch(struct dgraft_driver *driver, size_t commands, dgraft_index last)
{
    const struct dgraft_state_machine *machine = &driver->options.machine;
    size_t next = 0;
    if (commands > 0 && machine->apply != NULL) {
        machine->apply(machine->context, driver->apply_batch, commands);
    }
    for (size_t i = 0; i < commands; i++) {
        const struct dgraft_applied *applied = &driver->apply_batch[i];
        if (applied->remembered != NULL) {
            const struct dgraft_session_head head = {applied->session, applied->sequence};
            assert(applied->remembered->size <= DGRAFT_SESSION_ANSWER_BYTES_MAX);
            dgraft_sessions_remember(&driver->sessions, &head, applied->remembered);
        }
    }
    if (driver->proposals_unanswered == 0 && driver->window.gathered == 0) {
        driver->applied = last; /* nobody waits */
        return;
    }
    struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_COMMITTED};
    while (driver->applied < last) {
        driver->applied++;
        said.position.index = 0;
        said.remembered = NULL;
        if (next < commands && driver->apply_batch[next].position.index == driver->applied) {
            said.remembered = driver->apply_batch[next].remembered;
            next++;
        }
        answer_applied(driver, driver->applied, &said);
    }
}

/* An entry with an effect on the sessions alone is applied by itself. */
static void apply_alone(struct dgraft_driver *driver, const struct to_apply *entry)
{
    const struct session_done *done = NULL;
    struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_COMMITTED};
    assert(driver->applied + 1 == entry->applied.position.index);
    if (entry->kind == DGRAFT_ENTRY_SESSION) {
        dgraft_driver_apply_session(driver, entry->applied.position.index, entry->applied.payload,
                                    entry->applied.payload_bytes);
    } else {
        const enum session_verdict verdict =
            dgraft_sessions_take(&driver->sessions, &entry->head, entry->applied.position, &done);
        const bool filtered = dgraft_driver_say_verdict(verdict, done, &said);
        assert(filtered);
        (void)filtered;
    }
    driver->applied++;
    answer_applied(driver, driver->applied, &said);
}

/* Adds a command to the batch. */
static void batch_add(struct dgraft_driver *driver, size_t *commands, const struct to_apply *entry)
{
    struct dgraft_applied *applied = &driver->apply_batch[*commands];
    *applied = entry->applied;
    if (entry->head.session != 0) {
        applied->session = entry->head.session;
        applied->sequence = entry->head.sequence;
        applied->remembered = &driver->apply_remembered[*commands];
        applied->remembered->size = 0;
    }
    (*commands)++;
}

/* Takes the next entry: into the batch of `commands`, or, after handing that over, alone. Returns false, and the entry
 * is as before, when there is no memory. */
static bool take_entry(struct dgraft_driver *driver, size_t *commands, const struct to_apply *entry)
{
    const struct dgraft_position position = entry->applied.position;
    bool alone = false;
    dgraft_sessions_advance(&driver->sessions, entry->applied.log_time_ns);
    switch (entry->kind) {
    case DGRAFT_ENTRY_NOOP:
        return true;
    case DGRAFT_ENTRY_MEMBERSHIP:
        dgraft_driver_apply_members(driver, position.index, entry->applied.payload, entry->applied.payload_bytes);
        return true;
    case DGRAFT_ENTRY_SESSION:
        if (!dgraft_sessions_reserve(&driver->sessions)) {
            return false;
        }
        alone = true;
        break;
    case DGRAFT_ENTRY_COMMAND:
        alone =
            entry->head.session != 0 && dgraft_sessions_look(&driver->sessions, &entry->head, NULL) != SESSION_FRESH;
        break;
    }
    if (alone) {
        /* What it repeats may be in the batch, and is to be remembered first. */
        apply_batch(driver, *commands, position.index - 1);
        *commands = 0;
        apply_alone(driver, entry);
        return true;
    }
    if (entry->head.session != 0) {
        (void)dgraft_sessions_take(&driver->sessions, &entry->head, position, NULL);
    }
    batch_add(driver, commands, entry);
    return true;
}

/* Splits the payload of a command in a session, which stands behind its header. */
static void split_head(struct to_apply *entry, const uint8_t *payload)
{
    const enum dgraft_refusal refusal = dgraft_session_head_decode(payload, entry->applied.payload_bytes, &entry->head);
    assert(refusal == DGRAFT_ACCEPT); /* checked when the record came in or was read back */
    (void)refusal;
    entry->applied.payload = payload + DGRAFT_SESSION_BYTES;
    entry->applied.payload_bytes -= DGRAFT_SESSION_BYTES;
}

/* A contiguous view of a gathered payload: as it is when it is one piece, otherwise put together. */
static const uint8_t *gathered_payload(struct dgraft_driver *driver, const struct window_slot *slot)
{
    const struct dgraft_proposal *proposal = slot->gathered;
    if (proposal->piece_count == 1) {
        return proposal->pieces[0].iov_base;
    }
    if (!dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, slot->entry.payload_bytes)) {
        return NULL;
    }
    uint8_t *at = driver->apply_scratch;
    for (size_t i = 0; i < proposal->piece_count; i++) {
        memcpy(at, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
        at += proposal->pieces[i].iov_len;
    }
    return driver->apply_scratch;
}

/* Views the entry of a slot. Returns false when there is no memory. */
static bool view_slot(struct dgraft_driver *driver, const struct window_slot *slot, struct to_apply *entry)
{
    const uint8_t *payload = slot->record + DGRAFT_RECORD_HEADER_BYTES;
    *entry = (struct to_apply){.kind = slot->entry.kind,
                               .applied = {.position = {slot->entry.index, slot->entry.term},
                                           .tag = dgraft_record_tag(slot->record),
                                           .log_time_ns = dgraft_record_log_time_ns(slot->record),
                                           .payload = payload,
                                           .payload_bytes = slot->entry.payload_bytes,
                                           .proposal = slot->proposal != NULL ? slot->proposal->context : NULL}};
    if ((dgraft_record_flags(slot->record) & DGRAFT_RECORD_IN_SESSION) != 0) {
        split_head(entry, payload);
    }
    if (slot->gathered != NULL) {
        entry->applied.payload = gathered_payload(driver, slot);
    }
    return entry->applied.payload != NULL || entry->applied.payload_bytes == 0;
}

/* A command in one piece and in no session, which is what nearly all entries are, goes straight into the batch. */
static bool is_plain(const struct window_slot *slot)
{
    return slot->entry.kind == DGRAFT_ENTRY_COMMAND && slot->gathered == NULL && dgraft_record_flags(slot->record) == 0;
}

static void take_plain(struct dgraft_driver *driver, size_t *commands, const struct window_slot *slot)
{
    struct dgraft_applied *applied = &driver->apply_batch[*commands];
    applied->position.index = slot->entry.index;
    applied->position.term = slot->entry.term;
    applied->tag = dgraft_record_tag(slot->record);
    applied->payload = slot->record + DGRAFT_RECORD_HEADER_BYTES;
    applied->payload_bytes = slot->entry.payload_bytes;
    applied->log_time_ns = dgraft_record_log_time_ns(slot->record);
    applied->session = 0;
    applied->sequence = 0;
    applied->remembered = NULL;
    applied->proposal = slot->proposal != NULL ? slot->proposal->context : NULL;
    if (applied->log_time_ns > driver->sessions.log_time_ns) {
        dgraft_sessions_advance(&driver->sessions, applied->log_time_ns);
    }
    (*commands)++;
}

/* Applies one batch from the window, up to `last`. Returns false when there is no memory. */
static bool apply_from_window(struct dgraft_driver *driver, dgraft_index last)
{
    size_t commands = 0;
    bool room = true;
    dgraft_index index = driver->applied + 1;
    for (; index <= last && commands < APPLY_BATCH_MAX; index++) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, index);
        struct to_apply entry;
        if (slot == NULL || slot->record == NULL) {
            break;
        }
        if (is_plain(slot)) {
            take_plain(driver, &commands, slot);
            continue;
        }
        bool in_scratch = slot->gathered != NULL && slot->gathered->piece_count != 1;
        if (in_scratch && commands > 0) {
            break; /* the scratch holds one payload: it gets a batch of its own */
        }
        room = view_slot(driver, slot, &entry) && take_entry(driver, &commands, &entry);
        if (!room) {
            break;
        }
        if (in_scratch) {
            index++;
            break;
        }
    }
    apply_batch(driver, commands, index - 1);
    return room;
}

/* Views the entry of a record that storage has checked. Returns the record's size. */
static size_t view_record(const uint8_t *bytes, size_t size, struct to_apply *entry)
{
    const uint8_t *payload = bytes + DGRAFT_RECORD_HEADER_BYTES;
    struct dgraft_record record;
    enum dgraft_refusal refusal = dgraft_record_decode_header(bytes, size, &record);
    assert(refusal == DGRAFT_ACCEPT);
    (void)refusal;
    *entry = (struct to_apply){.kind = record.entry.kind,
                               .applied = {.position = {record.entry.index, record.entry.term},
                                           .tag = record.tag,
                                           .log_time_ns = record.log_time_ns,
                                           .payload = payload,
                                           .payload_bytes = record.entry.payload_bytes}};
    if ((record.flags & DGRAFT_RECORD_IN_SESSION) != 0) {
        split_head(entry, payload);
    }
    return dgraft_record_bytes(record.entry.payload_bytes);
}

static bool apply_from_storage(struct dgraft_driver *driver, dgraft_index last)
{
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_why why;
    dgraft_index first = driver->applied + 1;
    if (last > first + APPLY_BATCH_MAX - 1) {
        last = first + APPLY_BATCH_MAX - 1;
    }
    enum dgraft_status status = dgraft_storage_read(driver->storage, first, last, driver->apply_scratch,
                                                    driver->apply_scratch_bytes, &count, &used, &why);
    if (status == DGRAFT_STATUS_TOO_LARGE) {
        if (!dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, used)) {
            return false;
        }
        status = dgraft_storage_read(driver->storage, first, first, driver->apply_scratch, used, &count, &used, &why);
    }
    if (status == DGRAFT_STATUS_DAMAGED) {
        dgraft_driver_damaged(driver, &why);
        return false;
    }
    if (status != DGRAFT_OK) {
        dgraft_driver_poison(driver, &why);
        return false;
    }
    size_t commands = 0;
    size_t offset = 0;
    dgraft_index index = first;
    for (; index < first + count; index++) {
        struct to_apply entry;
        offset += view_record(driver->apply_scratch + offset, used - offset, &entry);
        const struct window_slot *slot = dgraft_window_at(&driver->window, index);
        entry.applied.proposal = slot != NULL && slot->proposal != NULL ? slot->proposal->context : NULL;
        if (!take_entry(driver, &commands, &entry)) {
            break;
        }
    }
    apply_batch(driver, commands, index - 1);
    return count > 0 && index == first + count;
}

/* The last entry that every member has. */
static dgraft_index everywhere(const struct dgraft_driver *driver)
{
    struct dgraft_core_status status;
    dgraft_core_status(driver->core, &status);
    dgraft_index least = status.durable;
    for (uint32_t i = 0; i < status.peer_count; i++) {
        least = status.peers[i].match < least ? status.peers[i].match : least;
    }
    return least;
}

/* Forgets what is written and applied: all but a little on a follower, whom nobody asks for records, and on a leader
 * when every member has them; whoever lags is fed from the cache as far as that reaches. What is durable but not
 * applied is given up last, because it would be read back. */
static void evict(struct dgraft_driver *driver)
{
    struct window *window = &driver->window;
    size_t cache = driver->options.cache_bytes_max;
    dgraft_driver_take_back(driver); /* the core may have sent since: it learned what is applied */
    dgraft_index done = driver->durable < driver->applied ? driver->durable : driver->applied;
    size_t keep = driver->leads ? LEADER_KEEPS_BYTES : FOLLOWER_KEEPS_BYTES;
    keep = keep < cache ? keep : cache;
    if (!driver->leads) {
        dgraft_window_evict(window, done, keep);
    } else if (window->bytes > keep && window->bytes > driver->evict_above) {
        dgraft_index had = everywhere(driver);
        dgraft_window_evict(window, had < done ? had : done, keep);
        driver->evict_above = window->bytes + keep / 2; /* not to ask in every turn */
    }
    dgraft_window_evict(window, done, cache);
    dgraft_window_evict(window, driver->durable, 2 * cache);
}

static void apply_committed(struct dgraft_driver *driver)
{
    dgraft_index before = driver->applied;
    /* As many as came in this turn at least: otherwise one who lags would never come after. */
    dgraft_index most = driver->arrived > APPLY_PER_TURN ? driver->arrived : APPLY_PER_TURN;
    driver->arrived = 0;
    if (driver->applied >= driver->apply_to || driver->damage_told) {
        return;
    }
    if (driver->apply_scratch == NULL &&
        !dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, APPLY_SCRATCH_BYTES)) {
        driver->more_waits = true;
        return;
    }
    while (driver->applied < driver->apply_to && driver->applied - before < most) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, driver->applied + 1);
        bool here = slot != NULL && slot->record != NULL;
        if (!(here ? apply_from_window(driver, driver->apply_to) : apply_from_storage(driver, driver->apply_to))) {
            break;
        }
    }
    if (driver->applied < driver->apply_to && !driver->poisoned && !driver->damage_told) {
        driver->more_waits = true;
    }
    if (driver->applied > before) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
        event.u.applied.index = driver->applied;
        dgraft_driver_step(driver, &event);
    }
}

void dgraft_driver_apply(struct dgraft_driver *driver)
{
    dgraft_driver_take_back(driver); /* large payloads go back to who proposed them */
    apply_committed(driver);
    evict(driver);
}
