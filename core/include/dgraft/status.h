/* What a call of dgraft returns: one table of code, name and text.
 *
 * Four classes: misuse (the caller's program is wrong), peer (what arrived is refused and counted), outcome (a plain
 * answer, nothing changed) and environment (disk, memory, network: the text says what to do).
 */
#ifndef DGRAFT_STATUS_H
#define DGRAFT_STATUS_H

#include <dgraft/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, text). Numbers are never used again. */
#define DGRAFT_STATUS_TABLE(X)                                                                                         \
    X(OK, 0, "done")                                                                                                   \
    X(MISUSE, 1, "called with arguments or at a time that its documentation forbids")                                  \
    X(CONFIG, 2, "a configured value is out of its bounds")                                                            \
    X(NO_MEMORY, 3, "out of memory")                                                                                   \
    X(BUSY, 4, "a bounded queue is full: try again shortly")                                                           \
    X(TOO_LARGE, 5, "larger than the configured bound")                                                                \
    X(NOT_LEADER, 6, "this node does not lead: ask the leader")                                                        \
    X(CLOSED, 7, "already closed, or closing")                                                                         \
    X(IO, 8, "the operating system refused an operation on a file")                                                    \
    X(FULL, 9, "no space left on the device")                                                                          \
    X(READ_ONLY, 10, "the file system is read-only, or permission is missing")                                         \
    X(LOCKED, 11, "another process holds this directory")                                                              \
    X(NOT_EMPTY, 12, "the directory is not empty")                                                                     \
    X(NOT_FOUND, 13, "no such file or directory")                                                                      \
    X(FOREIGN, 14, "belongs to another cluster, node or store")                                                        \
    X(TOO_NEW, 15, "written by a newer version of the format than this program reads")                                 \
    X(DAMAGED, 16, "what was acknowledged is damaged")                                                                 \
    X(POISONED, 17, "a write or sync failed earlier: this store takes no further part")                                \
    X(NETWORK, 18, "the operating system refused an operation on a socket")                                            \
    X(ADDRESS_IN_USE, 19, "another program listens on this address")                                                   \
    X(ADDRESS, 20, "not an address that can be used")                                                                  \
    X(UNSUPPORTED, 21, "not supported by this build or machine")                                                       \
    X(TIMEOUT, 22, "no answer in time")                                                                                \
    X(GONE, 23, "compacted away: only a snapshot has it")                                                              \
    X(INVARIANT, 24, "an internal rule is broken: this is a bug in dgraft")

enum dgraft_status {
#define DGRAFT_STATUS_ENUM(name, number, text) DGRAFT_STATUS_##name = number,
    DGRAFT_STATUS_TABLE(DGRAFT_STATUS_ENUM)
#undef DGRAFT_STATUS_ENUM
        DGRAFT_STATUS_TOTAL
};

#if defined(__GNUC__)
#define DGRAFT_MUST_USE __attribute__((warn_unused_result))
#else
#define DGRAFT_MUST_USE
#endif

#define DGRAFT_OK DGRAFT_STATUS_OK

/* Returns the code's name, as "NOT_LEADER"; "?" for a number that is none. Never NULL. */
const char *dgraft_status_name(enum dgraft_status status);

/* Returns one sentence for people; never NULL. */
const char *dgraft_status_text(enum dgraft_status status);

/* Returns the library's version, as "0.1.0". */
const char *dgraft_version(void);

#ifdef __cplusplus
}
#endif
#endif
