/* What `raftctl inspect --json` and `raftctl verify --json` print is what docs/operations.md says, field by field. */
#include "replica_rig.h"

#include <criterion/criterion.h>
#include <inspect_view.h>
#include <jansson.h>
#include <memory_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <verify_view.h>

enum { TYPES_MAX = 16, CELL_BYTES = 1024, LINE_BYTES = 4096 };

struct type {
    char name[32];
    char always[CELL_BYTES]; /* ", "-separated, as the table has them */
    char readable[CELL_BYTES];
    unsigned seen;
    unsigned seen_readable;
};

struct schema {
    struct type types[TYPES_MAX];
    unsigned count;
};

/* Copies a cell without the spaces around it. */
static void copy_cell(const char *cell, char *out, size_t out_bytes)
{
    cell += strspn(cell, " `");
    (void)snprintf(out, out_bytes, "%s", cell);
    size_t length = strlen(out);
    while (length > 0 && strchr(" `\n", out[length - 1]) != NULL) {
        out[--length] = '\0';
    }
}

/* Reads the table below a heading of docs/operations.md. */
static struct schema read_schema(const char *heading)
{
    struct schema schema = {.count = 0};
    FILE *docs = fopen(OPERATIONS_MD, "r");
    char line[LINE_BYTES];
    bool within = false;
    cr_assert_not_null(docs, "%s", OPERATIONS_MD);
    while (fgets(line, sizeof(line), docs) != NULL) {
        if (line[0] == '#') {
            within = strncmp(line, heading, strlen(heading)) == 0;
        }
        if (!within || strncmp(line, "| `", 3) != 0) {
            continue;
        }
        struct type *type = &schema.types[schema.count++];
        cr_assert_leq(schema.count, TYPES_MAX);
        char *rest = line + 1;
        copy_cell(strsep(&rest, "|"), type->name, sizeof(type->name));
        copy_cell(strsep(&rest, "|"), type->always, sizeof(type->always));
        copy_cell(strsep(&rest, "|"), type->readable, sizeof(type->readable));
    }
    (void)fclose(docs);
    cr_assert_gt(schema.count, 2, "no table below %s", heading);
    return schema;
}

/* Takes the fields of a cell out of an object; one that ends in ? may be absent. */
static void take_fields(const char *cell, json_t *object, const char *line)
{
    char copy[CELL_BYTES];
    char *rest = copy;
    (void)snprintf(copy, sizeof(copy), "%s", cell);
    for (char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        name += strspn(name, " ");
        const size_t length = strlen(name);
        const bool optional = length > 0 && name[length - 1] == '?';
        if (optional) {
            name[length - 1] = '\0';
        }
        if (length > 0 && json_object_del(object, name) != 0) {
            cr_assert(optional, "no '%s' in %s", name, line);
        }
    }
}

static bool is_readable(const char *verdict)
{
    return verdict == NULL || strcmp(verdict, "ok") == 0 || strcmp(verdict, "healthy") == 0 ||
           strcmp(verdict, "damaged") == 0 || strcmp(verdict, "sound") == 0 || strcmp(verdict, "findings") == 0;
}

/* Compares each line with the table. */
static void check_lines(struct schema *schema, char *lines)
{
    char *rest = lines;
    for (char *line = strsep(&rest, "\n"); line != NULL && line[0] != '\0'; line = strsep(&rest, "\n")) {
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(object, "no JSON: %s", line);
        const char *name = json_string_value(json_object_get(object, "type"));
        struct type *type = NULL;
        for (unsigned i = 0; name != NULL && i < schema->count; i++) {
            type = strcmp(schema->types[i].name, name) == 0 ? &schema->types[i] : type;
        }
        cr_assert_not_null(type, "a type that is not in the table: %s", line);
        const bool readable = is_readable(json_string_value(json_object_get(object, "verdict")));
        type->seen++;
        type->seen_readable += readable ? 1 : 0;
        take_fields(type->always, object, line);
        if (readable) {
            take_fields(type->readable, object, line);
        }
        void *more = json_object_iter(object);
        cr_assert_null(more, "'%s' is not in the table: %s", more == NULL ? "" : json_object_iter_key(more), line);
        json_decref(object);
    }
}

static void check_inspect(struct schema *schema, struct memory_fs *memory, const char *path,
                          enum inspect_payload payload)
{
    const struct inspect_options options = {.rows = INSPECT_ROWS_ALL, .from = 1, .to = UINT64_MAX, .payload = payload};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    (void)inspect_show_json(stream, memory_fs_seam(memory), path, &options);
    (void)fclose(stream);
    check_lines(schema, text);
    free(text);
}

static void check_verify(struct schema *schema, struct memory_fs *memory, const char *const *paths, unsigned count)
{
    const struct verify_options options = {.quiet = false};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    (void)verify_show_json(stream, memory_fs_seam(memory), paths, count, &options);
    (void)fclose(stream);
    check_lines(schema, text);
    free(text);
}

/* Whoever reads the table may rely on each row of it: all were seen, whole and, where that can be, not. */
static void all_seen(const struct schema *schema)
{
    for (unsigned i = 0; i < schema->count; i++) {
        cr_assert_gt(schema->types[i].seen_readable, 0, "%s was not seen", schema->types[i].name);
    }
}

