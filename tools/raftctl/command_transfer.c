/* raftctl transfer: hands leadership to another node, before maintenance for instance. */
#include "client_options.h"
#include "commands.h"

#include <cli_number.h>
#include <dgraft/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct client_options client;
    const char *to;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->to != NULL) {
            argp_error(state, "one node at a time");
        }
        arguments->to = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_transfer(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        NULL,
        parse,
        "[NODE]",
        "Hands leadership to NODE (its number), or to the follower that has most of the log."
        "\vThe leader takes no writes while it hands over, for one election timeout at most; whoever asks meanwhile is "
        "told to try again. Exit code: 0 NODE leads now, 1 it does not, and why, 2 misuse.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    uint64_t node = 0;
    uint8_t payload[8] = {0};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.to != NULL && !cli_number(arguments.to, 1, DGRAFT_NODE_ID_MAX, &node)) {
        (void)fprintf(stderr, "%s: NODE is a node's number, from 1 to %u; `raftctl status` shows them\n", argv[0],
                      DGRAFT_NODE_ID_MAX);
        return EXIT_MISUSE;
    }
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    dgraft_put_u32(payload, (uint32_t)node);
    struct kv_ask ask = {
        .kind = KV_TRANSFER, .payload = payload, .payload_bytes = sizeof(payload), .server = KV_LEADER};
    kv_client_call(client, &ask);
    if (ask.fate == KV_DONE) {
        (void)printf("node %u leads\n", ask.leader);
    } else {
        exit_code = client_failed(argv[0], &ask);
    }
    kv_ask_clear(&ask);
    kv_client_close(client);
    return exit_code;
}
