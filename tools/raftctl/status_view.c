#include "status_view.h"

#include <cli_escape.h>
#include <ctype.h>
#include <dgraft/refusal.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t integer = json_is_integer(value) ? json_integer_value(value) : 0;
    return integer > 0 ? (uint64_t)integer : 0;
}

static const char *string(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "?";
}

void status_row_read(struct status_row *row)
{
    const json_t *json = row->json;
    row->node = number(json, "node");
    row->term = number(json, "term");
    row->leader = number(json, "leader");
    row->commit = number(json, "commit");
    row->applied = number(json, "applied");
    row->last = number(json, "last");
    row->durable = number(json, "durable");
    row->role = string(json, "role");
    row->cluster = string(json, "cluster");
    row->cluster_id = string(json, "cluster_id");
    row->poisoned = json_string_value(json_object_get(json, "poisoned"));
}

const struct status_row *status_view_best(const struct status_view *view)
{
    const struct status_row *best = NULL;
    bool best_leads = false;
    for (unsigned i = 0; i < view->count; i++) {
        const struct status_row *row = &view->rows[i];
        if (row->json == NULL) {
            continue;
        }
        bool leads = row->node != 0 && row->leader == row->node;
        bool newer = best == NULL || row->term > best->term || (row->term == best->term && row->commit > best->commit);
        if ((leads && !best_leads) || (leads == best_leads && newer)) {
            best = row;
            best_leads = leads;
        }
    }
    return best;
}

/* The member's id that a silent server has, as the others know it; 0 unknown. */
static uint64_t silent_node(const struct status_view *view, const char *server)
{
    const struct status_row *best = status_view_best(view);
    const json_t *members = best == NULL ? NULL : json_object_get(best->json, "members");
    size_t place;
    json_t *member;
    json_array_foreach(members, place, member)
    {
        if (strcmp(string(member, "address"), server) == 0) {
            return number(member, "id");
        }
    }
    return 0;
}

static int by_node(const void *a, const void *b)
{
    const struct status_row *left = a;
    const struct status_row *right = b;
    return (left->node > right->node) - (left->node < right->node);
}

void status_view_order(struct status_view *view)
{
    for (unsigned i = 0; i < view->count; i++) {
        struct status_row *row = &view->rows[i];
        if (row->json == NULL) {
            row->node = silent_node(view, row->server);
        }
    }
    qsort(view->rows, view->count, sizeof(view->rows[0]), by_node);
}

static void print_row(const struct status_row *row, int width, FILE *stream)
{
    char server[96];
    char role[32];
    (void)cli_escape_text(row->server, server, sizeof(server));
    if (row->node != 0) {
        (void)fprintf(stream, "%4" PRIu64, row->node);
    } else {
        (void)fprintf(stream, "%4s", "?");
    }
    (void)fprintf(stream, "  %-*s  ", width, server);
    if (row->json == NULL) {
        (void)fprintf(stream, "no answer\n");
        return;
    }
    (void)cli_escape_text(row->role, role, sizeof(role));
    for (char *letter = role; *letter != '\0'; letter++) {
        *letter = (char)tolower((unsigned char)*letter);
    }
    (void)fprintf(stream,
                  "%-13s %6" PRIu64 "  %6" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "%s\n",
                  role, row->term, row->leader, row->commit, row->applied, row->last, row->durable,
                  row->poisoned != NULL ? "  POISONED" : "");
}

/* The words for a reason's name; nothing for one that a newer server may know. */
static const char *reason_text(const char *name)
{
    for (unsigned i = DGRAFT_ACCEPT + 1; i < DGRAFT_REFUSAL_TOTAL; i++) {
        if (strcmp(dgraft_refusal_name((enum dgraft_refusal)i), name) == 0) {
            return dgraft_refusal_text((enum dgraft_refusal)i);
        }
    }
    return "";
}

/* What a server dropped: by reason, and what found no room. */
static void print_dropped(const struct status_row *row, FILE *stream)
{
    char escaped[128];
    const char *reason;
    json_t *count;
    json_t *refused = json_object_get(row->json, "refused");
    const json_t *transport = json_object_get(row->json, "transport");
    json_object_foreach(refused, reason, count)
    {
        (void)fprintf(stream, "node %" PRIu64 " dropped %" JSON_INTEGER_FORMAT ": %s", row->node,
                      json_integer_value(count), cli_escape_text(reason, escaped, sizeof(escaped)));
        if (reason_text(reason)[0] != '\0') {
            (void)fprintf(stream, ", %s", reason_text(reason));
        }
        (void)fputs("\n", stream);
    }
    if (json_is_string(json_object_get(row->json, "refused_from"))) {
        (void)fprintf(stream, "node %" PRIu64 " dropped the last of them from %s\n", row->node,
                      cli_escape_text(string(row->json, "refused_from"), escaped, sizeof(escaped)));
    }
    if (number(transport, "dropped_overflow") != 0) {
        (void)fprintf(stream,
                      "node %" PRIu64 " lost %" PRIu64 " datagrams for want of room in its receive buffer of %" PRIu64
                      " bytes: raise net.core.rmem_max\n",
                      row->node, number(transport, "dropped_overflow"), number(transport, "receive_buffer_bytes"));
    }
    if (number(transport, "send_failures") != 0) {
        (void)fprintf(stream, "node %" PRIu64 " could not send %" PRIu64 " datagrams: refused by the system\n",
                      row->node, number(transport, "send_failures"));
    }
}

static void print_snapshot(const struct status_row *row, FILE *stream)
{
    const json_t *snapshots = json_object_get(row->json, "snapshots");
    if (number(snapshots, "index") != 0) {
        (void)fprintf(stream,
                      "node %" PRIu64 " holds a snapshot of all up to entry %" PRIu64 " (%" PRIu64
                      " bytes), and the log from entry %" PRIu64 " on\n",
                      row->node, number(snapshots, "index"), number(snapshots, "bytes"),
                      number(snapshots, "compacted") + 1);
    }
    if (number(snapshots, "receiving") != 0) {
        (void)fprintf(stream,
                      "node %" PRIu64 " is being sent a snapshot of all up to entry %" PRIu64 ": %" PRIu64
                      " of %" PRIu64 " bytes are there\n",
                      row->node, number(snapshots, "receiving"), number(snapshots, "received_bytes"),
                      number(snapshots, "receiving_bytes"));
    }
}

void status_view_print(const struct status_view *view, FILE *stream)
{
    int width = (int)strlen("server");
    for (unsigned i = 0; i < view->count; i++) {
        int length = (int)strlen(view->rows[i].server);
        width = length > width ? length : width;
    }
    (void)fprintf(stream, "%4s  %-*s  %-13s %6s  %6s  %10s  %10s  %10s  %10s\n", "node", width, "server", "role",
                  "term", "leader", "commit", "applied", "last", "durable");
    for (unsigned i = 0; i < view->count; i++) {
        print_row(&view->rows[i], width, stream);
    }
    for (unsigned i = 0; i < view->count; i++) {
        status_repair_print(view, &view->rows[i], stream);
        print_snapshot(&view->rows[i], stream);
        print_dropped(&view->rows[i], stream);
    }
}
