#include "holes.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

const struct dgraft_hole *dgraft_holes_from(const struct dgraft_holes *holes, dgraft_index index)
{
    for (uint32_t i = 0; i < holes->count; i++) {
        if (holes->items[i].last >= index) {
            return &holes->items[i];
        }
    }
    return NULL;
}

bool dgraft_holes_have(const struct dgraft_holes *holes, dgraft_index index)
{
    const struct dgraft_hole *hole = dgraft_holes_from(holes, index);
    return hole != NULL && hole->first <= index;
}

static void erase(struct dgraft_holes *holes, uint32_t at)
{
    holes->count--;
    memmove(&holes->items[at], &holes->items[at + 1], (holes->count - at) * sizeof holes->items[0]);
}

/* Joins the two neighbours that have the least between them. */
static void join_nearest(struct dgraft_holes *holes)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i + 1 < holes->count; i++) {
        if (holes->items[i + 1].first - holes->items[i].last < holes->items[best + 1].first - holes->items[best].last) {
            best = i;
        }
    }
    holes->items[best].last = holes->items[best + 1].last;
    erase(holes, best + 1);
}

void dgraft_holes_add(struct dgraft_holes *holes, dgraft_index first, dgraft_index last)
{
    assert(first > 0 && first <= last);
    uint32_t at = 0;
    while (at < holes->count && holes->items[at].last + 1 < first) {
        at++;
    }
    while (at < holes->count && holes->items[at].first <= last + 1) { /* all that it touches becomes part of it */
        first = first < holes->items[at].first ? first : holes->items[at].first;
        last = last > holes->items[at].last ? last : holes->items[at].last;
        erase(holes, at);
    }
    if (holes->count == DGRAFT_DAMAGE_MAX) {
        join_nearest(holes);
        dgraft_holes_add(holes, first, last); /* there is room now, and it may lie in what was joined */
        return;
    }
    memmove(&holes->items[at + 1], &holes->items[at], (holes->count - at) * sizeof holes->items[0]);
    holes->items[at] = (struct dgraft_hole){first, last};
    holes->count++;
}

void dgraft_holes_subtract(struct dgraft_holes *holes, dgraft_index first, dgraft_index last)
{
    for (uint32_t i = 0; i < holes->count;) {
        struct dgraft_hole *hole = &holes->items[i];
        if (hole->first > last || hole->last < first) {
            i++;
        } else if (first <= hole->first && last >= hole->last) {
            erase(holes, i);
        } else if (first <= hole->first) {
            hole->first = last + 1;
            i++;
        } else if (last >= hole->last) {
            hole->last = first - 1;
            i++;
        } else {
            const struct dgraft_hole rest = {last + 1, hole->last};
            if (holes->count < DGRAFT_DAMAGE_MAX) {
                hole->last = first - 1;
                dgraft_holes_add(holes, rest.first, rest.last);
            }
            return;
        }
    }
}

void dgraft_holes_clip(struct dgraft_holes *holes, dgraft_index keep)
{
    while (holes->count > 0 && holes->items[holes->count - 1].first > keep) {
        holes->count--;
    }
    if (holes->count > 0 && holes->items[holes->count - 1].last > keep) {
        holes->items[holes->count - 1].last = keep;
    }
}

void dgraft_holes_raise(struct dgraft_holes *holes, dgraft_index base)
{
    while (holes->count > 0 && holes->items[0].last <= base) {
        erase(holes, 0);
    }
    if (holes->count > 0 && holes->items[0].first <= base) {
        holes->items[0].first = base + 1;
    }
}
