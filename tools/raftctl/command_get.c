/* raftctl get: writes the value of a key, as it is. */
#include "client_options.h"
#include "commands.h"

#include <cli_escape.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_BYTES 8u /* in front of the value */

struct arguments {
    struct client_options client;
    const char *key;
    const char *output; /* NULL: standard output */
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the value to FILE instead of standard output; only when there is one", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = argument;
        return 0;
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

static int write_value(const char *program, const char *path, const uint8_t *value, size_t size)
{
    char escaped[256];
    FILE *file = path == NULL ? stdout : fopen(path, "wbe");
    bool written = file != NULL && fwrite(value, 1, size, file) == size && fflush(file) == 0;
    int error = errno;
    if (file != NULL && path != NULL && fclose(file) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written) {
        (void)fprintf(stderr, "%s: %s cannot be written: %s\n", program,
                      cli_escape_text(path == NULL ? "standard output" : path, escaped, sizeof(escaped)),
                      strerror(error));
    }
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int take_answer(const char *program, const struct arguments *arguments, const struct kv_ask *ask)
{
    char escaped[256];
    if (ask->fate != KV_DONE) {
        return client_failed(program, ask);
    }
    if (ask->answer_bytes < FOUND_BYTES || ask->answer[0] > 1) {
        (void)fprintf(stderr, "%s: a server's answer makes no sense: is it of another version?\n", program);
        return EXIT_FAILURE;
    }
    if (ask->answer[0] == 0) {
        (void)fprintf(stderr, "%s: there is no key %s\n", program,
                      cli_escape_text(arguments->key, escaped, sizeof(escaped)));
        return EXIT_FAILURE;
    }
    return write_value(program, arguments->output, ask->answer + FOUND_BYTES, ask->answer_bytes - FOUND_BYTES);
}

int command_get(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "KEY",
                                     "Writes the value of a key, byte by byte as it was stored: what the cluster has "
                                     "agreed on, never an old one.",
                                     children,
                                     NULL,
                                     NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    uint8_t payload[8 + KV_KEY_BYTES_MAX];
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (!client_key_valid(argv[0], arguments.key)) {
        return EXIT_MISUSE;
    }
    struct kv_client *client = client_open(argv[0], &arguments.client, &exit_code);
    if (client == NULL) {
        return exit_code;
    }
    size_t bytes = kv_payload_begin(payload, arguments.key, (uint32_t)strlen(arguments.key));
    struct kv_ask ask = {.kind = KV_GET, .payload = payload, .payload_bytes = (uint32_t)bytes, .server = KV_LEADER};
    kv_client_call(client, &ask);
    exit_code = take_answer(argv[0], &arguments, &ask);
    kv_ask_clear(&ask);
    kv_client_close(client);
    return exit_code;
}
