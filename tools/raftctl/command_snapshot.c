/* raftctl snapshot: has nodes write their state down, so that the log before it can go. */
#include "client_options.h"
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>

struct arguments {
    struct client_options client;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)argument;
    if (key != ARGP_KEY_INIT) {
        return ARGP_ERR_UNKNOWN;
    }
    state->child_inputs[0] = &arguments->client;
    return 0;
}

int command_snapshot(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        NULL,
        parse,
        "",
        "Has each of the servers named make a snapshot: it writes its state down, and drops the log before it."
        "\vIt begins at once and goes on by itself; `raftctl status` shows what became of it. Exit code: 0 begun, 1 a "
        "server did not answer or refused, 2 misuse.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    const unsigned count = kv_client_server_count(client);
    for (unsigned i = 0; i < count; i++) {
        struct kv_ask ask = {.kind = KV_SNAPSHOT, .server = (int)i};
        kv_client_call(client, &ask);
        if (ask.fate == KV_DONE) {
            (void)printf("%s: a snapshot is begun\n", kv_client_server(client, i));
        } else {
            exit_code = client_failed(argv[0], &ask);
        }
        kv_ask_clear(&ask);
    }
    kv_client_close(client);
    return exit_code;
}
