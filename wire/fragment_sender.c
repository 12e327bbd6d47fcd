/* The sending half of fragments. A message is copied once, into an image of its datagrams with their headers between
 * the pieces: a burst, first or repeated, is then one contiguous span of equal segments.
 *
 * A piece is unsent, on the way, lost (to be sent again), or acknowledged. It is taken for lost when three datagrams
 * sent after it were acknowledged (RFC 9002 §6.1.1), or when nothing was acknowledged for the flow's wait. */
#include "fragment_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LANES_MAX         128u
#define BURST_BYTES_MAX   (60u * 1024)
#define BURST_COUNT_MAX   64u
#define TURN_BYTES        (16u * 1024)      /* of one message, while others wait for the same lane */
#define ROUND_BYTES       (8u * TURN_BYTES) /* of which one turn is not the oldest message's */
#define REORDER_TOLERANCE 3u
#define IDLE_NS           (UINT64_C(1000) * 1000 * 1000)

enum piece_state { UNSENT = 0, ON_THE_WAY = 1, LOST = 2, ACKNOWLEDGED = 3 };

struct piece {
    dgraft_time_ns sent_at_ns;
    uint64_t order; /* of the flow, when last sent */
    uint8_t state;  /* enum piece_state */
    bool again;     /* sent more than once: its acknowledgement may be that of either */
};

struct outgoing {
    struct outgoing *next;
    uint64_t key;
    uint64_t number;
    uint32_t message_bytes;
    uint32_t count;
    uint32_t base;   /* the first that is not acknowledged */
    uint32_t unsent; /* the first that was never sent */
    uint32_t lost_count;
    uint32_t acknowledged_count;
    dgraft_time_ns deadline_ns;
    size_t memory_bytes;
    uint8_t *image;
    struct piece pieces[];
};

/* An address that messages go to. */
struct dgraft_lane {
    struct dgraft_lane *next;
    struct dgraft_address address;
    struct dgraft_flow flow;
    struct outgoing *first; /* messages under way, the oldest first */
    uint32_t message_count;
    uint64_t round_bytes;        /* sent since the oldest message became it */
    size_t memory_bytes;         /* of its messages */
    size_t unacknowledged_bytes; /* sent at least once, not acknowledged */
    dgraft_time_ns timer_ns;     /* by then something must have been acknowledged */
    dgraft_time_ns used_ns;
};

/* A run of consecutive pieces. */
struct run {
    uint32_t first;
    uint32_t count;
    size_t bytes; /* as datagrams */
};

static uint32_t datagram_bytes(const struct dgraft_fragments *fragments, const struct outgoing *message,
                               uint32_t number)
{
    return DGRAFT_FRAGMENT_HEADER_BYTES +
           dgraft_fragment_piece_bytes(message->message_bytes, fragments->fragment_bytes, number);
}

/* Finds the lane of an address and puts it first. */
static struct dgraft_lane *find_lane(struct dgraft_fragments *fragments, const struct dgraft_address *address)
{
    for (struct dgraft_lane **at = &fragments->lanes; *at != NULL; at = &(*at)->next) {
        struct dgraft_lane *lane = *at;
        if (dgraft_address_equal(&lane->address, address)) {
            *at = lane->next;
            lane->next = fragments->lanes;
            fragments->lanes = lane;
            return lane;
        }
    }
    return NULL;
}

bool dgraft_fragments_under_way(struct dgraft_fragments *fragments, const struct dgraft_address *address)
{
    if (fragments->stats.outgoing_bytes == 0) {
        return false;
    }
    const struct dgraft_lane *lane = find_lane(fragments, address);
    return lane != NULL && lane->first != NULL;
}

