/* Addresses as people read them. A carrier's address is opaque: a sockaddr for udp, a name for the memory carrier. No
 * name begins with a byte below a space, and every sockaddr does, so that one function tells them apart. */
#include <dgraft/transport.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool dgraft_address_equal(const struct dgraft_address *a, const struct dgraft_address *b)
{
    return a->size == b->size && a->size <= sizeof a->bytes && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static bool is_name(const struct dgraft_address *address)
{
    if (address->size == 0 || address->size >= sizeof address->bytes) {
        return false;
    }
    for (uint32_t i = 0; i < address->size; i++) {
        if (address->bytes[i] < 0x20 || address->bytes[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool socket_address_text(const struct dgraft_address *address, char *text, size_t text_bytes)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->size == sizeof(struct sockaddr_in)) {
        struct sockaddr_in four;
        memcpy(&four, address->bytes, sizeof four);
        if (four.sin_family == AF_INET && inet_ntop(AF_INET, &four.sin_addr, host, sizeof host) != NULL) {
            snprintf(text, text_bytes, "%s:%u", host, (unsigned)ntohs(four.sin_port));
            return true;
        }
    }
    if (address->size == sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 six;
        memcpy(&six, address->bytes, sizeof six);
        if (six.sin6_family == AF_INET6 && inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host) != NULL) {
            snprintf(text, text_bytes, "[%s]:%u", host, (unsigned)ntohs(six.sin6_port));
            return true;
        }
    }
    return false;
}

void dgraft_address_text(const struct dgraft_address *address, char *text, size_t text_bytes)
{
    if (is_name(address)) {
        snprintf(text, text_bytes, "%.*s", (int)address->size, (const char *)address->bytes);
    } else if (!socket_address_text(address, text, text_bytes)) {
        snprintf(text, text_bytes, "%s", address->size == 0 ? "nowhere" : "unknown");
    }
}
