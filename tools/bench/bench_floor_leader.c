/* The leader of the floor, one thread: take acknowledgements, commit, propose again, pack, send, write and sync. */
#include "bench_floor.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#define FLOOR_LAG_BYTES     (1024u * 1024) /* beyond it a slow follower's socket would overflow: wait for it */
#define FLOOR_SENDS_MAX     128u
#define FLOOR_SEGMENTS_MAX  64u          /* the kernel's, per message */
#define FLOOR_MESSAGE_BYTES 65000u       /* of one message in segments */
#define FLOOR_GSO_BYTES     (16u * 1024) /* datagrams up to this size leave in segments of one message */

struct floor_leader {
    int socket;
    struct floor_file file;
    struct floor_inbox inbox;
    struct sockaddr_in followers[2];
    struct bench_order order;
    uint32_t datagram_bytes;
    uint32_t record_bytes;
    uint32_t per_datagram; /* records */
    uint8_t *payloads;     /* of each command under way */
    uint64_t *begun_ns;    /* the same; a command's place is its index modulo `outstanding` */
    uint8_t *batch;        /* datagrams, one behind the other */
    uint64_t acked[2];
    uint64_t durable;
    uint64_t last;
    uint64_t committed;
    uint64_t begin_ns; /* of the window */
    uint64_t end_ns;
    struct bench_histogram histogram;
    struct bench_counts counts;
    bool in_window;
};

/* Frames commands first to last as records in datagrams. Returns the bytes of all. */
static size_t lead_pack(struct floor_leader *leader, uint64_t first, uint64_t last)
{
    uint8_t *at = leader->batch;
    uint32_t bytes = leader->order.point.bytes;
    while (first <= last) {
        uint64_t left = last - first + 1;
        uint32_t count = left < leader->per_datagram ? (uint32_t)left : leader->per_datagram;
        struct floor_head head = {
            .first = first, .count = count, .bytes = FLOOR_HEAD_BYTES + count * leader->record_bytes};
        memcpy(at, &head, sizeof head);
        at += FLOOR_HEAD_BYTES;
        for (uint32_t i = 0; i < count; i++, first++) {
            memcpy(at, &bytes, sizeof bytes);
            memcpy(at + 8, &first, sizeof first);
            memcpy(at + DGRAFT_RECORD_HEADER_BYTES,
                   leader->payloads + (size_t)(first % leader->order.point.outstanding) * bytes, bytes);
            at += leader->record_bytes;
        }
    }
    return (size_t)(at - leader->batch);
}

union floor_control {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* Hands the batch to the kernel: one message for as many equal datagrams as it takes at once. */
static bool lead_send(struct floor_leader *leader, size_t bytes)
{
    struct mmsghdr messages[FLOOR_SENDS_MAX];
    struct iovec parts[FLOOR_SENDS_MAX];
    size_t width = FLOOR_HEAD_BYTES + (size_t)leader->per_datagram * leader->record_bytes;
    size_t segments = width <= FLOOR_GSO_BYTES ? FLOOR_MESSAGE_BYTES / width : 1;
    union floor_control control = {.bytes = {0}};
    uint16_t segment = (uint16_t)width;
    unsigned count = 0;
    segments = segments < FLOOR_SEGMENTS_MAX ? segments : FLOOR_SEGMENTS_MAX;
    control.header.cmsg_level = IPPROTO_UDP;
    control.header.cmsg_type = UDP_SEGMENT;
    control.header.cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(&control.header), &segment, sizeof segment);
    for (size_t at = 0; at < bytes;) {
        size_t part = bytes - at < segments * width ? bytes - at : segments * width;
        for (unsigned to = 0; to < 2; to++, count++) {
            parts[count] = (struct iovec){.iov_base = leader->batch + at, .iov_len = part};
            messages[count] = (struct mmsghdr){.msg_hdr = {.msg_name = &leader->followers[to],
                                                           .msg_namelen = sizeof leader->followers[to],
                                                           .msg_iov = &parts[count],
                                                           .msg_iovlen = 1,
                                                           .msg_control = part > width ? &control : NULL,
                                                           .msg_controllen = part > width ? sizeof control.bytes : 0}};
            leader->counts.datagrams += (part + width - 1) / width;
        }
        at += part;
        if (count + 2 <= FLOOR_SENDS_MAX && at < bytes) {
            continue;
        }
        for (unsigned done = 0; done < count;) {
            int sent = sendmmsg(leader->socket, messages + done, count - done, 0);
            leader->counts.socket_calls++;
            if (sent <= 0) {
                return false;
            }
            done += (unsigned)sent;
        }
        count = 0;
    }
    return true;
}

/* Takes acknowledgements; waits for one when there is nothing else to do. Returns false when none comes. */
static bool lead_receive(struct floor_leader *leader, int flags)
{
    int count = recvmmsg(leader->socket, leader->inbox.messages, FLOOR_PLACES, flags, NULL);
    leader->counts.socket_calls++;
    if (count < 0) {
        return (flags & MSG_DONTWAIT) != 0 || errno == EINTR;
    }
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes = leader->inbox.places[i].iov_base;
        for (size_t at = 0; at + FLOOR_ACK_BYTES <= leader->inbox.messages[i].msg_len; at += FLOOR_ACK_BYTES) {
            struct floor_ack ack;
            memcpy(&ack, bytes + at, sizeof ack);
            if ((ack.id == 2 || ack.id == 3) && ack.last > leader->acked[ack.id - 2]) {
                leader->acked[ack.id - 2] = ack.last;
            }
        }
    }
    return true;
}

