/* raftctl member: adds, removes, promotes and demotes members, and lists them. */
#include "client_options.h"
#include "commands.h"
#include "member_view.h"

#include <cli_escape.h>
#include <cli_number.h>
#include <dgraft/driver.h>
#include <dgraft/record.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_HEAD_BYTES 16u
#define NEWCOMER_WAIT_NS  UINT64_C(2000000000)

struct arguments {
    struct client_options client;
    const char *verb;
    const char *what;
    bool learner;
    bool no_wait;
};

static const struct argp_option options[] = {
    {"learner", 'l', NULL, 0, "add: it only receives, and does not become a voter by itself", 0},
    {"no-wait", 'w', NULL, 0, "add, promote: do not wait until it has caught up and votes", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'l':
        arguments->learner = true;
        return 0;
    case 'w':
        arguments->no_wait = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->verb == NULL) {
            arguments->verb = argument;
        } else if (arguments->what == NULL) {
            arguments->what = argument;
        } else {
            argp_error(state, "one member at a time");
        }
        return 0;
    case ARGP_KEY_END:
        if (arguments->verb == NULL) {
            argp_error(state, "what is to be done? add, remove, promote, demote or list");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The change that a verb stands for; 0: none. */
static uint32_t kind_of(const struct arguments *arguments)
{
    if (strcmp(arguments->verb, "add") == 0) {
        return arguments->learner ? DGRAFT_CHANGE_ADD_LEARNER : DGRAFT_CHANGE_ADD_VOTER;
    }
    if (strcmp(arguments->verb, "promote") == 0) {
        return DGRAFT_CHANGE_PROMOTE;
    }
    if (strcmp(arguments->verb, "demote") == 0) {
        return DGRAFT_CHANGE_DEMOTE;
    }
    return strcmp(arguments->verb, "remove") == 0 ? DGRAFT_CHANGE_REMOVE : 0;
}

/* Reads "N" or, for add, "N=HOST:PORT". Returns the address, "" for the others; NULL after a sentence. */
static const char *parse_member(const char *program, const struct arguments *arguments, uint64_t *node)
{
    const bool add = strcmp(arguments->verb, "add") == 0;
    char number[24] = "";
    const char *what = arguments->what != NULL ? arguments->what : "";
    const char *equals = strchr(what, '=');
    const size_t digits = equals != NULL ? (size_t)(equals - what) : strlen(what);
    if (digits < sizeof(number)) {
        (void)snprintf(number, sizeof(number), "%.*s", (int)digits, what);
    }
    if ((equals != NULL) != add || !cli_number(number, 1, DGRAFT_NODE_ID_MAX, node)) {
        (void)fprintf(stderr, "%s: %s wants %s, with a node's number from 1 to %u\n", program, arguments->verb,
                      add ? "N=HOST:PORT" : "N", DGRAFT_NODE_ID_MAX);
        return NULL;
    }
    return add ? equals + 1 : "";
}

/* Asks the node that is to join who it is. Returns false after a sentence. */
static bool meet_newcomer(const char *program, struct kv_client *client, uint64_t node, const char *address,
                          uint64_t *store)
{
    char shown[96];
    struct member_view cluster;
    struct member_view newcomer;
    char why[KV_WHY_BYTES] = "";
    struct kv_client *door = NULL; /* of its own: whoever does not answer is not worth the whole time */
    (void)cli_escape_text(address, shown, sizeof(shown));
    if (kv_client_open(address, NEWCOMER_WAIT_NS, &door, why, sizeof(why)) != DGRAFT_OK) {
        char escaped[2 * KV_WHY_BYTES];
        (void)fprintf(stderr, "%s: %s\n", program, cli_escape_text(why, escaped, sizeof(escaped)));
        return false;
    }
    const bool answers = member_view_ask(door, 0, &newcomer);
    kv_client_close(door);
    if (!answers) {
        (void)fprintf(stderr,
                      "%s: no raftd answers at %s; make its directory with `raftctl format DIR --node %" PRIu64
                      " --join SERVERS`, and start it with `raftd DIR --listen %s`\n",
                      program, shown, node, shown);
        return false;
    }
    const bool led = member_view_of_leader(client, &cluster);
    if (newcomer.node != node) {
        (void)fprintf(stderr, "%s: at %s is node %" PRIu64 ", not node %" PRIu64 "\n", program, shown, newcomer.node,
                      node);
    } else if (led && strcmp(newcomer.cluster_id, cluster.cluster_id) != 0) {
        (void)fprintf(stderr,
                      "%s: node %" PRIu64 " at %s belongs to another cluster, %s; format its directory with --join\n",
                      program, node, shown, newcomer.cluster_id);
    } else {
        *store = strtoull(newcomer.store, NULL, 16);
        return true;
    }
    return false;
}

static int change(const char *program, struct kv_client *client, const struct arguments *arguments)
{
    uint8_t payload[CHANGE_HEAD_BYTES + DGRAFT_ADDRESS_TEXT_BYTES] = {0};
    uint64_t node = 0;
    uint64_t store = 0;
    const uint32_t kind = kind_of(arguments);
    const char *address = parse_member(program, arguments, &node);
    if (address == NULL) {
        return EXIT_MISUSE;
    }
    const size_t address_bytes = strlen(address);
    if (address_bytes >= DGRAFT_ADDRESS_TEXT_BYTES) {
        (void)fprintf(stderr, "%s: an address has at most %u characters\n", program, DGRAFT_ADDRESS_TEXT_BYTES - 1);
        return EXIT_MISUSE;
    }
    if (address_bytes > 0 && !meet_newcomer(program, client, node, address, &store)) {
        return EXIT_FAILURE;
    }
    dgraft_put_u32(payload, kind);
    dgraft_put_u32(payload + 4, (uint32_t)node);
    dgraft_put_u64(payload + 8, store);
    memcpy(payload + CHANGE_HEAD_BYTES, address, address_bytes + 1);
    struct kv_ask ask = {.kind = KV_CHANGE,
                         .payload = payload,
                         .payload_bytes = (uint32_t)(CHANGE_HEAD_BYTES + address_bytes),
                         .server = KV_LEADER};
    kv_client_call(client, &ask);
    int exit_code = ask.fate == KV_DONE ? EXIT_SUCCESS : client_failed(program, &ask);
    kv_ask_clear(&ask);
    if (exit_code != EXIT_SUCCESS) {
        return exit_code;
    }
    const bool votes = kind == DGRAFT_CHANGE_ADD_VOTER || kind == DGRAFT_CHANGE_PROMOTE;
    if (votes && !arguments->no_wait) {
        return member_view_wait(program, client, node);
    }
    (void)printf("node %" PRIu64 " %s\n", node,
                 kind == DGRAFT_CHANGE_REMOVE   ? "is removed; its raftd can be stopped"
                 : kind == DGRAFT_CHANGE_DEMOTE ? "is a learner now"
                 : votes                        ? "is a learner, and becomes a voter when it has caught up"
                                                : "is added as a learner");
    return EXIT_SUCCESS;
}

int command_member(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "list\nadd N=HOST:PORT\nremove N\npromote N\ndemote N",
        "Changes the members of a running cluster, one at a time, or lists them."
        "\vA node that is added receives the log as a learner first, and becomes a voter by itself when it has caught "
        "up. Before that, make its directory with `raftctl format DIR --node N --join SERVERS` and start it with "
        "`raftd "
        "DIR --listen HOST:PORT`. A node whose disk was lost is removed, and added again with a new directory.\n"
        "Exit code: 0 done, 1 refused or not known whether it was done, 2 misuse.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    const bool list = strcmp(arguments.verb, "list") == 0;
    if (!list && kind_of(&arguments) == 0) {
        char escaped[64];
        (void)fprintf(stderr, "%s: there is no '%s'; add, remove, promote, demote or list\n", argv[0],
                      cli_escape_text(arguments.verb, escaped, sizeof(escaped)));
        return EXIT_MISUSE;
    }
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    exit_code = list ? member_view_list(argv[0], client) : change(argv[0], client, &arguments);
    kv_client_close(client);
    return exit_code;
}