/* Makes room for a lane: forgets the one that has been idle longest. Returns false when none is idle. */
static bool forget_lane(struct dgraft_fragments *fragments)
{
    struct dgraft_lane **idle = NULL;
    for (struct dgraft_lane **at = &fragments->lanes; *at != NULL; at = &(*at)->next) {
        if ((*at)->first == NULL) {
            idle = at;
        }
    }
    if (idle == NULL) {
        return false;
    }
    struct dgraft_lane *lane = *idle;
    *idle = lane->next;
    fragments->lane_count--;
    free(lane);
    return true;
}

static enum dgraft_status add_lane(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                   const struct dgraft_address *address, struct dgraft_lane **out)
{
    if (fragments->lane_count >= LANES_MAX && !forget_lane(fragments)) {
        return DGRAFT_STATUS_BUSY;
    }
    struct dgraft_lane *lane = malloc(sizeof *lane);
    if (lane == NULL) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    *lane = (struct dgraft_lane){
        .next = fragments->lanes, .address = *address, .timer_ns = DGRAFT_FRAGMENT_NEVER, .used_ns = now_ns};
    dgraft_flow_init(&lane->flow, &fragments->bounds);
    fragments->lanes = lane;
    fragments->lane_count++;
    *out = lane;
    return DGRAFT_OK;
}

/* Takes a message off its lane; what of it is on the way counts no more. */
static void remove_message(struct dgraft_fragments *fragments, struct dgraft_lane *lane, struct outgoing *message)
{
    struct outgoing **at = &lane->first;
    lane->round_bytes = message == lane->first ? 0 : lane->round_bytes;
    while (*at != message) {
        at = &(*at)->next;
    }
    *at = message->next;
    lane->message_count--;
    for (uint32_t i = message->base; i < message->unsent; i++) {
        const uint32_t bytes = datagram_bytes(fragments, message, i);
        if (message->pieces[i].state != ACKNOWLEDGED) {
            lane->unacknowledged_bytes -= bytes;
        }
        if (message->pieces[i].state == ON_THE_WAY) {
            lane->flow.on_the_way_bytes -= bytes;
        }
    }
    lane->memory_bytes -= message->memory_bytes;
    fragments->stats.outgoing_bytes -= message->memory_bytes;
    free(message->image);
    free(message);
}

/* Is through with a message. A piece of it that was sent again may still wait for flush in the carrier, which reads it
 * from the image. */
static void end_message(struct dgraft_fragments *fragments, struct dgraft_lane *lane, struct outgoing *message)
{
    fragments->transport->ops->flush(fragments->transport);
    remove_message(fragments, lane, message);
}

/* How many messages of a lane are sent at once, the oldest first: no more than a receiver puts together, or it would
 * forget of one what it has acknowledged. */
static uint32_t active_count(const struct dgraft_fragments *fragments, const struct dgraft_lane *lane)
{
    const uint32_t most = fragments->options.incoming_per_source;
    return lane->message_count < most ? lane->message_count : most;
}

static struct outgoing *active_message(const struct dgraft_lane *lane, uint32_t place)
{
    struct outgoing *message = lane->first;
    for (uint32_t i = 0; i < place; i++) {
        message = message->next;
    }
    return message;
}

/* Returns whose turn it is. The oldest comes first, because entries are of no use before those ahead of them; yet now
 * and then another, so that what is small does not wait for all of what is very large. */
static uint32_t next_turn(const struct dgraft_lane *lane, uint32_t active)
{
    if (active <= 1 || lane->round_bytes % ROUND_BYTES < ROUND_BYTES - TURN_BYTES) {
        return 0;
    }
    return 1 + (uint32_t)(lane->round_bytes / ROUND_BYTES % (active - 1));
}

