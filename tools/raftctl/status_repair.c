/* What a node says of its damaged entries: whom it asked, what they said, and which disk would help. */
#include "status_view.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *name)
{
    const json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static bool has(const json_t *set, uint64_t node)
{
    size_t place;
    const json_t *item;
    json_array_foreach(set, place, item)
    {
        if (json_is_integer(item) && (uint64_t)json_integer_value(item) == node) {
            return true;
        }
    }
    return false;
}

bool status_repairs(const struct status_row *row)
{
    return json_is_true(json_object_get(json_object_get(row->json, "repair"), "under_way"));
}

uint64_t status_repair_entries(const struct status_row *row)
{
    uint64_t entries = 0;
    size_t place;
    const json_t *stretch;
    json_array_foreach(json_object_get(json_object_get(row->json, "repair"), "damage"), place, stretch)
    {
        const uint64_t first = number(stretch, "first");
        const uint64_t last = number(stretch, "last");
        entries += first != 0 && last >= first ? last - first + 1 : 0;
    }
    return entries;
}

/* "node 2", "nodes 2, 4". */
static void print_nodes(const json_t *set, FILE *stream)
{
    size_t place;
    const json_t *item;
    (void)fputs(json_array_size(set) == 1 ? "node" : "nodes", stream);
    json_array_foreach(set, place, item)
    {
        (void)fprintf(stream, "%s %" JSON_INTEGER_FORMAT, place == 0 ? "" : ",", json_integer_value(item));
    }
}

static void print_said(const json_t *stretch, const char *name, const char *what, FILE *stream)
{
    const json_t *set = json_object_get(stretch, name);
    if (json_array_size(set) > 0) {
        (void)fputs("; ", stream);
        print_nodes(set, stream);
        (void)fprintf(stream, ": %s", what);
    }
}

static bool answers(const struct status_view *view, uint64_t node)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (view->rows[i].json != NULL && view->rows[i].node == node) {
            return true;
        }
    }
    return false;
}

/* Members that have said nothing about these entries, and do not answer us either: theirs are the disks to bring back.
 * Returns how many there are. */
static unsigned print_silent(const struct status_view *view, const struct status_row *row, const json_t *stretch,
                             FILE *stream)
{
    const json_t *waiting = json_object_get(stretch, "waiting");
    unsigned silent = 0;
    size_t place;
    const json_t *member;
    json_array_foreach(json_object_get(row->json, "members"), place, member)
    {
        char escaped[96];
        const char *address = json_string_value(json_object_get(member, "address"));
        const uint64_t node = number(member, "id");
        if (has(waiting, node) && !answers(view, node)) {
            (void)fprintf(stream, "%s %" PRIu64 " (%s)", silent == 0 ? "; start node" : ",", node,
                          cli_escape_text(address != NULL ? address : "?", escaped, sizeof(escaped)));
            silent++;
        }
    }
    return silent;
}

/* More than half of the voters hold a shorter or another log, and can elect one of them: its entries contradict these.
 */
static bool majority_has_not(const struct status_row *row, const json_t *stretch)
{
    static const char *const roles[] = {"voter", "outgoing"};
    const json_t *have_not = json_object_get(stretch, "have_not");
    unsigned voters = 0;
    unsigned without = 0;
    size_t place;
    const json_t *member;
    json_array_foreach(json_object_get(row->json, "members"), place, member)
    {
        const char *role = json_string_value(json_object_get(member, "role"));
        if (role != NULL && (strcmp(role, roles[0]) == 0 || strcmp(role, roles[1]) == 0)) {
            voters++;
            without += has(have_not, number(member, "id")) ? 1 : 0;
        }
    }
    return without > voters / 2 && !json_is_true(json_object_get(row->json, "joint"));
}

/* What would help. */
static void print_help(const struct status_view *view, const struct status_row *row, const json_t *stretch,
                       FILE *stream)
{
    const size_t waiting = json_array_size(json_object_get(stretch, "waiting"));
    if (waiting > 0) {
        const unsigned silent = print_silent(view, row, stretch, stream);
        if (silent > 0) {
            (void)fprintf(stream, ", whose disk%s may hold them", silent == 1 ? "" : "s");
        } else {
            (void)fputs("; asking ", stream);
            print_nodes(json_object_get(stretch, "waiting"), stream);
        }
    } else if (json_array_size(json_object_get(stretch, "compacted")) > 0) {
        (void)fputs("; a leader sends its snapshot in their place", stream);
    } else if (majority_has_not(row, stretch)) {
        (void)fputs("; most members' logs are shorter or others there: the leader's entries take their place", stream);
    } else {
        (void)fputs("; all have answered, and none has them: bring back a disk that held them, or restore a member's "
                    "directory from a copy",
                    stream);
    }
    (void)fputs("\n", stream);
}

void status_repair_print(const struct status_view *view, const struct status_row *row, FILE *stream)
{
    const json_t *damage = json_object_get(json_object_get(row->json, "repair"), "damage");
    size_t place;
    const json_t *stretch;
    if (!status_repairs(row)) {
        return;
    }
    if (json_array_size(damage) == 0) {
        (void)fprintf(stream, "node %" PRIu64 " has all entries again, and is about to open its log anew\n", row->node);
    }
    json_array_foreach(damage, place, stretch)
    {
        const uint64_t first = number(stretch, "first");
        const uint64_t last = number(stretch, "last");
        (void)fprintf(stream, "node %" PRIu64 " cannot read ", row->node);
        if (first == last) {
            (void)fprintf(stream, "entry %" PRIu64, first);
        } else {
            (void)fprintf(stream, "entries %" PRIu64 " to %" PRIu64, first, last);
        }
        print_said(stretch, "have_not", "a shorter or another log", stream);
        print_said(stretch, "damaged", "damaged there, too", stream);
        print_said(stretch, "compacted", "in a snapshot only", stream);
        print_help(view, row, stretch, stream);
    }
}