/* The second largest of three. */
static uint64_t lead_majority(const struct floor_leader *leader)
{
    uint64_t low = leader->acked[0] < leader->acked[1] ? leader->acked[0] : leader->acked[1];
    uint64_t high = leader->acked[0] < leader->acked[1] ? leader->acked[1] : leader->acked[0];
    if (leader->durable <= low) {
        return low;
    }
    return leader->durable < high ? leader->durable : high;
}

/* Counts from the beginning of the window on. */
static void lead_window(struct floor_leader *leader, uint64_t now)
{
    if (!leader->in_window && now >= leader->begin_ns) {
        struct bench_counts usage = {0};
        leader->in_window = true;
        bench_child_usage(&usage);
        leader->counts = (struct bench_counts){.sleeps = 0 - usage.sleeps, .cpu_ns = 0 - usage.cpu_ns};
        leader->file.calls = 0;
        leader->file.syncs = 0;
    }
}

/* Commits what two of three have. Returns the time. */
static uint64_t lead_commit(struct floor_leader *leader)
{
    uint64_t commit = lead_majority(leader);
    uint64_t now = bench_now_ns();
    bool counts = now >= leader->begin_ns && now < leader->end_ns;
    lead_window(leader, now);
    while (leader->committed < commit) {
        leader->committed++;
        uint64_t place = leader->committed % leader->order.point.outstanding;
        if (counts) {
            bench_histogram_add(&leader->histogram, now - leader->begun_ns[place]);
        }
        leader->begun_ns[place] = now;
    }
    return now;
}

/* How many bytes of records the slower follower has not acknowledged. */
static uint64_t lead_lag(const struct floor_leader *leader)
{
    uint64_t slower = leader->acked[0] < leader->acked[1] ? leader->acked[0] : leader->acked[1];
    return (leader->last - slower) * leader->record_bytes;
}

/* Returns what went wrong, or NULL. */
static const char *lead(struct floor_leader *leader)
{
    uint64_t now = bench_now_ns();
    leader->begin_ns = now + leader->order.warm_ns;
    leader->end_ns = leader->begin_ns + leader->order.measure_ns;
    for (uint32_t i = 0; i < leader->order.point.outstanding; i++) {
        leader->begun_ns[i] = now;
    }
    for (;;) {
        uint64_t up_to = leader->committed + leader->order.point.outstanding;
        if (now < leader->end_ns && leader->last < up_to && lead_lag(leader) <= FLOOR_LAG_BYTES) {
            struct iovec all = {.iov_base = leader->batch, .iov_len = lead_pack(leader, leader->last + 1, up_to)};
            leader->counts.turns++;
            if (!lead_send(leader, all.iov_len)) {
                return "sendmmsg";
            }
            leader->last = up_to;
            if (!bench_floor_file_write(&leader->file, &all, 1, all.iov_len)) {
                return "a write failed";
            }
            leader->durable = leader->last;
            if (!lead_receive(leader, MSG_DONTWAIT)) {
                return "recvmmsg";
            }
        } else if (now >= leader->end_ns && leader->committed == leader->last) {
            return NULL;
        } else if (!lead_receive(leader, MSG_WAITFORONE)) {
            return "no acknowledgement came: a datagram was lost";
        }
        now = lead_commit(leader);
    }
}

static void lead_order(struct floor_leader *leader)
{
    struct bench_sample sample;
    uint32_t outstanding = leader->order.point.outstanding;
    uint32_t bytes = leader->order.point.bytes;
    leader->record_bytes = (uint32_t)dgraft_record_bytes(bytes);
    leader->per_datagram = (leader->datagram_bytes - FLOOR_HEAD_BYTES) / leader->record_bytes;
    if (leader->datagram_bytes < FLOOR_HEAD_BYTES || leader->per_datagram == 0) {
        bench_child_say_failed("a command of %u bytes does not fit a datagram of %u", bytes, leader->datagram_bytes);
        return;
    }
    leader->payloads = malloc((size_t)outstanding * bytes);
    leader->begun_ns = calloc(outstanding, sizeof *leader->begun_ns);
    leader->batch = calloc(outstanding, FLOOR_HEAD_BYTES + leader->record_bytes);
    if (leader->payloads == NULL || leader->begun_ns == NULL || leader->batch == NULL) {
        bench_child_say_failed("out of memory");
        return;
    }
    memset(leader->payloads, 'x', (size_t)outstanding * bytes);
    const char *wrong = lead(leader);
    if (wrong != NULL) {
        bench_child_say_failed("floor 1: %s", wrong);
        return;
    }
    bench_child_usage(&leader->counts);
    leader->counts.file_calls = leader->file.calls;
    leader->counts.syncs = leader->file.syncs;
    bench_child_sum_up(&leader->histogram, leader->order.measure_ns, &leader->counts, &sample);
    bench_child_say_result(&sample);
}

int bench_floor_lead(const struct bench_child_setup *setup)
{
    static struct floor_leader leader;
    struct bench_order quit;
    leader.datagram_bytes = setup->datagram_bytes;
    leader.socket = bench_floor_socket(setup->ports[0], (struct timeval){.tv_sec = 1});
    leader.followers[0] = bench_floor_address(setup->ports[1]);
    leader.followers[1] = bench_floor_address(setup->ports[2]);
    if (leader.socket < 0 || !bench_floor_file_open(&leader.file, setup->directory) ||
        !bench_floor_inbox_open(&leader.inbox)) {
        bench_child_say_failed("floor 1: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    bench_child_say(BENCH_NEWS_READY);
    bench_child_say(BENCH_NEWS_LEADING);
    if (!bench_child_order(-1, &leader.order) || leader.order.kind == BENCH_ORDER_QUIT) {
        return EXIT_SUCCESS;
    }
    lead_order(&leader);
    while (!bench_child_order(-1, &quit) || quit.kind != BENCH_ORDER_QUIT) {
    }
    return EXIT_SUCCESS;
}
