/* Every failure of every call of the file system in every operation, and what comes of it, as the table in
 * docs/log-format.md ("What failures do") declares it. The table is read here, so that it cannot say anything else.
 */
#include "storage_operations.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 128, CELL_BYTES = 256 };

/* What is declared of a failing call: some of these. */
enum outcome {
    OUTCOME_REFUSES = 1, /* the operation returns what the error means; nothing else has changed */
    OUTCOME_POISONS = 2, /* nothing is acknowledged any more */
    OUTCOME_NO_HARM = 4  /* the operation returns OK, or goes on later */
};

struct row {
    char operation[CELL_BYTES];
    char calls[CELL_BYTES];
    unsigned outcomes;
    unsigned met;       /* outcomes */
    uint64_t met_calls; /* bits, by place in the list */
    uint64_t met_operations;
};

static struct row rows[ROWS_MAX];
static size_t row_count;

/* Copies a cell of a row of a table, without the spaces around it. Returns where the next begins, or NULL. */
static const char *take_cell(const char *line, char cell[CELL_BYTES])
{
    const char *begin = line + 1 + strspn(line + 1, " ");
    const char *bar = strchr(line + 1, '|');
    if (line[0] != '|' || bar == NULL) {
        return NULL;
    }
    size_t size = bar < begin ? 0 : (size_t)(bar - begin);
    while (size > 0 && begin[size - 1] == ' ') {
        size--;
    }
    cr_assert_lt(size, CELL_BYTES);
    memcpy(cell, begin, size);
    cell[size] = '\0';
    return bar;
}

static void read_table(void)
{
    FILE *file = fopen(DGRAFT_LOG_FORMAT_PAGE, "r");
    char line[1024];
    char outcome[CELL_BYTES];
    bool section = false;
    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        section = strncmp(line, "## ", 3) == 0 ? strcmp(line, "## What failures do\n") == 0 : section;
        cr_assert_lt(row_count, ROWS_MAX);
        struct row *row = &rows[row_count];
        const char *at = section ? take_cell(line, row->operation) : NULL;
        at = at != NULL ? take_cell(at, row->calls) : NULL;
        if (at == NULL || take_cell(at, outcome) == NULL) {
            continue;
        }
        row->outcomes = strstr(outcome, "refuses") != NULL ? OUTCOME_REFUSES : 0;
        row->outcomes |= strstr(outcome, "poisons") != NULL ? OUTCOME_POISONS : 0;
        row->outcomes |= strstr(outcome, "no harm") != NULL ? OUTCOME_NO_HARM : 0;
        row_count += row->outcomes != 0;
    }
    (void)fclose(file);
    cr_assert_gt(row_count, 10);
}

/* Returns the place, from 1, of a word in a list, "a, b, c"; 0: it is not there. */
static unsigned place_in(const char *list, const char *word)
{
    unsigned place = 1;
    for (const char *at = list; at != NULL; place++) {
        const size_t size = strcspn(at, ",");
        if (size == strlen(word) && strncmp(at, word, size) == 0) {
            return place;
        }
        at = at[size] == ',' ? at + size + 2 : NULL;
    }
    return 0;
}

static unsigned words_in(const char *list)
{
    unsigned count = 1;
    for (; *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

/* "sync log": the call, and what kind of file it was made on. */
static void name_call(const struct memory_fs_call *failed, char name[CELL_BYTES])
{
    static const struct {
        const char *begins;
        const char *kind;
    } kinds[] = {{"lock", "lock"},    {"state", "state"},        {"log-", "log"},           {"spare.new", "draft"},
                 {"spare-", "spare"}, {"snapshot.part", "part"}, {"snapshot.new", "draft"}, {"snapshot-", "snapshot"}};
    const char *file = strncmp(failed->path, "node/", 5) == 0 ? failed->path + 5 : "directory";
    const char *kind = "directory";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncmp(file, kinds[i].begins, strlen(kinds[i].begins)) == 0) {
            kind = kinds[i].kind;
            break;
        }
    }
    const bool told = strstr(failed->call, "directory") != NULL;
    (void)snprintf(name, CELL_BYTES, "%s%s%s", failed->call, told ? "" : " ", told ? "" : kind);
}

static struct row *declared(const char *operation, const char *call)
{
    struct row *found = NULL;
    for (size_t i = 0; i < row_count; i++) {
        if (place_in(rows[i].operation, operation) != 0 && place_in(rows[i].calls, call) != 0) {
            cr_assert_null(found, "%s: two rows for %s", operation, call);
            found = &rows[i];
        }
    }
    return found;
}

