/* The driver's state, and which file does what with it:
 *
 *   driver.c            open, turn, close
 *   driver_receive.c    a datagram becomes events, or a client's request
 *   driver_step.c       one event through the core, and its actions carried out
 *   driver_send.c       a SEND becomes frames
 *   driver_proposals.c  proposals: queued, framed, answered
 *   driver_reads.c      reads: queued, asked, answered
 *   driver_members.c    who the members are, where they listen, which of them the transport reaches
 *   driver_changes.c    changes of the members: queued, asked, framed, answered
 *   driver_transfer.c   a transfer of leadership: asked, answered
 *   driver_write.c      WRITE actions become group commits
 *   driver_repair.c     damaged entries, and the store opened again
 *   driver_room.c       room on the disk, and a disk that fails or is full
 *   driver_snapshots.c  snapshots made here, compaction, whose turn it is on the files (driver_files.h)
 *   driver_install.c    a leader's snapshot: stored, checked, taken up
 *   driver_files.c      the work on files itself
 *   driver_scrub.c      when what is stored is looked at, and what is found
 *   driver_sessions.c   client sessions and the log's time
 *   driver_apply.c      committed entries go to the state machine
 *   driver_status.c     what people see
 *   driver_flight.c     the flight recorder beside the core
 */
#ifndef DGRAFT_NODE_DRIVER_STATE_H
#define DGRAFT_NODE_DRIVER_STATE_H

#include "driver_files.h"
#include "record_ring.h"
#include "sessions.h"
#include "window.h"

#include <dgraft/driver.h>

#include <pthread.h>
#include <stdatomic.h>

/* Answers of the host that the core waits for, stepped after the actions that asked for them. */
#define DRIVER_ANSWERS_MAX 64u

/* Proposals stepped as one event. */
#define DRIVER_GROUP_MAX 1024u

/* What an entry that the core makes itself takes in the ring; room for two is kept free. */
#define DRIVER_MADE_BYTES (DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8u)
#define DRIVER_MADE_ROOM  (2u * DRIVER_MADE_BYTES)

/* MEMBERSHIP entries taken from one frame; what follows more of them comes again. */
#define DRIVER_MEMBERSHIPS_MAX 8u

/* Records in one frame that travels in fragments, unless the first alone is larger; and in all frames of one SEND. */
#define DRIVER_FRAGMENTED_BYTES (64u * 1024)

/* Appends that may wait for flush: their heads stay until then. */
#define DRIVER_HEADS_MAX 128u

enum write_state {
    WRITE_IDLE,
    WRITE_READY, /* prepared: somebody is to call perform */
    WRITE_PERFORMING,
    WRITE_DONE /* performed; the next turn completes it */
};

/* A queue of proposals or reads through their own `next`. */
struct proposal_queue {
    struct dgraft_proposal *first;
    struct dgraft_proposal *last;
    uint32_t count;
};

struct read_queue {
    struct dgraft_read *first;
    struct dgraft_read *last;
    uint32_t count;
};

/* Records of a FETCH_ANSWER, copied: this is rare. count 0: there are none. */
struct driver_mend {
    uint64_t seq;
    dgraft_index first;
    uint32_t count;
    bool writing;
    uint8_t *bytes;
    size_t size;
    struct dgraft_entry *entries;
    struct iovec piece;
};

/* Reads that asked the core under one id; `index` is known once they wait for the state machine only. */
struct read_group {
    struct read_queue reads;
    uint64_t id;
    dgraft_index index;            /* 0: the core has not answered yet */
    dgraft_time_ns lease_until_ns; /* 0: confirmed by a round */
    dgraft_time_ns give_up_at_ns;  /* known since `index` is */
};

