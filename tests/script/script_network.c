/* Messages on their way. Nothing arrives by itself: a command delivers, drops or keeps them. */
#include "script.h"

#include <dgraft/frame.h>
#include <stdlib.h>
#include <string.h>

void script_message_copy(struct script_messages *messages, const struct script_message *message)
{
    if (messages->count == messages->room) {
        messages->room = 2 * messages->room + 16;
        messages->items = realloc(messages->items, messages->room * sizeof messages->items[0]);
        if (messages->items == NULL) {
            abort();
        }
    }
    struct script_message *copy = &messages->items[messages->count++];
    *copy = *message;
    copy->text = strdup(message->text);
}

void script_message_remove(struct script_messages *messages, uint32_t at)
{
    free(messages->items[at].text);
    messages->count--;
    memmove(&messages->items[at], &messages->items[at + 1], (messages->count - at) * sizeof messages->items[0]);
}

void script_messages_free(struct script_messages *messages)
{
    while (messages->count > 0) {
        script_message_remove(messages, messages->count - 1);
    }
    free(messages->items);
    *messages = (struct script_messages){.items = NULL};
}

bool script_type(struct script *script, const char *word, enum dgraft_message_type *type)
{
    for (uint16_t i = 1; word != NULL && i <= DGRAFT_MESSAGE_READ_ANSWER; i++) {
        const char *name = dgraft_frame_type_name(i);
        if (name != NULL && strcmp(name, word) == 0) {
            *type = (enum dgraft_message_type)i;
            return true;
        }
    }
    script_fail(script, "no message is called %s", word == NULL ? "nothing" : word);
    return false;
}

static bool end_of(const struct script *script, char name, dgraft_node_id *id)
{
    *id = name == '*' ? 0 : (dgraft_node_id)(name - '0');
    return name == '*' || (name >= '1' && *id <= script->node_count);
}

bool script_link(struct script *script, const char *word, dgraft_node_id *from, dgraft_node_id *to)
{
    if (word == NULL || strlen(word) != 3 || word[1] != '>' || !end_of(script, word[0], from) ||
        !end_of(script, word[2], to)) {
        script_fail(script, "FROM>TO is wanted here, each a node or *");
        return false;
    }
    return true;
}

/* The entries of a SEND, as they are in the log now; none when it is another log meanwhile. */
static void pack(struct script *script, dgraft_node_id id, const struct dgraft_action_send *send,
                 struct script_message *message)
{
    const struct script_node *node = &script->nodes[id];
    const struct dgraft_position prev = send->message.u.append.prev;
    uint64_t bytes = 0;
    uint32_t count = 0;
    if (node->jammed || script_log_term(&node->log, prev.index) != prev.term) {
        return;
    }
    for (dgraft_index i = prev.index + 1; i <= send->last.index && count < script->carry; i++) {
        bytes += node->log.entries[i].bytes;
        if (count > 0 && bytes > send->max_bytes) {
            break;
        }
        message->entries[count++] = node->log.entries[i];
    }
    message->message.u.append.count = count;
}

static void say_send(struct script *script, dgraft_node_set receivers, const struct script_message *message)
{
    struct script_text text = {.bytes = NULL};
    dgraft_node_set lost = 0;
    script_text_add(&text, "%u>", message->message.from);
    script_print_set(&text, receivers);
    script_text_add(&text, " %s %s", dgraft_frame_type_name((uint16_t)message->message.type), message->text);
    for (dgraft_node_set left = receivers; left != 0; left &= left - 1) {
        const dgraft_node_id to = dgraft_node_set_first(left);
        lost |= to <= script->node_count && script->cut[message->message.from][to] ? dgraft_node_set_of(to) : 0;
    }
    if (lost != 0) {
        script_text_add(&text, ", cut off from ");
        script_print_set(&text, lost);
    }
    script_say(script, 1, "%s", text.bytes);
    script_text_free(&text);
}