/* A failure, and what it did. */
struct fault {
    struct operation operation;
    struct scene *scene;
    uint64_t call;
    int error;
    bool for_ever;
    enum dgraft_status status;
    enum outcome outcome;
    char name[CELL_BYTES];
};

static enum dgraft_status meaning(int error)
{
    return error == ENOSPC ? DGRAFT_STATUS_FULL : error == EROFS ? DGRAFT_STATUS_READ_ONLY : DGRAFT_STATUS_IO;
}

static void words(const struct fault *fault, char text[CELL_BYTES * 2])
{
    (void)snprintf(text, CELL_BYTES * 2, "%s (%s), %s at call %llu, error %d%s", fault->operation.name,
                   fault->operation.words, fault->name, (unsigned long long)fault->call, fault->error,
                   fault->for_ever ? " for ever" : "");
}

static bool none(void *context, size_t which)
{
    (void)context;
    (void)which;
    return false;
}

static const struct rig_write more = {
    .state = true, .term = 20, .vote = 2, .log = true, .count = 2, .entry_term = 20, .payload_bytes = 1900};

/* Writes more behind a log and changes it. */
static enum dgraft_status write_more(struct dgraft_storage *storage, struct rig_log *log)
{
    struct rig_write write = more;
    write.keep = log->last;
    const enum dgraft_status status = rig_do(storage, log, &write);
    if (status == DGRAFT_OK) {
        rig_apply(log, &write);
    }
    return status;
}

/* Starts, and returns which of what may be there is: 0 what was acknowledged, 1 the operation, too. */
static struct rig_log *restart(struct fault *fault, struct memory_fs *memory, struct dgraft_storage **storage)
{
    struct scene *scene = fault->scene;
    const struct dgraft_storage_options options = scene_options(0);
    static struct rig_log between;
    char text[CELL_BYTES * 2];
    words(fault, text);
    struct dgraft_why why = {"-"};
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(memory), "node", &options, storage, &why);
    if (!scene->formatted && status == DGRAFT_STATUS_NOT_FOUND) {
        return NULL;
    }
    cr_assert_eq(status, DGRAFT_OK, "%s: then %s", text, why.text);
    const char *differs = rig_differs(*storage, &scene->log);
    if (differs == NULL) {
        return &scene->log;
    }
    between = scene->log;
    between.term = scene->after.term;
    between.vote = scene->after.vote;
    if (rig_differs(*storage, &between) == NULL) {
        return &between;
    }
    cr_assert_null(rig_differs(*storage, &scene->after), "%s: then %s", text, differs);
    return &scene->after;
}

/* What a start finds while the page cache shows all; what it finds when the power took what was not synced; and that
 * what the former acknowledges stays when the power fails then. */
static void starts_well(struct fault *fault)
{
    struct memory_fs *memory = fault->scene->memory;
    struct dgraft_storage *storage = NULL;
    char text[CELL_BYTES * 2];
    words(fault, text);
    struct memory_fs *cold = memory_fs_crash(memory, none, NULL);
    (void)restart(fault, cold, &storage);
    dgraft_storage_abandon(storage);
    storage = NULL;
    memory_fs_free(cold);
    struct rig_log *told = restart(fault, memory, &storage);
    if (told == NULL) {
        return;
    }
    const struct dgraft_storage_options options = scene_options(0);
    cr_assert_eq(write_more(storage, told), DGRAFT_OK, "%s: then a start, and a write", text);
    dgraft_storage_abandon(storage);
    cold = memory_fs_crash(memory, none, NULL);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(cold), "node", &options, &storage, NULL), DGRAFT_OK,
                 "%s: then a start, a write, and no power", text);
    const char *differs = rig_differs(storage, told);
    cr_assert_null(differs, "%s: then a start, a write, and no power: %s", text, differs);
    dgraft_storage_abandon(storage);
    memory_fs_free(cold);
}

