#include <dgraft/refusal.h>

#include <stddef.h>

/* One row per reason, in the order of the table, so that a reason is its own place. */
static const struct {
    const char *name;
    const char *text;
} reasons[DGRAFT_REFUSAL_TOTAL] = {{"accepted", "accepted"},
#define ROW(name, number, text) [number] = {#name, text},
                                   DGRAFT_REFUSAL_TABLE(ROW)
#undef ROW
};

const char *dgraft_refusal_name(enum dgraft_refusal refusal)
{
    return (size_t)refusal < DGRAFT_REFUSAL_TOTAL ? reasons[refusal].name : "?";
}

const char *dgraft_refusal_text(enum dgraft_refusal refusal)
{
    return (size_t)refusal < DGRAFT_REFUSAL_TOTAL ? reasons[refusal].text : "a reason that is none";
}
