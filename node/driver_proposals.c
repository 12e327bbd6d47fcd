/* Proposals: queued by the user, stepped together in the next turn, framed where the core gives them their places,
 * answered exactly once. */
#include "driver_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void push_proposal(struct proposal_queue *queue, struct dgraft_proposal *proposal)
{
    proposal->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = proposal;
    } else {
        queue->first = proposal;
    }
    queue->last = proposal;
    queue->count++;
}

static struct dgraft_proposal *pop_proposal(struct proposal_queue *queue)
{
    struct dgraft_proposal *proposal = queue->first;
    if (proposal != NULL) {
        queue->first = proposal->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
    }
    return proposal;
}

void dgraft_driver_release(struct dgraft_proposal *proposal)
{
    if (proposal->released != NULL) {
        proposal->released(proposal->context);
    }
}

static void answer(struct dgraft_driver *driver, struct dgraft_proposal *proposal,
                   const struct dgraft_proposal_answer *said)
{
    assert(driver->proposals_unanswered > 0);
    driver->proposals_unanswered--;
    proposal->answered(proposal->context, said);
}

/* Refuses a proposal that has no place in the log: nothing holds it any more. */
static void refuse(struct dgraft_driver *driver, struct dgraft_proposal *proposal, enum dgraft_outcome reason,
                   dgraft_node_id leader)
{
    struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_REFUSED, .reason = reason, .leader = leader};
    answer(driver, proposal, &said);
    dgraft_driver_release(proposal);
}

/* SESSION entries have no pieces, whatever their proposal says of them. */
static size_t piece_count(const struct dgraft_proposal *proposal)
{
    return proposal->kind == DGRAFT_ENTRY_SESSION ? 0 : proposal->piece_count;
}

static size_t payload_bytes(const struct dgraft_proposal *proposal)
{
    size_t bytes = proposal->made_bytes;
    for (size_t i = 0; i < piece_count(proposal); i++) {
        if (proposal->pieces[i].iov_len > SIZE_MAX - bytes) {
            return SIZE_MAX;
        }
        bytes += proposal->pieces[i].iov_len;
    }
    return bytes;
}