/* Goes on with the store that the failure left: a poisoned one takes nothing, any other one does. */
static void goes_on(struct fault *fault)
{
    struct scene *scene = fault->scene;
    char text[CELL_BYTES * 2];
    words(fault, text);
    if (scene->storage == NULL) {
        return;
    }
    const enum dgraft_status status = write_more(scene->storage, &scene->log);
    if (fault->outcome == OUTCOME_POISONS) {
        struct dgraft_storage *storage = scene->storage;
        const struct dgraft_storage_write save = {.state = true, .term = 30};
        cr_assert_eq(status, DGRAFT_STATUS_POISONED, "%s: then a write is %s", text, dgraft_status_name(status));
        cr_assert_eq(dgraft_storage_prepare(storage, &save), DGRAFT_STATUS_POISONED, "%s: poison lasts", text);
        scene->storage = NULL;
        scene->why.text[0] = '\0';
        const uint64_t before = memory_fs_hash(scene->memory);
        cr_assert_eq(dgraft_storage_close(storage, &scene->why), DGRAFT_STATUS_POISONED);
        cr_assert(strstr(scene->why.text, "node") != NULL, "%s: the cause is not named: %s", text, scene->why.text);
        cr_assert(fault->operation.spares > 0 || memory_fs_hash(scene->memory) == before, "%s: closing wrote", text);
        return;
    }
    cr_assert_eq(status, DGRAFT_OK, "%s: then a write is %s", text, dgraft_status_name(status));
    if (fault->operation.change != NULL) {
        struct rig_write write = more;
        write.keep = scene->after.last;
        rig_apply(&scene->after, &write);
    } else {
        scene->after = scene->log;
    }
    scene_abandon(scene);
}

static bool has_effect(const struct fault *fault)
{
    return fault->operation.change != NULL && fault->operation.act == NULL;
}

/* Says what came of a failure, whatever is declared. */
static enum outcome observe(struct fault *fault)
{
    struct scene *scene = fault->scene;
    char text[CELL_BYTES * 2];
    words(fault, text);
    if (fault->status == DGRAFT_OK) {
        scene->log = scene->formatted ? scene->after : scene->log;
        scene->after = scene->log;
        return OUTCOME_NO_HARM;
    }
    if (!scene->formatted) {
        scene->after = scene->log;
    }
    if (fault->status == DGRAFT_STATUS_POISONED) {
        return OUTCOME_POISONS;
    }
    /* Whoever reads a log may be told no more than that it cannot be read. */
    const bool reads = strcmp(fault->operation.words, "read") == 0 && fault->status == DGRAFT_STATUS_IO;
    cr_assert(reads || fault->status == meaning(fault->error), "%s: %s", text, dgraft_status_name(fault->status));
    cr_assert(has_effect(fault) || strstr(scene->why.text, "node") != NULL, "%s: the cause is not named: %s", text,
              scene->why.text);
    return OUTCOME_REFUSES;
}

/* Finds the row that decides: that of the first failing call that does harm; if none does, of the first. */
static struct row *deciding_row(struct fault *fault)
{
    size_t count;
    const struct memory_fs_call *failed = memory_fs_failed(fault->scene->memory, &count);
    struct row *decides = NULL;
    for (size_t i = 0; i < count && (decides == NULL || decides->outcomes == OUTCOME_NO_HARM); i++) {
        char name[CELL_BYTES];
        name_call(&failed[i], name);
        struct row *row = declared(fault->operation.words, name);
        cr_assert_not_null(row, "%s: nothing is declared of %s", fault->operation.words, name);
        row->met_calls |= UINT64_C(1) << place_in(row->calls, name);
        row->met_operations |= UINT64_C(1) << place_in(row->operation, fault->operation.words);
        if (decides == NULL || row->outcomes != OUTCOME_NO_HARM) {
            decides = row;
            memcpy(fault->name, name, sizeof name);
        }
    }
    return decides;
}

static void judge(struct fault *fault)
{
    struct row *row = deciding_row(fault);
    char text[CELL_BYTES * 2];
    words(fault, text);
    memory_fs_fail_at(fault->scene->memory, 0, 0, false);
    memory_fs_room(fault->scene->memory, UINT64_MAX);
    fault->outcome = observe(fault);
    cr_assert(row != NULL && (row->outcomes & fault->outcome) != 0, "%s: other than declared: %d", text,
              fault->outcome);
    if (row != NULL) {
        row->met |= fault->outcome;
    }
    goes_on(fault);
    cr_assert_eq(memory_fs_open_files(fault->scene->memory), 0, "%s: files stay open", text);
    starts_well(fault);
}

static uint64_t failures;

/* One error at each call of an operation. */
static void fail_each_call(enum operation_number number, int error, bool for_ever)
{
    bool over = false;
    for (uint64_t call = 1; !over; call++) {
        struct fault fault = {
            .operation = storage_operation(number), .call = call, .error = error, .for_ever = for_ever};
        fault.scene = scene_begin(&fault.operation);
        struct memory_fs *memory = fault.scene->memory;
        memory_fs_fail_at(memory, memory_fs_calls(memory) + call, error, for_ever);
        fault.status = scene_act(fault.scene, &fault.operation);
        size_t failed;
        (void)memory_fs_failed(memory, &failed);
        over = failed == 0;
        if (!over) {
            failures++;
            judge(&fault);
        } else {
            cr_assert_eq(fault.status, DGRAFT_OK);
        }
        scene_end(fault.scene);
    }
}

