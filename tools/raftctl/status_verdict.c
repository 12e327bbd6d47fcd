/* The one line at the end of `raftctl status`: is the cluster well, and if not, what to do. */
#include "status_view.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define BEHIND_MIN 1000u /* entries: less may have come between two answers */

struct line {
    char *text;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(line->text, line->room, format, arguments);
    va_end(arguments);
    size_t used = wrote < 0 ? 0 : (size_t)wrote;
    used = used < line->room ? used : line->room - 1;
    line->text += used;
    line->room -= used;
}

/* What the members look like from here. */
struct census {
    unsigned members;
    unsigned reachable;
    unsigned voters;
    unsigned voters_reachable;
    const json_t *list;
};

static const struct status_row *row_of(const struct status_view *view, uint64_t node)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (view->rows[i].json != NULL && view->rows[i].node == node) {
            return &view->rows[i];
        }
    }
    return NULL;
}

static uint64_t member_id(const json_t *member)
{
    json_int_t id = json_integer_value(json_object_get(member, "id"));
    return id > 0 ? (uint64_t)id : 0;
}

static bool member_votes(const json_t *member)
{
    const char *role = json_string_value(json_object_get(member, "role"));
    return role == NULL || strcmp(role, "learner") != 0;
}

static struct census count_members(const struct status_view *view, const struct status_row *best)
{
    struct census census = {.list = json_object_get(best->json, "members")};
    size_t place;
    const json_t *member;
    json_array_foreach(census.list, place, member)
    {
        unsigned here = row_of(view, member_id(member)) != NULL ? 1 : 0;
        unsigned votes = member_votes(member) ? 1 : 0;
        census.members++;
        census.reachable += here;
        census.voters += votes;
        census.voters_reachable += here & votes;
    }
    return census;
}

/* Names the members that do not answer: "3 (127.0.0.1:7003), 4 (...)". */
static void add_silent(struct line *line, const struct status_view *view, const struct census *census, bool voters)
{
    size_t place;
    const json_t *member;
    const char *separator = "";
    json_array_foreach(census->list, place, member)
    {
        char address[96];
        const char *text = json_string_value(json_object_get(member, "address"));
        if (row_of(view, member_id(member)) == NULL && (member_votes(member) || !voters)) {
            add(line, "%s%" PRIu64 " (%s)", separator, member_id(member),
                cli_escape_text(text != NULL ? text : "?", address, sizeof(address)));
            separator = ", ";
        }
    }
}

/* Names what is wrong with servers that answered. Returns how many there are. */
static unsigned add_sick(struct line *line, const struct status_view *view, uint64_t leader)
{
    unsigned sick = 0;
    for (unsigned i = 0; i < view->count; i++) {
        const struct status_row *row = &view->rows[i];
        char why[256];
        if (row->json == NULL) {
            continue;
        }
        if (row->poisoned != NULL) {
            sick++;
            add(line, "; node %" PRIu64 " takes no part, because a write failed (%s): see to its disk and restart it",
                row->node, cli_escape_text(row->poisoned, why, sizeof(why)));
            continue;
        }
        if (status_repairs(row)) {
            sick++;
            add(line,
                "; node %" PRIu64 " lacks %" PRIu64 " damaged entr%s and asks for them: until it has them it "
                "acknowledges nothing behind them, and cannot lead",
                row->node, status_repair_entries(row), status_repair_entries(row) == 1 ? "y" : "ies");
        }
        if (row->leader != leader) {
            sick++;
            if (row->leader == row->node) {
                add(line, "; node %" PRIu64 " still leads term %" PRIu64 ": look again", row->node, row->term);
            } else if (row->leader == 0) {
                add(line, "; node %" PRIu64 " follows nobody yet: look again", row->node);
            } else {
                add(line, "; node %" PRIu64 " follows node %" PRIu64 ": look again", row->node, row->leader);
            }
        }
    }
    return sick;
}

/* Names who is far behind: that is no fault while it shrinks. */
static void add_behind(struct line *line, const struct status_view *view, const struct status_row *leader)
{
    for (unsigned i = 0; i < view->count; i++) {
        const struct status_row *row = &view->rows[i];
        if (row->json != NULL && row->leader == leader->node && row->commit + BEHIND_MIN <= leader->commit) {
            add(line, "; node %" PRIu64 " is %" PRIu64 " entries behind and catching up", row->node,
                leader->commit - row->commit);
        }
    }
}

