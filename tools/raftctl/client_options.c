#include "client_options.h"

#include <cli_escape.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_SECONDS_MAX 86400.0

static const struct argp_option options[] = {
    {"servers", 's', "HOST:PORT,...", 0,
     "Whom to ask: one is enough, the others are found; without it the environment's DGRAFT_SERVERS", 1},
    {"timeout", 't', "SECONDS", 0, "How long to go on asking", 1},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct client_options *client = state->input;
    char *end = NULL;
    switch (key) {
    case 's':
        client->servers = argument;
        return 0;
    case 't':
        client->timeout_seconds = strtod(argument, &end);
        if (end == argument || *end != '\0' ||
            !(client->timeout_seconds > 0 && client->timeout_seconds <= TIMEOUT_SECONDS_MAX)) {
            argp_error(state, "--timeout wants seconds, more than 0 and at most %g", TIMEOUT_SECONDS_MAX);
        }
        return 0;
    case ARGP_KEY_END:
        if (client->servers == NULL) {
            client->servers = getenv("DGRAFT_SERVERS");
        }
        if (client->servers == NULL || client->servers[0] == '\0') {
            argp_error(state, "which servers? give --servers HOST:PORT,... or set DGRAFT_SERVERS");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp client_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

struct kv_client *client_open(const char *program, const struct client_options *client, int *exit_code)
{
    struct kv_client *opened = NULL;
    char why[KV_WHY_BYTES] = "";
    char escaped[2 * KV_WHY_BYTES];
    enum dgraft_status status =
        kv_client_open(client->servers, (dgraft_time_ns)(client->timeout_seconds * 1e9), &opened, why, sizeof(why));
    if (status == DGRAFT_OK) {
        return opened;
    }
    (void)fprintf(stderr, "%s: %s\n", program, cli_escape_text(why, escaped, sizeof(escaped)));
    *exit_code = status == DGRAFT_STATUS_ADDRESS ? EXIT_MISUSE : EXIT_FAILURE;
    return NULL;
}

int client_failed(const char *program, const struct kv_ask *ask)
{
    char escaped[2 * KV_WHY_BYTES];
    (void)fprintf(stderr, "%s: %s%s\n", program, ask->fate == KV_REFUSED ? "refused: " : "",
                  cli_escape_text(ask->why, escaped, sizeof(escaped)));
    return EXIT_FAILURE;
}

bool client_key_valid(const char *program, const char *key)
{
    size_t size = strlen(key);
    if (size >= 1 && size <= KV_KEY_BYTES_MAX) {
        return true;
    }
    (void)fprintf(stderr, "%s: a key has 1 to %u bytes, and this one has %zu\n", program, KV_KEY_BYTES_MAX, size);
    return false;
}
