/* The verdict of `raftctl status`, from what servers may say. */
#include <status_view.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS                                                                                                        \
    "\"cluster\":\"demo\",\"cluster_id\":\"c1\",\"members\":["                                                         \
    "{\"id\":1,\"address\":\"h:1\",\"role\":\"voter\"},{\"id\":2,\"address\":\"h:2\",\"role\":\"voter\"},"             \
    "{\"id\":3,\"address\":\"h:3\",\"role\":\"voter\"}]"

static struct status_view view;
static char verdict[1000];

static void row(const char *server, const char *json)
{
    struct status_row *added = &view.rows[view.count++];
    *added = (struct status_row){.server = server};
    if (json != NULL) {
        added->json = json_loads(json, 0, NULL);
        cr_assert_not_null(added->json, "%s", json);
    }
    status_row_read(added);
}

static void reset(void)
{
    for (unsigned i = 0; i < view.count; i++) {
        json_decref(view.rows[i].json);
    }
    view.count = 0;
}

/* Judges, and fails unless the verdict is exactly this. */
static void expect(bool healthy, const char *text)
{
    bool judged = status_view_judge(&view, verdict, sizeof verdict);
    cr_assert_str_eq(verdict, text);
    cr_assert_eq(judged, healthy);
    reset();
}

#define NODE(id, role, term, leader)                                                                                   \
    "{\"node\":" #id ",\"role\":\"" role "\",\"term\":" #term ",\"leader\":" #leader ",\"commit\":9," MEMBERS "}"

Test(status_verdict, is_healthy_when_one_leads_and_all_follow)
{
    row("h:1", NODE(1, "FOLLOWER", 5, 2));
    row("h:2", NODE(2, "LEADER", 5, 2));
    row("h:3", NODE(3, "FOLLOWER", 5, 2));
    expect(true, "healthy: node 2 leads term 5, 3 of 3 reachable");
}

Test(status_verdict, names_who_is_far_behind)
{
    row("h:1", "{\"node\":1,\"role\":\"LEADER\",\"term\":5,\"leader\":1,\"commit\":5009," MEMBERS "}");
    row("h:2", NODE(2, "FOLLOWER", 5, 1));
    row("h:3", "{\"node\":3,\"role\":\"FOLLOWER\",\"term\":5,\"leader\":1,\"commit\":4010," MEMBERS "}");
    expect(true, "healthy: node 1 leads term 5, 3 of 3 reachable; node 2 is 5000 entries behind and catching up");
}

Test(status_verdict, names_who_is_to_be_started)
{
    row("h:1", NODE(1, "FOLLOWER", 5, 2));
    row("h:2", NODE(2, "LEADER", 5, 2));
    row("h:3", NULL);
    expect(false, "not healthy: node 2 leads term 5, 2 of 3 reachable; start 3 (h:3)");
}

Test(status_verdict, says_how_many_are_missing_for_a_leader)
{
    row("h:1", NODE(1, "PRE_CANDIDATE", 5, 0));
    row("h:2", NULL);
    row("h:3", NULL);
    expect(false, "no leader: 1 of 3 reachable; start one more of node 2 (h:2), 3 (h:3)");
}

Test(status_verdict, tells_an_election_from_an_outage)
{
    row("h:1", NODE(1, "FOLLOWER", 5, 3));
    row("h:2", NODE(2, "FOLLOWER", 5, 3));
    row("h:3", NULL);
    expect(false,
           "no leader: 2 of 3 reachable; node 3 led and does not answer: the others will elect one of them, look "
           "again");
    row("h:1", NODE(1, "CANDIDATE", 6, 0));
    row("h:2", NODE(2, "FOLLOWER", 6, 0));
    row("h:3", NODE(3, "FOLLOWER", 6, 0));
    expect(false, "no leader: 3 of 3 reachable; an election is under way: look again");
}

Test(status_verdict, believes_the_newest_leader)
{
    row("h:1", NODE(1, "LEADER", 5, 1));
    row("h:2", NODE(2, "LEADER", 6, 2));
    row("h:3", NODE(3, "FOLLOWER", 6, 2));
    expect(false, "not healthy: node 2 leads term 6, 3 of 3 reachable; node 1 still leads term 5: look again");
}