struct dgraft_driver {
    struct dgraft_driver_options options;
    struct dgraft_identity identity;
    uint32_t generation;
    struct dgraft_members members; /* in force, as the core has them, with their addresses */
    struct dgraft_members members_before;
    dgraft_index members_index;
    dgraft_index members_before_index;
    struct dgraft_members applied_members; /* as of `applied` */
    dgraft_index applied_members_index;
    struct dgraft_members members_made; /* the newest that was framed here */
    dgraft_index members_made_index;
    struct dgraft_members *frame_members; /* of the frame being looked at: DRIVER_MEMBERSHIPS_MAX */
    struct dgraft_membership frame_memberships[DRIVER_MEMBERSHIPS_MAX];
    uint32_t frame_members_count;
    dgraft_node_set reached; /* whom the transport has an address of */
    dgraft_node_set guests;  /* of those, who are known by where their requests come from, and not as members */
    char (*addresses)[DGRAFT_ADDRESS_TEXT_BYTES]; /* as given to the transport, by id */
    struct dgraft_change *changes;                /* not stepped yet, newest last */
    struct dgraft_change *change;                 /* the one that the core is at */
    struct dgraft_change *change_stepped;         /* being asked for: its address is that of a new member */

    struct dgraft_core *core;
    struct dgraft_core *core_before; /* the block before a step, when invariants are checked */
    struct dgraft_actions *actions;
    struct dgraft_flight *flight; /* NULL: nothing is recorded */
    bool flight_failed;           /* and it was said */
    dgraft_time_ns now_ns;
    uint64_t wall_ns;
    struct dgraft_event answers[DRIVER_ANSWERS_MAX]; /* ring: first, count */
    uint32_t answers_first;
    uint32_t answers_count;

    struct dgraft_storage *storage;
    struct window window;
    struct record_ring ring;
    dgraft_index durable;  /* last index durable here, as storage said */
    dgraft_index commit;   /* as the core said in notices */
    dgraft_index apply_to; /* the core wants entries applied up to here */
    dgraft_index applied;
    uint64_t arrived; /* entries from a leader since the last applying */
    bool leads;
    struct sessions sessions; /* as of `applied` */
    uint64_t log_time_ns;     /* no entry here has a later one */

    /* The write being gathered, and the one under way. */
    bool pending_state;
    bool pending_log;
    dgraft_term pending_term;
    dgraft_node_id pending_vote;
    dgraft_index pending_keep;
    dgraft_term pending_restart; /* the log begins anew, behind (pending_keep, this); 0: it goes on */
    uint64_t pending_seq;        /* 0: nothing is pending */
    uint64_t write_seq;          /* of the write under way */
    dgraft_index write_last;
    bool write_log;
    uint32_t write_count; /* entries in it */
    _Atomic int write_state;
    /* Received entries that take the place of damaged ones: their write waits, or is under way. */
    struct driver_mend mend;
    bool damaged;     /* an entry could not be read: the core is to hear of it */
    bool damage_told; /* it has heard: nothing more is read before the store is opened again */
    bool mend_failed; /* for want of memory */
    struct dgraft_why damaged_why;
    bool reopen; /* the store is to be opened again */
    uint64_t reopened;
    uint32_t reopened_for_nothing; /* in a row: nothing was damaged then */
    pthread_rwlock_t store_lock;   /* `storage` becomes another one; whoever prepares segments holds it meanwhile */
    struct pieces write_pieces;
    struct dgraft_entry *write_entries;
    size_t write_entries_capacity;
    struct dgraft_buffer **write_buffers; /* references held until the write is complete */
    size_t write_buffers_count;
    size_t write_buffers_capacity;
    struct proposal_queue zombies; /* answered, overwritten, but their bytes are still being written */
    dgraft_index membership_index;
    dgraft_time_ns mark_floor_at_ns; /* 0: marked, or writes are going on */
    bool poisoned;
    uint64_t lag_bytes[DGRAFT_NODE_ID_MAX + 1]; /* what was told last of each peer that lags */
    bool told_full;                             /* what the core was told last of the room on the disk */
    struct dgraft_why poisoned_why;
    dgraft_time_ns come_back_at_ns; /* poisoned because its disk is full: when that is looked at; 0: it is not */
    uint64_t came_back;

    struct driver_files files;
    dgraft_time_ns scrub_at_ns; /* the next step of it, not before */
    bool damage_found;          /* by the newest opening of the store */
    uint64_t scrub_found;
    uint8_t *chunk; /* of a snapshot, on its way out */
    size_t chunk_bytes;

