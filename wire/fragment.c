/* Fragments: opening, closing, and the doors to the sending and the receiving half. */
#include "fragment_parts.h"

#include <dgraft/record.h>

#include <stdlib.h>

#define WINDOW_BYTES        (64u * 1024)
#define WINDOW_BYTES_MIN    1024u
#define INCOMING_PER_SOURCE 4u
#define RETRY_NS            (UINT64_C(20) * 1000 * 1000)
#define GIVE_UP_NS          (UINT64_C(5) * 1000 * 1000 * 1000)
#define TIME_NS_MAX         (UINT64_C(3600) * 1000 * 1000 * 1000) /* of an option: an hour */
#define MESSAGE_BYTES_TOP   (1u << 30)

/* A number that looks random and is never 0, from any seed (the finalizer of splitmix64). */
static uint64_t mixed(uint64_t seed)
{
    uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

static void fill_defaults(struct dgraft_fragments_options *options)
{
    if (options->window_bytes == 0) {
        options->window_bytes = WINDOW_BYTES;
    }
    if (options->incoming_per_source == 0) {
        options->incoming_per_source = INCOMING_PER_SOURCE;
    }
    if (options->retry_ns == 0) {
        options->retry_ns = RETRY_NS;
    }
    if (options->give_up_ns == 0) {
        options->give_up_ns = GIVE_UP_NS;
    }
}

static bool options_hold(const struct dgraft_fragments_options *options)
{
    return options->message_bytes_max >= 1 && options->message_bytes_max <= MESSAGE_BYTES_TOP &&
           options->window_bytes >= WINDOW_BYTES_MIN && options->retry_ns <= TIME_NS_MAX &&
           options->give_up_ns <= TIME_NS_MAX;
}

enum dgraft_status dgraft_fragments_open(const struct dgraft_fragments_options *options,
                                         struct dgraft_transport *transport, struct dgraft_fragments **out)
{
    struct dgraft_fragments_options filled = *options;
    fill_defaults(&filled);
    if (!options_hold(&filled)) {
        return DGRAFT_STATUS_CONFIG;
    }
    /* At least four to a window, or the loss of one would always be a wait. */
    const size_t quarter = filled.window_bytes / 4;
    const size_t unit = transport->datagram_bytes_max < quarter ? transport->datagram_bytes_max : quarter;
    if (unit < DGRAFT_FRAGMENT_HEADER_BYTES + DGRAFT_FRAGMENT_BYTES_MIN) {
        return DGRAFT_STATUS_CONFIG;
    }
    size_t fragment_bytes = (unit - DGRAFT_FRAGMENT_HEADER_BYTES) / 8 * 8;
    if (fragment_bytes > DGRAFT_FRAGMENT_BYTES_MAX) {
        fragment_bytes = DGRAFT_FRAGMENT_BYTES_MAX;
    }
    size_t words = (transport->datagram_bytes_max - DGRAFT_FRAGMENT_HEADER_BYTES) / 8;
    if (words > DGRAFT_FRAGMENT_WORDS_MAX) {
        words = DGRAFT_FRAGMENT_WORDS_MAX;
    }
    struct dgraft_fragments *fragments = malloc(sizeof *fragments);
    if (fragments == NULL) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    *fragments = (struct dgraft_fragments){.options = filled,
                                           .transport = transport,
                                           .bounds = {.unit_bytes = DGRAFT_FRAGMENT_HEADER_BYTES + fragment_bytes,
                                                      .window_bytes_max = filled.window_bytes,
                                                      .retry_ns = filled.retry_ns},
                                           .fragment_bytes = (uint32_t)fragment_bytes,
                                           .span = (uint32_t)words * 64,
                                           .wake_at_ns = DGRAFT_FRAGMENT_NEVER,
                                           .stream = mixed(filled.seed),
                                           .next_message = 1};
    *out = fragments;
    return DGRAFT_OK;
}

void dgraft_fragments_close(struct dgraft_fragments *fragments)
{
    if (fragments != NULL) {
        dgraft_fragments_close_lanes(fragments);
        dgraft_fragments_close_incoming(fragments);
        free(fragments);
    }
}

bool dgraft_fragments_claims(const uint8_t *bytes, size_t size)
{
    return size >= 4 && dgraft_get_u32(bytes) == DGRAFT_FRAGMENT_MAGIC;
}

bool dgraft_fragments_receive(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                              const struct dgraft_datagram *datagram, struct dgraft_datagram *message,
                              enum dgraft_refusal *refusal)
{
    struct dgraft_fragment fragment;
    enum dgraft_refusal why =
        dgraft_fragment_decode(datagram->bytes, datagram->size, fragments->options.message_bytes_max, &fragment);
    bool complete = false;
    if (why == DGRAFT_ACCEPT && fragment.kind == DGRAFT_FRAGMENT_ACK) {
        why = dgraft_fragments_take_ack(fragments, now_ns, &datagram->source, &fragment);
    } else if (why == DGRAFT_ACCEPT) {
        complete = dgraft_fragments_take_piece(fragments, now_ns, datagram, &fragment, message, &why);
    }
    if (refusal != NULL) {
        *refusal = why;
    }
    return complete;
}

dgraft_time_ns dgraft_fragments_wake(struct dgraft_fragments *fragments, dgraft_time_ns now_ns)
{
    if (fragments->acks_due == 0 && now_ns < fragments->wake_at_ns) {
        return fragments->wake_at_ns;
    }
    fragments->wake_at_ns = DGRAFT_FRAGMENT_NEVER;
    dgraft_fragments_wake_incoming(fragments, now_ns);
    dgraft_fragments_wake_lanes(fragments, now_ns);
    return fragments->wake_at_ns;
}

void dgraft_fragments_stats(const struct dgraft_fragments *fragments, struct dgraft_fragments_stats *stats)
{
    *stats = fragments->stats;
}
