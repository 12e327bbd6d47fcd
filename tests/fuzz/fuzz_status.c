/* What servers say about themselves, as raftctl status reads, judges and prints it: any JSON and what is none. Input:
 * up to four texts with a zero between them, one for each server.
 */
#include "printable_stream.h"

#include <status_view.h>

#include <stdlib.h>
#include <string.h>

enum { SERVERS = 4, VERDICT_BYTES = 512 };

static const char *const servers[SERVERS] = {"127.0.0.1:7001", "127.0.0.1:7002", "[::1]:7003", "host.example:7004"};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Reads one text as raftctl does: whatever is no object is no answer. */
static json_t *answer_json(const uint8_t *text, size_t size)
{
    json_t *json = size == 0 ? NULL : json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static void judge(const struct status_view *view)
{
    char *verdict = malloc(VERDICT_BYTES);
    require(verdict != NULL);
    const bool healthy = status_view_judge(view, verdict, VERDICT_BYTES);
    const char *end = memchr(verdict, 0, VERDICT_BYTES);
    require(end != NULL && end > verdict);
    for (const char *at = verdict; at < end; at++) {
        require(*at >= ' ' && *at <= '~');
    }
    /* Nobody who is silent, poisoned or of another mind is well. */
    for (unsigned i = 0; i < view->count; i++) {
        const struct status_row *row = &view->rows[i];
        require(!healthy || row->json == NULL || row->poisoned == NULL);
    }
    require(!healthy || status_view_best(view) != NULL);
    free(verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct status_view view;
    FILE *stream = printable_stream();
    view.count = 0;
    for (size_t at = 0; at <= size && view.count < SERVERS;) {
        const uint8_t *zero = at < size ? memchr(data + at, 0, size - at) : NULL;
        const size_t end = zero == NULL ? size : (size_t)(zero - data);
        struct status_row *row = &view.rows[view.count];
        *row = (struct status_row){.server = servers[view.count], .json = answer_json(data + at, end - at)};
        status_row_read(row);
        view.count++;
        at = end + 1;
    }
    status_view_order(&view);
    judge(&view);
    status_view_print(&view, stream);
    require(printable_stream_end(stream) > 0);
    for (unsigned i = 0; i < view.count; i++) {
        json_decref(view.rows[i].json);
    }
    return 0;
}
