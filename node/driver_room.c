/* Room on the disk: what the core is told of it, and a node whose disk fails, or is full.
 *
 *   takes part --a write fails--> poisoned, for good
 *       |   ^
 *       |   +------------------- the store is opened again: START, with what is applied kept
 *       |                                          ^
 *       +--a write finds no room--> ran full ------+ once a second, when there is room
 *
 * Nothing is assumed of a write that found no room: its proposals are answered UNKNOWN, and what is on the disk counts,
 * as after a crash. Its entries may be on other disks all the same.
 */
#include "driver_state.h"

/* So often a node whose disk ran full looks whether it can be opened again. Not more often: that reads its log. */
#define COME_BACK_EVERY_NS UINT64_C(1000000000)

void dgraft_driver_watch_room(struct dgraft_driver *driver)
{
    const bool lacks = dgraft_driver_lacks_room(driver);
    if (lacks != driver->told_full) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_DISK, .u.disk.full = lacks};
        driver->told_full = lacks;
        dgraft_driver_step(driver, &event);
    }
}

void dgraft_driver_poison(struct dgraft_driver *driver, const struct dgraft_why *why)
{
    const bool again = driver->poisoned;
    struct dgraft_core_status core;
    if (again && driver->come_back_at_ns == 0) {
        return;
    }
    dgraft_core_status(driver->core, &core);
    const bool full = !again && !core.poisoned && dgraft_storage_ran_full(driver->storage);
    driver->poisoned = true;
    driver->poisoned_why = *why;
    driver->come_back_at_ns = full ? driver->now_ns + COME_BACK_EVERY_NS : 0;
    dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "this node stops taking part, and acknowledges nothing more: %s%s",
                      why->text, full ? "; it tries again when there is room" : "; mend the disk and start it again");
    if (!again) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_POISONED};
        dgraft_driver_step(driver, &event);
        dgraft_driver_give_up_after(driver, driver->durable);
    }
}

void dgraft_driver_come_back(struct dgraft_driver *driver)
{
    struct dgraft_why why = {""};
    if (driver->come_back_at_ns == 0 || driver->now_ns < driver->come_back_at_ns || driver->closing ||
        atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_IDLE ||
        atomic_load_explicit(&driver->files.state, memory_order_acquire) != FILE_IDLE) {
        return;
    }
    driver->come_back_at_ns = driver->now_ns + COME_BACK_EVERY_NS;
    if (!dgraft_storage_room_again(driver->storage)) {
        return;
    }
    const enum dgraft_status status = dgraft_driver_open_again(driver, &why);
    if (status == DGRAFT_OK) {
        driver->came_back++;
        dgraft_driver_log(driver, DGRAFT_LOG_INFO, "there is room on the disk: this node takes part again");
    } else if (dgraft_storage_ran_full(driver->storage)) {
        driver->poisoned_why = why;
    } else {
        dgraft_driver_poison(driver, &why);
    }
}
