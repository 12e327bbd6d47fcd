/* Following a directory beside its writer: each batch is shown once, in order, as soon as it is there. */
#include "replica_rig.h"

#include <criterion/criterion.h>
#include <inspect_follow.h>
#include <jansson.h>
#include <memory_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct inspect_options all = {.rows = INSPECT_ROWS_ALL, .from = 1, .to = UINT64_MAX};
static struct dgraft_why why;
static char *printed;
static size_t printed_bytes;
static struct inspect_follow follow;

static void begin(struct memory_fs *memory, const struct inspect_options *options)
{
    follow = (struct inspect_follow){.stream = open_memstream(&printed, &printed_bytes),
                                     .fs = memory_fs_seam(memory),
                                     .path = "n1",
                                     .options = options,
                                     .json = true};
    cr_assert_not_null(follow.stream);
}

/* What was shown since the last call: numbers of batches, and how many records. */
struct shown {
    uint64_t numbers[64];
    unsigned batches;
    dgraft_index records[64];
    unsigned record_count;
};

static struct shown poll(void)
{
    struct shown shown = {.batches = 0};
    const size_t before = printed_bytes;
    cr_assert_eq(inspect_follow_poll(&follow, &why), DGRAFT_OK, "%s", why.text);
    char *copy = strdup(printed + before);
    char *rest = copy;
    for (char *line = strsep(&rest, "\n"); line != NULL && line[0] != '\0'; line = strsep(&rest, "\n")) {
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(object, "%s", line);
        if (strcmp(json_string_value(json_object_get(object, "type")), "batch") == 0) {
            shown.numbers[shown.batches++ % 64] = (uint64_t)json_integer_value(json_object_get(object, "number"));
        } else {
            cr_assert_str_eq(json_string_value(json_object_get(object, "type")), "record");
            shown.records[shown.record_count++ % 64] =
                (dgraft_index)json_integer_value(json_object_get(object, "index"));
        }
        json_decref(object);
    }
    free(copy);
    return shown;
}

static void end(void)
{
    (void)fclose(follow.stream);
    free(printed);
}

/* An open writes batches as well (marks), and often begins a segment: so the entries are what is compared. */
Test(inspect_follow, shows_each_batch_once_across_segments)
{
    struct memory_fs *memory = memory_fs_new();
    uint64_t newest = 0;
    dgraft_index next = 2;
    replica_format(memory_fs_seam(memory), "n1", 1, 77);
    begin(memory, &all);
    cr_assert_eq(inspect_follow_begin(&follow, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(printed_bytes, 0, "what is there is not shown");
    cr_assert_eq(poll().batches, 0);
    for (unsigned round = 0; round < 5; round++) {
        const struct replica_write writes[] = {{next - 1, 3, 1, 1, 0}, {next + 2, 1 + round, 1, 1, 0}};
        replica_fill(memory_fs_seam(memory), "n1", writes, 2);
        const struct shown shown = poll();
        cr_assert_geq(shown.batches, 2);
        for (unsigned i = 0; i < shown.batches; i++) {
            cr_assert_gt(shown.numbers[i], newest);
            newest = shown.numbers[i];
        }
        cr_assert_eq(shown.record_count, 4 + round);
        for (unsigned i = 0; i < shown.record_count; i++) {
            cr_assert_eq(shown.records[i], next + i);
        }
        next += 4 + round;
        cr_assert_eq(poll().batches, 0, "once");
    }
    end();
    memory_fs_free(memory);
}

Test(inspect_follow, a_batch_that_is_half_written_is_shown_when_it_is_whole)
{
    static const struct replica_write write = {1, 3, 1, 1, 0};
    struct memory_fs *memory = memory_fs_new();
    replica_format(memory_fs_seam(memory), "n1", 1, 77);
    begin(memory, &all);
    cr_assert_eq(inspect_follow_begin(&follow, &why), DGRAFT_OK);
    replica_fill(memory_fs_seam(memory), "n1", &write, 1);
    uint64_t size = 0;
    uint8_t *bytes = NULL;
    uint8_t *end_of_batch = NULL;
    for (unsigned i = 1; i < 6 && end_of_batch == NULL; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n1/log-%016u", i);
        bytes = memory_fs_bytes(memory, name, &size);
        for (uint64_t at = 4096; bytes != NULL && at + 5 < size && end_of_batch == NULL; at++) {
            end_of_batch = memcmp(bytes + at, "e-4-1", 5) == 0 ? bytes + at : NULL;
        }
    }
    cr_assert_not_null(end_of_batch);
    const uint64_t before = follow.number;
    const size_t rest = (size_t)(bytes + size - end_of_batch);
    uint8_t *arrives = malloc(rest);
    memcpy(arrives, end_of_batch, rest);
    memset(end_of_batch, 0, rest);
    cr_assert_eq(poll().record_count, 0);
    const uint64_t half = follow.number;
    memcpy(end_of_batch, arrives, rest);
    free(arrives);
    const struct shown whole = poll();
    cr_assert_eq(whole.record_count, 3);
    cr_assert_gt(whole.numbers[0], half);
    cr_assert_gt(whole.numbers[0], before);
    end();
    memory_fs_free(memory);
}

Test(inspect_follow, records_are_shown_only_on_demand)
{
    static const struct inspect_options some = {.rows = INSPECT_ROWS_SOME, .from = 1, .to = UINT64_MAX};
    static const struct replica_write write = {1, 3, 1, 1, 0};
    struct memory_fs *memory = memory_fs_new();
    replica_format(memory_fs_seam(memory), "n1", 1, 77);
    begin(memory, &some);
    cr_assert_eq(inspect_follow_begin(&follow, &why), DGRAFT_OK);
    replica_fill(memory_fs_seam(memory), "n1", &write, 1);
    const struct shown shown = poll();
    cr_assert_geq(shown.batches, 1);
    cr_assert_eq(shown.record_count, 0);
    end();
    memory_fs_free(memory);
}

Test(inspect_follow, what_is_no_directory_is_refused)
{
    struct memory_fs *memory = memory_fs_new();
    begin(memory, &all);
    cr_assert_neq(inspect_follow_begin(&follow, &why), DGRAFT_OK);
    cr_assert_neq(why.text[0], '\0');
    end();
    memory_fs_free(memory);
}
