/* Transcripts of whole clusters: text files of commands, and below each what it printed. The cores are the real ones;
 * hosts, disks and the network are a model in which nothing happens by itself but what README.md says.
 *
 *     script_main.c      options, files
 *     script_file.c      a transcript: commands in, output compared or written anew
 *     script_command.c   words to commands; script_faults.c, script_work.c, script_time.c: what they do
 *     script_check.c     `check` lines, which people write and nothing rewrites
 *     script_cluster.c   a host: one event of a core, and its actions carried out
 *     script_disk.c      logs, disks and snapshots
 *     script_damage.c    entries that rot on a disk, and are mended
 *     script_network.c   messages on their way
 *     script_print.c     the canonical text of messages and entries; script_print_action.c: of actions and states
 *     script_judge.c     the rules that hold in every run, after every event
 */
#ifndef DGRAFT_SCRIPT_H
#define DGRAFT_SCRIPT_H

#include <dgraft/core.h>
#include <stdio.h>

#define SCRIPT_NODES   9 /* ids are one digit */
#define SCRIPT_LOG     120
#define SCRIPT_CARRY   32 /* entries in one message, at most */
#define SCRIPT_WRITES  64
#define SCRIPT_STORES  8
#define SCRIPT_TERMS   256
#define SCRIPT_READS   64
#define SCRIPT_WORDS   64
#define SCRIPT_NAME    16
#define SCRIPT_MS      UINT64_C(1000000)
#define SCRIPT_START   (1000 * SCRIPT_MS) /* what every node's clock shows first */
#define SCRIPT_PAYLOAD 8                  /* bytes of a command that does not say its size */

/* Text that grows. */
struct script_text {
    char *bytes;
    size_t size; /* without the 0 behind it */
    size_t room;
};

struct script_entry {
    dgraft_term term;
    enum dgraft_entry_kind kind;
    uint32_t bytes;
    char name[SCRIPT_NAME]; /* of a command, as the script calls it */
    struct dgraft_membership membership;
};

struct script_log {
    struct dgraft_position begin; /* the first entry comes after it */
    dgraft_index last;
    struct script_entry entries[SCRIPT_LOG + 1]; /* by index */
};

/* A WRITE or an INSTALL that is not on disk yet. */
struct script_write {
    uint64_t seq;
    dgraft_term term;
    dgraft_node_id vote;
    bool install;
    bool mends; /* the entries are those that were there */
    dgraft_term install_term;
    dgraft_index keep;
    uint32_t count;
    struct script_entry entries[SCRIPT_CARRY];
};

struct script_snapshot {
    struct dgraft_snapshot what;
    struct dgraft_membership membership;
};

/* What a host may be told not to finish by itself. */
enum script_work { SCRIPT_WORK_WRITES, SCRIPT_WORK_STORES, SCRIPT_WORK_APPLIES, SCRIPT_WORKS };

struct script_node {
    bool up;
    struct dgraft_config config;
    struct dgraft_core *core;
    void *before; /* a copy of the core's block, from before the step */
    struct dgraft_actions *actions;
    dgraft_time_ns now_ns;
    dgraft_time_ns wake_at_ns;
    dgraft_time_ns started_ns;
    uint64_t store;
    bool joins;  /* without a membership */
    bool jammed; /* entries do not leave */
    bool held[SCRIPT_WORKS];
    bool reopen;                                    /* the core wants it, once all is written */
    bool damaged[SCRIPT_LOG + 1];                   /* on disk; by index */
    struct dgraft_damage damage[DGRAFT_DAMAGE_MAX]; /* as the start told */

    struct script_log log; /* as the core has it */
    struct script_log disk;
    dgraft_term disk_term;
    dgraft_node_id disk_vote;
    dgraft_index disk_commit; /* a hint for the start */
    dgraft_term written_term;
    dgraft_node_id written_vote;
    struct script_write writes[SCRIPT_WRITES];
    uint32_t write_count;

