/* Why bytes were refused: one table for every decoder, counted by reason and printed by raftctl. */
#ifndef DGRAFT_REFUSAL_H
#define DGRAFT_REFUSAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, text). */
#define DGRAFT_REFUSAL_TABLE(X)                                                                                        \
    X(SHORT, 1, "shorter than its header or than the length it states")                                                \
    X(MAGIC, 2, "does not begin as anything of dgraft does")                                                           \
    X(VERSION, 3, "a newer version of the format than this program reads")                                             \
    X(CHECKSUM, 4, "the checksum does not fit the bytes")                                                              \
    X(LENGTH, 5, "a length is out of its bounds")                                                                      \
    X(TYPE, 6, "a type or kind that this program does not know")                                                       \
    X(COUNT, 7, "a count does not fit the bytes that are there")                                                       \
    X(FIELD, 8, "a field holds a value that is never written")                                                         \
    X(CLUSTER, 9, "of another cluster")                                                                                \
    X(GROUP, 10, "of another group")                                                                                   \
    X(SENDER, 11, "from a node that is not a member")                                                                  \
    X(RECEIVER, 12, "meant for another node")                                                                          \
    X(STORE, 13, "from another store than this node id had before")                                                    \
    X(ORDER, 14, "indexes or terms of entries are out of order")                                                       \
    X(MEMORY, 15, "no room to put its fragments together")                                                             \
    X(PADDING, 16, "bytes that must be zero are not")                                                                  \
    X(CHAIN, 17, "does not follow the batch before it")                                                                \
    X(EMPTY, 18, "nothing but zeros")

enum dgraft_refusal {
    DGRAFT_ACCEPT = 0,
#define DGRAFT_REFUSAL_ENUM(name, number, text) DGRAFT_REFUSAL_##name = number,
    DGRAFT_REFUSAL_TABLE(DGRAFT_REFUSAL_ENUM)
#undef DGRAFT_REFUSAL_ENUM
        DGRAFT_REFUSAL_TOTAL
};

/* Returns the reason's name, as "CHECKSUM"; "accepted" for DGRAFT_ACCEPT. Never NULL. */
const char *dgraft_refusal_name(enum dgraft_refusal refusal);

/* Returns the reason as words for people. Never NULL. */
const char *dgraft_refusal_text(enum dgraft_refusal refusal);

#ifdef __cplusplus
}
#endif
#endif
