#include "member_view.h"

#include "client_options.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY_NS UINT64_C(200000000)
#define SAY_EVERY_NS  UINT64_C(1000000000)
#define STUCK_NS      UINT64_C(30000000000) /* without any progress: say so, and stop waiting */

static json_t *ask_json(struct kv_client *client, int place)
{
    struct kv_ask ask = {.kind = KV_STATUS, .server = place};
    json_t *json = NULL;
    kv_client_call(client, &ask);
    if (ask.fate == KV_DONE && ask.answer_bytes > 0) {
        json = json_loadb((const char *)ask.answer, ask.answer_bytes, JSON_REJECT_DUPLICATES, NULL);
    }
    kv_ask_clear(&ask);
    return json;
}

static uint64_t number(const json_t *object, const char *name)
{
    const json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *string(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "";
}

static void fill(const json_t *json, struct member_view *view)
{
    *view = (struct member_view){.node = number(json, "node"), .leader = number(json, "leader")};
    (void)snprintf(view->cluster, sizeof(view->cluster), "%s", string(json, "cluster"));
    (void)snprintf(view->cluster_id, sizeof(view->cluster_id), "%s", string(json, "cluster_id"));
    (void)snprintf(view->store, sizeof(view->store), "%s", string(json, "store"));
}

bool member_view_ask(struct kv_client *client, int place, struct member_view *view)
{
    json_t *json = ask_json(client, place);
    if (json == NULL) {
        return false;
    }
    fill(json, view);
    json_decref(json);
    return true;
}

/* Returns what the leader says of itself, NULL when nobody knows one. Follows who points to it. */
static json_t *leader_json(struct kv_client *client)
{
    for (unsigned place = 0; place < kv_client_server_count(client); place++) {
        json_t *json = ask_json(client, (int)place);
        const json_t *member;
        size_t nth;
        const uint64_t leader = number(json, "leader");
        if (json != NULL && leader != 0 && leader == number(json, "node")) {
            return json;
        }
        json_array_foreach(json_object_get(json, "members"), nth, member)
        {
            if (number(member, "id") == leader) {
                (void)kv_client_server_add(client, string(member, "address"));
            }
        }
        json_decref(json);
    }
    return NULL;
}

bool member_view_of_leader(struct kv_client *client, struct member_view *view)
{
    json_t *json = leader_json(client);
    if (json == NULL) {
        return false;
    }
    fill(json, view);
    json_decref(json);
    return true;
}

static int no_leader(const char *program)
{
    (void)fprintf(stderr, "%s: no server that answers leads, or knows who does; see `raftctl status`\n", program);
    return EXIT_FAILURE;
}

/* Writes a number with commas between thousands. */
static const char *grouped(uint64_t value, char *text, size_t text_bytes)
{
    char plain[24];
    const int digits = snprintf(plain, sizeof(plain), "%" PRIu64, value);
    size_t used = 0;
    for (int i = 0; i < digits && used + 2 < text_bytes; i++) {
        if (i > 0 && (digits - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = plain[i];
    }
    text[used] = '\0';
    return text;
}

static void print_member(const json_t *member, uint64_t leader, uint64_t last)
{
    char address[96];
    char match[32];
    const bool foreign = json_is_string(json_object_get(member, "foreign_store"));
    (void)printf("%4" PRIu64 "  %-24s %-9s", number(member, "id"),
                 cli_escape_text(string(member, "address"), address, sizeof(address)), string(member, "role"));
    if (number(member, "id") == leader) {
        (void)printf(" leads");
    } else if (number(member, "match") < last) {
        (void)printf(" %s entries behind", grouped(last - number(member, "match"), match, sizeof(match)));
    }
    if (json_is_true(json_object_get(member, "promote"))) {
        (void)printf(" becomes a voter when it has caught up");
    }
    if (json_is_false(json_object_get(member, "reachable"))) {
        (void)printf(" unreachable");
    }
    (void)printf("%s\n", foreign ? " ANOTHER DISK: remove it and add it again" : "");
}

int member_view_list(const char *program, struct kv_client *client)
{
    json_t *json = leader_json(client);
    const json_t *member;
    size_t place;
    if (json == NULL) {
        return no_leader(program);
    }
    (void)printf("%4s  %-24s %s\n", "node", "address", "role");
    json_array_foreach(json_object_get(json, "members"), place, member)
    {
        print_member(member, number(json, "leader"), number(json, "last"));
    }
    if (json_is_true(json_object_get(json, "joint"))) {
        (void)printf("the voters are changing: a majority of the old and one of the new ones must agree for now\n");
    }
    json_decref(json);
    return EXIT_SUCCESS;
}

static const json_t *member_of(const json_t *json, uint64_t node)
{
    const json_t *member;
    size_t place;
    json_array_foreach(json_object_get(json, "members"), place, member)
    {
        if (number(member, "id") == node) {
            return member;
        }
    }
    return NULL;
}

/* What waiting has seen. */
struct wait {
    uint64_t match;
    dgraft_time_ns progress_ns;
    dgraft_time_ns said_ns;
};

/* Says how far a node has come, once a second. Returns false when there is no progress any more. */
static bool say_progress(struct wait *wait, uint64_t node, uint64_t match, uint64_t last)
{
    const dgraft_time_ns now = kv_clock();
    char have[32];
    char all[32];
    if (match != wait->match || wait->progress_ns == 0) {
        wait->match = match;
        wait->progress_ns = now;
    }
    if (wait->said_ns == 0 || now - wait->said_ns >= SAY_EVERY_NS) {
        wait->said_ns = now;
        (void)fprintf(stderr, "node %" PRIu64 " is catching up: %s of %s\n", node, grouped(match, have, sizeof(have)),
                      grouped(last, all, sizeof(all)));
    }
    return now - wait->progress_ns < STUCK_NS;
}

int member_view_wait(const char *program, struct kv_client *client, uint64_t node)
{
    struct wait wait = {.match = 0};
    const struct timespec pause = {.tv_nsec = (long)LOOK_EVERY_NS};
    unsigned unled = 0;
    for (;;) {
        json_t *json = leader_json(client);
        const json_t *member = member_of(json, node);
        const uint64_t last = number(json, "last");
        const uint64_t match = number(member, "match");
        const bool led = json != NULL;
        const bool votes = strcmp(string(member, "role"), "voter") == 0;
        const bool joint = json_is_true(json_object_get(json, "joint"));
        const bool gone = led && member == NULL;
        json_decref(json);
        if (votes && !joint) {
            (void)printf("node %" PRIu64 " is a voter\n", node);
            return EXIT_SUCCESS;
        }
        unled = led ? 0 : unled + 1;
        if (unled > 3) {
            return no_leader(program);
        }
        if (gone) {
            (void)fprintf(stderr, "%s: somebody removed node %" PRIu64 " again\n", program, node);
            return EXIT_FAILURE;
        }
        if (led && !say_progress(&wait, node, match, last)) {
            (void)fprintf(stderr,
                          "%s: node %" PRIu64
                          " has not come further for 30 seconds; it becomes a voter by itself when it "
                          "has caught up. See `raftctl status`\n",
                          program, node);
            return EXIT_FAILURE;
        }
        (void)nanosleep(&pause, NULL);
    }
}
