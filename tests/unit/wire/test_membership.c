/* The payload of a membership entry, members as people write them, and the number of a cluster. */
#include <dgraft/membership.h>
#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two members, written down from the table in membership.h. */
static void golden(uint8_t bytes[184])
{
    memset(bytes, 0, 184);
    bytes[0] = 1;
    bytes[1] = 2;
    bytes[8] = 3;                /* id 3 */
    bytes[12] = 3;               /* voter, and of the outgoing set */
    memset(bytes + 16, 0x5a, 8); /* store */
    memcpy(bytes + 32, "[::1]:7003", 10);
    bytes[96] = 64;
    bytes[100] = 4; /* learner */
    memcpy(bytes + 120, "host:1", 6);
}

static struct dgraft_members golden_members(void)
{
    return (struct dgraft_members){
        .count = 2,
        .items = {{.id = 3, .roles = 3, .store = UINT64_C(0x5a5a5a5a5a5a5a5a), .address = "[::1]:7003"},
                  {.id = 64, .roles = 4, .address = "host:1"}}};
}

static enum dgraft_refusal decode(const uint8_t *bytes, size_t size)
{
    struct dgraft_members members;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, size);
    const enum dgraft_refusal refusal = dgraft_membership_decode(copy, size, &members);
    free(copy);
    return refusal;
}

/* The golden bytes with one of them changed. */
static enum dgraft_refusal with(size_t at, uint8_t value)
{
    uint8_t bytes[184];
    golden(bytes);
    bytes[at] = value;
    return decode(bytes, sizeof bytes);
}

Test(membership, is_written_and_read_as_the_table_says)
{
    uint8_t expected[184];
    uint8_t bytes[DGRAFT_MEMBERSHIP_BYTES_MAX];
    struct dgraft_members members;
    const struct dgraft_members in = golden_members();
    golden(expected);
    memset(bytes, 0xee, sizeof bytes);
    cr_assert_eq(dgraft_membership_encode(&in, bytes), sizeof expected);
    cr_assert_arr_eq(bytes, expected, sizeof expected);
    cr_assert_eq(dgraft_membership_decode(expected, sizeof expected, &members), DGRAFT_ACCEPT);
    cr_assert_eq(memcmp(&members, &in, sizeof in), 0);
}

Test(membership, is_refused_when_cut_or_longer)
{
    uint8_t bytes[185] = {0};
    golden(bytes);
    for (size_t size = 0; size < 184; size++) {
        cr_assert_eq(decode(bytes, size), DGRAFT_REFUSAL_SHORT, "%zu bytes", size);
    }
    cr_assert_eq(decode(bytes, 184), DGRAFT_ACCEPT);
    cr_assert_eq(decode(bytes, 185), DGRAFT_REFUSAL_LENGTH);
}