    struct dgraft_fragments *fragments;
    struct dgraft_fragments *client_fragments; /* NULL: clients come by the peers' transport */
    dgraft_time_ns fragments_at_ns;
    struct dgraft_entry *frame_entries; /* descriptors of the frame being looked at */
    const uint8_t *frame_records;       /* its records */
    struct dgraft_buffer *frame_buffer;
    struct pieces send_pieces;
    uint8_t (*send_heads)[DGRAFT_FRAME_HEAD_MAX]; /* of appends sent since the last flush */
    uint32_t send_heads_count;
    uint8_t *send_scratch; /* records read back from segments */
    size_t send_scratch_bytes;
    bool more_waits; /* datagrams or entries are left for the next turn */

    struct proposal_queue proposals;                 /* not stepped yet */
    uint32_t proposals_unanswered;                   /* queued or in the window */
    struct dgraft_proposal *group[DRIVER_GROUP_MAX]; /* of the PROPOSE being stepped */
    struct dgraft_entry group_entries[DRIVER_GROUP_MAX];
    uint32_t group_count;
    uint64_t next_id;
    struct read_queue reads; /* not stepped yet */
    struct read_group *read_groups;
    uint32_t read_groups_count;
    uint32_t read_groups_max;
    dgraft_time_ns read_give_up_at_ns; /* the earliest of the groups'; UINT64_MAX: none waits */
    struct dgraft_transfer *transfer;  /* wanted or under way */
    uint64_t transfer_id;              /* 0: not stepped yet */
    struct dgraft_applied *apply_batch;
    struct dgraft_remembered *apply_remembered; /* what its commands are to be remembered by */
    uint8_t *apply_scratch;
    size_t apply_scratch_bytes;
    size_t evict_above; /* a leader's window is looked at again when it holds more */

    bool closing;
    uint64_t refused[DGRAFT_REFUSAL_TOTAL];
    struct dgraft_address refused_last;
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t frames_overheard;
    uint64_t proposals_total;
    uint64_t turns;
    uint64_t steps;
};

