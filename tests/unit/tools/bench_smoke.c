/* bench_smoke RAFTCTL [OPTION...]: runs `raftctl bench --json` with these options and checks what it says: JSON, and
 * something was committed, on both sides where both were asked for; of storage, what can be computed beforehand.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_BYTES (256u * 1024)

/* Runs the command and returns what it printed; NULL when it failed. */
static char *output_of(char **arguments)
{
    static char text[TEXT_BYTES];
    size_t used = 0;
    int ends[2];
    int code = -1;
    if (pipe(ends) != 0) {
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execv(arguments[0], arguments);
        _exit(127);
    }
    (void)close(ends[1]);
    for (ssize_t got = 1; got > 0 && used<sizeof(text) - 1; used += got> 0 ? (size_t)got : 0) {
        got = read(ends[0], text + used, sizeof(text) - 1 - used);
    }
    (void)close(ends[0]);
    text[used] = '\0';
    if (pid < 0 || waitpid(pid, &code, 0) != pid || !WIFEXITED(code) || WEXITSTATUS(code) != 0) {
        (void)fprintf(stderr, "%s failed (%d)\n", arguments[0], code);
        return NULL;
    }
    return text;
}

static int check_rate(const json_t *object, const char *what)
{
    double rate = json_real_value(json_object_get(object, "commits_per_s"));
    (void)printf("%s: %.0f commits/s\n", what, rate);
    return rate > 0.0 ? 0 : 1;
}

static int check_points(const json_t *points, int floor)
{
    int failures = json_array_size(points) > 0 ? 0 : 1;
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        failures += check_rate(json_object_get(point, "node"), "node");
        if (floor) {
            failures += check_rate(json_object_get(point, "floor"), "floor");
            failures += json_number_value(json_object_get(json_object_get(point, "ratio"), "p50")) > 0.0 ? 0 : 1;
        }
    }
    return failures;
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static int check(int holds, const char *what)
{
    (void)printf("%s: %s\n", holds ? "holds" : "FAILED", what);
    return holds ? 0 : 1;
}

/* What a batch takes follows from docs/log-format.md: 128 bytes, and for each record 40 and its padded payload.
 * Beginning a segment costs a little more than that, never less. */
static int check_storage(const json_t *root)
{
    const json_t *appends = json_object_get(root, "append");
    const json_t *opens = json_object_get(root, "open");
    int failures = check(json_array_size(appends) > 0 && json_array_size(opens) > 0, "there are rows");
    for (size_t i = 0; i < json_array_size(appends); i++) {
        const json_t *row = json_array_get(appends, i);
        const double batch = number(row, "batch");
        const double bytes = number(row, "bytes");
        const double least = (128 + batch * (40 + bytes)) / (batch * bytes);
        const double written = number(row, "bytes_written_per_payload_byte");
        const double syncs = number(row, "syncs_per_command") * batch;
        failures += check(number(row, "store_commands_per_s") > 0 && number(row, "raw_commands_per_s") > 0, "rates");
        failures += check(number(row, "ratio") > 0, "their ratio");
        failures += check(written > least - 0.0001 && written < least * 1.2, "bytes written");
        failures += check(syncs > 0.9999 && syncs < 1.5, "one sync for a batch");
    }
    for (size_t i = 0; i < json_array_size(opens); i++) {
        const json_t *row = json_array_get(opens, i);
        const double least = number(row, "entries") * (40 + number(row, "bytes"));
        failures += check(number(row, "file_bytes") > least, "all of the log was read");
        failures += check(number(row, "ratio") > 0 && number(row, "entries_per_s") > 0, "opening takes time");
        failures += check(number(row, "heap_bytes_per_entry") < 1.0, "less than a byte of memory for an entry");
    }
    return failures;
}

int main(int argc, char **argv)
{
    char *arguments[32] = {NULL};
    static char bench[] = "bench";
    static char json[] = "--json";
    int floor = 0;
    int core = 0;
    int storage = 0;
    if (argc < 2 || argc > 28) {
        return EXIT_FAILURE;
    }
    arguments[0] = argv[1];
    arguments[1] = bench;
    arguments[2] = json;
    for (int i = 2; i < argc; i++) {
        arguments[i + 1] = argv[i];
        floor = floor || strcmp(argv[i], "--floor") == 0;
        core = core || strcmp(argv[i], "--core") == 0;
        storage = storage || strcmp(argv[i], "--storage") == 0;
    }
    const char *text = output_of(arguments);
    json_error_t error;
    json_t *root = text != NULL ? json_loads(text, 0, &error) : NULL;
    if (root == NULL) {
        (void)fprintf(stderr, "no JSON: %s\n", text != NULL ? error.text : "no output");
        return EXIT_FAILURE;
    }
    int failures = 0;
    if (storage) {
        failures += check_storage(root);
    } else if (core) {
        const json_t *rows = json_object_get(root, "core");
        failures += json_array_size(rows) == 3 ? 0 : 1;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            failures += check_rate(json_array_get(rows, i), "core");
        }
    } else {
        failures += check_points(json_object_get(root, "points"), floor);
    }
    json_decref(root);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