Test(membership, of_values_never_written_is_refused_by_name)
{
    cr_assert_eq(with(0, 2), DGRAFT_REFUSAL_VERSION);
    cr_assert_eq(with(0, 0), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(1, 0), DGRAFT_REFUSAL_COUNT);
    cr_assert_eq(with(1, 17), DGRAFT_REFUSAL_COUNT);
    cr_assert_eq(with(1, 255), DGRAFT_REFUSAL_COUNT);
    cr_assert_eq(with(1, 3), DGRAFT_REFUSAL_SHORT);
    cr_assert_eq(with(1, 1), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(with(2, 1), DGRAFT_REFUSAL_PADDING);
    cr_assert_eq(with(8, 0), DGRAFT_REFUSAL_FIELD, "id 0");
    cr_assert_eq(with(8, 64), DGRAFT_REFUSAL_ORDER, "an id twice");
    cr_assert_eq(with(96, 65), DGRAFT_REFUSAL_FIELD, "id 65");
    cr_assert_eq(with(12, 0), DGRAFT_REFUSAL_FIELD, "no role");
    cr_assert_eq(with(12, 5), DGRAFT_REFUSAL_FIELD, "voter and learner");
    cr_assert_eq(with(12, 16), DGRAFT_REFUSAL_FIELD, "a role that is none");
    cr_assert_eq(with(12, 8), DGRAFT_REFUSAL_FIELD, "promoted, and nothing");
    cr_assert_eq(with(12, 9), DGRAFT_REFUSAL_FIELD, "a voter that is to be promoted");
    cr_assert_eq(with(12, 2), DGRAFT_REFUSAL_FIELD, "no voter at all");
    cr_assert_eq(with(13, 1), DGRAFT_REFUSAL_PADDING);
    cr_assert_eq(with(24, 1), DGRAFT_REFUSAL_PADDING);
    cr_assert_eq(with(32, 0), DGRAFT_REFUSAL_FIELD, "no address");
    cr_assert_eq(with(33, ' '), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(33, 0x1b), DGRAFT_REFUSAL_FIELD, "what would move a terminal's cursor");
    cr_assert_eq(with(33, 0xc3), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(60, 'x'), DGRAFT_REFUSAL_PADDING, "text behind the end");
    uint8_t bytes[184];
    golden(bytes);
    memset(bytes + 32, 'x', 64);
    cr_assert_eq(decode(bytes, sizeof bytes), DGRAFT_REFUSAL_FIELD, "an address without an end");
}

Test(membership, has_learners_that_vote_in_the_old_half_or_are_to_be_promoted)
{
    cr_assert_eq(with(100, 6), DGRAFT_ACCEPT, "a voter on its way to learner");
    cr_assert_eq(with(100, 12), DGRAFT_ACCEPT);
    cr_assert_eq(with(100, 14), DGRAFT_ACCEPT);
}

Test(membership, gives_each_node_its_roles_and_store)
{
    struct dgraft_members members = golden_members();
    struct dgraft_membership sets;
    members.items[1].roles = DGRAFT_MEMBER_LEARNER | DGRAFT_MEMBER_PROMOTE;
    members.items[1].store = 77;
    dgraft_membership_of(&members, 17, &sets);
    cr_assert_eq(sets.promote, UINT64_C(1) << 63);
    cr_assert_eq(dgraft_membership_roles(&sets, 3), 3u);
    cr_assert_eq(dgraft_membership_roles(&sets, 64), 12u);
    cr_assert_eq(dgraft_membership_roles(&sets, 5), 0u);
    cr_assert_eq(dgraft_membership_store(&sets, 3), UINT64_C(0x5a5a5a5a5a5a5a5a));
    cr_assert_eq(dgraft_membership_store(&sets, 64), 77u);
    cr_assert_eq(dgraft_membership_store(&sets, 5), 0u);
}

Test(membership, becomes_sets_for_the_core)
{
    const struct dgraft_members members = golden_members();
    struct dgraft_membership sets;
    dgraft_membership_of(&members, 17, &sets);
    cr_assert_eq(sets.index, 17u);
    cr_assert_eq(sets.voters, UINT64_C(4));
    cr_assert_eq(sets.outgoing, UINT64_C(4));
    cr_assert_eq(sets.learners, UINT64_C(1) << 63);
    cr_assert_eq(dgraft_members_find(&members, 64), &members.items[1]);
    cr_assert_null(dgraft_members_find(&members, 1));
}

Test(members, are_parsed_in_any_order)
{
    struct dgraft_members members;
    char why[200] = "";
    cr_assert_eq(
        dgraft_members_parse("3=host.example:1/learner,1=127.0.0.1:7001,2=[fe80::1]:65535", &members, why, sizeof why),
        DGRAFT_OK, "%s", why);
    cr_assert_eq(members.count, 3u);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(members.items[i].id, i + 1);
        cr_assert_eq(members.items[i].roles, (uint32_t)(i == 2 ? DGRAFT_MEMBER_LEARNER : DGRAFT_MEMBER_VOTER));
    }
    cr_assert_str_eq(members.items[0].address, "127.0.0.1:7001");
    cr_assert_str_eq(members.items[1].address, "[fe80::1]:65535");
    cr_assert_str_eq(members.items[2].address, "host.example:1");
    cr_assert_eq(dgraft_members_parse("64=a:1", &members, NULL, 0), DGRAFT_OK);
}

