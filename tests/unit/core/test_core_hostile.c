/* Whatever members say, however untrue: no step aborts, and what one core promises by itself still holds (rule C2). */
#include "core_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint64_t random_state;

static uint64_t below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

/* Mostly near what the core knows, sometimes the ends of the range. */
static uint64_t number_near(uint64_t value)
{
    switch (below(12)) {
    case 0:
        return 0;
    case 1:
        return below(20) == 0 ? UINT64_MAX - below(3) : value;
    case 2:
        return below(20) == 0 ? UINT64_MAX / 2 - below(3) : value + 1;
    case 3:
        return value + below(4);
    case 4:
        return value == 0 ? 0 : below(value);
    default:
        return value - (value > 2 ? below(3) : 0);
    }
}

static struct dgraft_position position_near(const struct rig *rig)
{
    const struct dgraft_core_status status = rig_status(rig);
    struct dgraft_position position = {.index = number_near(status.last.index)};
    position.term = dgraft_core_term_at(rig->core, position.index);
    if (position.term == 0 || below(6) == 0) {
        position.term = number_near(status.term);
    }
    return position;
}

/* Often the one being received: most others are refused by their first field. */
static struct dgraft_snapshot snapshot_near(const struct rig *rig)
{
    const struct dgraft_core_status status = rig_status(rig);
    if (status.receiving.position.index != 0 && below(4) != 0) {
        return status.receiving;
    }
    return (struct dgraft_snapshot){.position = position_near(rig), .size = number_near(100), .digest = below(2)};
}

/* Nearly always one that may be; sometimes of nobody, or of too many. */
static struct dgraft_membership membership_any(dgraft_index index)
{
    struct dgraft_membership membership = {.index = index, .voters = 1 + below(31), .stores = {below(3), below(3)}};
    membership.outgoing = below(3) == 0 ? 1 + below(31) : 0;
    membership.learners = below(2) == 0 ? below(64) & ~membership.voters : 0;
    membership.promote = membership.learners & below(64);
    membership.voters = below(40) == 0 ? below(2) << below(64) : membership.voters;
    membership.promote |= below(40) == 0 ? below(64) : 0;
    return membership;
}

/* What the entries of an append say of the members, or, once in a while, something else. */
static void tell_memberships(struct dgraft_append *append)
{
    static struct dgraft_membership memberships[16];
    append->memberships = memberships;
    for (uint32_t i = 0; i < append->count && append->membership_count < 16; i++) {
        if (append->entries[i].kind == DGRAFT_ENTRY_MEMBERSHIP) {
            memberships[append->membership_count++] = membership_any(append->entries[i].index + (below(30) == 0));
        }
    }
    append->membership_count -= append->membership_count > 0 && below(30) == 0 ? 1 : 0;
}

