/* The account of bytes that a leader has proposed and not yet committed: a ring of (last index, bytes so far). When the
 * ring is full the newest place takes more in, so the account may free bytes late, and is exactly 0 once all is
 * committed.
 */
#include "parts.h"

void dgraft_core_bytes_reset(struct dgraft_core *core)
{
    core->bytes_proposed = 0;
    core->bytes_committed = 0;
    core->marks_head = 0;
    core->marks_count = 0;
}

void dgraft_core_bytes_add(struct dgraft_core *core, dgraft_index last, uint64_t bytes)
{
    core->bytes_proposed += bytes;
    if (core->marks_count < DGRAFT_CORE_MARKS) {
        core->marks_count++;
    }
    core->marks[(core->marks_head + core->marks_count - 1) % DGRAFT_CORE_MARKS] =
        (struct byte_mark){.last = last, .bytes = core->bytes_proposed};
}

/* Frees what is committed now. */
void dgraft_core_bytes_release(struct dgraft_core *core)
{
    while (core->marks_count > 0 && core->marks[core->marks_head].last <= core->commit) {
        DGRAFT_CORE_ASSERT(core->marks[core->marks_head].bytes >= core->bytes_committed);
        core->bytes_committed = core->marks[core->marks_head].bytes;
        core->marks_head = (core->marks_head + 1) % DGRAFT_CORE_MARKS;
        core->marks_count--;
    }
}