Test(members, that_are_wrong_are_named_in_one_sentence)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "is empty"},
        {"1=a:1,", "is empty"},
        {"1=a:1,,2=b:2", "is empty"},
        {"1", "no '='"},
        {"=a:1", "node id"},
        {"0=a:1", "1 to 64"},
        {"65=a:1", "1 to 64"},
        {"4294967297=a:1", "1 to 64"},
        {"-1=a:1", "1 to 64"},
        {"1 =a:1", "1 to 64"},
        {"1=", "no port"},
        {"1=a", "no port"},
        {"1=a:", "no port"},
        {"1=:1", "no host"},
        {"1=a:0", "1 to 65535"},
        {"1=a:65536", "1 to 65535"},
        {"1=a:99999999999999999999", "1 to 65535"},
        {"1=a:1x", "1 to 65535"},
        {"1=a:-1", "1 to 65535"},
        {"1=::1:7001", "without brackets"},
        {"1=[::1]", "no port"},
        {"1=[::1:7001", "[ADDRESS]:PORT"},
        {"1=[]:7001", "[ADDRESS]:PORT"},
        {"1=[::1]x:7001", "no port"},
        {"1=a b:1", "cannot stand there"},
        {"1=a\x1b[2J:1", "cannot stand there"},
        {"1=a=b:1", "cannot stand there"},
        {"1=a:1/voter", "/learner"},
        {"1=a:1/", "/learner"},
        {"1=a:1/learnerx", "/learner"},
        {"1=a:1,1=b:2", "second time"},
        {"1=a:1,3=b:2,2=a:1", "address of node 1"},
        {"1=ipc://", "/learner"},
        {"1=ipc://run/a", "ipc:///PATH"},
        {"1=ipc:///run/a b", "cannot stand there"},
        {"1=ipc:///run/a=b", "cannot stand there"},
        {"1=ipc:///learner", "cannot stand there"},
        {"1=ipc:///run/a/learner", "no voter"},
        {"1=ipc:///2345678901234567890123456789012345678901234567890123456789012345", "more than 63"},
        {"1=a:1/learner", "no voter"},
        {"1=x2345678901234567890123456789012345678901234567890123456789012345678901:1", "more than 63"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dgraft_members members;
        char why[200] = "";
        cr_assert_eq(dgraft_members_parse(cases[i].text, &members, why, sizeof why), DGRAFT_STATUS_CONFIG, "%s",
                     cases[i].text);
        cr_assert_not_null(strstr(why, cases[i].says), "\"%s\": %s", cases[i].text, why);
        cr_assert_null(strchr(why, '\x1b'), "what a terminal would obey is not printed");
    }
}

Test(members, may_have_paths_for_addresses)
{
    struct dgraft_members members;
    char why[200] = "";
    enum dgraft_status status =
        dgraft_members_parse("2=ipc:///run/b/learner,1=ipc:///run/a:7/learners,3=a:1", &members, why, sizeof why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why);
    cr_assert_eq(members.count, 3);
    cr_assert_str_eq(members.items[0].address, "ipc:///run/a:7/learners");
    cr_assert_eq(members.items[0].roles, DGRAFT_MEMBER_VOTER);
    cr_assert_str_eq(members.items[1].address, "ipc:///run/b");
    cr_assert_eq(members.items[1].roles, DGRAFT_MEMBER_LEARNER);
}

Test(members, are_at_most_sixteen)
{
    char text[400] = "";
    struct dgraft_members members;
    char why[200] = "";
    for (int id = 1; id <= 17; id++) {
        char part[32];
        snprintf(part, sizeof part, "%s%d=a:%d", id > 1 ? "," : "", id, id);
        strcat(text, part);
        const enum dgraft_status status = dgraft_members_parse(text, &members, why, sizeof why);
        cr_assert_eq(status, id <= 16 ? DGRAFT_OK : DGRAFT_STATUS_CONFIG);
    }
    cr_assert_not_null(strstr(why, "too many"));
}

Test(members, sentence_is_cut_to_the_room_there_is)
{
    struct dgraft_members members;
    for (size_t room = 0; room < 60; room++) {
        char *why = malloc(room > 0 ? room : 1);
        cr_assert_not_null(why);
        cr_assert_eq(dgraft_members_parse("1=a", &members, why, room), DGRAFT_STATUS_CONFIG);
        cr_assert(room == 0 || memchr(why, 0, room) != NULL);
        free(why);
    }
}

Test(cluster, is_another_with_another_name_or_other_founders)
{
    struct dgraft_members a;
    struct dgraft_members b;
    struct dgraft_members c;
    cr_assert_eq(dgraft_members_parse("1=a:1,2=b:2", &a, NULL, 0), DGRAFT_OK);
    cr_assert_eq(dgraft_members_parse("2=b:2,1=a:1", &b, NULL, 0), DGRAFT_OK);
    cr_assert_eq(dgraft_members_parse("1=a:1,2=b:3", &c, NULL, 0), DGRAFT_OK);
    const uint64_t id = dgraft_cluster_id("name", &a);
    b.items[0].store = 99;
    cr_assert_neq(id, 0u);
    cr_assert_eq(id, dgraft_cluster_id("name", &b), "the order they were written in, and stores, do not matter");
    cr_assert_neq(id, dgraft_cluster_id("name", &c));
    cr_assert_neq(id, dgraft_cluster_id("Name", &a));
}