Test(status_verdict, names_a_node_whose_disk_failed)
{
    row("h:1",
        "{\"node\":1,\"role\":\"FOLLOWER\",\"term\":5,\"leader\":2,\"poisoned\":\"fsync: I/O error\"," MEMBERS "}");
    row("h:2", NODE(2, "LEADER", 5, 2));
    row("h:3", NODE(3, "FOLLOWER", 5, 2));
    expect(false, "not healthy: node 2 leads term 5, 3 of 3 reachable; node 1 takes no part, because a write failed "
                  "(fsync: I/O error): see to its disk and restart it");
}

Test(status_verdict, knows_two_clusters_apart)
{
    row("h:1", NODE(1, "LEADER", 5, 1));
    row("x:1", "{\"node\":1,\"role\":\"FOLLOWER\",\"term\":1,\"leader\":2,\"cluster_id\":\"c2\",\"members\":[]}");
    expect(false, "two clusters: x:1 is not of the cluster of h:1; ask the servers of one");
}

Test(status_verdict, says_when_nobody_answers)
{
    row("h:1", NULL);
    row("h:2", NULL);
    expect(false, "nobody answers: 0 of 2 asked; is raftd running there, and are the addresses right?");
}

#define REPAIRS(sets)                                                                                                  \
    "{\"node\":1,\"role\":\"FOLLOWER\",\"term\":5,\"leader\":2,\"commit\":9,"                                          \
    "\"repair\":{\"reopened\":0,\"under_way\":true,\"damage\":[{\"first\":6,\"last\":10,\"anchor_index\":11,"          \
    "\"anchor_term\":5," sets "}]}," MEMBERS "}"

/* Prints, and fails unless one line is exactly this. */
static void expect_line(const char *line)
{
    char *printed = NULL;
    size_t printed_bytes = 0;
    FILE *stream = open_memstream(&printed, &printed_bytes);
    cr_assert_not_null(stream);
    status_view_print(&view, stream);
    fclose(stream);
    cr_assert_not_null(strstr(printed, line), "%s", printed);
    free(printed);
}

Test(status_verdict, a_node_that_lacks_entries_is_not_well)
{
    row("h:1", REPAIRS("\"have_not\":[],\"damaged\":[],\"compacted\":[],\"waiting\":[2,3]"));
    row("h:2", NODE(2, "LEADER", 5, 2));
    row("h:3", NODE(3, "FOLLOWER", 5, 2));
    expect_line("\nnode 1 cannot read entries 6 to 10; asking nodes 2, 3\n");
    expect(false, "not healthy: node 2 leads term 5, 3 of 3 reachable; node 1 lacks 5 damaged entries and asks for "
                  "them: until it has them it acknowledges nothing behind them, and cannot lead");
}

Test(status_repair, names_the_disk_that_would_help)
{
    row("h:1", REPAIRS("\"have_not\":[],\"damaged\":[2],\"compacted\":[],\"waiting\":[3]"));
    row("h:2", NODE(2, "LEADER", 5, 2));
    row("h:3", NULL);
    expect_line("\nnode 1 cannot read entries 6 to 10; node 2: damaged there, too; start node 3 (h:3), whose disk may "
                "hold them\n");
    reset();
}

Test(status_repair, says_when_all_have_answered_and_none_has_it)
{
    row("h:1", REPAIRS("\"have_not\":[3],\"damaged\":[2],\"compacted\":[],\"waiting\":[]"));
    row("h:2", NODE(2, "FOLLOWER", 5, 0));
    row("h:3", NODE(3, "FOLLOWER", 5, 0));
    expect_line(
        "\nnode 1 cannot read entries 6 to 10; node 3: a shorter or another log; node 2: damaged there, too; all have "
        "answered, and none has them: bring back a disk that held them, or restore a member's directory from "
        "a copy\n");
    reset();
}

