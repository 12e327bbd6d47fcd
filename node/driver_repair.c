/* Entries that are damaged: they come from peers, are written in their places, and then the store is opened again. The
 * core decides what is asked of whom and what is taken; this file reads, copies and writes. All of it is rare, so it
 * copies.
 */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A store that reports damage when it is read, and finds none when it is opened, so often in a row, cannot be trusted.
 */
#define REOPENED_FOR_NOTHING_MAX 3u

void dgraft_driver_take_mend(struct dgraft_driver *driver, const struct dgraft_action_mend *mend)
{
    struct driver_mend *taken = &driver->mend;
    assert(taken->count == 0 && mend->count > 0 && driver->frame_records != NULL);
    size_t size = 0;
    for (uint32_t i = 0; i < mend->count; i++) {
        size += dgraft_record_bytes(driver->frame_entries[i].payload_bytes);
    }
    uint8_t *bytes = malloc(size);
    struct dgraft_entry *entries = malloc(mend->count * sizeof *entries);
    if (bytes == NULL || entries == NULL) {
        const struct dgraft_why why = {"out of memory while entries are mended"};
        free(bytes);
        free(entries);
        driver->damaged_why = why; /* poison, but not within a step */
        driver->mend_failed = true;
        return;
    }
    memcpy(bytes, driver->frame_records, size);
    memcpy(entries, driver->frame_entries, mend->count * sizeof *entries);
    *taken = (struct driver_mend){.seq = mend->seq,
                                  .first = mend->first,
                                  .count = mend->count,
                                  .bytes = bytes,
                                  .size = size,
                                  .entries = entries,
                                  .piece = {bytes, size}};
}

void dgraft_driver_plan_mend(struct dgraft_driver *driver, struct dgraft_storage_write *write)
{
    struct driver_mend *mend = &driver->mend;
    if (mend->count == 0 || mend->writing || write->count > 0) {
        return;
    }
    mend->writing = true;
    write->log = true;
    write->mends = true;
    write->keep = write->last.index;
    write->first = mend->first;
    write->count = mend->count;
    write->records = &mend->piece;
    write->record_pieces = 1;
    write->entries = mend->entries;
}

static void drop_mend(struct dgraft_driver *driver)
{
    free(driver->mend.bytes);
    free(driver->mend.entries);
    driver->mend = (struct driver_mend){.count = 0};
}

void dgraft_driver_mended(struct dgraft_driver *driver)
{
    if (driver->mend.writing) {
        drop_mend(driver);
    }
}

/* Names the answer for the fragments: one that is still under way is not begun again. */
static uint64_t fetched_key(const struct dgraft_fetch_answer *answer)
{
    const uint64_t key = answer->anchor.index * UINT64_C(0x9e3779b97f4a7c15) + answer->anchor.term;
    return (key * UINT64_C(0xbf58476d1ce4e5b9) + answer->first) | 1;
}

static dgraft_term term_at(struct dgraft_driver *driver, dgraft_index index)
{
    const struct window_slot *slot = dgraft_window_at(&driver->window, index);
    return slot != NULL ? slot->entry.term : dgraft_storage_term_at(driver->storage, index);
}

void dgraft_driver_send_fetched(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    struct dgraft_action_send filled = *send;
    struct dgraft_fetch_answer *answer = &filled.message.u.fetch_answer;
    struct iovec records = {NULL, 0};
    if (answer->verdict == DGRAFT_FETCH_HAVE && term_at(driver, answer->anchor.index) != answer->anchor.term) {
        answer->verdict = DGRAFT_FETCH_HAVE_NOT; /* older than what the core knows */
    }
    if (answer->verdict == DGRAFT_FETCH_HAVE) {
        struct dgraft_why why;
        size_t room = dgraft_record_bytes(driver->options.core.entry_bytes_max) + 65536; /* as the largest append */
        size_t used = 0;
        enum dgraft_status status = DGRAFT_STATUS_TOO_LARGE;
        for (int i = 0; i < 2 && status == DGRAFT_STATUS_TOO_LARGE; i++) {
            room = used > room ? used : room;
            if (!dgraft_driver_grow(&driver->chunk, &driver->chunk_bytes, room)) {
                return;
            }
            status = dgraft_storage_read(driver->storage, answer->first, send->last.index, driver->chunk, room,
                                         &answer->count, &used, &why);
        }
        if (status != DGRAFT_OK) {
            driver->damaged = driver->damaged || status == DGRAFT_STATUS_DAMAGED;
            driver->damaged_why = why;
            return;
        }
        records = (struct iovec){driver->chunk, used};
    }
    dgraft_driver_send_records(driver, &filled, &records, fetched_key(answer));
}