Test(failures, come_to_what_is_declared)
{
    static const int errors[] = {EIO, ENOSPC, EROFS};
    read_table();
    for (unsigned number = 0; number < OPERATION_COUNT; number++) {
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
            fail_each_call((enum operation_number)number, errors[i], false);
            fail_each_call((enum operation_number)number, errors[i], true);
        }
        fail_each_call((enum operation_number)number, EINTR, true);
    }
    for (size_t i = 0; i < row_count; i++) {
        const struct row *row = &rows[i];
        cr_expect_eq(row->met, row->outcomes, "%s: %s: declared, and never seen", row->operation, row->calls);
        cr_expect_eq(row->met_calls, (UINT64_C(2) << words_in(row->calls)) - 2, "%s: some of %s never fail",
                     row->operation, row->calls);
        cr_expect_eq(row->met_operations, (UINT64_C(2) << words_in(row->operation)) - 2, "%s: some never fail at %s",
                     row->operation, row->calls);
    }
    cr_log_info("%llu failures, %zu rows", (unsigned long long)failures, row_count);
}

/* Reads and writes that do less, once at each call; and all of them, with interruptions. */
static void fall_short(enum operation_number number, uint64_t call, uint64_t bytes, uint64_t seed, bool *over)
{
    struct fault fault = {.operation = storage_operation(number), .call = call, .name = "short"};
    size_t count;
    fault.scene = scene_begin(&fault.operation);
    struct memory_fs *memory = fault.scene->memory;
    memory_fs_short(memory, seed);
    if (seed == 0) {
        memory_fs_cut_at(memory, memory_fs_calls(memory) + call, bytes);
    }
    fault.status = scene_act(fault.scene, &fault.operation);
    (void)memory_fs_failed(memory, &count);
    *over = count == 0;
    cr_assert_eq(fault.status, DGRAFT_OK, "%s: %llu bytes at call %llu: %s", fault.operation.name,
                 (unsigned long long)bytes, (unsigned long long)call, dgraft_status_name(fault.status));
    memory_fs_short(memory, 0);
    memory_fs_cut_at(memory, 0, 0);
    fault.outcome = observe(&fault);
    goes_on(&fault);
    cr_assert_eq(memory_fs_open_files(memory), 0);
    starts_well(&fault);
    scene_end(fault.scene);
}

Test(failures, to_do_all_that_was_asked_come_to_nothing)
{
    static const uint64_t most[] = {1, 7, 511, 512, 4096};
    uint64_t tried = 0;
    for (unsigned number = 0; number < OPERATION_COUNT; number++) {
        for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
            bool over = false;
            for (uint64_t call = 1; !over; call++, tried++) {
                fall_short((enum operation_number)number, call, most[i], 0, &over);
            }
        }
        for (uint64_t seed = 1; seed <= 20; seed++, tried++) {
            bool over;
            fall_short((enum operation_number)number, 0, 0, seed * 0x9E3779B97F4A7C15u, &over);
        }
    }
    cr_log_info("%llu short runs", (unsigned long long)tried);
}

/* The disk is full when so many bytes more are written. Returns whether that was enough. */
static bool fill_up(enum operation_number number, uint64_t bytes)
{
    struct fault fault = {.operation = storage_operation(number), .call = bytes, .error = ENOSPC};
    size_t count;
    fault.scene = scene_begin(&fault.operation);
    struct memory_fs *memory = fault.scene->memory;
    memory_fs_room(memory, memory_fs_used(memory) + bytes);
    fault.status = scene_act(fault.scene, &fault.operation);
    (void)memory_fs_failed(memory, &count);
    if (count > 0) {
        judge(&fault);
    } else {
        cr_assert_eq(fault.status, DGRAFT_OK);
    }
    scene_end(fault.scene);
    return count == 0;
}

/* Every byte, but for the middle of a segment's zeros, where each 61st is tried. */
Test(failures, of_a_disk_that_fills_up_at_every_byte)
{
    uint64_t tried = 0;
    read_table();
    for (unsigned number = 0; number < OPERATION_COUNT; number++) {
        uint64_t bytes = 0;
        while (!fill_up((enum operation_number)number, bytes)) {
            const uint64_t rest = bytes % 4096;
            bytes += rest < 300 || rest > 3800 ? 1 : 61;
            tried++;
        }
    }
    cr_log_info("%llu disks that filled up", (unsigned long long)tried);
    cr_assert_gt(tried, 4096);
}
