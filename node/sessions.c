#include "sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void dgraft_sessions_free(struct sessions *sessions)
{
    for (uint32_t i = 0; i < sessions->count; i++) {
        free(sessions->items[i]);
    }
    free(sessions->items);
    free(sessions->spare);
    *sessions = (struct sessions){0};
}

bool dgraft_sessions_grow(struct sessions *sessions, uint32_t count)
{
    if (count <= sessions->capacity) {
        return true;
    }
    uint32_t capacity = sessions->capacity == 0 ? 16 : sessions->capacity;
    while (capacity < count) {
        capacity *= 2;
    }
    size_t bytes = capacity * sizeof(struct session *); /* pointers to them */
    struct session **items = realloc(sessions->items, bytes);
    if (items == NULL) {
        return false;
    }
    sessions->items = items;
    sessions->capacity = capacity;
    return true;
}

bool dgraft_sessions_reserve(struct sessions *sessions)
{
    if (sessions->spare == NULL) {
        sessions->spare = calloc(1, sizeof *sessions->spare);
    }
    return sessions->spare != NULL && dgraft_sessions_grow(sessions, sessions->count + 1);
}

/* Returns the place of a session, or of the first with a larger id. */
static uint32_t place_of(const struct sessions *sessions, dgraft_index id)
{
    uint32_t begin = 0;
    uint32_t end = sessions->count;
    while (begin < end) {
        const uint32_t middle = begin + (end - begin) / 2;
        if (sessions->items[middle]->id < id) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static struct session *find(const struct sessions *sessions, dgraft_index id)
{
    const uint32_t place = place_of(sessions, id);
    return place < sessions->count && sessions->items[place]->id == id ? sessions->items[place] : NULL;
}

static void drop(struct sessions *sessions, uint32_t place)
{
    free(sessions->items[place]);
    sessions->count--;
    memmove(&sessions->items[place], &sessions->items[place + 1],
            (sessions->count - place) * sizeof sessions->items[0]);
}

static uint64_t end_of(const struct session *session)
{
    return session->heard_ns + session->timeout_ns;
}

/* Ends what is over, and finds when the next may be. */
static void end_sessions(struct sessions *sessions)
{
    uint32_t kept = 0;
    sessions->none_ends_before_ns = UINT64_MAX;
    for (uint32_t i = 0; i < sessions->count; i++) {
        struct session *session = sessions->items[i];
        const uint64_t end = end_of(session);
        if (sessions->time_ns > end) {
            sessions->stats.expired++;
            free(session);
            continue;
        }
        sessions->items[kept++] = session;
        sessions->none_ends_before_ns = end < sessions->none_ends_before_ns ? end : sessions->none_ends_before_ns;
    }
    sessions->count = kept;
}

void dgraft_sessions_advance(struct sessions *sessions, uint64_t log_time_ns)
{
    if (log_time_ns <= sessions->log_time_ns) {
        return;
    }
    const uint64_t gap = log_time_ns - sessions->log_time_ns;
    sessions->log_time_ns = log_time_ns;
    sessions->time_ns += gap < SESSION_GAP_MAX_NS ? gap : SESSION_GAP_MAX_NS;
    if (sessions->time_ns > sessions->none_ends_before_ns) {
        end_sessions(sessions);
    }
}

/* When there are too many, the one heard longest ago goes. */
static void make_room(struct sessions *sessions)
{
    uint32_t oldest = 0;
    if (sessions->count < SESSIONS_MAX) {
        return;
    }
    for (uint32_t i = 1; i < sessions->count; i++) {
        if (sessions->items[i]->heard < sessions->items[oldest]->heard) {
            oldest = i;
        }
    }
    sessions->stats.evicted++;
    drop(sessions, oldest);
}

void dgraft_sessions_open(struct sessions *sessions, dgraft_index index, uint64_t timeout_ns)
{
    assert(sessions->spare != NULL);
    assert(sessions->count == 0 || sessions->items[sessions->count - 1]->id < index);
    make_room(sessions);
    struct session *session = sessions->spare;
    sessions->spare = NULL;
    session->id = index;
    session->timeout_ns = timeout_ns;
    session->heard_ns = sessions->time_ns;
    session->heard = index;
    sessions->items[sessions->count++] = session;
    sessions->stats.opened++;
    if (sessions->count == 1 || end_of(session) < sessions->none_ends_before_ns) {
        sessions->none_ends_before_ns = end_of(session);
    }
}

void dgraft_sessions_close(struct sessions *sessions, dgraft_index id)
{
    const uint32_t place = place_of(sessions, id);
    if (place < sessions->count && sessions->items[place]->id == id) {
        drop(sessions, place);
        sessions->stats.closed++;
    }
}

static bool covers(const struct session *session, uint64_t sequence)
{
    return sequence <= session->newest && session->newest - sequence < SESSION_WINDOW;
}

static enum session_verdict verdict_of(const struct session *session, uint64_t sequence)
{
    if (session == NULL) {
        return SESSION_NONE;
    }
    if (sequence > session->newest) {
        return SESSION_FRESH;
    }
    if (!covers(session, sequence)) {
        return SESSION_FORGOTTEN;
    }
    return session->done[sequence % SESSION_WINDOW].position.index != 0 ? SESSION_DONE : SESSION_FRESH;
}

enum session_verdict dgraft_sessions_look(const struct sessions *sessions, const struct dgraft_session_head *head,
                                          const struct session_done **done)
{
    const struct session *session = find(sessions, head->session);
    const enum session_verdict verdict = verdict_of(session, head->sequence);
    if (verdict == SESSION_DONE && done != NULL) {
        *done = &session->done[head->sequence % SESSION_WINDOW];
    }
    return verdict;
}

/* Makes a sequence the newest: those that it leaves behind are forgotten, those that it passes are not done. */
static void slide(struct session *session, uint64_t sequence)
{
    if (sequence - session->newest >= SESSION_WINDOW) {
        memset(session->done, 0, sizeof session->done);
    } else {
        for (uint64_t passed = session->newest + 1; passed <= sequence; passed++) {
            session->done[passed % SESSION_WINDOW] = (struct session_done){.answer.size = 0};
        }
    }
    session->newest = sequence;
}

static void count(struct dgraft_sessions_stats *stats, enum session_verdict verdict)
{
    switch (verdict) {
    case SESSION_FRESH:
        break;
    case SESSION_DONE:
        stats->repeated++;
        break;
    case SESSION_FORGOTTEN:
        stats->forgotten++;
        break;
    case SESSION_NONE:
        stats->unknown++;
        break;
    }
}

enum session_verdict dgraft_sessions_take(struct sessions *sessions, const struct dgraft_session_head *head,
                                          struct dgraft_position position, const struct session_done **done)
{
    struct session *session = find(sessions, head->session);
    const enum session_verdict verdict = verdict_of(session, head->sequence);
    count(&sessions->stats, verdict);
    if (session == NULL) {
        return verdict;
    }
    session->heard_ns = sessions->time_ns;
    session->heard = position.index;
    struct session_done *slot = &session->done[head->sequence % SESSION_WINDOW];
    if (verdict == SESSION_FRESH) {
        if (head->sequence > session->newest) {
            slide(session, head->sequence);
        }
        slot->position = position;
    } else if (verdict == SESSION_DONE && done != NULL) {
        *done = slot;
    }
    return verdict;
}

void dgraft_sessions_remember(struct sessions *sessions, const struct dgraft_session_head *head,
                              const struct dgraft_remembered *answer)
{
    struct session *session = find(sessions, head->session);
    if (session != NULL && covers(session, head->sequence)) {
        struct dgraft_remembered *slot = &session->done[head->sequence % SESSION_WINDOW].answer;
        slot->size = answer->size;
        memcpy(slot->bytes, answer->bytes, answer->size);
    }
}

uint64_t dgraft_sessions_digest(const struct sessions *sessions)
{
    const uint64_t head[3] = {sessions->count, sessions->log_time_ns, sessions->time_ns};
    uint64_t hash = XXH3_64bits(head, sizeof head);
    for (uint32_t i = 0; i < sessions->count; i++) {
        const struct session *session = sessions->items[i];
        const uint64_t fields[5] = {session->id, session->timeout_ns, session->heard_ns, session->heard,
                                    session->newest};
        hash = XXH3_64bits_withSeed(fields, sizeof fields, hash);
        for (uint32_t s = 0; s < SESSION_WINDOW; s++) {
            const struct session_done *done = &session->done[s];
            if (done->position.index != 0) {
                const uint64_t about[4] = {s, done->position.index, done->position.term, done->answer.size};
                hash = XXH3_64bits_withSeed(about, sizeof about, hash);
                hash = XXH3_64bits_withSeed(done->answer.bytes, done->answer.size, hash);
            }
        }
    }
    return hash;
}