    dgraft_index applied;
    dgraft_index apply_wanted;
    struct script_snapshot snapshot; /* durable; index 0: none */
    struct script_snapshot part;     /* of a leader's: part_bytes of it */
    uint64_t part_bytes;
    struct dgraft_action_snapshot_store stores[SCRIPT_STORES];
    uint32_t store_count;
    struct script_snapshot leaders_snapshot; /* what the newest chunk was about */
};

struct script_message {
    dgraft_node_id to;
    struct dgraft_message message;
    struct script_entry entries[SCRIPT_CARRY];
    struct dgraft_membership snapshot_membership; /* of a chunk: it travels in the bytes */
    char *text;                                   /* body */
    char name[SCRIPT_NAME];                       /* of one that is kept for later */
};

struct script_messages {
    struct script_message *items;
    uint32_t count;
    uint32_t room;
};

/* What every run must obey, whatever the script is about: it outlives crashes. */
struct script_ghost {
    dgraft_node_id leader_of[SCRIPT_TERMS];
    dgraft_node_id vote_of[SCRIPT_NODES + 1][SCRIPT_TERMS];
    struct script_entry committed[SCRIPT_LOG + 1];
    dgraft_index committed_last;
    dgraft_index read_floor[SCRIPT_READS + 1]; /* what was committed when the read was asked */
    uint32_t reads;
    uint32_t proposals;
    uint32_t tasks; /* changes and transfers */
};

struct script {
    const char *file;
    uint32_t line;
    bool bare;  /* only check lines judge */
    bool quiet; /* this command prints nothing */
    uint32_t failures;

    struct dgraft_config config;
    uint32_t carry;
    uint32_t node_count;
    struct script_node *nodes; /* by id */
    struct dgraft_membership founders;
    struct script_messages flying; /* in the order in which they were sent */
    struct script_messages kept;
    struct script_messages sent; /* all that ever were, without entries: for check lines */
    uint32_t sent_mark;          /* check lines count from here on */
    bool cut[SCRIPT_NODES + 1][SCRIPT_NODES + 1];
    struct script_ghost ghost;

    struct script_text out;  /* of the command at hand */
    struct script_text said; /* of all commands, quiet ones too */
    size_t said_mark;
};

/* A command's words. */
struct script_words {
    uint32_t count;
    char *at[SCRIPT_WORDS];
};

/* script_text.c */
__attribute__((format(printf, 2, 3))) void script_text_add(struct script_text *text, const char *format, ...);
void script_text_clear(struct script_text *text);
void script_text_free(struct script_text *text);
/* One line of output: indented by 4, and by 2 for each level more. */
__attribute__((format(printf, 3, 4))) void script_say(struct script *script, uint32_t level, const char *format, ...);
/* What no output can make good: a failing check, a broken rule, a command that makes no sense. Goes to stderr. */
__attribute__((format(printf, 2, 3))) void script_fail(struct script *script, const char *format, ...);
bool script_number(const char *word, uint64_t max, uint64_t *value);
/* "2" or "1,3": a set of ids of the cluster; fails when it is none. */
bool script_set(struct script *script, const char *word, dgraft_node_set *set);
bool script_id(struct script *script, const char *word, dgraft_node_id *id);

/* script_command.c, script_faults.c, script_work.c, script_time.c */
void script_command(struct script *script, char *line);
void script_reset(struct script *script);
/* A command: its name, what its words mean, and what it does. Tables end with a row without a name. */
struct script_verb {
    const char *name;
    const char *usage;
    uint32_t least; /* words, with its name */
    void (*act)(struct script *script, const struct script_words *words);
};
extern const struct script_verb script_verbs_faults[];
extern const struct script_verb script_verbs_work[];
extern const struct script_verb script_verbs_time[];

/* script_check.c */
void script_check(struct script *script, const struct script_words *words);

/* script_cluster.c */
void script_start(struct script *script, dgraft_node_id id);
void script_stop(struct script *script, dgraft_node_id id);
/* Steps a core; `entries` are those that come with the event. Returns false, and says so, when it refuses the event. */
bool script_step(struct script *script, dgraft_node_id id, const struct dgraft_event *event,
                 const struct script_entry *entries);
