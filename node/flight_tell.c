/* What a replay found different or broken, in words. */
#include "flight_replay.h"

#include <dgraft/frame.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct words {
    char *text;
    size_t room;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int more = vsnprintf(words->text + words->used, words->room - words->used, format, arguments);
    va_end(arguments);
    if (more > 0) {
        words->used += (size_t)more;
        words->used = words->used < words->room ? words->used : words->room - 1;
    }
}

static struct words begin(struct replay *replay)
{
    return (struct words){.text = replay->summary->text, .room = sizeof replay->summary->text};
}

static void add_event(struct words *words, const struct replay *replay)
{
    const struct dgraft_event *event = &replay->decoded.event;
    add(words, "event %llu (%s", (unsigned long long)replay->number, dgraft_flight_event_name(event->kind));
    if (event->kind == DGRAFT_EVENT_RECEIVE) {
        const char *name = dgraft_frame_type_name((uint16_t)event->u.receive.type);
        add(words, " %s from node %u", name != NULL ? name : "?", event->u.receive.from);
    }
    add(words, ")");
}

static void add_kinds(struct words *words, uint64_t count, uint64_t kinds)
{
    const char *separator = ": ";
    add(words, "%llu %s", (unsigned long long)count, count == 1 ? "action" : "actions");
    for (uint32_t kind = 0; kind < 64; kind++) {
        if ((kinds >> kind & 1) != 0) {
            add(words, "%s%s", separator, dgraft_flight_action_name((enum dgraft_action_kind)kind));
            separator = ", ";
        }
    }
}

void dgraft_flight_tell_actions(struct replay *replay, const struct flight_told *told)
{
    struct words words = begin(replay);
    const uint64_t kinds = dgraft_flight_action_kinds(replay->actions);
    add_event(&words, replay);
    if (told->status != (uint64_t)replay->status) {
        add(&words, ": recorded was the status %llu, this core returns %u (%s)", (unsigned long long)told->status,
            (unsigned)replay->status, dgraft_status_name(replay->status));
    } else if (told->count != replay->actions->count || told->kinds != kinds) {
        add(&words, ": recorded were ");
        add_kinds(&words, told->count, told->kinds);
        add(&words, "; this core gives ");
        add_kinds(&words, replay->actions->count, kinds);
    } else {
        add(&words, ": the actions are of the kinds that were recorded (");
        add_kinds(&words, told->count, told->kinds);
        add(&words, "), but their numbers, their order or the time to wake at differ");
    }
}

static void add_pair(struct words *words, const char *name, uint64_t recorded, uint64_t here)
{
    if (recorded != here) {
        add(words, "; %s %llu, here %llu", name, (unsigned long long)recorded, (unsigned long long)here);
    }
}

void dgraft_flight_tell_state(struct replay *replay)
{
    struct words words = begin(replay);
    const unsigned char *here = replay->core_memory;
    const unsigned char *recorded = replay->image;
    size_t at = 0;
    while (at < replay->core_bytes && here[at] == recorded[at]) {
        at++;
    }
    add(&words, "after event %llu the state is another than was recorded, from byte %zu of %zu on",
        (unsigned long long)replay->number, at, replay->core_bytes);
    const struct dgraft_core *image = dgraft_core_adopt(replay->image, &replay->reader.block_header.config);
    if (image == NULL) {
        return;
    }
    struct dgraft_core_status before;
    struct dgraft_core_status after;
    dgraft_core_status(image, &before);
    dgraft_core_status(replay->core, &after);
    add_pair(&words, "role", (uint64_t)before.role, (uint64_t)after.role);
    add_pair(&words, "term", before.term, after.term);
    add_pair(&words, "vote", before.vote, after.vote);
    add_pair(&words, "leader", before.leader, after.leader);
    add_pair(&words, "last", before.last.index, after.last.index);
    add_pair(&words, "durable", before.durable, after.durable);
    add_pair(&words, "commit", before.commit, after.commit);
    add_pair(&words, "applied", before.applied, after.applied);
    add_pair(&words, "round", before.round, after.round);
}

void dgraft_flight_tell_rule(struct replay *replay, const char *rule)
{
    struct words words = begin(replay);
    add_event(&words, replay);
    add(&words, " breaks a rule: %s", rule);
}
