#include "sim_linear.h"

#include <stdlib.h>

struct zone {
    uint64_t value;
    bool written;
    uint64_t write_begin;
    uint64_t first_end;
    uint64_t last_begin;
};

static bool forward(const struct zone *zone)
{
    return zone->first_end < zone->last_begin;
}

static uint64_t low(const struct zone *zone)
{
    return forward(zone) ? zone->first_end : zone->last_begin;
}

static uint64_t high(const struct zone *zone)
{
    return forward(zone) ? zone->last_begin : zone->first_end;
}

static int by_value(const void *a, const void *b)
{
    const struct sim_linear_operation *const *x = a;
    const struct sim_linear_operation *const *y = b;
    return ((*x)->value > (*y)->value) - ((*x)->value < (*y)->value);
}

static int by_low(const void *a, const void *b)
{
    const struct zone *x = a;
    const struct zone *y = b;
    return (low(x) > low(y)) - (low(x) < low(y));
}

/* Makes the zones of all values; returns how many. */
static size_t make_zones(const struct sim_linear_operation **sorted, size_t count, struct zone *zones)
{
    size_t made = 1;

    /* What the register held at first was written before everything. */
    zones[0] = (struct zone){.written = true};
    for (size_t i = 0; i < count; i++) {
        const struct sim_linear_operation *operation = sorted[i];
        struct zone *zone = &zones[made - 1];
        if (operation->value != zone->value) {
            zone = &zones[made++];
            *zone = (struct zone){.value = operation->value, .first_end = UINT64_MAX};
        }
        zone->first_end = operation->end < zone->first_end ? operation->end : zone->first_end;
        zone->last_begin = operation->begin > zone->last_begin ? operation->begin : zone->last_begin;
        if (operation->write) {
            zone->written = true;
            zone->write_begin = operation->begin;
        }
    }
    return made;
}

static enum sim_linear_verdict check_zones(struct zone *zones, size_t count, uint64_t *value)
{
    uint64_t reach = 0; /* end of the forward zones so far */
    bool any = false;

    qsort(zones, count, sizeof *zones, by_low);
    for (size_t i = 0; i < count; i++) {
        const struct zone *zone = &zones[i];
        *value = zone->value;
        if (forward(zone)) {
            if (any && low(zone) < reach) {
                return SIM_LINEAR_OVERLAP;
            }
            reach = high(zone);
            any = true;
        } else if (any && high(zone) < reach) {
            return SIM_LINEAR_WITHIN;
        }
    }
    return SIM_LINEAR;
}

enum sim_linear_verdict sim_linear_check(const struct sim_linear_operation *operations, size_t count, uint64_t *value)
{
    const struct sim_linear_operation **sorted = calloc(count + 1, sizeof *sorted);
    struct zone *zones = calloc(count + 1, sizeof *zones);
    enum sim_linear_verdict verdict = SIM_LINEAR;

    *value = 0;
    if (sorted == NULL || zones == NULL) {
        free(sorted);
        free(zones);
        return SIM_LINEAR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &operations[i];
    }
    qsort(sorted, count, sizeof *sorted, by_value);
    const size_t zone_count = make_zones(sorted, count, zones);
    for (size_t i = 0; i < zone_count && verdict == SIM_LINEAR; i++) {
        if (!zones[i].written || (i > 0 && zones[i].first_end < zones[i].write_begin)) {
            *value = zones[i].value;
            verdict = SIM_LINEAR_NEVER_WRITTEN;
        }
    }
    if (verdict == SIM_LINEAR) {
        verdict = check_zones(zones, zone_count, value);
    }
    free(sorted);
    free(zones);
    return verdict;
}