/* Names members whose disk is not the one known of them. Returns how many there are. */
static unsigned add_foreign_stores(struct line *line, const struct census *census)
{
    unsigned count = 0;
    size_t place;
    const json_t *member;
    json_array_foreach(census->list, place, member)
    {
        if (json_is_string(json_object_get(member, "foreign_store"))) {
            count++;
            add(line,
                "; the disk of node %" PRIu64 " was wiped or exchanged, and what it says counts for nothing: "
                "`raftctl member remove %" PRIu64 "`, then add it again",
                member_id(member), member_id(member));
        }
    }
    return count;
}

/* Names who is on the way to become a voter, and that the voters are changing: that is no fault. */
static void add_changing(struct line *line, const struct status_row *leader, const struct census *census)
{
    size_t place;
    const json_t *member;
    json_array_foreach(census->list, place, member)
    {
        if (json_is_true(json_object_get(member, "promote"))) {
            add(line, "; node %" PRIu64 " becomes a voter when it has caught up", member_id(member));
        }
    }
    if (json_is_true(json_object_get(leader->json, "joint"))) {
        add(line, "; the voters are changing");
    }
}

static bool judge_led(const struct status_view *view, const struct status_row *best, const struct census *census,
                      struct line *line)
{
    char detail[2048] = "";
    struct line sick = {.text = detail, .room = sizeof(detail)};
    unsigned sick_count = add_sick(&sick, view, best->node);
    sick_count += add_foreign_stores(&sick, census);
    bool healthy = sick_count == 0 && census->reachable == census->members;
    add(line, "%s: node %" PRIu64 " leads term %" PRIu64 ", %u of %u reachable", healthy ? "healthy" : "not healthy",
        best->node, best->term, census->reachable, census->members);
    if (census->reachable < census->members) {
        add(line, "; start ");
        add_silent(line, view, census, false);
    }
    add(line, "%s", detail);
    add_behind(line, view, best);
    add_changing(line, best, census);
    return healthy;
}

static void judge_leaderless(const struct status_view *view, const struct status_row *best, const struct census *census,
                             struct line *line)
{
    unsigned majority = census->voters / 2 + 1;
    add(line, "no leader: %u of %u reachable", census->reachable, census->members);
    if (census->voters_reachable < majority) {
        unsigned wanted = majority - census->voters_reachable;
        unsigned silent = census->voters - census->voters_reachable;
        add(line, "; start %s", wanted < silent ? "" : "node ");
        if (wanted < silent) {
            add(line, wanted == 1 ? "one more of node " : "%u more of node ", wanted);
        }
        add_silent(line, view, census, true);
    } else if (best->leader != 0 && row_of(view, best->leader) == NULL) {
        add(line, "; node %" PRIu64 " led and does not answer: the others will elect one of them, look again",
            best->leader);
    } else {
        add(line, "; an election is under way: look again");
    }
    (void)add_sick(line, view, best->leader);
}

/* Returns a row that belongs to another cluster than `best`, or NULL. */
static const struct status_row *foreign(const struct status_view *view, const struct status_row *best)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (view->rows[i].json != NULL && strcmp(view->rows[i].cluster_id, best->cluster_id) != 0) {
            return &view->rows[i];
        }
    }
    return NULL;
}

bool status_view_judge(const struct status_view *view, char *text, size_t text_bytes)
{
    struct line line = {.text = text, .room = text_bytes};
    const struct status_row *best = status_view_best(view);
    char server[96];
    if (best == NULL) {
        add(&line, "nobody answers: 0 of %u asked; is raftd running there, and are the addresses right?", view->count);
        return false;
    }
    const struct status_row *other = foreign(view, best);
    if (other != NULL) {
        add(&line, "two clusters: %s is not of the cluster of ",
            cli_escape_text(other->server, server, sizeof(server)));
        add(&line, "%s; ask the servers of one", cli_escape_text(best->server, server, sizeof(server)));
        return false;
    }
    struct census census = count_members(view, best);
    if (best->node != 0 && best->leader == best->node) {
        return judge_led(view, best, &census, &line);
    }
    judge_leaderless(view, best, &census, &line);
    return false;
}