void script_send(struct script *script, dgraft_node_id id, const struct dgraft_action_send *send,
                 struct dgraft_event *answer)
{
    struct script_message message = {.message = send->message};
    struct script_text body = {.bytes = NULL};
    const bool entries =
        send->message.type == DGRAFT_MESSAGE_APPEND && send->last.index > send->message.u.append.prev.index;
    script_judge_send(script, id, send);
    answer->kind = 0;
    if (entries) {
        pack(script, id, send, &message);
        answer->kind = DGRAFT_EVENT_SENT;
        answer->u.sent =
            (struct dgraft_event_sent){.receivers = send->receivers,
                                       .term = send->message.term,
                                       .prev = send->message.u.append.prev.index,
                                       .last = send->message.u.append.prev.index + message.message.u.append.count};
        for (uint32_t i = 0; i < message.message.u.append.count; i++) {
            answer->u.sent.bytes += message.entries[i].bytes;
        }
        if (message.message.u.append.count == 0) {
            script_say(script, 1, "%u sends no entries", id);
            return;
        }
    }
    if (send->message.type == DGRAFT_MESSAGE_FETCH_ANSWER &&
        send->message.u.fetch_answer.verdict == DGRAFT_FETCH_HAVE) {
        script_fetched_pack(script, id, send, &message);
    }
    if (send->message.type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        message.snapshot_membership = script->nodes[id].snapshot.membership;
    }
    script_print_body(&body, &message.message, message.entries);
    message.text = body.bytes;
    say_send(script, send->receivers, &message);
    for (dgraft_node_set left = send->receivers; left != 0; left &= left - 1) {
        message.to = dgraft_node_set_first(left);
        script_message_copy(&script->sent, &message);
        if (message.to <= script->node_count && !script->cut[id][message.to]) {
            script_message_copy(&script->flying, &message);
        }
    }
    script_text_free(&body);
}

/* FROM>TO [TYPE] [last]: the oldest such message on its way, or the newest. */
struct script_message *script_message_find(struct script *script, const struct script_words *words, uint32_t *at)
{
    dgraft_node_id from = 0;
    dgraft_node_id to = 0;
    enum dgraft_message_type type = 0;
    struct script_message *found = NULL;
    bool last = false;
    if (!script_link(script, words->count > 1 ? words->at[1] : NULL, &from, &to)) {
        return NULL;
    }
    for (uint32_t i = 2; i < words->count; i++) {
        if (strcmp(words->at[i], "last") == 0) {
            last = true;
        } else if (strcmp(words->at[i], "all") != 0 && strcmp(words->at[i], "as") == 0) {
            break;
        } else if (strcmp(words->at[i], "all") != 0 && !script_type(script, words->at[i], &type)) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < script->flying.count && (found == NULL || last); i++) {
        struct script_message *message = &script->flying.items[i];
        if ((from == 0 || message->message.from == from) && (to == 0 || message->to == to) &&
            (type == 0 || message->message.type == type)) {
            found = message;
            *at = i;
        }
    }
    return found;
}

void script_message_deliver(struct script *script, const struct script_message *message)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    struct dgraft_entry entries[SCRIPT_CARRY];
    struct dgraft_membership memberships[SCRIPT_CARRY];
    struct script_node *node = &script->nodes[message->to];
    event.u.receive = message->message;
    struct dgraft_append *append = &event.u.receive.u.append;
    script_say(script, 0, "%u hears %s of %u", message->to, dgraft_frame_type_name((uint16_t)message->message.type),
               message->message.from);
    if (message->message.type == DGRAFT_MESSAGE_APPEND) {
        append->entries = entries;
        append->memberships = memberships;
        append->membership_count = 0;
        for (uint32_t i = 0; i < append->count; i++) {
            const struct script_entry *entry = &message->entries[i];
            entries[i] = (struct dgraft_entry){.index = append->prev.index + 1 + i,
                                               .term = entry->term,
                                               .payload_bytes = entry->bytes,
                                               .kind = entry->kind};
            if (entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
                memberships[append->membership_count++] = entry->membership;
            }
        }
    } else if (message->message.type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        struct dgraft_fetch_answer *fetched = &event.u.receive.u.fetch_answer;
        fetched->entries = entries;
        for (uint32_t i = 0; i < fetched->count; i++) {
            const struct script_entry *entry = &message->entries[i];
            entries[i] = (struct dgraft_entry){
                .index = fetched->first + i, .term = entry->term, .payload_bytes = entry->bytes, .kind = entry->kind};
        }
    } else if (message->message.type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        node->leaders_snapshot.what = message->message.u.snapshot_chunk.snapshot;
        node->leaders_snapshot.membership = message->snapshot_membership;
    }
    (void)script_step(script, message->to, &event, message->entries);
}

void script_settle(struct script *script)
{
    for (uint32_t i = 0; script->flying.count > 0; i++) {
        if (i == 2000) {
            script_fail(script, "messages go on for ever");
            return;
        }
        struct script_message message = script->flying.items[0];
        message.text = NULL;
        script_message_remove(&script->flying, 0);
        if (script->nodes[message.to].up) {
            script_message_deliver(script, &message);
        }
    }
}
