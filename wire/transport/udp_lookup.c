/* "HOST:PORT" as people write it, to a socket address. */
#include "udp_carrier.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define HOST_BYTES_MAX 255u

/* Splits text into host and port. Returns false and a sentence when it is not of the form. */
static bool split(const char *text, char host[HOST_BYTES_MAX + 1], const char **port, char *why, size_t why_bytes)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    const char *end = colon;
    if (strncmp(text, "ipc://", 6) == 0) {
        snprintf(why, why_bytes, "%.80s is no address for udp: ipc is for the bus carrier", text);
        return false;
    }
    if (colon == NULL || colon == text) {
        snprintf(why, why_bytes, "%.80s is not an address: write HOST:PORT or [IPv6]:PORT", text);
        return false;
    }
    if (*begin == '[') {
        begin++;
        end--;
        if (*end != ']' || end <= begin) {
            snprintf(why, why_bytes, "%.80s is not an address: an IPv6 address is written [ADDRESS]:PORT", text);
            return false;
        }
    } else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
        snprintf(why, why_bytes, "%.80s is not an address: write an IPv6 address in brackets, as [::1]:7001", text);
        return false;
    }
    size_t size = (size_t)(end - begin);
    if (size > HOST_BYTES_MAX) {
        snprintf(why, why_bytes, "the host's name in %.80s... is too long", text);
        return false;
    }
    memcpy(host, begin, size);
    host[size] = 0;
    *port = colon + 1;
    return true;
}

static bool port_valid(const char *port, enum dgraft_udp_port kind)
{
    size_t size = strlen(port);
    if (size == 0 || size > 5 || strspn(port, "0123456789") != size) {
        return false;
    }
    unsigned number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number * 10 + (unsigned)(port[i] - '0');
    }
    return number <= 65535 && (number != 0 || kind == DGRAFT_UDP_PORT_ANY);
}

static const struct addrinfo *choose(const struct addrinfo *list, int family)
{
    const struct addrinfo *found = NULL;
    for (const struct addrinfo *item = list; item != NULL; item = item->ai_next) {
        bool usable = item->ai_family == AF_INET || item->ai_family == AF_INET6;
        if (usable && (family == AF_UNSPEC || family == item->ai_family) &&
            (found == NULL || (item->ai_family == AF_INET && found->ai_family == AF_INET6))) {
            found = item;
        }
    }
    return found;
}

enum dgraft_status dgraft_udp_lookup(const char *text, int family, enum dgraft_udp_port kind,
                                     struct dgraft_address *out, char *why, size_t why_bytes)
{
    char host[HOST_BYTES_MAX + 1];
    const char *port;
    if (!split(text, host, &port, why, why_bytes)) {
        return DGRAFT_STATUS_ADDRESS;
    }
    if (!port_valid(port, kind)) {
        snprintf(why, why_bytes, "the port in %.80s is not a number from %d to 65535", text,
                 kind == DGRAFT_UDP_PORT_ANY ? 0 : 1);
        return DGRAFT_STATUS_ADDRESS;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        snprintf(why, why_bytes, "the host in %.80s is unknown: %s", text, gai_strerror(error));
        return DGRAFT_STATUS_ADDRESS;
    }
    const struct addrinfo *found = choose(list, family);
    if (found != NULL) {
        *out = (struct dgraft_address){.size = (uint32_t)found->ai_addrlen};
        memcpy(out->bytes, found->ai_addr, found->ai_addrlen);
    } else {
        snprintf(why, why_bytes, "%.80s has no %s address, and the socket reaches no other", text,
                 family == AF_INET ? "IPv4" : "IPv6");
    }
    freeaddrinfo(list);
    return found != NULL ? DGRAFT_OK : DGRAFT_STATUS_ADDRESS;
}

enum dgraft_status dgraft_udp_resolve(const char *text, struct dgraft_address *out, char *why, size_t why_bytes)
{
    return dgraft_udp_lookup(text, AF_UNSPEC, DGRAFT_UDP_PORT_GIVEN, out, why, why_bytes);
}
