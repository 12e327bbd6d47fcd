/* Reads: all that wait ask the core under one id, and are answered when the state machine has what it says. */
#include "driver_state.h"

/* How long reads wait for this node's state machine, in election timeouts: it may have been cut off or removed since
 * its leader told it the index, and never get there. Whoever asks again elsewhere is served. */
#define GIVE_UP_TIMEOUTS 10u

static void end_read(struct dgraft_read *read, enum dgraft_status status, dgraft_node_id leader)
{
    read->ready(read->context, status, leader);
}

static struct dgraft_read *pop_read(struct read_queue *queue)
{
    struct dgraft_read *read = queue->first;
    if (read != NULL) {
        queue->first = read->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
    }
    return read;
}

static void end_reads(struct read_queue *queue, enum dgraft_status status, dgraft_node_id leader)
{
    struct read_queue taken = *queue;
    *queue = (struct read_queue){0};
    for (struct dgraft_read *read = pop_read(&taken); read != NULL; read = pop_read(&taken)) {
        end_read(read, status, leader);
    }
}

static struct read_group *find_group(struct dgraft_driver *driver, uint64_t id)
{
    for (uint32_t i = 0; i < driver->read_groups_count; i++) {
        if (driver->read_groups[i].id == id) {
            return &driver->read_groups[i];
        }
    }
    return NULL;
}

static struct read_queue remove_group(struct dgraft_driver *driver, struct read_group *group)
{
    struct read_queue reads = group->reads;
    *group = driver->read_groups[--driver->read_groups_count];
    return reads;
}

void dgraft_driver_take_read_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome)
{
    struct read_group *group = find_group(driver, outcome->id);
    if (group != NULL) {
        struct read_queue reads = remove_group(driver, group);
        end_reads(&reads, outcome->outcome == DGRAFT_OUTCOME_BUSY ? DGRAFT_STATUS_BUSY : DGRAFT_STATUS_NOT_LEADER,
                  outcome->leader);
    }
}

enum dgraft_status dgraft_driver_read(struct dgraft_driver *driver, struct dgraft_read *read)
{
    if (driver->closing) {
        return DGRAFT_STATUS_CLOSED;
    }
    if (driver->reads.count >= driver->options.proposals_max) {
        return DGRAFT_STATUS_BUSY;
    }
    read->next = NULL;
    if (driver->reads.last != NULL) {
        driver->reads.last->next = read;
    } else {
        driver->reads.first = read;
    }
    driver->reads.last = read;
    driver->reads.count++;
    return DGRAFT_OK;
}

void dgraft_driver_step_reads(struct dgraft_driver *driver)
{
    /* With every place taken the reads wait for the next turn: an answer makes room. */
    if (driver->reads.first == NULL || driver->read_groups_count == driver->read_groups_max) {
        return;
    }
    struct read_group *group = &driver->read_groups[driver->read_groups_count++];
    *group = (struct read_group){.reads = driver->reads, .id = ++driver->next_id};
    driver->reads = (struct read_queue){0};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = group->id;
    dgraft_driver_step(driver, &event);
}

void dgraft_driver_read_ready(struct dgraft_driver *driver, const struct dgraft_action_read_ready *ready)
{
    struct read_group *group = find_group(driver, ready->id);
    if (group != NULL) {
        /* Index 0 means "not answered" in a group; an empty log's read waits for nothing. */
        group->index = ready->index > 0 ? ready->index : 1;
        group->lease_until_ns = ready->lease_until_ns;
        group->give_up_at_ns = driver->now_ns + GIVE_UP_TIMEOUTS * driver->options.core.election_timeout_ns;
    }
}

/* Returns whether a lease is over by now: this thread may have slept since the core looked. */
static bool lease_over(const struct dgraft_driver *driver, const struct read_group *group)
{
    return group->lease_until_ns != 0 && driver->options.clock(driver->options.clock_context) >= group->lease_until_ns;
}

/* Puts the reads of a group back in front of those that wait to be asked. */
static void ask_again(struct dgraft_driver *driver, struct read_queue reads)
{
    reads.last->next = driver->reads.first;
    reads.last = driver->reads.last != NULL ? driver->reads.last : reads.last;
    reads.count += driver->reads.count;
    driver->reads = reads;
}

void dgraft_driver_answer_reads(struct dgraft_driver *driver)
{
    uint32_t i = 0;
    driver->read_give_up_at_ns = UINT64_MAX;
    while (i < driver->read_groups_count) {
        struct read_group *group = &driver->read_groups[i];
        if (group->index == 0) {
            i++;
            continue;
        }
        if (group->index > driver->applied && driver->now_ns >= group->give_up_at_ns) {
            struct read_queue late = remove_group(driver, group);
            end_reads(&late, DGRAFT_STATUS_NOT_LEADER, 0);
            continue;
        }
        if (group->index > driver->applied) {
            const dgraft_time_ns at = group->give_up_at_ns;
            driver->read_give_up_at_ns = at < driver->read_give_up_at_ns ? at : driver->read_give_up_at_ns;
            i++;
            continue;
        }
        const bool again = lease_over(driver, group);
        struct read_queue reads = remove_group(driver, group);
        if (again) {
            ask_again(driver, reads);
        } else {
            end_reads(&reads, DGRAFT_OK, driver->identity.node);
        }
    }
}

void dgraft_driver_drop_reads(struct dgraft_driver *driver)
{
    while (driver->read_groups_count > 0) {
        struct read_queue reads = remove_group(driver, &driver->read_groups[0]);
        end_reads(&reads, DGRAFT_STATUS_NOT_LEADER, 0);
    }
}

void dgraft_driver_end_reads(struct dgraft_driver *driver)
{
    end_reads(&driver->reads, DGRAFT_STATUS_CLOSED, 0);
    while (driver->read_groups_count > 0) {
        struct read_queue reads = remove_group(driver, &driver->read_groups[0]);
        end_reads(&reads, DGRAFT_STATUS_CLOSED, 0);
    }
}
