/* raftctl delete: removes a key. */
#include "client_options.h"
#include "commands.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct client_options client;
    const char *key;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->key != NULL) {
            argp_error(state, "one key at a time");
        }
        arguments->key = argument;
        return 0;
    case ARGP_KEY_END:
        if (arguments->key == NULL) {
            argp_error(state, "which key?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_delete(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        NULL, parse, "KEY", "Removes a key and its value; a key that is not there is no error.", children, NULL, NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    uint8_t payload[8 + KV_KEY_BYTES_MAX];
    char escaped[256];
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (!client_key_valid(argv[0], arguments.key)) {
        return EXIT_MISUSE;
    }
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    size_t bytes = kv_payload_begin(payload, arguments.key, (uint32_t)strlen(arguments.key));
    struct kv_ask ask = {.kind = KV_DELETE, .payload = payload, .payload_bytes = (uint32_t)bytes, .server = KV_LEADER};
    kv_client_call(client, &ask);
    if (ask.fate == KV_DONE) {
        (void)printf("deleted %s: entry %" PRIu64 "\n", cli_escape_text(arguments.key, escaped, sizeof(escaped)),
                     ask.index);
    } else {
        exit_code = client_failed(argv[0], &ask);
    }
    kv_ask_clear(&ask);
    kv_client_close(client);
    return exit_code;
}
