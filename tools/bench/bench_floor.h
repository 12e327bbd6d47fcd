/* What leader and followers of the floor share: the layout of their datagrams, a file, a socket, places to receive
 * into.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "bench_child.h"

#include <dgraft/frame.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#define FLOOR_HEAD_BYTES  (DGRAFT_FRAME_HEADER_BYTES + 40u) /* as an APPEND's */
#define FLOOR_ACK_BYTES   (DGRAFT_FRAME_HEADER_BYTES + 16u) /* as an APPEND_ACK's */
#define FLOOR_PLACES      32u
#define FLOOR_PLACE_BYTES (64u * 1024) /* what a coalesced message takes at most */

/* What a datagram begins with; the rest of its head is there for its size. */
struct floor_head {
    uint64_t first; /* index of the first record */
    uint32_t count;
    uint32_t bytes; /* of head and records */
};

/* What an acknowledgement begins with. */
struct floor_ack {
    uint64_t last; /* index of the last record that is durable at the sender */
    uint32_t id;
    uint32_t reserved;
};

/* Filled with zeros beforehand, and written around and around. */
struct floor_file {
    int fd;
    uint64_t at;
    uint64_t calls;
    uint64_t syncs;
};

bool bench_floor_file_open(struct floor_file *file, const char *directory);

/* One pwritev and one fdatasync. */
bool bench_floor_file_write(struct floor_file *file, const struct iovec *pieces, size_t count, size_t bytes);

struct sockaddr_in bench_floor_address(uint16_t port);

/* A UDP socket that waits this long for a datagram; -1 when there is none to be had. */
int bench_floor_socket(uint16_t port, struct timeval patience);

/* Places for datagrams that arrive together. */
struct floor_inbox {
    struct mmsghdr messages[FLOOR_PLACES];
    struct iovec places[FLOOR_PLACES];
    uint8_t *memory;
};

bool bench_floor_inbox_open(struct floor_inbox *inbox);

/* The two roles; each returns the process's exit code. Memory and files end with the process. */
int bench_floor_lead(const struct bench_child_setup *setup);
int bench_floor_follow(const struct bench_child_setup *setup);

#endif
