/* Every operation of storage, one by one, each in a scene of its own: what was acknowledged before, the one operation,
 * and what it changes. The crash states and the faults of all of them are tried by what is written once.
 */
#ifndef STORAGE_OPERATIONS_H
#define STORAGE_OPERATIONS_H

#include "storage_rig.h"

/* name, words, crash states that there are at least */
#define STORAGE_OPERATIONS(X)                                                                                          \
    X(format, "format", 100)                                                                                           \
    X(open_marked, "open", 1)                                                                                          \
    X(open_unmarked, "open", 50)                                                                                       \
    X(open_void, "open", 50)                                                                                           \
    X(open_torn_state, "open", 10)                                                                                     \
    X(open_spare, "open", 10)                                                                                          \
    X(open_leftovers, "open", 80)                                                                                      \
    X(open_install, "open", 60)                                                                                        \
    X(append, "write", 16)                                                                                             \
    X(append_many, "write", 4096)                                                                                      \
    X(truncate, "write", 4)                                                                                            \
    X(truncate_append, "write", 8)                                                                                     \
    X(save, "write", 8)                                                                                                \
    X(save_append, "write", 16)                                                                                        \
    X(mark, "write", 4)                                                                                                \
    X(roll, "write", 256)                                                                                              \
    X(roll_spare, "write", 256)                                                                                        \
    X(roll_old_spare, "write", 256)                                                                                    \
    X(roll_pool, "write", 256)                                                                                         \
    X(roll_large, "write", 1000)                                                                                       \
    X(spare, "spare", 10)                                                                                              \
    X(spare_pool, "spare", 4)                                                                                          \
    X(fill, "fill", 10)                                                                                                \
    X(fill_left_over, "fill", 4)                                                                                       \
    X(begin, "snapshot begin", 10)                                                                                     \
    X(begin_again, "snapshot begin", 10)                                                                               \
    X(store, "snapshot write", 4)                                                                                      \
    X(seal, "snapshot seal", 4)                                                                                        \
    X(check, "snapshot check", 1)                                                                                      \
    X(publish, "snapshot publish", 4)                                                                                  \
    X(install, "write", 4)                                                                                             \
    X(drop, "drop", 10)                                                                                                \
    X(read, "read", 1)                                                                                                 \
    X(read_snapshot, "snapshot read", 1)                                                                               \
    X(reread, "snapshot reread", 1)                                                                                    \
    X(close_marked, "close", 1)                                                                                        \
    X(close_unmarked, "close", 4)

enum operation_number {
#define NUMBER(name, words, states) OPERATION_##name,
    STORAGE_OPERATIONS(NUMBER)
#undef NUMBER
        OPERATION_COUNT
};

struct scene {
    struct memory_fs *memory;
    struct dgraft_storage *storage; /* NULL when it is not open */
    struct rig_log log;             /* acknowledged */
    struct rig_log after;           /* when the operation is, too */
    bool formatted;
    struct dgraft_position part; /* a snapshot of which a part was received; index 0: none */
    uint64_t part_bytes;         /* acknowledged of it */
    struct dgraft_why why;
};

struct operation {
    const char *name;  /* of this one case */
    const char *words; /* as docs/log-format.md says it */
    uint64_t states_least;
    const struct rig_write *before; /* up to the first of no effect */
    uint32_t spares;
    void (*ready)(struct scene *scene);             /* what else comes before; NULL: nothing */
    enum dgraft_status (*act)(struct scene *scene); /* NULL: writes the change */
    const struct rig_write *change;                 /* NULL: none */
};

struct operation storage_operation(enum operation_number number);

/* Makes the scene, up to the operation. */
struct scene *scene_begin(const struct operation *operation);

/* Does the operation. */
enum dgraft_status scene_act(struct scene *scene, const struct operation *operation);

/* Ends it; what is open is abandoned. */
void scene_end(struct scene *scene);

/* Abandons what is open. */
void scene_abandon(struct scene *scene);

/* Options that all of them use. */
struct dgraft_storage_options scene_options(uint32_t spares);

/* Returns NULL when what a start found of a snapshot under way is what was acknowledged. */
const char *scene_part_differs(struct dgraft_storage *storage, const struct scene *scene);

#endif
