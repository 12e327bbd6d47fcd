/* raftctl put: stores a value under a key. */
#include "client_options.h"
#include "commands.h"
#include "value_file.h"

#include <cli_escape.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    struct client_options client;
    const char *key;
    const char *value; /* NULL: "-" */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->key == NULL) {
            arguments->key = argument;
        } else if (arguments->value == NULL) {
            arguments->value = argument;
        } else {
            argp_error(state, "one key and one value at a time: put a value with spaces in quotes");
        }
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

/* Copies a value given as an argument behind head and key. */
static enum value_file_result copy_text(const char *key, const char *value, uint8_t **payload, size_t *payload_bytes)
{
    size_t size = strlen(value);
    size_t key_bytes = strlen(key);
    if (size > KV_VALUE_BYTES_MAX) {
        return VALUE_FILE_TOO_LARGE;
    }
    *payload = malloc(8 + key_bytes + size);
    if (*payload == NULL) {
        return VALUE_FILE_ERROR;
    }
    size_t head = kv_payload_begin(*payload, key, (uint32_t)key_bytes);
    memcpy(*payload + head, value, size);
    *payload_bytes = head + size;
    return VALUE_FILE_OK;
}

/* Makes the request's payload. Returns NULL after a sentence on stderr, and the exit code. */
static uint8_t *payload_make(const char *program, const struct arguments *arguments, size_t *bytes, int *exit_code)
{
    const char *value = arguments->value == NULL ? "-" : arguments->value;
    const char *source = value[0] == '@' ? value + 1 : "standard input";
    uint8_t *payload = NULL;
    enum value_file_result result;
    char escaped[256];
    if (value[0] == '@') {
        int descriptor = open(value + 1, O_RDONLY | O_CLOEXEC);
        result = descriptor < 0 ? VALUE_FILE_ERROR : value_file_read(descriptor, arguments->key, 0, &payload, bytes);
        int error = errno;
        if (descriptor >= 0) {
            (void)close(descriptor);
        }
        errno = error;
    } else if (strcmp(value, "-") == 0) {
        result = value_file_read(STDIN_FILENO, arguments->key, 0, &payload, bytes);
    } else {
        source = "the argument";
        result = copy_text(arguments->key, value, &payload, bytes);
    }
    if (result == VALUE_FILE_TOO_LARGE) {
        (void)fprintf(stderr, "%s: %s is larger than a value may be: at most %u bytes (1 MiB)\n", program,
                      cli_escape_text(source, escaped, sizeof(escaped)), KV_VALUE_BYTES_MAX);
        *exit_code = EXIT_MISUSE;
        return NULL;
    }
    if (result == VALUE_FILE_ERROR) {
        (void)fprintf(stderr, "%s: %s cannot be read: %s\n", program, cli_escape_text(source, escaped, sizeof(escaped)),
                      strerror(errno));
        *exit_code = EXIT_FAILURE;
        return NULL;
    }
    return payload;
}

int command_put(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {NULL,
                                     parse,
                                     "KEY [VALUE|-|@FILE]",
                                     "Stores a value under a key: VALUE itself, with - or nothing what standard input "
                                     "gives, with @FILE what the file holds."
                                     "\vExample: raftctl put greeting hello --servers 127.0.0.1:7001",
                                     children,
                                     NULL,
                                     NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    int exit_code = EXIT_SUCCESS;
    size_t bytes = 0;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (!client_key_valid(argv[0], arguments.key)) {
        return EXIT_MISUSE;
    }
    uint8_t *payload = payload_make(argv[0], &arguments, &bytes, &exit_code);
    struct kv_client *client = payload == NULL ? NULL : client_open(argv[0], &arguments.client, &exit_code);
    if (client != NULL) {
        char escaped[256];
        struct kv_ask ask = {.kind = KV_PUT, .payload = payload, .payload_bytes = (uint32_t)bytes, .server = KV_LEADER};
        kv_client_call(client, &ask);
        if (ask.fate == KV_DONE) {
            (void)printf("put %s: %zu bytes, entry %" PRIu64 "\n",
                         cli_escape_text(arguments.key, escaped, sizeof(escaped)), bytes - 8 - strlen(arguments.key),
                         ask.index);
        } else {
            exit_code = client_failed(argv[0], &ask);
        }
        kv_ask_clear(&ask);
    }
    kv_client_close(client);
    free(payload);
    return exit_code;
}
