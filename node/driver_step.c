/* One event goes through the core; its actions are carried out in their order; what the host then owes the core - how
 * far a SEND got, the term of an old entry - is stepped at once, until nothing is owed. */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dgraft_driver_answer_core(struct dgraft_driver *driver, const struct dgraft_event *event)
{
    assert(driver->answers_count < DRIVER_ANSWERS_MAX);
    uint32_t at = (driver->answers_first + driver->answers_count) % DRIVER_ANSWERS_MAX;
    driver->answers[at] = *event;
    driver->answers_count++;
}

static void look_up(struct dgraft_driver *driver, dgraft_index index)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TERM};
    const struct window_slot *slot = dgraft_window_at(&driver->window, index);
    event.u.term.position.index = index;
    event.u.term.position.term = slot != NULL ? slot->entry.term : dgraft_storage_term_at(driver->storage, index);
    dgraft_driver_answer_core(driver, &event);
}

/* Says what a peer lacks in bytes, too, which the core cannot know. */
static void tell_lag(struct dgraft_driver *driver, struct dgraft_action_notice *notice)
{
    struct dgraft_core_status status;
    dgraft_core_status(driver->core, &status);
    notice->before_bytes = notice->before == 0 ? 0 : driver->lag_bytes[notice->peer];
    notice->after_bytes = dgraft_storage_bytes_after(driver->storage, status.last.index - notice->after);
    driver->lag_bytes[notice->peer] = notice->after_bytes;
    dgraft_driver_log(driver, DGRAFT_LOG_INFO, "node %u lacks %llu entries, %llu bytes (lacked %llu, %llu)",
                      notice->peer, (unsigned long long)notice->after, (unsigned long long)notice->after_bytes,
                      (unsigned long long)notice->before, (unsigned long long)notice->before_bytes);
}

static void take_notice(struct dgraft_driver *driver, const struct dgraft_action_notice *told)
{
    struct dgraft_action_notice completed = *told;
    struct dgraft_action_notice *notice = &completed;
    switch (notice->kind) {
    case DGRAFT_NOTICE_ROLE:
        driver->leads = notice->after == DGRAFT_ROLE_LEADER;
        dgraft_driver_log(driver, DGRAFT_LOG_INFO, "node %u is now %s (was %s)", driver->identity.node,
                          dgraft_role_name((enum dgraft_role)notice->after),
                          dgraft_role_name((enum dgraft_role)notice->before));
        break;
    case DGRAFT_NOTICE_TERM:
        dgraft_driver_log(driver, DGRAFT_LOG_DEBUG, "term %llu (was %llu)", (unsigned long long)notice->after,
                          (unsigned long long)notice->before);
        break;
    case DGRAFT_NOTICE_LEADER:
        if (notice->after == 0) {
            dgraft_driver_log(driver, DGRAFT_LOG_INFO, "no leader is known (was node %llu)",
                              (unsigned long long)notice->before);
        } else {
            dgraft_driver_log(driver, DGRAFT_LOG_INFO, "node %llu leads", (unsigned long long)notice->after);
        }
        break;
    case DGRAFT_NOTICE_COMMIT:
        driver->commit = notice->after;
        break;
    case DGRAFT_NOTICE_MEMBERSHIP:
        driver->membership_index = notice->after;
        dgraft_driver_members_changed(driver, notice->after);
        break;
    case DGRAFT_NOTICE_FOREIGN_STORE:
        dgraft_driver_name_foreign(driver, notice->peer, notice->after);
        break;
    case DGRAFT_NOTICE_PEER_LAG:
        tell_lag(driver, notice);
        break;
    case DGRAFT_NOTICE_DISK:
        dgraft_driver_log(driver, notice->after != 0 ? DGRAFT_LOG_WARNING : DGRAFT_LOG_INFO, "node %u: %s",
                          driver->identity.node,
                          notice->after != 0 ? "its disk is short of room or takes too long: others are to lead"
                                             : "its disk has room and answers in time again");
        break;
    }
    if (driver->options.listener.notice != NULL) {
        driver->options.listener.notice(driver->options.listener.context, notice);
    }
}

