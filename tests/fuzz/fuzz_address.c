/* Text as an address to send to, and an address as text. Input: flags (bit 0: the rest is an address's bytes, as a
 * carrier might hand them over), then the text. Hosts are looked for in no network: numeric_hosts.h.
 */
#include "numeric_hosts.h"

#include <dgraft/transport.h>

#include <stdlib.h>
#include <string.h>

enum { WHY_BYTES = 160, TEXT_BYTES = 64, TEXT_BYTES_MAX = 1024 };

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What can be sent to has a text that leads there again. */
static void there_and_back(const struct dgraft_address *address)
{
    struct dgraft_address again;
    char text[TEXT_BYTES];
    char why[WHY_BYTES];
    dgraft_address_text(address, text, sizeof text);
    require(dgraft_udp_resolve(text, &again, why, sizeof why) == DGRAFT_OK);
    require(dgraft_address_equal(address, &again));
}

static void from_text(const uint8_t *bytes, size_t size)
{
    struct dgraft_address address;
    char *text = malloc(size + 1);
    char *why = calloc(1, WHY_BYTES);
    require(text != NULL && why != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';
    const unsigned long before = numeric_hosts_count();
    if (dgraft_udp_resolve(text, &address, why, WHY_BYTES) == DGRAFT_OK) {
        require(numeric_hosts_count() == before + 1 && address.size > 0 && address.size <= sizeof address.bytes);
        there_and_back(&address);
    } else {
        require(why[0] != '\0' && memchr(why, 0, WHY_BYTES) != NULL);
    }
    free(why);
    free(text);
}

static void to_text(const uint8_t *bytes, size_t size)
{
    struct dgraft_address address = {.size = size > 0 ? bytes[0] : 0};
    char text[TEXT_BYTES];
    if (size > 1) {
        memcpy(address.bytes, bytes + 1, size - 1 < sizeof address.bytes ? size - 1 : sizeof address.bytes);
    }
    dgraft_address_text(&address, text, sizeof text);
    const char *end = memchr(text, 0, sizeof text);
    require(end != NULL && end > text);
    for (const char *at = text; at < end; at++) {
        require(*at >= ' ' && *at <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_BYTES_MAX) {
        return 0;
    }
    if ((data[0] & 1) != 0) {
        to_text(data + 1, size - 1);
    } else {
        from_text(data + 1, size - 1);
    }
    return 0;
}