/* Finds what of a message to send next within `room` bytes: what was lost before what was never sent. */
static struct run next_run(const struct dgraft_fragments *fragments, const struct dgraft_lane *lane,
                           const struct outgoing *message, size_t room)
{
    const bool again = message->lost_count > 0;
    struct run run = {.first = again ? message->base : message->unsent};
    uint32_t end = again ? message->unsent : message->count;
    if (again) {
        while (message->pieces[run.first].state != LOST) {
            run.first++;
        }
    } else {
        const size_t window = fragments->bounds.window_bytes_max;
        const size_t left = window > lane->unacknowledged_bytes ? window - lane->unacknowledged_bytes : 0;
        room = room < left ? room : left;
        end = end - message->base > fragments->span ? message->base + fragments->span : end;
    }
    for (uint32_t i = run.first; i < end && run.count < BURST_COUNT_MAX; i++) {
        const uint32_t bytes = datagram_bytes(fragments, message, i);
        if (bytes > room - run.bytes || (run.count > 0 && run.bytes + bytes > BURST_BYTES_MAX) ||
            (again && message->pieces[i].state != LOST)) {
            break;
        }
        run.count++;
        run.bytes += bytes;
    }
    return run;
}

static void send_run(struct dgraft_fragments *fragments, struct dgraft_lane *lane, struct outgoing *message,
                     const struct run *run, dgraft_time_ns now_ns)
{
    const size_t unit = fragments->bounds.unit_bytes;
    for (uint32_t i = run->first; i < run->first + run->count; i++) {
        struct piece *piece = &message->pieces[i];
        if (piece->state == LOST) {
            message->lost_count--;
            piece->again = true;
            fragments->stats.pieces_sent_again++;
        } else {
            assert(piece->state == UNSENT && i == message->unsent);
            message->unsent++;
            lane->unacknowledged_bytes += datagram_bytes(fragments, message, i);
        }
        piece->state = ON_THE_WAY;
        piece->sent_at_ns = now_ns;
        piece->order = lane->flow.next_order++;
    }
    fragments->stats.pieces_sent += run->count;
    lane->flow.on_the_way_bytes += run->bytes;
    assert(lane->flow.on_the_way_bytes <= fragments->bounds.window_bytes_max);
    const struct iovec span = {.iov_base = message->image + run->first * unit, .iov_len = run->bytes};
    const struct dgraft_outgoing outgoing = {.address = lane->address,
                                             .class_ = DGRAFT_SEND_ONE_WAY,
                                             .pieces = &span,
                                             .piece_count = 1,
                                             .life = DGRAFT_PIECES_UNTIL_FLUSH,
                                             .segment_bytes = run->count > 1 ? unit : 0};
    /* What the carrier refuses is as good as lost, and is sent again. */
    (void)fragments->transport->ops->send(fragments->transport, &outgoing);
}

/* Sends what the window has room for. */
static void pump(struct dgraft_fragments *fragments, struct dgraft_lane *lane, dgraft_time_ns now_ns)
{
    struct dgraft_flow *flow = &lane->flow;
    if (flow->on_the_way_bytes == 0 && now_ns - lane->used_ns > IDLE_NS) {
        dgraft_flow_idle(flow, &fragments->bounds);
    }
    const uint32_t active = active_count(fragments, lane);
    const size_t turn = TURN_BYTES > fragments->bounds.unit_bytes ? TURN_BYTES : fragments->bounds.unit_bytes;
    bool more = true;
    while (more) {
        const uint32_t first = next_turn(lane, active);
        struct outgoing *message = active_message(lane, first);
        more = false;
        for (uint32_t i = 0; i < active && !more; i++) {
            size_t room = flow->window_bytes > flow->on_the_way_bytes ? flow->window_bytes - flow->on_the_way_bytes : 0;
            if (active > 1 && room > turn) {
                room = turn;
            }
            const struct run run = next_run(fragments, lane, message, room);
            if (run.count > 0) {
                send_run(fragments, lane, message, &run, now_ns);
                lane->used_ns = now_ns;
                lane->round_bytes += run.bytes;
                more = true;
            }
            message = first + i + 1 == active ? lane->first : message->next;
        }
    }
    if (flow->on_the_way_bytes > 0 && lane->timer_ns == DGRAFT_FRAGMENT_NEVER) {
        lane->timer_ns = now_ns + dgraft_flow_wait(flow, &fragments->bounds);
    }
    dgraft_fragments_wake_by(fragments, lane->timer_ns);
}