static void take_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome)
{
    switch (outcome->of) {
    case DGRAFT_OUTCOME_OF_PROPOSALS:
        dgraft_driver_take_outcome(driver, outcome);
        break;
    case DGRAFT_OUTCOME_OF_READ:
        dgraft_driver_take_read_outcome(driver, outcome);
        break;
    case DGRAFT_OUTCOME_OF_TRANSFER:
        dgraft_driver_take_transfer_outcome(driver, outcome);
        break;
    case DGRAFT_OUTCOME_OF_CHANGE:
        dgraft_driver_take_change_outcome(driver, outcome);
        break;
    }
}

static void carry_out(struct dgraft_driver *driver, const struct dgraft_action *action)
{
    switch (action->kind) {
    case DGRAFT_ACTION_WRITE:
        dgraft_driver_take_write(driver, &action->u.write);
        break;
    case DGRAFT_ACTION_SEND:
        dgraft_driver_send(driver, &action->u.send);
        break;
    case DGRAFT_ACTION_APPLY:
        assert(action->u.apply.first == driver->apply_to + 1);
        driver->apply_to = action->u.apply.last;
        break;
    case DGRAFT_ACTION_ACCEPTED:
        /* The WRITE beside it has framed them. */
        break;
    case DGRAFT_ACTION_OUTCOME:
        take_outcome(driver, &action->u.outcome);
        break;
    case DGRAFT_ACTION_READ_READY:
        dgraft_driver_read_ready(driver, &action->u.read_ready);
        break;
    case DGRAFT_ACTION_SNAPSHOT_STORE:
        dgraft_driver_take_store(driver, &action->u.snapshot_store);
        break;
    case DGRAFT_ACTION_INSTALL:
        dgraft_driver_install(driver, &action->u.install);
        break;
    case DGRAFT_ACTION_COMPACT:
        dgraft_driver_compact(driver, &action->u.compact);
        break;
    case DGRAFT_ACTION_MEND:
        dgraft_driver_take_mend(driver, &action->u.mend);
        break;
    case DGRAFT_ACTION_REOPEN:
        driver->reopen = true;
        break;
    case DGRAFT_ACTION_LOOKUP:
        look_up(driver, action->u.lookup.index);
        break;
    case DGRAFT_ACTION_NOTICE:
        take_notice(driver, &action->u.notice);
        break;
    }
}

/* A broken rule means that going on could lose data: say which, and stop. */
static void broken(const struct dgraft_driver *driver, const char *rule)
{
    dgraft_driver_flight_save(driver);
    (void)fprintf(stderr, "dgraft: node %u: broken invariant: %s\n", driver->identity.node, rule);
    abort();
}

static void step_once(struct dgraft_driver *driver, struct dgraft_event *event)
{
    event->now_ns = driver->now_ns;
    if (driver->core_before != NULL) {
        memcpy(driver->core_before, driver->core, dgraft_core_size(&driver->options.core));
    }
    if (driver->flight != NULL) {
        dgraft_flight_event(driver->flight, driver->core, event);
    }
    enum dgraft_status status = dgraft_step(driver->core, event, driver->actions);
    driver->steps++;
    if (driver->flight != NULL) {
        dgraft_flight_actions(driver->flight, driver->core, status, driver->actions);
    }
    if (status != DGRAFT_OK) {
        (void)fprintf(stderr, "dgraft: event %d: %s\n", (int)event->kind, dgraft_status_text(status));
        broken(driver, "the driver makes only events that the core allows");
    }
    if (driver->core_before != NULL) {
        const char *rule = dgraft_core_check(driver->core);
        if (rule == NULL) {
            rule = dgraft_core_check_step(driver->core_before, driver->core, event, driver->actions);
        }
        if (rule != NULL) {
            broken(driver, rule);
        }
    }
    for (uint32_t i = 0; i < driver->actions->count; i++) {
        carry_out(driver, &driver->actions->items[i]);
    }
}

void dgraft_driver_step(struct dgraft_driver *driver, struct dgraft_event *event)
{
    step_once(driver, event);
    while (driver->answers_count > 0) {
        struct dgraft_event answer = driver->answers[driver->answers_first];
        driver->answers_first = (driver->answers_first + 1) % DRIVER_ANSWERS_MAX;
        driver->answers_count--;
        step_once(driver, &answer);
    }
}
