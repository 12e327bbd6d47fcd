/* What servers said about themselves, read and judged. Nothing here asks anybody. */
#ifndef RAFTCTL_STATUS_VIEW_H
#define RAFTCTL_STATUS_VIEW_H

#include <dgraft/types.h>
#include <jansson.h>
#include <stdio.h>

#define STATUS_ROWS_MAX 64u

/* One server. Its strings view the JSON. */
struct status_row {
    const char *server; /* the address that was asked */
    json_t *json;       /* NULL: no answer */
    uint64_t node;      /* 0 unknown; that of a silent server is known after status_view_order */
    uint64_t term;
    uint64_t leader;
    uint64_t commit;
    uint64_t applied;
    uint64_t last;
    uint64_t durable;
    const char *role;
    const char *cluster;
    const char *cluster_id;
    const char *poisoned; /* NULL: it is not */
};

struct status_view {
    struct status_row rows[STATUS_ROWS_MAX];
    unsigned count;
};

/* Reads a row's JSON, which may be anything. row->server and row->json are given. */
void status_row_read(struct status_row *row);

/* Returns the answer to believe about members: the newest leader's, otherwise the newest; NULL when there is none. */
const struct status_row *status_view_best(const struct status_view *view);

/* Finds out which nodes the silent servers are, from what the others say, and puts all in the order of nodes. */
void status_view_order(struct status_view *view);

/* Prints one aligned line per server, then what each dropped and why. */
void status_view_print(const struct status_view *view, FILE *stream);

/* Whether a node says that entries of its log are damaged, and how many. */
bool status_repairs(const struct status_row *row);
uint64_t status_repair_entries(const struct status_row *row);

/* Prints one line for each stretch of damaged entries of a node: who was asked, who said what, what would help. */
void status_repair_print(const struct status_view *view, const struct status_row *row, FILE *stream);

/* Writes the verdict as one line, with what to do when something is wrong. Returns whether all is well. */
bool status_view_judge(const struct status_view *view, char *text, size_t text_bytes);

#endif
