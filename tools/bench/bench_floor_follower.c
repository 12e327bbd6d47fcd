/* A follower of the floor: all that has arrived is written and synced as one, and acknowledged. */
#include "bench_floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLOOR_LOOK_US 200000 /* one at rest looks whether it is to end */

struct floor_follower {
    int socket;
    uint32_t id;
    struct floor_file file;
    struct floor_inbox inbox;
    struct sockaddr_in leader;
    uint64_t last; /* durable here */
};

/* Walks datagrams, of which one receive may give several in a row. Returns false when one is missing. */
static bool follow_bytes(struct floor_follower *follower, const uint8_t *bytes, size_t size)
{
    size_t offset = 0;
    while (size - offset >= FLOOR_HEAD_BYTES) {
        struct floor_head head;
        memcpy(&head, bytes + offset, sizeof head);
        if (head.first != follower->last + 1 || head.bytes > size - offset || head.bytes < FLOOR_HEAD_BYTES) {
            return false;
        }
        follower->last += head.count;
        offset += head.bytes;
    }
    return offset == size;
}

/* One turn: all that has arrived is written and synced as one, then acknowledged. Returns what is wrong, or NULL. */
static const char *follow(struct floor_follower *follower)
{
    struct iovec pieces[FLOOR_PLACES];
    struct floor_inbox *inbox = &follower->inbox;
    uint8_t frame[FLOOR_ACK_BYTES] = {0};
    size_t bytes = 0;
    int count = recvmmsg(follower->socket, inbox->messages, FLOOR_PLACES, MSG_WAITFORONE, NULL);
    if (count <= 0) {
        return errno == EAGAIN || errno == EINTR ? NULL : "recvmmsg";
    }
    for (int i = 0; i < count; i++) {
        pieces[i] = (struct iovec){.iov_base = inbox->places[i].iov_base, .iov_len = inbox->messages[i].msg_len};
        bytes += pieces[i].iov_len;
        if (!follow_bytes(follower, pieces[i].iov_base, pieces[i].iov_len)) {
            return "a datagram was lost";
        }
    }
    if (!bench_floor_file_write(&follower->file, pieces, (size_t)count, bytes)) {
        return "a write failed";
    }
    struct floor_ack ack = {.last = follower->last, .id = follower->id};
    memcpy(frame, &ack, sizeof ack);
    if (sendto(follower->socket, frame, sizeof frame, 0, (struct sockaddr *)&follower->leader,
               sizeof follower->leader) < 0) {
        return "sendto";
    }
    return NULL;
}

static void follow_until_quit(const struct bench_child_setup *setup, struct floor_follower *follower)
{
    struct bench_order order = {.kind = BENCH_ORDER_LOAD};
    uint64_t looked_ns = bench_now_ns();
    while (order.kind != BENCH_ORDER_QUIT) {
        const char *wrong = follow(follower);
        if (wrong != NULL) {
            bench_child_say_failed("floor %u: %s", setup->id, wrong);
            while (!bench_child_order(-1, &order) || order.kind != BENCH_ORDER_QUIT) {
            }
            return;
        }
        if (bench_now_ns() - looked_ns > BENCH_NS_PER_S / 5) {
            (void)bench_child_order(0, &order);
            looked_ns = bench_now_ns();
        }
    }
}

int bench_floor_follow(const struct bench_child_setup *setup)
{
    static struct floor_follower follower;
    follower.id = setup->id;
    follower.leader = bench_floor_address(setup->ports[0]);
    follower.socket = bench_floor_socket(setup->ports[setup->id - 1], (struct timeval){.tv_usec = FLOOR_LOOK_US});
    if (follower.socket < 0 || !bench_floor_file_open(&follower.file, setup->directory) ||
        !bench_floor_inbox_open(&follower.inbox)) {
        bench_child_say_failed("floor %u: %s", setup->id, strerror(errno));
        return EXIT_FAILURE;
    }
    bench_child_say(BENCH_NEWS_READY);
    follow_until_quit(setup, &follower);
    return EXIT_SUCCESS;
}
