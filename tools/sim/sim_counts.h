/* How often each fault struck and each path of the protocol was taken. A campaign in which one never was, proves
 * nothing about it, and fails.
 */
#ifndef SIM_COUNTS_H
#define SIM_COUNTS_H

#include <stdint.h>

/* X(NAME, what) */
#define SIM_COUNT_TABLE(X)                                                                                             \
    X(DATAGRAM_LOST, "datagrams lost")                                                                                 \
    X(DATAGRAM_TWICE, "datagrams delivered twice")                                                                     \
    X(DATAGRAM_OVERTOOK, "datagrams that overtook an earlier one")                                                     \
    X(DATAGRAM_LATE, "datagrams later than an election timeout")                                                       \
    X(DATAGRAM_ANCIENT, "datagrams from another age")                                                                  \
    X(DATAGRAM_FLIPPED, "datagrams with a bit flipped")                                                                \
    X(DATAGRAM_CUT, "datagrams cut short")                                                                             \
    X(DATAGRAM_PARTED, "datagrams stopped by a partition")                                                             \
    X(DATAGRAM_OVERFLOW, "datagrams lost by a receive buffer that was full")                                           \
    X(DATAGRAM_REFUSED, "datagrams refused by a node")                                                                 \
    X(PARTITION_BOTH, "partitions both ways")                                                                          \
    X(PARTITION_ONE_WAY, "partitions one way")                                                                         \
    X(PARTITION_BRIDGE, "partitions with one node that sees both sides")                                               \
    X(PARTITION_LEADER, "leaders cut off")                                                                             \
    X(CRASH_POWER, "power failures between operations")                                                                \
    X(CRASH_PROCESS, "processes killed, page cache kept")                                                              \
    X(CRASH_IN_WRITE, "power failures within a write")                                                                 \
    X(CRASH_IN_OPEN, "power failures within recovery")                                                                 \
    X(CRASH_ALL, "power failures of all nodes at once")                                                                \
    X(CLOSE, "clean shutdowns")                                                                                        \
    X(RESTART, "restarts")                                                                                             \
    X(PAUSE, "nodes paused")                                                                                           \
    X(DISK_TORN, "files torn by a crash")                                                                              \
    X(DISK_NAME_LOST, "names, renames or unlinks lost by a crash")                                                     \
    X(DISK_SHORT_READ, "short reads")                                                                                  \
    X(DISK_SHORT_WRITE, "short writes")                                                                                \
    X(DISK_EINTR, "reads and writes interrupted")                                                                      \
    X(DISK_SYNC_FAILED, "syncs failed")                                                                                \
    X(DISK_FULL, "writes refused for want of room")                                                                    \
    X(DISK_STALL, "writes longer than an election timeout")                                                            \
    X(POISONED, "nodes that stopped because their disk failed")                                                        \
    X(ELECTION, "leaders")                                                                                             \
    X(VOTE_GRANT, "votes granted on the wire")                                                                         \
    X(VOTE_REFUSE, "votes refused on the wire")                                                                        \
    X(PRE_VOTE_GRANT, "pre-votes granted on the wire")                                                                 \
    X(PRE_VOTE_REFUSE, "pre-votes refused on the wire")                                                                \
    X(STEP_DOWN, "leaders that stepped down")                                                                          \
    X(APPEND_ACK, "appends acknowledged")                                                                              \
    X(APPEND_REFUSE, "appends refused")                                                                                \
    X(APPEND_MANY, "appends of several entries")                                                                       \
    X(APPEND_TO_MANY, "appends to several followers at once")                                                          \
    X(TRUNCATION, "suffixes overwritten after a conflict")                                                             \
    X(REWRITE, "entries written again by recovery")                                                                    \
    X(UNSYNCED_LOST, "batches under way that a crash took")                                                            \
    X(UNSYNCED_KEPT, "batches under way that survived a crash")                                                        \
    X(FRAGMENT, "fragments")                                                                                           \
    X(COMMIT, "entries committed")                                                                                     \
    X(COMMIT_AHEAD, "commits ahead of the node's own disk")                                                            \
    X(COMMIT_OLD_TERM, "entries of an older term committed")                                                           \
    X(ANSWER_COMMITTED, "proposals answered COMMITTED")                                                                \
    X(ANSWER_REFUSED, "proposals answered REFUSED")                                                                    \
    X(ANSWER_UNKNOWN, "proposals answered UNKNOWN")                                                                    \
    X(SESSION_OPENED, "sessions opened")                                                                               \
    X(SESSION_CLOSED, "sessions closed")                                                                               \
    X(SESSION_EXPIRED, "sessions expired")                                                                             \
    X(SESSION_REPEATED, "retries in sessions answered as before")                                                      \
    X(SESSION_SKIPPED, "commands in the log without effect, because of their session")                                 \
    X(SESSION_UNKNOWN, "commands refused for want of their session")                                                   \
    X(SESSION_RESTORED, "turns of restarted nodes that have sessions again")                                           \
    X(READ_DONE, "reads answered")                                                                                     \
    X(READ_REFUSED, "reads refused")                                                                                   \
    X(READ_REQUEST, "reads that a follower asked its leader about")                                                    \
    X(READ_ANSWER, "answers to those")                                                                                 \
    X(LEASE, "turns of a leader with a lease")                                                                         \
    X(SLEPT_IN_TURN, "turns that began before a pause and ended after it")                                             \
    X(TIMEOUT_NOW, "leaders that told another node to campaign")                                                       \
    X(TRANSFER_DONE, "transfers of leadership done")                                                                   \
    X(TRANSFER_EXPIRED, "transfers that took too long")                                                                \
    X(TRANSFER_REFUSED, "transfers refused")                                                                           \
    X(TRANSFERRING, "proposals refused during a transfer")                                                             \
    X(DISK_ALARM, "disks that were too slow or too full to lead")                                                      \
    X(LACKS_ROOM, "disks without room for another segment")                                                            \
    X(PEER_LAG, "followers told to lag")                                                                               \
    X(JOINT_ENTERED, "joint memberships entered")                                                                      \
    X(JOINT_LEFT, "joint memberships left")                                                                            \
    X(LEARNER_ADDED, "learners added")                                                                                 \
    X(PROMOTED, "learners that caught up and were promoted")                                                           \
    X(DEMOTED, "voters demoted")                                                                                       \
    X(REMOVED, "members removed")                                                                                      \
    X(LEADER_REMOVED, "leaders that removed themselves and went")                                                      \
    X(MEMBERSHIP_BACK, "memberships taken back by a truncation")                                                       \
    X(REMOVAL_HEARD, "removed nodes that heard of it")                                                                 \
    X(STORES_WRITTEN, "memberships that only write stores down")                                                       \
    X(WIPED, "disks wiped under an old id")                                                                            \
    X(FOREIGN_STORE, "foreign stores refused and named")                                                               \
    X(CHANGE_DONE, "changes answered COMMITTED")                                                                       \
    X(CHANGE_REFUSED, "changes answered REFUSED")                                                                      \
    X(CHANGE_UNKNOWN, "changes answered UNKNOWN")                                                                      \
    X(SNAPSHOT_NAMED, "snapshots that got their names, made here or received")                                         \
    X(SNAPSHOT_MADE, "snapshots made")                                                                                 \
    X(SNAPSHOT_FAILED, "snapshots that could not be made or stored")                                                   \
    X(SNAPSHOT_ASKED, "snapshots asked for by an operator")                                                            \
    X(SNAPSHOT_OPENED, "nodes that started from a snapshot")                                                           \
    X(SNAPSHOT_BEHIND, "nodes that started with a log that begins behind one")                                         \
    X(SNAPSHOT_PART, "nodes that started with a part of a leader's snapshot")                                          \
    X(LOG_ROTTED, "logs that rotted")                                                                                  \
    X(REOPENED, "stores opened again because of damage")                                                               \
    X(RAN_FULL, "nodes that take no part for want of room")                                                            \
    X(CAME_BACK, "of those, that came back by themselves when there was room")                                         \
    X(SCRUB_FOUND, "damage found in the background")                                                                   \
    X(REPAIRED, "nodes whose damaged entries were had from others")                                                    \
    X(FETCH, "damaged entries asked for")                                                                              \
    X(FETCH_ANSWER, "answers to that")                                                                                 \
    X(FETCHED, "entries given to who had them damaged")                                                                \
    X(COMPACTED, "logs compacted")                                                                                     \
    X(SEGMENT_DROPPED, "segments dropped from the front")                                                              \
    X(SNAPSHOT_SENT, "snapshots sent to a follower by a leader")                                                       \
    X(SNAPSHOT_CHUNK, "parts of snapshots sent")                                                                       \
    X(SNAPSHOT_RESENT, "parts of snapshots sent again after a loss")                                                   \
    X(SNAPSHOT_RESUMED, "snapshots that a leader went on with where another, or a start, had left them")               \
    X(SNAPSHOT_NEWER, "snapshots that a leader replaced by a newer one while sending")                                 \
    X(SNAPSHOT_REPLACED, "snapshots half received that gave way to another")                                           \
    X(SNAPSHOT_ROTTED, "snapshots that rotted while being received")                                                   \
    X(SNAPSHOT_REFUSED, "snapshots received, refused and asked for again")                                             \
    X(SNAPSHOT_RECEIVED, "snapshots received whole")                                                                   \
    X(SNAPSHOT_INSTALLED, "snapshots that a log gave way to")                                                          \
    X(SNAPSHOT_CONFLICT, "logs that gave way because of a conflict")                                                   \
    X(SNAPSHOT_SETTLED, "logs that gave way at a start, after a crash between name and log")                           \
    X(SNAPSHOT_MEMBERS, "memberships taken from a snapshot")                                                           \
    X(SNAPSHOT_JOINER, "nodes with an empty log brought up by a snapshot")                                             \
    X(SNAPSHOT_CAUGHT_UP, "followers that needed a snapshot and caught up")                                            \
    X(CRASH_IN_FILES, "power failures within work on snapshots' files")                                                \
    X(HEALED, "clusters healed in time")

enum sim_count {
#define SIM_COUNT_ENUM(name, text) SIM_COUNT_##name,
    SIM_COUNT_TABLE(SIM_COUNT_ENUM)
#undef SIM_COUNT_ENUM
        SIM_COUNT_TOTAL
};

struct sim_counts {
    uint64_t of[SIM_COUNT_TOTAL];
};

/* Returns what is counted, in words. */
const char *sim_count_text(enum sim_count which);

/* Adds `from` to `to`. */
void sim_counts_add(struct sim_counts *to, const struct sim_counts *from);

#endif
