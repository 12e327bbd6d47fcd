#include "sim_counts.h"

static const char *const texts[SIM_COUNT_TOTAL] = {
#define SIM_COUNT_TEXT(name, text) text,
    SIM_COUNT_TABLE(SIM_COUNT_TEXT)
#undef SIM_COUNT_TEXT
};

const char *sim_count_text(enum sim_count which)
{
    return which < SIM_COUNT_TOTAL ? texts[which] : "?";
}

void sim_counts_add(struct sim_counts *to, const struct sim_counts *from)
{
    for (int i = 0; i < SIM_COUNT_TOTAL; i++) {
        to->of[i] += from->of[i];
    }
}