static uint32_t payload_checksum(const struct dgraft_proposal *proposal)
{
    uint32_t crc = dgraft_crc32c(0, proposal->made, proposal->made_bytes);
    for (size_t i = 0; i < piece_count(proposal); i++) {
        crc = dgraft_crc32c(crc, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
    }
    return crc;
}

/* Returns whether a payload goes into the ring as a whole; otherwise its pieces are read where they lie. */
static bool is_small(const struct dgraft_driver *driver, const struct dgraft_proposal *proposal, size_t bytes)
{
    return bytes <= driver->options.small_bytes || proposal->kind == DGRAFT_ENTRY_SESSION;
}

static size_t ring_bytes_of(const struct dgraft_driver *driver, const struct dgraft_proposal *proposal, size_t bytes)
{
    return is_small(driver, proposal, bytes) ? dgraft_record_bytes((uint32_t)bytes)
                                             : DGRAFT_RECORD_HEADER_BYTES + proposal->made_bytes;
}

enum dgraft_status dgraft_driver_queue_proposal(struct dgraft_driver *driver, struct dgraft_proposal *proposal,
                                                enum dgraft_entry_kind kind)
{
    proposal->kind = kind;
    proposal->made_bytes = kind == DGRAFT_ENTRY_SESSION || proposal->session != 0 ? DGRAFT_SESSION_BYTES : 0;
    if (driver->closing) {
        return DGRAFT_STATUS_CLOSED;
    }
    if (payload_bytes(proposal) > driver->options.core.entry_bytes_max) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    if (driver->proposals_unanswered >= driver->options.proposals_max) {
        return DGRAFT_STATUS_BUSY;
    }
    push_proposal(&driver->proposals, proposal);
    driver->proposals_unanswered++;
    driver->proposals_total++;
    return DGRAFT_OK;
}

enum dgraft_status dgraft_driver_propose(struct dgraft_driver *driver, struct dgraft_proposal *proposal)
{
    if (proposal->session != 0) {
        const struct dgraft_session_head head = {.session = proposal->session, .sequence = proposal->sequence};
        if (head.session > DGRAFT_RECORD_NUMBER_MAX || head.sequence == 0 || head.sequence > DGRAFT_RECORD_NUMBER_MAX) {
            return DGRAFT_STATUS_MISUSE;
        }
        dgraft_session_head_encode(&head, proposal->made);
    }
    return dgraft_driver_queue_proposal(driver, proposal, DGRAFT_ENTRY_COMMAND);
}

/* Answers a proposal whose end is known without asking anybody, on any node. Returns false when it is not. */
static bool settle(struct dgraft_driver *driver, struct dgraft_proposal *proposal)
{
    if (proposal->session == 0) {
        return false;
    }
    struct dgraft_proposal_answer said = {.leader = driver->leads ? driver->identity.node : 0};
    if (!dgraft_driver_settle(driver, proposal, &said)) {
        return false;
    }
    (void)pop_proposal(&driver->proposals);
    answer(driver, proposal, &said);
    dgraft_driver_release(proposal);
    return true;
}

/* Takes the next group, all of one kind, off the queue, and counts down `left`. Returns how many bytes of records it
 * needs in the ring. */
static size_t take_group(struct dgraft_driver *driver, uint32_t *left)
{
    size_t ring_bytes = 0;
    driver->group_count = 0;
    while (*left > 0 && driver->group_count < DRIVER_GROUP_MAX) {
        struct dgraft_proposal *proposal = driver->proposals.first;
        size_t bytes = payload_bytes(proposal);
        size_t record = ring_bytes_of(driver, proposal, bytes);
        if (ring_bytes + record + DRIVER_MADE_ROOM > driver->ring.chunk_bytes ||
            (driver->group_count > 0 && driver->group_entries[0].kind != proposal->kind)) {
            break;
        }
        (*left)--;
        if (settle(driver, proposal)) {
            continue;
        }
        ring_bytes += record;
        struct dgraft_entry *entry = &driver->group_entries[driver->group_count];
        *entry = (struct dgraft_entry){.payload_bytes = (uint32_t)bytes, .kind = proposal->kind};
        entry->checksum = payload_checksum(proposal);
        driver->group[driver->group_count++] = pop_proposal(&driver->proposals);
    }
    return ring_bytes;
}

static void refuse_group(struct dgraft_driver *driver, uint32_t skip, uint32_t count, enum dgraft_outcome reason,
                         dgraft_node_id leader)
{
    for (uint32_t i = skip; i < skip + count; i++) {
        struct dgraft_proposal *proposal = driver->group[i];
        driver->group[i] = NULL;
        refuse(driver, proposal, reason, leader);
    }
}

void dgraft_driver_step_proposals(struct dgraft_driver *driver)
{
    /* Only those that wait now: an answer's callback may propose again, and would keep this going. */
    uint32_t left = driver->proposals.count;
    while (left > 0) {
        size_t bytes = take_group(driver, &left);
        if (driver->group_count == 0) {
            continue;
        }
        if (!dgraft_record_ring_reserve(&driver->ring, bytes + DRIVER_MADE_ROOM) ||
            !dgraft_window_reserve(&driver->window, (size_t)driver->group_count + 2)) {
            refuse_group(driver, 0, driver->group_count, DGRAFT_OUTCOME_BUSY, 0);
            continue;
        }
        struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
        event.u.propose = (struct dgraft_event_propose){.entries = driver->group_entries,
                                                        .count = driver->group_count,
                                                        .kind = driver->group_entries[0].kind,
                                                        .id = ++driver->next_id};
        dgraft_driver_step(driver, &event);
        driver->group_count = 0;
    }
}

/* Copies a payload to where its record is framed. */
static void copy_payload(const struct dgraft_proposal *proposal, uint32_t payload_bytes, uint8_t *at)
{
    memcpy(at, proposal->made, proposal->made_bytes);
    at += proposal->made_bytes;
    for (size_t i = 0; i < piece_count(proposal); i++) {
        if (proposal->pieces[i].iov_len > 0) {
            memcpy(at, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
        }
        at += proposal->pieces[i].iov_len;
    }
    memset(at, 0, dgraft_record_padding(payload_bytes));
}

static void frame(struct dgraft_driver *driver, const struct dgraft_entry *entry, struct dgraft_proposal *proposal,
                  uint64_t log_time_ns)
{
    const bool command = entry->kind == DGRAFT_ENTRY_COMMAND;
    const struct dgraft_record record = {.entry = *entry,
                                         .tag = command ? proposal->tag : 0,
                                         .flags = command && proposal->session != 0 ? DGRAFT_RECORD_IN_SESSION : 0,
                                         .log_time_ns = log_time_ns};
    bool small = is_small(driver, proposal, entry->payload_bytes);
    size_t bytes = ring_bytes_of(driver, proposal, entry->payload_bytes);
    struct window_slot slot = {.entry = *entry, .proposal = proposal};
    uint8_t *at = dgraft_record_ring_take(&driver->ring, bytes, &slot.buffer);
    dgraft_record_encode_header(&record, at);
    slot.record = at;
    at += DGRAFT_RECORD_HEADER_BYTES;
    if (small) {
        copy_payload(proposal, entry->payload_bytes, at);
    } else {
        memcpy(at, proposal->made, proposal->made_bytes);
        slot.gathered = proposal;
    }
    dgraft_window_push(&driver->window, &slot);
    if (small) {
        /* Its bytes are in the ring: the caller has them back, the answer is still to come. */
        dgraft_driver_release(proposal);
    }
}

void dgraft_driver_frame_proposals(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    const uint64_t log_time_ns = dgraft_driver_stamp(driver);
    /* In a loop of its own: what was just stored by fields is slow to be read as a whole. */
    for (uint32_t i = 0; i < write->count; i++) {
        driver->group_entries[write->skip + i].index = write->first + i;
        driver->group_entries[write->skip + i].term = write->entry_term;
    }
    for (uint32_t at = write->skip; at < write->skip + write->count; at++) {
        struct dgraft_proposal *proposal = driver->group[at];
        driver->group[at] = NULL;
        frame(driver, &driver->group_entries[at], proposal, log_time_ns);
    }
}

/* Frames an entry that nobody here proposed; payload NULL: it has none. */
void dgraft_driver_frame_record(struct dgraft_driver *driver, const struct dgraft_record *record,
                                const struct iovec *payload)
{
    struct window_slot slot = {.entry = record->entry};
    uint8_t *at =
        dgraft_record_ring_take(&driver->ring, dgraft_record_bytes(record->entry.payload_bytes), &slot.buffer);
    dgraft_record_encode_header(record, at);
    slot.record = at;
    at += DGRAFT_RECORD_HEADER_BYTES;
    if (payload != NULL) {
        memcpy(at, payload->iov_base, payload->iov_len);
        memset(at + payload->iov_len, 0, dgraft_record_padding(record->entry.payload_bytes));
    }
    dgraft_window_push(&driver->window, &slot);
}

void dgraft_driver_frame_noop(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    struct dgraft_record record = {
        .entry = {.index = write->first, .term = write->entry_term, .kind = DGRAFT_ENTRY_NOOP},
        .log_time_ns = dgraft_driver_stamp(driver)};
    record.entry.checksum = dgraft_crc32c(0, NULL, 0);
    dgraft_driver_frame_record(driver, &record, NULL);
}

void dgraft_driver_answer_slot(struct dgraft_driver *driver, struct window_slot *slot,
                               const struct dgraft_proposal_answer *said)
{
    struct dgraft_proposal *proposal = slot->proposal;
    if (proposal != NULL) {
        slot->proposal = NULL;
        answer(driver, proposal, said);
    }
}

/* Takes entries after `keep` out of the window. Memory that a write under way may still read is kept until it ends. */
void dgraft_driver_overwrite_after(struct dgraft_driver *driver, dgraft_index keep)
{
    struct window *window = &driver->window;
    bool writing = atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_IDLE;
    if (window->first != window->end && window->end - 1 > keep) {
        dgraft_driver_take_back(driver);
    }
    while (window->first != window->end && window->end - 1 > keep) {
        struct window_slot slot = dgraft_window_pop(window);
        struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_UNKNOWN,
                                              .reason = DGRAFT_OUTCOME_LOST,
                                              .position = {slot.entry.index, slot.entry.term}};
        dgraft_driver_answer_slot(driver, &slot, &said);
        if (slot.gathered != NULL && writing) {
            push_proposal(&driver->zombies, slot.gathered);
        } else if (slot.gathered != NULL) {
            dgraft_driver_release(slot.gathered);
        }
        dgraft_buffer_release(slot.buffer);
    }
    if (window->first == window->end) {
        dgraft_window_restart(window, keep + 1);
    }
}

void dgraft_driver_take_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome)
{
    if (outcome->outcome != DGRAFT_OUTCOME_UNKNOWN && outcome->outcome != DGRAFT_OUTCOME_LOST) {
        refuse_group(driver, outcome->skip, outcome->count, outcome->outcome, outcome->leader);
        return;
    }
    for (dgraft_index index = outcome->first; index <= outcome->last; index++) {
        struct window_slot *slot = dgraft_window_at(&driver->window, index);
        if (slot != NULL) {
            struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_UNKNOWN,
                                                  .reason = outcome->outcome,
                                                  .position = {slot->entry.index, slot->entry.term},
                                                  .leader = outcome->leader};
            dgraft_driver_answer_slot(driver, slot, &said);
        }
    }
}