struct dgraft_core_status script_status(const struct script *script, dgraft_node_id id);

/* script_disk.c */
void script_write_take(struct script *script, dgraft_node_id id, const struct dgraft_action_write *write,
                       const struct script_entry *entries);
void script_install_take(struct script *script, dgraft_node_id id, const struct dgraft_action_install *install);
void script_compact_take(struct script *script, dgraft_node_id id, struct dgraft_position position);
/* The oldest write is on disk; the core is told by the next two. Returns its seq, 0 when there is none. */
uint64_t script_write_done(struct script *script, dgraft_node_id id);
bool script_store_done(struct script *script, dgraft_node_id id);
bool script_written(struct script *script, dgraft_node_id id);
void script_start_event(struct script *script, dgraft_node_id id, struct dgraft_event_start *start,
                        struct dgraft_term_run *runs);
dgraft_term script_log_term(const struct script_log *log, dgraft_index index);
/* The newest membership at or below an index, in the log or the snapshot behind it. */
struct dgraft_membership script_membership_at(const struct script *script, dgraft_node_id id,
                                              const struct script_log *log, dgraft_index index);

/* script_damage.c */
void script_rot(struct script *script, const struct script_words *words);
/* Tells runs and damage. */
void script_damage_start(struct script_node *node, struct dgraft_event_start *start, struct dgraft_term_run *runs);
void script_mend_take(struct script *script, dgraft_node_id id, const struct dgraft_action_mend *mend,
                      const struct script_entry *entries);
/* A write is on disk. */
void script_damage_written(struct script_node *node, const struct script_write *write);
void script_fetched_pack(const struct script *script, dgraft_node_id id, const struct dgraft_action_send *send,
                         struct script_message *message);
void script_reopen(struct script *script, dgraft_node_id id);

/* script_network.c */
void script_send(struct script *script, dgraft_node_id id, const struct dgraft_action_send *send,
                 struct dgraft_event *answer);
struct script_message *script_message_find(struct script *script, const struct script_words *words, uint32_t *at);
void script_message_deliver(struct script *script, const struct script_message *message);
void script_message_remove(struct script_messages *messages, uint32_t at);
void script_message_copy(struct script_messages *messages, const struct script_message *message);
void script_messages_free(struct script_messages *messages);
/* Delivers all that is on its way, and what follows from it, until nothing is. */
void script_settle(struct script *script);
/* FROM>TO, each an id or *. */
bool script_link(struct script *script, const char *word, dgraft_node_id *from, dgraft_node_id *to);
bool script_type(struct script *script, const char *word, enum dgraft_message_type *type);

/* script_print.c */
void script_print_set(struct script_text *text, dgraft_node_set set);
void script_print_membership(struct script_text *text, const struct dgraft_membership *membership);
void script_print_entry(struct script_text *text, dgraft_index index, const struct script_entry *entry);
void script_print_body(struct script_text *text, const struct dgraft_message *message,
                       const struct script_entry *entries);
void script_print_log(struct script_text *text, const struct script_node *node);
void script_print_action(struct script *script, dgraft_node_id id, const struct dgraft_action *action);
const char *script_outcome_name(enum dgraft_outcome outcome);
void script_show(struct script *script, dgraft_node_id id);
void script_show_peers(struct script *script, dgraft_node_id id);

/* script_judge.c */
void script_judge_step(struct script *script, dgraft_node_id id, const struct dgraft_event *event);
/* ... and when its actions are carried out. */
void script_judge_commit(struct script *script, dgraft_node_id id);
void script_judge_send(struct script *script, dgraft_node_id id, const struct dgraft_action_send *send);
void script_judge_write(struct script *script, dgraft_node_id id, dgraft_index first, uint32_t count);
void script_judge_apply(struct script *script, dgraft_node_id id, const struct dgraft_action_apply *apply);
void script_judge_read(struct script *script, dgraft_node_id id, const struct dgraft_action_read_ready *ready);
/* Two entries of one place and term are one entry. */
bool script_entry_same(const struct script_entry *a, const struct script_entry *b);

#endif
