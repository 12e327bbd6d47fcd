/* A network of two ends in virtual time that loses, repeats and reorders, and keeps its own account of what is sent
 * and not acknowledged: the oracle for the window. */
#ifndef LOSSY_NET_H
#define LOSSY_NET_H

#include <dgraft/fragment.h>

#define LOSSY_ENDS     2
#define LOSSY_MESSAGES 64
#define LOSSY_PIECES   4096

struct lossy_packet {
    dgraft_time_ns due_ns;
    uint64_t tie; /* sent earlier, delivered earlier, when due at the same time */
    int to;
    struct dgraft_buffer *buffer;
    size_t size;
};

struct lossy_end {
    struct dgraft_transport transport; /* first: the end is found from it */
    struct lossy_net *net;
    int index;
};

struct lossy_net {
    struct lossy_end ends[LOSSY_ENDS];
    uint64_t random;
    dgraft_time_ns now_ns;
    dgraft_time_ns latency_ns;
    dgraft_time_ns jitter_ns; /* more than the gap between two datagrams: they overtake each other */
    uint32_t loss_percent;
    uint32_t repeat_percent;
    bool peers_known; /* the ends are each other's peers */
    struct lossy_packet *queue;
    size_t queued;
    size_t room;
    uint64_t tie;
    uint64_t lost;
    uint64_t repeated;
    uint64_t overtaken;
    uint64_t datagrams;
    size_t burst_bytes_max; /* of one call of send */
    size_t burst_count_max;

    /* Of messages that end 0 sends, by number: which pieces went out and which are known there to have arrived. */
    uint16_t piece_bytes[LOSSY_MESSAGES][LOSSY_PIECES]; /* 0: never sent, or acknowledged */
    bool acknowledged[LOSSY_MESSAGES][LOSSY_PIECES];
    size_t unacknowledged_bytes;
    size_t unacknowledged_bytes_max;
};

void lossy_net_init(struct lossy_net *net, uint64_t seed, size_t datagram_bytes_max);
void lossy_net_close(struct lossy_net *net);

/* The address of an end. */
struct dgraft_address lossy_address(int end);

/* Time at which the next datagram arrives; UINT64_MAX when none is on the way. */
dgraft_time_ns lossy_next(const struct lossy_net *net);

/* Takes the next datagram whose time has come: its receiver is *to. False when there is none. */
bool lossy_take(struct lossy_net *net, struct dgraft_datagram *out, int *to);

uint64_t lossy_random(struct lossy_net *net);

#endif