static struct dgraft_message message_any(const struct rig *rig, struct dgraft_entry *entries)
{
    static const uint8_t types[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 12, 13, 14, 14, 16, 17};
    const struct dgraft_core_status status = rig_status(rig);
    struct dgraft_message message = {.type = (enum dgraft_message_type)types[below(sizeof types)],
                                     .from = (dgraft_node_id)below(7),
                                     .store = below(4) == 0 ? 1 + below(3) : 0,
                                     .term = number_near(status.term)};
    if (status.role == DGRAFT_ROLE_LEADER && below(40) != 0) { /* let it lead for a while */
        message.term = status.term;
        message.type = below(3) == 0 ? message.type : (enum dgraft_message_type)(8 + below(2));
    }
    switch (message.type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        message.u.vote_request.term = below(8) == 0
                                          ? number_near(status.term)
                                          : message.term + (message.type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST ? 1 : 0);
        message.u.vote_request.last = position_near(rig);
        message.u.vote_request.transfer = below(4) == 0;
        break;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        message.u.vote_reply.term = status.term + below(2);
        message.u.vote_reply.reason = (enum dgraft_refuse_reason)below(8);
        break;
    case DGRAFT_MESSAGE_APPEND:
        message.u.append.prev = position_near(rig);
        message.u.append.commit = below(5) == 0 ? number_near(status.last.index) : status.commit;
        message.u.append.round = number_near(status.round);
        message.u.append.entries = entries;
        message.u.append.count = (uint32_t)below(9);
        for (uint32_t i = 0; i < message.u.append.count; i++) {
            entries[i] = (struct dgraft_entry){.index = message.u.append.prev.index + 1 + i,
                                               .term = i == 0 ? message.u.append.prev.term : entries[i - 1].term,
                                               .kind = (enum dgraft_entry_kind)(below(12) == 0 ? 3 : 1)};
            entries[i].term += below(3) == 0 ? below(2) : 0;
            entries[i].index += below(50) == 0 ? 1 : 0;
        }
        tell_memberships(&message.u.append);
        break;
    case DGRAFT_MESSAGE_APPEND_ACK:
        message.u.append_ack.match = number_near(status.last.index);
        message.u.append_ack.round = number_near(status.round);
        break;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        message.u.append_refuse.prev = number_near(status.last.index);
        message.u.append_refuse.hint = position_near(rig);
        message.u.append_refuse.round = number_near(status.round);
        message.u.append_refuse.reason = (enum dgraft_refuse_reason)below(8);
        break;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        message.u.timeout_now.last = below(3) == 0 ? position_near(rig) : status.last;
        break;
    case DGRAFT_MESSAGE_FETCH:
        message.u.fetch.first = below(4) == 0 ? number_near(status.last.index) : 1 + below(6);
        message.u.fetch.last = message.u.fetch.first + below(3);
        message.u.fetch.anchor = position_near(rig);
        message.u.fetch.anchor.index = message.u.fetch.last + below(2);
        break;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        message.u.fetch_answer.verdict = (enum dgraft_fetch_verdict)(below(3) == 0 ? below(6) : 1);
        message.u.fetch_answer.first = number_near(status.last.index);
        message.u.fetch_answer.anchor = position_near(rig);
        if (status.damage_count > 0) {
            const struct dgraft_damage *damage = &status.damage[below(status.damage_count)].damage;
            message.u.fetch_answer.first = damage->first;
            message.u.fetch_answer.anchor = damage->anchor;
        }
        message.u.fetch_answer.here = position_near(rig);
        message.u.fetch_answer.entries = entries;
        message.u.fetch_answer.count = (uint32_t)below(4);
        for (uint32_t i = 0; i < message.u.fetch_answer.count; i++) {
            entries[i] = (struct dgraft_entry){
                .index = message.u.fetch_answer.first + i, .term = 1 + below(3), .kind = DGRAFT_ENTRY_COMMAND};
            entries[i].index += below(50) == 0 ? 1 : 0;
        }
        break;
    case DGRAFT_MESSAGE_READ_REQUEST:
        message.u.read_request.token = below(4);
        break;
    case DGRAFT_MESSAGE_READ_ANSWER:
        message.u.read_answer.token = below(2) == 0 ? below(4) : (rig->config.seed ^ (1000 * MS)) + below(4);
        message.u.read_answer.index = number_near(status.commit);
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        message.u.snapshot_chunk.snapshot = snapshot_near(rig);
        message.u.snapshot_chunk.offset = below(3) == 0 ? number_near(100) : status.received_bytes;
        message.u.snapshot_chunk.bytes = (uint32_t)below(60);
        message.u.snapshot_chunk.round = number_near(status.round);
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        message.u.snapshot_ack.snapshot = below(3) == 0 ? snapshot_near(rig) : status.snapshot;
        message.u.snapshot_ack.offset = number_near(100);
        message.u.snapshot_ack.round = number_near(status.round);
        break;
    }
    return message;
}

/* A host that checks no more than digests takes over whatever a leader sends. */
static void store_part(struct rig *rig, struct dgraft_action_snapshot_store store)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    event.u.snapshot_stored.snapshot = store.snapshot;
    event.u.snapshot_stored.offset = below(10) == 0 ? 0 : store.offset + store.bytes;
    rig_step(rig, event);
    if (event.u.snapshot_stored.offset == store.snapshot.size) {
        event.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED;
        event.u.snapshot_received = (struct dgraft_event_snapshot_received){
            .snapshot = store.snapshot, .membership = {.voters = 1 + below(31), .index = below(3)}};
        rig_step(rig, event);
    }
}

/* Answers every SEND of entries and every LOOKUP, as a host must. */
static void host_answers(struct rig *rig)
{
    for (uint32_t rounds = 0; rounds < 8; rounds++) {
        const struct dgraft_action *store = rig_action(rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0);
        if (store != NULL) {
            store_part(rig, store->u.snapshot_store);
        }
        const struct dgraft_action *lookup = rig_action(rig, DGRAFT_ACTION_LOOKUP, 0);
        if (below(3) != 0) {
            rig_sent_all(rig);
        }
        if (lookup == NULL) {
            return;
        }
        struct dgraft_event event = {.kind = DGRAFT_EVENT_TERM};
        event.u.term.position = (struct dgraft_position){.index = lookup->u.lookup.index, .term = below(3)};
        rig_step(rig, event);
    }
}

