/* A membership's payload, and the same bytes as the list that people write. */
#include <dgraft/membership.h>

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What was accepted is written and read again alike. */
static void there_and_back(const struct dgraft_members *members, const uint8_t *bytes, size_t size)
{
    uint8_t payload[DGRAFT_MEMBERSHIP_BYTES_MAX];
    struct dgraft_members again;
    struct dgraft_membership sets;
    const size_t payload_bytes = dgraft_membership_encode(members, payload);
    require(bytes == NULL || (payload_bytes == size && memcmp(payload, bytes, size) == 0));
    require(dgraft_membership_decode(payload, payload_bytes, &again) == DGRAFT_ACCEPT);
    require(memcmp(members, &again, sizeof again) == 0);
    dgraft_membership_of(members, 1, &sets);
    require(sets.voters != 0 && (sets.learners & sets.voters) == 0 && (sets.promote & ~sets.learners) == 0);
    require(dgraft_cluster_id("fuzz", members) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dgraft_members members;
    char why[160];
    if (dgraft_membership_decode(data, size, &members) == DGRAFT_ACCEPT) {
        there_and_back(&members, data, size);
    }
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (dgraft_members_parse(text, &members, why, sizeof why) == DGRAFT_OK) {
        there_and_back(&members, NULL, 0);
    } else {
        require(strlen(why) < sizeof why);
    }
    free(text);
    return 0;
}