/* driver.c */
void dgraft_driver_log(struct dgraft_driver *driver, enum dgraft_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool dgraft_driver_grow(uint8_t **bytes, size_t *capacity, size_t wanted);
/* Flushes the peers' transport. Appends are sent from where head and records lie; from here on they lie there no more
 * for the carrier's sake. */
void dgraft_driver_flush(struct dgraft_driver *driver);
/* The same if an append was sent since the last flush: before records may be released, or written over. */
void dgraft_driver_take_back(struct dgraft_driver *driver);

/* driver_step.c */

/* Steps one event and everything that follows from it at once. */
void dgraft_driver_step(struct dgraft_driver *driver, struct dgraft_event *event);
/* Queues an answer to the core; it is stepped before dgraft_driver_step returns. */
void dgraft_driver_answer_core(struct dgraft_driver *driver, const struct dgraft_event *event);

/* driver_flight.c */
enum dgraft_status dgraft_driver_flight_open(struct dgraft_driver *driver, struct dgraft_why *why);
/* Once a turn: the time of day, and whether the recorder has failed. */
void dgraft_driver_flight_turn(struct dgraft_driver *driver);

/* driver_receive.c */
void dgraft_driver_receive(struct dgraft_driver *driver);
void dgraft_driver_refuse(struct dgraft_driver *driver, enum dgraft_refusal refusal,
                          const struct dgraft_address *source);

/* driver_send.c */
void dgraft_driver_send(struct dgraft_driver *driver, const struct dgraft_action_send *send);
/* Sends a message and records behind it: as a datagram, or in fragments under this key. */
void dgraft_driver_send_records(struct dgraft_driver *driver, const struct dgraft_action_send *send,
                                const struct iovec *records, uint64_t key);

/* driver_write.c */
void dgraft_driver_take_write(struct dgraft_driver *driver, const struct dgraft_action_write *write);
void dgraft_driver_plan_write(struct dgraft_driver *driver);
void dgraft_driver_complete_write(struct dgraft_driver *driver);

/* driver_room.c */

/* Tells the core when the disk has become short of room, and when it has some again. */
void dgraft_driver_watch_room(struct dgraft_driver *driver);
/* The disk failed, or something else that makes all that this node says doubtful: it takes part no more, until it is
 * started again; or, if nothing but room is lacking, until there is some. */
void dgraft_driver_poison(struct dgraft_driver *driver, const struct dgraft_why *why);
/* Takes part again when the disk was full and has room. */
void dgraft_driver_come_back(struct dgraft_driver *driver);

/* driver_repair.c */

/* Takes up what a MEND says of the frame being stepped. */
void dgraft_driver_take_mend(struct dgraft_driver *driver, const struct dgraft_action_mend *mend);
/* Fills in a write with it, when one waits. */
void dgraft_driver_plan_mend(struct dgraft_driver *driver, struct dgraft_storage_write *write);
void dgraft_driver_mended(struct dgraft_driver *driver);
/* Answers a FETCH. */
void dgraft_driver_send_fetched(struct dgraft_driver *driver, const struct dgraft_action_send *send);
/* An entry could not be read. */
void dgraft_driver_damaged(struct dgraft_driver *driver, const struct dgraft_why *why);
/* Opens the store again when that is wanted and nothing is under way. */
void dgraft_driver_reopen(struct dgraft_driver *driver);
/* Opens it again and has the core begin anew, with what is applied kept; nothing may be under way. What was answered
 * not yet is answered, or forgotten. */
enum dgraft_status dgraft_driver_open_again(struct dgraft_driver *driver, struct dgraft_why *why);
/* Says what is damaged. */
void dgraft_driver_tell_damage(struct dgraft_driver *driver, const struct dgraft_found *found);
/* Has the core begin with what the store tells; driver.c. */
enum dgraft_status dgraft_driver_start(struct dgraft_driver *driver, struct dgraft_why *why);

/* driver_sessions.c */

/* Returns the log time of an entry that is framed now. */
uint64_t dgraft_driver_stamp(struct dgraft_driver *driver);
/* Notes the log time of an entry that came from elsewhere. */
void dgraft_driver_see_time(struct dgraft_driver *driver, uint64_t log_time_ns);
/* Reads that of the log's last entry. */
enum dgraft_status dgraft_driver_meet_time(struct dgraft_driver *driver, dgraft_index last, struct dgraft_why *why);
void dgraft_driver_apply_session(struct dgraft_driver *driver, dgraft_index index, const uint8_t *payload, size_t size);
/* Returns whether what is applied says already how a proposal ends. */
bool dgraft_driver_settle(struct dgraft_driver *driver, const struct dgraft_proposal *proposal,
                          struct dgraft_proposal_answer *said);
/* Fills in the answer of what is not applied; false: it is FRESH. */
bool dgraft_driver_say_verdict(enum session_verdict verdict, const struct session_done *done,
                               struct dgraft_proposal_answer *said);

/* driver_proposals.c */
enum dgraft_status dgraft_driver_queue_proposal(struct dgraft_driver *driver, struct dgraft_proposal *proposal,
                                                enum dgraft_entry_kind kind);
void dgraft_driver_step_proposals(struct dgraft_driver *driver);
void dgraft_driver_frame_proposals(struct dgraft_driver *driver, const struct dgraft_action_write *write);
void dgraft_driver_frame_record(struct dgraft_driver *driver, const struct dgraft_record *record,
                                const struct iovec *payload);
void dgraft_driver_frame_noop(struct dgraft_driver *driver, const struct dgraft_action_write *write);
void dgraft_driver_take_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome);
void dgraft_driver_answer_slot(struct dgraft_driver *driver, struct window_slot *slot,
                               const struct dgraft_proposal_answer *said);
void dgraft_driver_release(struct dgraft_proposal *proposal);
void dgraft_driver_overwrite_after(struct dgraft_driver *driver, dgraft_index keep);
void dgraft_driver_give_up_after(struct dgraft_driver *driver, dgraft_index durable);
void dgraft_driver_end_proposals(struct dgraft_driver *driver);

