/* Members as people write them, and the number of a cluster that is founded with them. */
#include <dgraft/membership.h>
#include <dgraft/record.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <xxhash.h>

/* One part of the list, and where a sentence about it goes. */
struct part {
    const char *text;
    size_t length;
    char *why;
    size_t why_bytes;
};

/* Says what is wrong with a part; returns CONFIG, so that a check can end with it. */
__attribute__((format(printf, 2, 3))) static enum dgraft_status wrong(const struct part *part, const char *format, ...)
{
    va_list arguments;
    if (part->why == NULL || part->why_bytes == 0) {
        return DGRAFT_STATUS_CONFIG;
    }
    char shown[81] = ""; /* without what a terminal would obey */
    for (size_t i = 0; i < part->length && i < sizeof shown - 1; i++) {
        shown[i] = part->text[i];
        if (shown[i] < ' ' || shown[i] > '~') {
            shown[i] = '?';
        }
    }
    const int used = snprintf(part->why, part->why_bytes, "members: \"%s\" ", shown);
    if (used > 0 && (size_t)used < part->why_bytes) {
        va_start(arguments, format);
        (void)vsnprintf(part->why + used, part->why_bytes - (size_t)used, format, arguments);
        va_end(arguments);
    }
    return DGRAFT_STATUS_CONFIG;
}

/* Reads up to six digits at *at; -1 when there is none or too many. */
static long digits(const char **at, const char *end)
{
    long value = 0;
    const char *begin = *at;
    while (*at < end && **at >= '0' && **at <= '9') {
        value = value * 10 + (**at - '0');
        if (++*at - begin > 6) {
            return -1;
        }
    }
    return *at == begin ? -1 : value;
}

static enum dgraft_status check_port(const struct part *part, const char *colon, const char *end)
{
    const char *at = colon + 1;
    if (at == end) {
        return wrong(part, "has no port: write ID=HOST:PORT");
    }
    const long port = digits(&at, end);
    if (port < 1 || port > 65535 || at != end) {
        return wrong(part, "has a port that is not a number from 1 to 65535");
    }
    return DGRAFT_OK;
}

static const char ipc_scheme[] = "ipc://";

static bool is_ipc(const char *begin, const char *end)
{
    return (size_t)(end - begin) > sizeof ipc_scheme - 1 && memcmp(begin, ipc_scheme, sizeof ipc_scheme - 1) == 0;
}

/* HOST:PORT, [IPv6]:PORT or ipc:///PATH, from begin to end. */
static enum dgraft_status check_address(const struct part *part, const char *begin, const char *end)
{
    bool path = is_ipc(begin, end);
    for (const char *at = begin; at < end; at++) {
        if (*at <= ' ' || *at > '~' || *at == '=' || (*at == '/' && !path)) {
            return wrong(part, "has a character in its address that cannot stand there");
        }
    }
    if ((size_t)(end - begin) >= DGRAFT_ADDRESS_TEXT_BYTES) {
        return wrong(part, "has an address of more than %u characters", DGRAFT_ADDRESS_TEXT_BYTES - 1);
    }
    if (path) {
        return begin[sizeof ipc_scheme - 1] == '/' ? DGRAFT_OK
                                                   : wrong(part, "has no path from the root: write ID=ipc:///PATH");
    }
    const char *colon = end;
    for (const char *at = begin; at < end; at++) {
        if (*at == ':') {
            colon = at;
        }
    }
    if (begin < end && *begin == '[') {
        const char *bracket = memchr(begin, ']', (size_t)(end - begin));
        if (bracket == NULL || bracket == begin + 1) {
            return wrong(part, "has an IPv6 address that is not written as [ADDRESS]:PORT");
        }
        if (bracket + 1 == end || colon != bracket + 1) {
            return wrong(part, "has no port: write ID=[IPv6]:PORT");
        }
        return check_port(part, colon, end);
    }
    if (colon == end) {
        return wrong(part, "has no port: write ID=HOST:PORT");
    }
    if (colon == begin) {
        return wrong(part, "has no host: write ID=HOST:PORT");
    }
    if (memchr(begin, ':', (size_t)(colon - begin)) != NULL) {
        return wrong(part, "has an IPv6 address without brackets: write ID=[IPv6]:PORT");
    }
    return check_port(part, colon, end);
}

