/* raftctl format: makes the directory of a node of a new cluster, or of one that joins a cluster which there is. */
#include "commands.h"
#include "member_view.h"

#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <dgraft/inspect.h>
#include <dgraft/node.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_MISUSE 2

struct arguments {
    const char *directory;
    const char *cluster;
    const char *members_text;
    const char *join; /* servers of the cluster to join; NULL: it is founded */
    uint64_t node;
    struct dgraft_members members;
};

static const struct argp_option options[] = {
    {"cluster", 'c', "NAME", 0, "The cluster's name: the same for all its nodes", 0},
    {"node", 'n', "N", 0, "This node's id: one of the members'", 0},
    {"members", 'm', "LIST", 0,
     "All founders as ID=HOST:PORT,... (IPv6 as ID=[ADDRESS]:PORT; ID=HOST:PORT/learner for one that only receives): "
     "the same list for all nodes",
     0},
    {"join", 'j', "SERVERS", 0,
     "Instead of --cluster and --members: join the cluster of these servers, HOST:PORT,... At least one must run", 0},
    {0},
};

/* Returns what is wrong with a cluster's name, or NULL. It appears in files, in JSON and on terminals. */
static const char *name_wrong(const char *name)
{
    size_t length = strlen(name);
    struct dgraft_identity identity;
    if (length == 0 || length >= sizeof(identity.cluster_name)) {
        return "--cluster wants a name of 1 to 63 characters";
    }
    for (size_t i = 0; i < length; i++) {
        bool letter = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z');
        bool other = (name[i] >= '0' && name[i] <= '9') || name[i] == '.' || name[i] == '_' || name[i] == '-';
        if (!letter && !other) {
            return "--cluster wants a name of letters, digits, '.', '_' and '-'";
        }
    }
    return NULL;
}