/* Answers UNKNOWN for entries after `durable`: others may commit them, but they will not be applied here. */
void dgraft_driver_give_up_after(struct dgraft_driver *driver, dgraft_index durable)
{
    const struct window *window = &driver->window;
    dgraft_index index = durable + 1 > window->first ? durable + 1 : window->first;
    for (; index < window->end; index++) {
        struct window_slot *slot = dgraft_window_at(window, index);
        assert(slot != NULL);
        struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_UNKNOWN,
                                              .reason = DGRAFT_OUTCOME_UNKNOWN,
                                              .position = {slot->entry.index, slot->entry.term}};
        dgraft_driver_answer_slot(driver, slot, &said);
    }
}

void dgraft_driver_end_proposals(struct dgraft_driver *driver)
{
    struct window *window = &driver->window;
    for (struct dgraft_proposal *proposal = pop_proposal(&driver->proposals); proposal != NULL;
         proposal = pop_proposal(&driver->proposals)) {
        refuse(driver, proposal, DGRAFT_OUTCOME_NOT_LEADER, 0);
    }
    dgraft_driver_give_up_after(driver, 0);
    dgraft_driver_take_back(driver);
    for (dgraft_index index = window->first; index != window->end; index++) {
        struct window_slot *slot = dgraft_window_at(window, index);
        assert(slot != NULL);
        if (slot->gathered != NULL) {
            dgraft_driver_release(dgraft_window_forget_payload(window, slot));
        }
    }
}