/* Honest votes of everybody, if the core wants them. */
static void help_to_lead(struct rig *rig)
{
    rig_wake_at(rig, rig->actions->wake_at_ns);
    for (uint32_t i = 0; i < rig_status(rig).peer_count; i++) {
        const struct dgraft_core_status status = rig_status(rig);
        rig_receive(rig,
                    rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, status.peers[i].id, status.term, status.term + 1));
    }
    if (rig->written > 0) {
        rig_durable(rig);
    }
    for (uint32_t i = 0; i < rig_status(rig).peer_count; i++) {
        const struct dgraft_core_status status = rig_status(rig);
        rig_receive(rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, status.peers[i].id, status.term, status.term));
    }
}

/* Damages some of six entries of three terms. */
static void damage_some(struct rig_start *start)
{
    static const dgraft_term terms[] = {0, 1, 1, 1, 2, 2, 3};
    static const struct dgraft_term_run unknown[] = {{1, 1}, {2, 0}, {3, 1}, {4, 2}, {5, 0}, {6, 3}};
    for (dgraft_index index = 1; index <= 6 && start->damage_count < 3; index++) {
        if (below(3) != 0) {
            continue;
        }
        const dgraft_index last = index + below(7 - index);
        const dgraft_index anchor = last < 6 ? last + 1 : last;
        start->damage[start->damage_count++] = (struct dgraft_damage){index, last, {anchor, terms[anchor]}};
        index = last + 1;
    }
    if (start->damage_count > 0 && below(2) == 0) {
        memcpy(start->runs, unknown, sizeof unknown);
        start->run_count = 6;
    }
}

static void harass(uint64_t seed, uint32_t voters)
{
    struct dgraft_entry entries[16];
    struct rig rig;
    struct dgraft_config config;
    random_state = seed * 77777 + 5;
    dgraft_config_defaults(&config, 1 + (dgraft_node_id)below(voters));
    config.runs_max = 8;
    config.inflight_max = 1 + (uint32_t)below(3);
    config.reads_max = 2;
    config.uncommitted_bytes_max = 2000;
    config.lease_drift_ppm = (uint32_t)below(2) * 100000;
    config.lag_notice_entries = (uint32_t)below(4);
    config.write_stall_ns = below(3) * 100 * MS;
    struct rig_start start = {
        .voters = voters, .term = 3, .last = 6, .commit = below(7), .runs = {{1, 1}, {4, 2}, {6, 3}}, .run_count = 3};
    if (seed % 3 == 0) {
        damage_some(&start);
    }
    rig_open_config(&rig, &start, &config);
    for (uint32_t i = 0; i < 400 && !rig_status(&rig).poisoned; i++) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
        rig.now += below(4) == 0 ? below(200 * MS) : 0;
        switch (below(14)) {
        case 0:
            rig_propose(&rig, 1 + (uint32_t)below(8), (uint32_t)below(200));
            break;
        case 1:
            if (rig.written > 0) {
                rig_durable(&rig);
            }
            break;
        case 2:
            rig_step(&rig, event);
            break;
        case 3:
            rig_wake_at(&rig, rig.actions->wake_at_ns == UINT64_MAX ? rig.now : rig.actions->wake_at_ns);
            break;
        case 4:
            if (below(3) == 0 && rig_status(&rig).role == DGRAFT_ROLE_FOLLOWER &&
                rig.actions->wake_at_ns != UINT64_MAX) {
                help_to_lead(&rig);
            }
            break;
        case 5:
            event.kind = DGRAFT_EVENT_TRANSFER;
            event.u.transfer = (struct dgraft_event_transfer){.id = i, .target = (dgraft_node_id)below(7)};
            rig_step(&rig, event);
            break;
        case 6:
            event.kind = DGRAFT_EVENT_DISK;
            event.u.disk.full = below(4) == 0;
            rig_step(&rig, event);
            break;
        case 8:
            if (below(20) == 0) {
                event.kind = DGRAFT_EVENT_DAMAGED;
                rig_step(&rig, event);
            }
            break;
        case 7: /* as a host asks that has not looked */
            event = (struct dgraft_event){.kind = DGRAFT_EVENT_CHANGE};
            event.u.change = (struct dgraft_event_change){.id = i, .target = membership_any(0)};
            rig_step(&rig, event);
            break;
        default:
            rig_receive(&rig, message_any(&rig, entries));
        }
        host_answers(&rig);
    }
    rig_close(&rig);
}

Test(hostile_members, cannot_make_a_core_abort)
{
    const char *text = getenv("DGRAFT_CORE_SEEDS");
    const uint64_t seeds = text == NULL ? 1500 : strtoull(text, NULL, 10);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        harass(seed, 1 + (uint32_t)(seed % 5));
    }
}