void dgraft_driver_damaged(struct dgraft_driver *driver, const struct dgraft_why *why)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DAMAGED};
    driver->damaged = false;
    if (driver->poisoned || driver->damage_told) {
        return;
    }
    driver->damage_told = true;
    dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "what was stored cannot be read: %s; the directory is looked through",
                      why->text);
    driver->reopened_for_nothing++;
    dgraft_driver_step(driver, &event);
}

void dgraft_driver_tell_damage(struct dgraft_driver *driver, const struct dgraft_found *found)
{
    if (found->damage_found[0] != '\0') {
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "%s", found->damage_found);
    }
    for (uint32_t i = 0; i < found->damage_count; i++) {
        const struct dgraft_damage *damage = &found->damage[i];
        dgraft_driver_log(
            driver, DGRAFT_LOG_WARNING,
            "entries %llu to %llu are damaged: the other members are asked for them; until then this node "
            "votes, but neither leads nor takes entries",
            (unsigned long long)damage->first, (unsigned long long)damage->last);
    }
}

/* What hung on the log as it was: answered, or forgotten. */
static void let_go(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    dgraft_driver_give_up_after(driver, 0);
    dgraft_driver_overwrite_after(driver, driver->window.first - 1);
    dgraft_driver_drop_reads(driver);
    if (driver->transfer_id != 0) {
        dgraft_driver_end_transfer(driver);
    }
    dgraft_driver_end_files(driver);
    drop_mend(driver);
    files->next_received = FILE_NONE;
    files->stores_count = 0;
    files->forget = 0;
    files->drop = false;
    driver->pending_seq = 0;
    driver->pending_state = false;
    driver->pending_log = false;
    driver->pending_restart = 0;
    driver->mark_floor_at_ns = 0;
    driver->apply_to = driver->applied;
    driver->leads = false;
    driver->told_full = false;
    driver->damaged = false;
    driver->damage_told = false;
    driver->mend_failed = false;
    driver->reopen = false;
    memset(driver->lag_bytes, 0, sizeof driver->lag_bytes);
}

enum dgraft_status dgraft_driver_open_again(struct dgraft_driver *driver, struct dgraft_why *why)
{
    let_go(driver);
    (void)pthread_rwlock_wrlock(&driver->store_lock);
    const enum dgraft_status status = dgraft_storage_reopen(&driver->options.storage, &driver->storage, why);
    (void)pthread_rwlock_unlock(&driver->store_lock);
    if (status != DGRAFT_OK) {
        return status;
    }
    const bool poisoned = driver->poisoned;
    driver->poisoned = false;
    const enum dgraft_status started = dgraft_driver_start(driver, why);
    driver->poisoned = driver->poisoned || (poisoned && started != DGRAFT_OK);
    driver->come_back_at_ns = driver->poisoned ? driver->come_back_at_ns : 0;
    return started;
}

void dgraft_driver_reopen(struct dgraft_driver *driver)
{
    struct dgraft_why why = {"the store reports damage when it is read, and none when it is opened: its disk, or this "
                             "machine's memory, fails"};
    if (driver->mend_failed) {
        dgraft_driver_poison(driver, &driver->damaged_why);
    } else if (driver->damaged) {
        dgraft_driver_damaged(driver, &driver->damaged_why);
    }
    if (!driver->reopen || driver->poisoned || driver->closing || driver->pending_seq != 0 || driver->mend.count > 0 ||
        atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_IDLE ||
        atomic_load_explicit(&driver->files.state, memory_order_acquire) != FILE_IDLE) {
        return;
    }
    driver->reopen = false;
    driver->reopened++;
    driver->damage_told = false;
    enum dgraft_status status = DGRAFT_STATUS_POISONED;
    if (driver->reopened_for_nothing <= REOPENED_FOR_NOTHING_MAX) {
        status = dgraft_driver_open_again(driver, &why);
    }
    if (status == DGRAFT_OK) {
        struct dgraft_found found;
        dgraft_storage_found(driver->storage, &found);
        driver->reopened_for_nothing = found.damage_found[0] != '\0' ? 0 : driver->reopened_for_nothing;
        dgraft_driver_log(driver, DGRAFT_LOG_INFO, "the directory was opened again: %s",
                          found.damage_count == 0 ? "nothing is damaged" : "some entries are damaged");
    } else {
        dgraft_driver_poison(driver, &why);
    }
}
