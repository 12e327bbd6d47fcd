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

static size_t payload_bytes(const struct dgraft_proposal *proposal)
{
    size_t bytes = 0;
    for (size_t i = 0; i < proposal->piece_count; i++) {
        if (proposal->pieces[i].iov_len > SIZE_MAX - bytes) {
            return SIZE_MAX;
        }
        bytes += proposal->pieces[i].iov_len;
    }
    return bytes;
}

enum dgraft_status dgraft_driver_propose(struct dgraft_driver *driver, struct dgraft_proposal *proposal)
{
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

/* Takes the next group off the queue. Returns how many bytes of records it needs in the ring. */
static size_t take_group(struct dgraft_driver *driver)
{
    size_t ring_bytes = 0;
    driver->group_count = 0;
    while (driver->proposals.first != NULL && driver->group_count < DRIVER_GROUP_MAX) {
        struct dgraft_proposal *proposal = driver->proposals.first;
        size_t bytes = payload_bytes(proposal);
        size_t record =
            bytes <= driver->options.small_bytes ? dgraft_record_bytes((uint32_t)bytes) : DGRAFT_RECORD_HEADER_BYTES;
        if (ring_bytes + record + DRIVER_MADE_ROOM > driver->ring.chunk_bytes) {
            break;
        }
        ring_bytes += record;
        struct dgraft_entry *entry = &driver->group_entries[driver->group_count];
        *entry = (struct dgraft_entry){.payload_bytes = (uint32_t)bytes, .kind = DGRAFT_ENTRY_COMMAND};
        entry->checksum = dgraft_record_payload_checksum(proposal->pieces, proposal->piece_count);
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
        size_t bytes = take_group(driver);
        assert(driver->group_count > 0);
        left -= driver->group_count < left ? driver->group_count : left;
        if (!dgraft_record_ring_reserve(&driver->ring, bytes + DRIVER_MADE_ROOM) ||
            !dgraft_window_reserve(&driver->window, (size_t)driver->group_count + 2)) {
            refuse_group(driver, 0, driver->group_count, DGRAFT_OUTCOME_BUSY, 0);
            continue;
        }
        struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
        event.u.propose = (struct dgraft_event_propose){.entries = driver->group_entries,
                                                        .count = driver->group_count,
                                                        .kind = DGRAFT_ENTRY_COMMAND,
                                                        .id = ++driver->next_id};
        dgraft_driver_step(driver, &event);
        driver->group_count = 0;
    }
}

static void frame(struct dgraft_driver *driver, struct dgraft_record *record, struct dgraft_proposal *proposal)
{
    bool small = record->entry.payload_bytes <= driver->options.small_bytes;
    size_t bytes = small ? dgraft_record_bytes(record->entry.payload_bytes) : DGRAFT_RECORD_HEADER_BYTES;
    struct window_slot slot = {.entry = record->entry, .tag = record->tag, .proposal = proposal};
    uint8_t *at = dgraft_record_ring_take(&driver->ring, bytes, &slot.buffer);
    dgraft_record_encode_header(record, at);
    slot.record = at;
    at += DGRAFT_RECORD_HEADER_BYTES;
    if (small) {
        for (size_t i = 0; proposal != NULL && i < proposal->piece_count; i++) {
            if (proposal->pieces[i].iov_len > 0) {
                memcpy(at, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
            }
            at += proposal->pieces[i].iov_len;
        }
        memset(at, 0, dgraft_record_padding(record->entry.payload_bytes));
    } else {
        slot.gathered = proposal;
    }
    dgraft_window_push(&driver->window, &slot);
    if (small && proposal != NULL) {
        /* Its bytes are in the ring: the caller has them back, the answer is still to come. */
        dgraft_driver_release(proposal);
    }
}

void dgraft_driver_frame_proposals(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    for (uint32_t i = 0; i < write->count; i++) {
        uint32_t at = write->skip + i;
        struct dgraft_proposal *proposal = driver->group[at];
        struct dgraft_record record = {.entry = driver->group_entries[at], .tag = proposal->tag};
        record.entry.index = write->first + i;
        record.entry.term = write->entry_term;
        driver->group[at] = NULL;
        frame(driver, &record, proposal);
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
        .entry = {.index = write->first, .term = write->entry_term, .kind = DGRAFT_ENTRY_NOOP}};
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
