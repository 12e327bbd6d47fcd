/* The yardstick: the least that any replicated log must do, as fast as this machine does it. One process packs all that
 * waits into datagrams, sends them to two others, and all three write and sync; two of three make a commit; what is
 * committed is proposed again at once. No elections, no checksums, no resending (a lost datagram fails the measurement,
 * which is then made again), no state machine.
 *
 * Datagrams and files hold as many bytes as a node's would: a head as long as that of an APPEND frame, then records
 * with a header of the same size. Files are filled with zeros beforehand and written around and around.
 *
 * Here is what both roles share; bench_floor_leader.c and bench_floor_follower.c are the roles.
 */
#include "bench_floor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#define FLOOR_FILE_BYTES    (64u * 1024 * 1024)
#define FLOOR_SOCKET_BUFFER (4 * 1024 * 1024)

bool bench_floor_file_open(struct floor_file *file, const char *directory)
{
    static uint8_t zeros[1024 * 1024];
    char path[BENCH_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/floor", directory);
    *file = (struct floor_file){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    for (size_t at = 0; file->fd >= 0 && at < FLOOR_FILE_BYTES; at += sizeof zeros) {
        if (pwrite(file->fd, zeros, sizeof zeros, (off_t)at) != (ssize_t)sizeof zeros) {
            return false;
        }
    }
    return file->fd >= 0 && fsync(file->fd) == 0;
}

bool bench_floor_file_write(struct floor_file *file, const struct iovec *pieces, size_t count, size_t bytes)
{
    if (file->at + bytes > FLOOR_FILE_BYTES) {
        file->at = 0;
    }
    file->calls += 2;
    file->syncs++;
    if (pwritev(file->fd, pieces, (int)count, (off_t)file->at) != (ssize_t)bytes || fdatasync(file->fd) != 0) {
        return false;
    }
    file->at += bytes;
    return true;
}

struct sockaddr_in bench_floor_address(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int bench_floor_socket(uint16_t port, struct timeval patience)
{
    struct sockaddr_in self = bench_floor_address(port);
    int size = FLOOR_SOCKET_BUFFER;
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* What the system does not grant makes it slower or lossy, not wrong. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (struct sockaddr *)&self, sizeof self) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool bench_floor_inbox_open(struct floor_inbox *inbox)
{
    inbox->memory = malloc((size_t)FLOOR_PLACES * FLOOR_PLACE_BYTES);
    for (unsigned i = 0; i < FLOOR_PLACES && inbox->memory != NULL; i++) {
        inbox->places[i] =
            (struct iovec){.iov_base = inbox->memory + (size_t)i * FLOOR_PLACE_BYTES, .iov_len = FLOOR_PLACE_BYTES};
        inbox->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &inbox->places[i], .msg_iovlen = 1}};
    }
    return inbox->memory != NULL;
}

int bench_floor_run(const struct bench_child_setup *setup)
{
    return setup->id == 1 ? bench_floor_lead(setup) : bench_floor_follow(setup);
}
