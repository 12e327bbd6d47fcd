/* Is the history of one register linearizable? Exact and fast, because every value is written at most once.
 *
 * All operations on a value (its write, and the reads that returned it) form a cluster; the cluster's zone lies between
 * the first moment at which one of them had ended and the last at which one of them began. The history is linearizable
 * exactly when no value is read before its write began, no two zones of clusters that are not instantaneous ("forward":
 * ended before another began) overlap, and no zone of the other kind lies within a forward one.
 * [Gibbons, Korach: Testing shared memories, 1997]
 */
#ifndef SIM_LINEAR_H
#define SIM_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_linear_operation {
    bool write;
    uint64_t value; /* written or returned; 0 is what the register held at first, and is never written */
    uint64_t begin; /* moments are numbers that occur once */
    uint64_t end;   /* UINT64_MAX: never heard of again (a write that may or may not have happened) */
};

enum sim_linear_verdict {
    SIM_LINEAR = 1,
    SIM_LINEAR_NEVER_WRITTEN, /* a read returned what nobody had begun to write */
    SIM_LINEAR_OVERLAP,       /* two values held at once, or one came back */
    SIM_LINEAR_WITHIN,        /* a value was hidden within another one's time */
    SIM_LINEAR_NO_MEMORY
};

/* Checks `count` operations on one register, in any order. *value says at which value it fails. */
enum sim_linear_verdict sim_linear_check(const struct sim_linear_operation *operations, size_t count, uint64_t *value);

#endif