/* Copies a message into the image of its datagrams and writes their headers. */
static void fill_image(const struct dgraft_fragments *fragments, struct outgoing *message, const struct iovec *pieces,
                       size_t piece_count)
{
    const size_t unit = fragments->bounds.unit_bytes;
    size_t at = 0; /* of the message */
    for (size_t i = 0; i < piece_count; i++) {
        const uint8_t *from = pieces[i].iov_base;
        size_t left = pieces[i].iov_len;
        while (left > 0) {
            const size_t within = at % fragments->fragment_bytes;
            const size_t room = fragments->fragment_bytes - within;
            const size_t step = left < room ? left : room;
            memcpy(message->image + at / fragments->fragment_bytes * unit + DGRAFT_FRAGMENT_HEADER_BYTES + within, from,
                   step);
            from += step;
            at += step;
            left -= step;
        }
    }
    for (uint32_t i = 0; i < message->count; i++) {
        const struct dgraft_fragment fragment = {
            .kind = DGRAFT_FRAGMENT_PIECE,
            .number = (uint16_t)i,
            .message_bytes = message->message_bytes,
            .stream = fragments->stream,
            .message = message->number,
            .fragment_bytes = fragments->fragment_bytes,
            .payload_bytes = dgraft_fragment_piece_bytes(message->message_bytes, fragments->fragment_bytes, i)};
        dgraft_fragment_encode(&fragment, message->image + i * unit);
    }
}

/* Allocates a message of this size within the bounds. An address that does not answer must not take the memory that
 * the others need: beyond its first message it has a quarter. */