Test(status_repair, what_a_majority_has_otherwise_or_compacted_comes_from_a_leader)
{
    row("h:1", REPAIRS("\"have_not\":[2,3],\"damaged\":[],\"compacted\":[],\"waiting\":[]"));
    expect_line("; nodes 2, 3: a shorter or another log; most members' logs are shorter or others there: the leader's "
                "entries take their "
                "place\n");
    reset();
    row("h:1", REPAIRS("\"have_not\":[],\"damaged\":[2],\"compacted\":[3],\"waiting\":[]"));
    expect_line("; node 3: in a snapshot only; a leader sends its snapshot in their place\n");
    reset();
    row("h:1", "{\"node\":1,\"repair\":{\"under_way\":true,\"damage\":[]}}");
    expect_line("\nnode 1 has all entries again, and is about to open its log anew\n");
    reset();
}

Test(status_verdict, takes_any_json_without_harm)
{
    static const char *const texts[] = {
        "{}",
        "{\"node\":-1,\"term\":\"x\",\"leader\":[],\"members\":7,\"refused\":[1],\"transport\":3}",
        "{\"repair\":{\"under_way\":true,\"damage\":[1,null,{},{\"first\":-3,\"last\":\"x\",\"waiting\":[9,\"\\u001b\","
        "-1],"
        "\"damaged\":7,\"have_not\":[{}]}]},\"members\":[{\"id\":9,\"address\":\"\\u001b\",\"role\":\"voter\"}]}",
        "{\"node\":1,\"leader\":1,\"cluster_id\":1,\"members\":[1,null,{},{\"id\":-5},{\"id\":1,\"address\":5}]}",
        "{\"node\":9223372036854775807,\"leader\":9223372036854775807,\"role\":\"\\u001b[2J\",\"poisoned\":"
        "\"\\u0007\"}",
        "{\"refused\":{\"\\u001b\":1.5,\"CRC\":null},\"refused_from\":\"\\u001b\",\"members\":[{\"address\":\"\\n\"}]"
        "}"};
    char *printed = NULL;
    size_t printed_bytes = 0;
    FILE *stream = open_memstream(&printed, &printed_bytes);
    cr_assert_not_null(stream);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        row("h:1", texts[i]);
        row("h:2", NULL);
        status_view_print(&view, stream);
        char small[20];
        cr_assert_not(status_view_judge(&view, small, sizeof small));
        cr_assert_lt(strlen(small), sizeof small);
        cr_assert_not(status_view_judge(&view, verdict, sizeof verdict));
        cr_assert_null(strchr(verdict, '\033'), "%s", verdict);
        reset();
    }
    fclose(stream);
    cr_assert_null(memchr(printed, '\033', printed_bytes), "no control sequence reaches the terminal");
    free(printed);
}

Test(status_table, shows_each_server_and_what_it_dropped)
{
    row("h:2", NULL);
    row("h:1", "{\"node\":1,\"role\":\"LEADER\",\"term\":5,\"leader\":1,\"commit\":123,\"applied\":122,\"last\":130,"
               "\"durable\":129,\"refused\":{\"CHECKSUM\":3},\"refused_from\":\"h:9\","
               "\"transport\":{\"dropped_overflow\":4,\"receive_buffer_bytes\":5}," MEMBERS "}");
    char *printed = NULL;
    size_t printed_bytes = 0;
    FILE *stream = open_memstream(&printed, &printed_bytes);
    cr_assert_not_null(stream);
    status_view_order(&view);
    status_view_print(&view, stream);
    fclose(stream);
    cr_assert_not_null(strstr(printed, "   1  h:1     leader             5       1         123         122         130 "
                                       "        129\n"),
                       "%s", printed);
    cr_assert_not_null(strstr(printed, "129\n   2  h:2     no answer\n"), "%s", printed);
    cr_assert_not_null(strstr(printed, "node 1 dropped 3: CHECKSUM, the checksum does not fit the bytes\n"), "%s",
                       printed);
    cr_assert_not_null(strstr(printed, "from h:9\n"), "%s", printed);
    cr_assert_not_null(strstr(printed, "node 1 lost 4 datagrams"), "%s", printed);
    free(printed);
    reset();
}
