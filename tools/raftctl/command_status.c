/* raftctl status: asks every server how it is, and says whether the cluster is well. */
#include "client_options.h"
#include "commands.h"
#include "status_view.h"

#include <cli_escape.h>
#include <stdlib.h>
#include <string.h>

#define VERDICT_BYTES 4096u

struct arguments {
    struct client_options client;
    bool json;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print everything that the servers said, as JSON", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)argument;
    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "status takes no arguments but options");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static json_t *answer_json(const struct kv_ask *ask)
{
    if (ask->fate != KV_DONE || ask->answer_bytes == 0) {
        return NULL;
    }
    json_t *json = json_loadb((const char *)ask->answer, ask->answer_bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Asks servers first to end - 1, all at once, and adds a row for each. */
static void ask_servers(struct kv_client *client, unsigned first, unsigned end, struct status_view *view)
{
    static struct kv_ask asks[KV_SERVERS_MAX];
    unsigned waiting = 0;
    for (unsigned i = first; i < end; i++) {
        asks[i] = (struct kv_ask){.kind = KV_STATUS, .server = (int)i};
        waiting += kv_client_begin(client, &asks[i]) ? 1 : 0;
    }
    while (waiting > 0) {
        kv_client_turn(client, UINT64_MAX);
        waiting = 0;
        for (unsigned i = first; i < end; i++) {
            waiting += asks[i].fate == KV_UNDER_WAY ? 1 : 0;
        }
    }
    for (unsigned i = first; i < end; i++) {
        struct status_row *row = &view->rows[view->count++];
        *row = (struct status_row){.server = kv_client_server(client, i), .json = answer_json(&asks[i])};
        status_row_read(row);
        kv_ask_clear(&asks[i]);
    }
}

/* Adds the members that the servers asked so far know of. */
static void add_members(struct kv_client *client, const struct status_view *view)
{
    const struct status_row *best = status_view_best(view);
    size_t place;
    json_t *member;
    if (best == NULL) {
        return;
    }
    json_array_foreach(json_object_get(best->json, "members"), place, member)
    {
        const char *address = json_string_value(json_object_get(member, "address"));
        if (address != NULL && place < STATUS_ROWS_MAX) {
            (void)kv_client_server_add(client, address);
        }
    }
}

static void print_json(const struct status_view *view, const char *verdict, bool healthy)
{
    json_t *servers = json_array();
    json_t *root = json_object();
    for (unsigned i = 0; i < view->count; i++) {
        const struct status_row *row = &view->rows[i];
        json_t *server = json_object();
        json_object_set_new(server, "server", json_string(row->server));
        json_object_set_new(server, "status", row->json != NULL ? json_incref(row->json) : json_null());
        json_array_append_new(servers, server);
    }
    json_object_set_new(root, "healthy", json_boolean(healthy));
    json_object_set_new(root, "verdict", json_string(verdict));
    json_object_set_new(root, "servers", servers);
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(root);
}

int command_status(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "",
                                     "Asks every server how it is: who leads, who is reachable, how far each one is, "
                                     "what was dropped and why. Exit code 0 when all is well."
                                     "\vA server that does not answer within a second counts as unreachable; "
                                     "--timeout changes that.",
                                     children,
                                     NULL,
                                     NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 1}};
    static struct status_view view;
    char verdict[VERDICT_BYTES];
    int exit_code = EXIT_SUCCESS;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    unsigned given = kv_client_server_count(client);
    ask_servers(client, 0, given, &view);
    add_members(client, &view);
    ask_servers(client, given, kv_client_server_count(client), &view);
    status_view_order(&view);
    bool healthy = status_view_judge(&view, verdict, sizeof(verdict));
    if (arguments.json) {
        print_json(&view, verdict, healthy);
    } else {
        status_view_print(&view, stdout);
        (void)printf("%s\n", verdict);
    }
    for (unsigned i = 0; i < view.count; i++) {
        json_decref(view.rows[i].json);
    }
    kv_client_close(client);
    return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}
