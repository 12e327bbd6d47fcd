#include "script_file.h"

#include "script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A file being run: what was read, and what it should be. */
struct transcript {
    struct script script;
    struct script_text old; /* outputs below the command at hand, as in the file */
    struct script_text whole;
    enum script_mode mode;
    uint32_t command_line;
    uint32_t commands;
    uint32_t checks;
};

static void print_indented(const char *what, const char *text)
{
    (void)fprintf(stderr, "  %s:\n%s", what, text);
}

/* The command's output is complete in the file as well: compares the two. */
static void finish_command(struct transcript *transcript)
{
    struct script *script = &transcript->script;
    if (transcript->command_line != 0 && transcript->mode == SCRIPT_COMPARE &&
        strcmp(transcript->old.bytes, script->out.bytes) != 0) {
        script->line = transcript->command_line;
        script_fail(script, "prints something else");
        print_indented("wanted", transcript->old.bytes);
        print_indented("printed", script->out.bytes);
    }
    script_text_add(&transcript->whole, "%s", script->out.bytes);
    script_text_clear(&script->out);
    script_text_clear(&transcript->old);
    transcript->command_line = 0;
}

static void take_line(struct transcript *transcript, char *line)
{
    struct script *script = &transcript->script;
    if (line[0] == ' ') {
        script_text_add(&transcript->old, "%s\n", line);
        return;
    }
    finish_command(transcript);
    script_text_add(&transcript->whole, "%s\n", line);
    if (line[0] == '\0' || line[0] == '#') {
        return;
    }
    transcript->command_line = script->line;
    transcript->commands++;
    transcript->checks += strncmp(line, "check ", strlen("check ")) == 0;
    script_command(script, line);
}

static bool write_whole(const struct transcript *transcript, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    const bool written = fwrite(transcript->whole.bytes, 1, transcript->whole.size, file) == transcript->whole.size;
    return fclose(file) == 0 && written;
}

uint32_t script_file_run(const char *path, enum script_mode mode, bool bare)
{
    struct transcript *transcript = calloc(1, sizeof *transcript);
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (transcript == NULL || file == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        free(transcript);
        return 1;
    }
    struct script *script = &transcript->script;
    script->file = path;
    script->bare = bare;
    transcript->mode = mode;
    script_text_clear(&script->out);
    script_text_clear(&transcript->old);
    script_text_clear(&transcript->whole);
    for (ssize_t length = 0; (length = getline(&line, &room, file)) > 0;) {
        line[length - 1] = line[length - 1] == '\n' ? '\0' : line[length - 1];
        script->line++;
        take_line(transcript, line);
    }
    finish_command(transcript);
    (void)fclose(file);
    if (transcript->checks == 0) {
        script_fail(script, "a script without a check proves nothing");
    }
    if (mode == SCRIPT_WRITE && !write_whole(transcript, path)) {
        script_fail(script, "cannot be written");
    }
    const uint32_t failures = script->failures;
    (void)printf("%-58s %3" PRIu32 " commands, %2" PRIu32 " checks  %s\n", path, transcript->commands,
                 transcript->checks, failures == 0 ? "ok" : "FAILED");
    script_reset(script);
    script_text_free(&script->out);
    script_text_free(&script->said);
    script_text_free(&transcript->old);
    script_text_free(&transcript->whole);
    free(transcript);
    free(line);
    return failures;
}