/* driver_reads.c */
void dgraft_driver_step_reads(struct dgraft_driver *driver);
void dgraft_driver_read_ready(struct dgraft_driver *driver, const struct dgraft_action_read_ready *ready);
void dgraft_driver_take_read_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome);
void dgraft_driver_answer_reads(struct dgraft_driver *driver);
void dgraft_driver_end_reads(struct dgraft_driver *driver);
/* Answers those that the core was asked for: another node is to be asked. */
void dgraft_driver_drop_reads(struct dgraft_driver *driver);

/* driver_members.c */
enum dgraft_status dgraft_driver_meet_members(struct dgraft_driver *driver, const struct dgraft_found *found,
                                              struct dgraft_event_start *start, struct dgraft_why *why);
/* Reads the memberships in the APPEND being looked at, and has its message tell them. */
enum dgraft_refusal dgraft_driver_read_memberships(struct dgraft_driver *driver, const struct dgraft_frame *frame,
                                                   struct dgraft_message *message);
void dgraft_driver_members_changed(struct dgraft_driver *driver, dgraft_index index);
/* An entry that says who the members are is applied: a snapshot of what is applied tells them. */
void dgraft_driver_apply_members(struct dgraft_driver *driver, dgraft_index index, const uint8_t *payload, size_t size);
void dgraft_driver_meet_guest(struct dgraft_driver *driver, dgraft_node_id id, const struct dgraft_address *source);
void dgraft_driver_name_foreign(struct dgraft_driver *driver, dgraft_node_id id, uint64_t store);

/* driver_changes.c */
void dgraft_driver_step_changes(struct dgraft_driver *driver);
void dgraft_driver_frame_membership(struct dgraft_driver *driver, const struct dgraft_action_write *write);
void dgraft_driver_take_change_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome);
void dgraft_driver_end_changes(struct dgraft_driver *driver);

/* driver_transfer.c */
void dgraft_driver_step_transfer(struct dgraft_driver *driver);
void dgraft_driver_take_transfer_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome);
void dgraft_driver_end_transfer(struct dgraft_driver *driver);

/* driver_snapshots.c */

/* Restores the machine from the store's snapshot, if there is one. */
enum dgraft_status dgraft_driver_meet_snapshot(struct dgraft_driver *driver, const struct dgraft_found *found,
                                               struct dgraft_why *why);
/* Takes up a state: the machine's, the sessions (owned from then on) and the members. False: the machine cannot. */
bool dgraft_driver_restore(struct dgraft_driver *driver, struct snapshot_loader *loader);
void dgraft_driver_compact(struct dgraft_driver *driver, const struct dgraft_action_compact *compact);
void dgraft_driver_take_file_work(struct dgraft_driver *driver);
void dgraft_driver_plan_file_work(struct dgraft_driver *driver);
void dgraft_driver_end_files(struct dgraft_driver *driver);

/* driver_install.c */
void dgraft_driver_take_store(struct dgraft_driver *driver, const struct dgraft_action_snapshot_store *store);
void dgraft_driver_install(struct dgraft_driver *driver, const struct dgraft_action_install *install);
/* Take the results of STORE; of RECHECK, LOAD and TAKE. */
void dgraft_driver_stored(struct dgraft_driver *driver);
void dgraft_driver_received_further(struct dgraft_driver *driver);
/* What is to be done next about a leader's snapshot. */
enum file_job dgraft_driver_next_received(struct dgraft_driver *driver);
void dgraft_driver_drop_received(struct dgraft_driver *driver);

/* driver_scrub.c */

/* Plans a step when it is time for one. */
bool dgraft_driver_scrub_due(struct dgraft_driver *driver);
/* Takes the result of one. */
void dgraft_driver_scrubbed(struct dgraft_driver *driver);
/* When the next is due; UINT64_MAX: none will be, or the files are busy. */
dgraft_time_ns dgraft_driver_scrub_wake_at(const struct dgraft_driver *driver);

/* driver_apply.c */
void dgraft_driver_apply(struct dgraft_driver *driver);

#endif