/* Reads "ID=HOST:PORT" or "ID=HOST:PORT/learner". */
static enum dgraft_status parse_member(const struct part *part, struct dgraft_member *out)
{
    static const char learner[] = "/learner";
    const char *at = part->text;
    const char *end = part->text + part->length;
    if (part->length == 0) {
        return wrong(part, "is empty: write ID=HOST:PORT, with a comma between members");
    }
    const char *equals = memchr(at, '=', part->length);
    if (equals == NULL) {
        return wrong(part, "has no '=': write ID=HOST:PORT");
    }
    const long id = digits(&at, equals);
    if (at != equals || id < 1 || id > (long)DGRAFT_NODE_ID_MAX) {
        return wrong(part, "has a node id that is not a number from 1 to %u", DGRAFT_NODE_ID_MAX);
    }
    *out = (struct dgraft_member){.id = (dgraft_node_id)id, .roles = DGRAFT_MEMBER_VOTER};
    const char *address = equals + 1;
    const char *slash = memchr(address, '/', (size_t)(end - address));
    if (is_ipc(address, end)) { /* whose path has slashes: only an ending that is the role's is one */
        const char *tail = end - (sizeof learner - 1);
        slash = tail > address && memcmp(tail, learner, sizeof learner - 1) == 0 ? tail : NULL;
    }
    if (slash != NULL) {
        if ((size_t)(end - slash) != sizeof learner - 1 || memcmp(slash, learner, sizeof learner - 1) != 0) {
            return wrong(part, "ends in a role that is not /learner");
        }
        out->roles = DGRAFT_MEMBER_LEARNER;
        end = slash;
    }
    const enum dgraft_status status = check_address(part, address, end);
    if (status == DGRAFT_OK) {
        memcpy(out->address, address, (size_t)(end - address));
    }
    return status;
}

/* Puts a member at its place in the ascending order. */
static void insert(struct dgraft_members *members, const struct dgraft_member *member)
{
    uint32_t at = members->count;
    while (at > 0 && members->items[at - 1].id > member->id) {
        members->items[at] = members->items[at - 1];
        at--;
    }
    members->items[at] = *member;
    members->count++;
}

static const struct dgraft_member *find_address(const struct dgraft_members *members, const char *address)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (strcmp(members->items[i].address, address) == 0) {
            return &members->items[i];
        }
    }
    return NULL;
}

static bool has_voter(const struct dgraft_members *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if ((members->items[i].roles & DGRAFT_MEMBER_VOTER) != 0) {
            return true;
        }
    }
    return false;
}

enum dgraft_status dgraft_members_parse(const char *text, struct dgraft_members *out, char *why, size_t why_bytes)
{
    const char *at = text;
    memset(out, 0, sizeof *out);
    for (;;) {
        const struct part part = {.text = at, .length = strcspn(at, ","), .why = why, .why_bytes = why_bytes};
        struct dgraft_member member = {0};
        const enum dgraft_status status = parse_member(&part, &member);
        if (status != DGRAFT_OK) {
            return status;
        }
        if (dgraft_members_find(out, member.id) != NULL) {
            return wrong(&part, "names node %u a second time", (unsigned)member.id);
        }
        const struct dgraft_member *there = find_address(out, member.address);
        if (there != NULL) {
            return wrong(&part, "has the address of node %u: each member listens at its own", (unsigned)there->id);
        }
        if (out->count == DGRAFT_MEMBERS_MAX) {
            return wrong(&part, "is one member too many: at most %u are possible", DGRAFT_MEMBERS_MAX);
        }
        insert(out, &member);
        if (at[part.length] == '\0') {
            break;
        }
        at += part.length + 1;
    }
    if (!has_voter(out)) {
        const struct part whole = {.text = text, .length = strlen(text), .why = why, .why_bytes = why_bytes};
        return wrong(&whole, "has no voter: at least one member must not be a learner");
    }
    return DGRAFT_OK;
}

uint64_t dgraft_cluster_id(const char *name, const struct dgraft_members *founders)
{
    /* Stores are drawn when each founder is formatted: they are not part of what all of them know. */
    struct dgraft_members known = *founders;
    for (uint32_t i = 0; i < known.count; i++) {
        known.items[i].store = 0;
    }
    uint8_t payload[DGRAFT_MEMBERSHIP_BYTES_MAX];
    const size_t payload_bytes = dgraft_membership_encode(&known, payload);
    uint8_t name_bytes[8];
    dgraft_put_u64(name_bytes, strlen(name));
    XXH3_state_t state;
    (void)XXH3_64bits_reset(&state);
    (void)XXH3_64bits_update(&state, name_bytes, sizeof name_bytes);
    (void)XXH3_64bits_update(&state, name, strlen(name));
    (void)XXH3_64bits_update(&state, payload, payload_bytes);
    const uint64_t id = XXH3_64bits_digest(&state);
    return id != 0 ? id : 1;
}
