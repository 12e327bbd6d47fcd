/* What all commands that ask servers have in common: their options, and how they say what went wrong. */
#ifndef RAFTCTL_CLIENT_OPTIONS_H
#define RAFTCTL_CLIENT_OPTIONS_H

#include <argp.h>
#include <kv_client.h>

#define EXIT_MISUSE 2

struct client_options {
    const char *servers; /* NULL until parsed: then --servers or DGRAFT_SERVERS */
    double timeout_seconds;
};

/* For argp's children; its input is a struct client_options, which holds the defaults. */
extern const struct argp client_argp;

/* Opens a client. Returns NULL after a sentence on stderr, and the exit code. */
struct kv_client *client_open(const char *program, const struct client_options *client, int *exit_code);

/* Says why a request was not done, on stderr. Returns the exit code. */
int client_failed(const char *program, const struct kv_ask *ask);

/* Says a sentence on stderr when a key is none: too long, or empty. Returns whether it may be used. */
bool client_key_valid(const char *program, const char *key);

#endif