/* A directory with a snapshot, and another with damage in a state slot, a header, a batch. */
static struct memory_fs *scene(void)
{
    static const struct replica_write writes[] = {{1, 3, 1, 1, 0}, {4, 2, 1, 4, 0}, {6, 2, 1, 6, 0}};
    struct memory_fs *memory = memory_fs_new();
    uint64_t size;
    for (dgraft_node_id node = 1; node <= 2; node++) {
        const char *path = node == 1 ? "n1" : "n2";
        replica_format(memory_fs_seam(memory), path, node, 77);
        replica_fill(memory_fs_seam(memory), path, writes, 3);
    }
    replica_snapshot(memory_fs_seam(memory), "n1", (struct dgraft_position){4, 1});
    memory_fs_bytes(memory, "n2/state", &size)[40] ^= 1;
    memory_fs_bytes(memory, "n2/log-0000000000000002", &size)[4096 + 130] ^= 1;
    memory_fs_bytes(memory, "n2/log-0000000000000001", &size)[20] ^= 1;
    return memory;
}

Test(inspect_schema, inspect_prints_what_the_table_says)
{
    struct schema schema = read_schema("### JSON of inspect");
    struct memory_fs *memory = scene();
    for (int payload = INSPECT_PAYLOAD_HINT; payload <= INSPECT_PAYLOAD_JSON; payload++) {
        check_inspect(&schema, memory, "n1", (enum inspect_payload)payload);
        check_inspect(&schema, memory, "n2", (enum inspect_payload)payload);
    }
    check_inspect(&schema, memory, "nowhere", INSPECT_PAYLOAD_HINT);
    all_seen(&schema);
    for (unsigned i = 0; i < schema.count; i++) {
        const bool always =
            strcmp(schema.types[i].name, "finding") == 0 || strcmp(schema.types[i].name, "snapshot") == 0;
        cr_assert(always || schema.types[i].seen > schema.types[i].seen_readable, "%s was only seen whole",
                  schema.types[i].name);
    }
    memory_fs_free(memory);
}

/* What the objects of one kind say, of the newest of them. */
static json_t *newest_of(struct memory_fs *memory, const char *path, const char *type, const char *field)
{
    const struct inspect_options options = {.rows = INSPECT_ROWS_ALL, .from = 1, .to = UINT64_MAX};
    char *text = NULL;
    size_t size = 0;
    json_t *newest = NULL;
    FILE *stream = open_memstream(&text, &size);
    (void)inspect_show_json(stream, memory_fs_seam(memory), path, &options);
    (void)fclose(stream);
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL && line[0] != '\0'; line = strsep(&rest, "\n")) {
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const char *name = json_string_value(json_object_get(object, "type"));
        json_t *value = json_object_get(object, field);
        if (name != NULL && strcmp(name, type) == 0 && value != NULL && !json_is_false(value)) {
            json_decref(newest);
            newest = json_incref(value);
        }
        json_decref(object);
    }
    free(text);
    return newest;
}

static bool says(struct memory_fs *memory, const char *type, const char *field, const char *wanted)
{
    json_t *value = newest_of(memory, "n1", type, field);
    char *text = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const bool same = strstr(text == NULL ? "" : text, wanted) != NULL;
    if (!same) {
        cr_log_error("%s of %s is %s", field, type, text == NULL ? "nothing" : text);
    }
    free(text);
    json_decref(value);
    return same;
}

/* Entry 3 rots, 2 and 4 of the same batch do not: the next start writes those two again. */
Test(inspect_schema, what_is_missing_and_what_mends)
{
    static const struct replica_write writes[] = {{1, 3, 1, 1, 0}, {4, 2, 1, 4, 0}, {6, 2, 1, 6, 0}};
    struct memory_fs *memory = memory_fs_new();
    uint64_t size = 0;
    uint8_t *rotten = NULL;
    replica_format(memory_fs_seam(memory), "n1", 1, 77);
    replica_fill(memory_fs_seam(memory), "n1", writes, 3);
    cr_assert(says(memory, "summary", "missing", "[]"));
    cr_assert(says(memory, "summary", "text", "healthy: entries 1 to 8"));
    cr_assert_null(newest_of(memory, "n1", "batch", "mends"));
    for (unsigned i = 1; i < 4 && rotten == NULL; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n1/log-%016u", i);
        uint8_t *bytes = memory_fs_bytes(memory, name, &size);
        for (uint64_t at = 4096; bytes != NULL && at + 5 < size && rotten == NULL; at++) {
            rotten = memcmp(bytes + at, "e-3-1", 5) == 0 ? bytes + at : NULL;
        }
    }
    cr_assert_not_null(rotten);
    *rotten ^= 1;
    cr_assert(says(memory, "summary", "missing", "[{\"first\":3,\"last\":3}]"));
    cr_assert(says(memory, "summary", "salvaged", "2"));
    cr_assert(says(memory, "summary", "text", "entry 3 cannot be read; check the disk, and start the node"));
    replica_fill(memory_fs_seam(memory), "n1", NULL, 0);
    cr_assert(says(memory, "summary", "missing", "[{\"first\":3,\"last\":3}]"));
    cr_assert(says(memory, "summary", "salvaged", "0"));
    cr_assert(says(memory, "batch", "mends", "true"));
    cr_assert(says(memory, "finding", "severity", "damage"));
    memory_fs_free(memory);
}

Test(inspect_schema, verify_prints_what_the_table_says)
{
    static const char *const paths[] = {"n1", "n2"};
    static const char *const nowhere[] = {"n1", "nowhere"};
    struct schema schema = read_schema("### JSON of verify");
    struct memory_fs *memory = scene();
    check_verify(&schema, memory, paths, 2);
    check_verify(&schema, memory, nowhere, 2);
    all_seen(&schema);
    memory_fs_free(memory);
}