static enum dgraft_status new_message(struct dgraft_fragments *fragments, const struct dgraft_lane *lane,
                                      size_t message_bytes, struct outgoing **out)
{
    const uint32_t count = dgraft_fragment_count((uint32_t)message_bytes, fragments->fragment_bytes);
    if (count > DGRAFT_FRAGMENT_COUNT_MAX) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    const size_t image_bytes = message_bytes + (size_t)count * DGRAFT_FRAGMENT_HEADER_BYTES;
    const size_t struct_bytes = sizeof(struct outgoing) + count * sizeof(struct piece);
    const size_t memory_bytes = image_bytes + struct_bytes;
    if (memory_bytes > fragments->options.outgoing_bytes_max ||
        fragments->stats.outgoing_bytes > fragments->options.outgoing_bytes_max - memory_bytes) {
        return DGRAFT_STATUS_BUSY;
    }
    if (lane != NULL && lane->first != NULL &&
        lane->memory_bytes + memory_bytes > fragments->options.outgoing_bytes_max / 4) {
        return DGRAFT_STATUS_BUSY;
    }
    struct outgoing *message = calloc(1, struct_bytes);
    uint8_t *image = malloc(image_bytes);
    if (message == NULL || image == NULL) {
        free(message);
        free(image);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    message->message_bytes = (uint32_t)message_bytes;
    message->count = count;
    message->memory_bytes = memory_bytes;
    message->image = image;
    *out = message;
    return DGRAFT_OK;
}

static bool key_under_way(const struct dgraft_lane *lane, uint64_t key)
{
    for (const struct outgoing *message = lane->first; message != NULL; message = message->next) {
        if (message->key == key) {
            return true;
        }
    }
    return false;
}

static void append(struct dgraft_lane *lane, struct outgoing *message)
{
    struct outgoing **at = &lane->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = message;
    lane->message_count++;
}

enum dgraft_status dgraft_fragments_send(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                         const struct dgraft_address *address, uint64_t key, const struct iovec *pieces,
                                         size_t piece_count)
{
    size_t message_bytes = 0;
    for (size_t i = 0; i < piece_count; i++) {
        if (pieces[i].iov_len > fragments->options.message_bytes_max - message_bytes) {
            return DGRAFT_STATUS_TOO_LARGE;
        }
        message_bytes += pieces[i].iov_len;
    }
    if (message_bytes == 0 || address->size == 0) {
        return DGRAFT_STATUS_MISUSE;
    }
    struct dgraft_lane *lane = find_lane(fragments, address);
    if (lane != NULL && key != 0 && key_under_way(lane, key)) {
        return DGRAFT_OK;
    }
    struct outgoing *message = NULL;
    enum dgraft_status status = new_message(fragments, lane, message_bytes, &message);
    if (status == DGRAFT_OK && lane == NULL) {
        status = add_lane(fragments, now_ns, address, &lane);
    }
    if (status != DGRAFT_OK) {
        if (message != NULL) {
            free(message->image);
            free(message);
        }
        return status;
    }
    assert(message != NULL);
    message->key = key;
    message->number = fragments->next_message++;
    message->deadline_ns = now_ns + fragments->options.give_up_ns;
    lane->memory_bytes += message->memory_bytes;
    fragments->stats.outgoing_bytes += message->memory_bytes;
    fill_image(fragments, message, pieces, piece_count);
    append(lane, message);
    dgraft_fragments_wake_by(fragments, message->deadline_ns);
    pump(fragments, lane, now_ns);
    return DGRAFT_OK;
}

/* What one acknowledgement told. */
struct news {
    size_t bytes;    /* that had been on the way */
    uint32_t pieces; /* that were not known to have arrived */
    uint64_t newest; /* order of the newest of them */
    dgraft_time_ns trip_ns;
    bool measured; /* trip_ns holds: the newest was sent once */
};

static void acknowledge(const struct dgraft_fragments *fragments, struct dgraft_lane *lane, struct outgoing *message,
                        uint32_t number, dgraft_time_ns now_ns, struct news *news)
{
    struct piece *piece = &message->pieces[number];
    if (piece->state == ACKNOWLEDGED) {
        return;
    }
    const uint32_t bytes = datagram_bytes(fragments, message, number);
    if (piece->state == LOST) {
        message->lost_count--;
    } else {
        news->bytes += bytes;
    }
    piece->state = ACKNOWLEDGED;
    message->acknowledged_count++;
    lane->unacknowledged_bytes -= bytes;
    news->pieces++;
    if (piece->order > news->newest) {
        news->newest = piece->order;
        news->measured = !piece->again;
        news->trip_ns = now_ns - piece->sent_at_ns;
    }
}

/* Marks what three later ones overtook, of whichever message: the end of one is overtaken by the next. */
static void find_lost(const struct dgraft_fragments *fragments, struct dgraft_lane *lane, uint64_t newest)
{
    for (struct outgoing *message = lane->first; message != NULL; message = message->next) {
        for (uint32_t i = message->base; i < message->unsent; i++) {
            struct piece *piece = &message->pieces[i];
            if (piece->state == ON_THE_WAY && piece->order + REORDER_TOLERANCE <= newest) {
                piece->state = LOST;
                message->lost_count++;
                lane->flow.on_the_way_bytes -= datagram_bytes(fragments, message, i);
                dgraft_flow_lost(&lane->flow, &fragments->bounds, piece->order);
            }
        }
    }
}

/* Returns whether it acknowledges a piece that was never sent. */
static bool acknowledges_unsent(const struct outgoing *message, const struct dgraft_fragment *ack)
{
    if (ack->number > message->unsent) {
        return true;
    }
    for (uint32_t bit = message->unsent - ack->number; bit < ack->payload_bytes * 8; bit++) {
        if (dgraft_fragment_bit(ack, bit)) {
            return true;
        }
    }
    return false;
}

static struct outgoing *find_message(const struct dgraft_lane *lane, uint64_t number)
{
    struct outgoing *message = lane != NULL ? lane->first : NULL;
    while (message != NULL && message->number != number) {
        message = message->next;
    }
    return message;
}

enum dgraft_refusal dgraft_fragments_take_ack(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                              const struct dgraft_address *source, const struct dgraft_fragment *ack)
{
    struct dgraft_lane *lane = ack->stream == fragments->stream ? find_lane(fragments, source) : NULL;
    struct outgoing *message = find_message(lane, ack->message);
    if (message == NULL) {
        return DGRAFT_ACCEPT; /* late: the message is through or given up */
    }
    if (ack->message_bytes != message->message_bytes || ack->fragment_bytes != fragments->fragment_bytes ||
        acknowledges_unsent(message, ack)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    struct news news = {.bytes = 0};
    for (uint32_t i = message->base; i < message->unsent; i++) {
        if (i < ack->number || dgraft_fragment_bit(ack, i - ack->number)) {
            acknowledge(fragments, lane, message, i, now_ns, &news);
        }
    }
    if (news.pieces == 0) {
        return DGRAFT_ACCEPT;
    }
    while (message->base < message->count && message->pieces[message->base].state == ACKNOWLEDGED) {
        message->base++;
    }
    dgraft_flow_acknowledged(&lane->flow, &fragments->bounds, news.bytes);
    if (news.measured) {
        dgraft_flow_measured(&lane->flow, &fragments->bounds, news.trip_ns);
    }
    find_lost(fragments, lane, news.newest);
    if (message->acknowledged_count == message->count) {
        fragments->stats.messages_sent++;
        end_message(fragments, lane, message);
    }
    lane->timer_ns = lane->flow.on_the_way_bytes > 0 ? now_ns + dgraft_flow_wait(&lane->flow, &fragments->bounds)
                                                     : DGRAFT_FRAGMENT_NEVER;
    lane->used_ns = now_ns;
    pump(fragments, lane, now_ns);
    return DGRAFT_ACCEPT;
}

/* Nothing was acknowledged in time. */
static void time_out(struct dgraft_fragments *fragments, struct dgraft_lane *lane)
{
    for (struct outgoing *message = lane->first; message != NULL; message = message->next) {
        for (uint32_t i = message->base; i < message->unsent; i++) {
            if (message->pieces[i].state == ON_THE_WAY) {
                message->pieces[i].state = LOST;
                message->lost_count++;
            }
        }
    }
    dgraft_flow_timed_out(&lane->flow, &fragments->bounds);
    lane->timer_ns = DGRAFT_FRAGMENT_NEVER;
}

static void give_up(struct dgraft_fragments *fragments, struct dgraft_lane *lane, dgraft_time_ns now_ns)
{
    struct outgoing *next = NULL;
    for (struct outgoing *message = lane->first; message != NULL; message = next) {
        next = message->next;
        if (now_ns >= message->deadline_ns) {
            fragments->stats.messages_given_up++;
            end_message(fragments, lane, message);
        } else {
            dgraft_fragments_wake_by(fragments, message->deadline_ns);
        }
    }
}

void dgraft_fragments_wake_lanes(struct dgraft_fragments *fragments, dgraft_time_ns now_ns)
{
    for (struct dgraft_lane *lane = fragments->lanes; lane != NULL; lane = lane->next) {
        give_up(fragments, lane, now_ns);
        if (lane->flow.on_the_way_bytes == 0) {
            lane->timer_ns = DGRAFT_FRAGMENT_NEVER;
        } else if (now_ns >= lane->timer_ns) {
            time_out(fragments, lane);
        }
        if (lane->first != NULL) {
            pump(fragments, lane, now_ns);
        }
    }
}

void dgraft_fragments_close_lanes(struct dgraft_fragments *fragments)
{
    struct dgraft_lane *lane = NULL;
    while ((lane = fragments->lanes) != NULL) {
        while (lane->first != NULL) {
            remove_message(fragments, lane, lane->first);
        }
        fragments->lanes = lane->next;
        free(lane);
    }
}