/* Ends the process with exit code 2 and a sentence unless all arguments are there and fit each other. */
static void check(struct arguments *arguments, const struct argp_state *state)
{
    char why[256] = "";
    char escaped[512];
    if (arguments->directory == NULL) {
        argp_error(state, "which directory is to be made?");
    }
    if (arguments->node == 0) {
        argp_error(state, "--node N is missing: which of the members is this?");
    }
    if (arguments->join != NULL) {
        if (arguments->cluster != NULL || arguments->members_text != NULL) {
            argp_error(state, "--join asks the cluster for its name and members: leave --cluster and --members out");
        }
        return;
    }
    if (arguments->cluster == NULL) {
        argp_error(state, "--cluster NAME is missing: what is the cluster called?");
    } else if (name_wrong(arguments->cluster) != NULL) {
        argp_error(state, "%s", name_wrong(arguments->cluster));
    }
    if (arguments->members_text == NULL) {
        argp_error(state, "--members 1=HOST:PORT,... is missing: who founds the cluster?");
    }
    if (dgraft_members_parse(arguments->members_text, &arguments->members, why, sizeof(why)) != DGRAFT_OK) {
        argp_error(state, "--members: %s", cli_escape_text(why, escaped, sizeof(escaped)));
    }
    if (dgraft_members_find(&arguments->members, (dgraft_node_id)arguments->node) == NULL) {
        argp_error(state, "node %" PRIu64 " is not among the members: add it to --members, or correct --node",
                   arguments->node);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char escaped[80];
    switch (key) {
    case 'c':
        arguments->cluster = argument;
        return 0;
    case 'n':
        if (!cli_number(argument, 1, DGRAFT_NODE_ID_MAX, &arguments->node)) {
            argp_error(state, "--node wants a number from 1 to %u, not '%s'", DGRAFT_NODE_ID_MAX,
                       cli_escape_text(argument, escaped, sizeof(escaped)));
        }
        return 0;
    case 'm':
        arguments->members_text = argument;
        return 0;
    case 'j':
        arguments->join = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->directory != NULL) {
            argp_error(state, "one directory at a time: each node has its own");
        }
        arguments->directory = argument;
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Says what was made, as it stands on the disk now. */
static int say_made(const struct arguments *arguments)
{
    static const struct dgraft_inspect_visitor nothing = {.context = NULL};
    struct dgraft_inspect_summary summary;
    struct dgraft_why why = {.text = ""};
    char escaped[1024];
    char address[DGRAFT_ADDRESS_TEXT_BYTES + 8];
    if (dgraft_inspect(dgraft_fs_posix(), arguments->directory, &nothing, &summary, &why) != DGRAFT_OK ||
        !summary.has_identity || summary.damages != 0) {
        (void)fprintf(stderr, "raftctl format: what was just written cannot be read back: check the disk. %s\n",
                      cli_escape_text(why.text, escaped, sizeof(escaped)));
        return EXIT_FAILURE;
    }
    (void)cli_escape_text(arguments->directory, escaped, sizeof(escaped));
    (void)printf("made %s: node %u of cluster %s\n", escaped, summary.identity.node, summary.identity.cluster_name);
    (void)printf("  cluster id  %016" PRIx64 "\n", summary.identity.cluster);
    (void)printf("  store id    %016" PRIx64 "\n", summary.identity.store);
    for (uint32_t i = 0; i < arguments->members.count; i++) {
        const struct dgraft_member *member = &arguments->members.items[i];
        (void)printf("  member %-4u %s%s%s\n", member->id, cli_escape_text(member->address, address, sizeof(address)),
                     (member->roles & DGRAFT_MEMBER_LEARNER) != 0 ? " (learner)" : "",
                     member->id == summary.identity.node ? " (this node)" : "");
    }
    if (arguments->join != NULL) {
        (void)printf("next: start it with `raftd %s --listen HOST:PORT`, then `raftctl member add %u=HOST:PORT`\n",
                     escaped, summary.identity.node);
        return EXIT_SUCCESS;
    }
    (void)printf("next: format the other members with the same --cluster and --members, then start each: raftd %s\n",
                 escaped);
    return EXIT_SUCCESS;
}

/* Asks the cluster that is to be joined for its name and number, and makes the directory. */
static enum dgraft_status format_joiner(const struct arguments *arguments, struct dgraft_why *why)
{
    struct kv_client *client = NULL;
    struct member_view view = {.node = 0};
    enum dgraft_status status =
        kv_client_open(arguments->join, UINT64_C(3000000000), &client, why->text, sizeof(why->text));
    if (status != DGRAFT_OK) {
        return DGRAFT_STATUS_CONFIG;
    }
    bool found = false;
    for (unsigned place = 0; place < kv_client_server_count(client) && !found; place++) {
        found = member_view_ask(client, (int)place, &view);
    }
    kv_client_close(client);
    if (!found) {
        (void)snprintf(why->text, sizeof(why->text), "none of %.200s answers: start one of them first",
                       arguments->join);
        return DGRAFT_STATUS_TIMEOUT;
    }
    return dgraft_node_format_joiner(arguments->directory, view.cluster, strtoull(view.cluster_id, NULL, 16),
                                     (dgraft_node_id)arguments->node, why);
}

int command_format(int argc, char **argv)
{
    static const struct argp argp = {options,
                                     parse,
                                     "DIR",
                                     "Makes DIR, which must not exist or be empty, for one node of a new cluster: its "
                                     "identity, and a log that begins "
                                     "with the list of members."
                                     "\vExample: raftctl format n1 --cluster demo --node 1 "
                                     "--members 1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003\n"
                                     "A fourth, later: raftctl format n4 --node 4 --join 127.0.0.1:7001",
                                     NULL,
                                     NULL,
                                     NULL};
    struct arguments arguments = {0};
    struct dgraft_why why = {.text = ""};
    char escaped[2 * DGRAFT_WHY_BYTES];
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum dgraft_status status = arguments.join != NULL
                                    ? format_joiner(&arguments, &why)
                                    : dgraft_node_format(arguments.directory, arguments.cluster,
                                                         (dgraft_node_id)arguments.node, arguments.members_text, &why);
    if (status != DGRAFT_OK) {
        (void)fprintf(
            stderr, "raftctl format: %s\n",
            cli_escape_text(why.text[0] != '\0' ? why.text : dgraft_status_text(status), escaped, sizeof(escaped)));
        return status == DGRAFT_STATUS_CONFIG ? EXIT_MISUSE : EXIT_FAILURE;
    }
    return say_made(&arguments);
}
