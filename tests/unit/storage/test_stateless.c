/* A directory without `state`: nobody is told to remove what is not dgraft's, nor what a node may need. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <string.h>

static struct memory_fs *memory;
static struct dgraft_why why;

static void setup(void)
{
    memory = memory_fs_new();
}

static void teardown(void)
{
    memory_fs_free(memory);
}

TestSuite(stateless, .init = setup, .fini = teardown);

static void put(const char *path)
{
    memory_fs_put(memory, "node", path, (const uint8_t *)"x", 1);
}

static enum dgraft_status open_status(void)
{
    const struct dgraft_storage_options options = {0};
    struct dgraft_storage *none = NULL;
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(memory), "node", &options, &none, &why);
    cr_assert_null(none);
    return status;
}

static bool says(const char *words)
{
    return strstr(why.text, words) != NULL;
}

Test(stateless, of_somebody_else_names_a_file_and_asks_to_remove_nothing)
{
    put("node/thesis.tex");
    cr_assert_eq(open_status(), DGRAFT_STATUS_NOT_FOUND);
    cr_assert(says("not a node's directory") && says("thesis.tex") && says("check the path"), "%s", why.text);
    cr_assert(!says("remove") && !says("format"), "%s", why.text);
}

Test(stateless, of_somebody_else_with_a_file_named_as_one_of_ours_is_still_somebody_elses)
{
    put("node/lock");
    put("node/log-0000000000000001.bak");
    cr_assert_eq(open_status(), DGRAFT_STATUS_NOT_FOUND);
    cr_assert(says("not a node's directory") && says("log-0000000000000001.bak"), "%s", why.text);
    cr_assert(!says("remove"), "%s", why.text);
}

Test(stateless, names_no_byte_that_could_play_with_a_terminal)
{
    put("node/\033[2Jgone");
    cr_assert_eq(open_status(), DGRAFT_STATUS_NOT_FOUND);
    cr_assert(says("(?[2Jgone)"), "%s", why.text);
}

Test(stateless, after_a_format_that_never_finished_may_be_formatted_again)
{
    put("node/lock");
    put("node/log-0000000000000001");
    put("node/state.new");
    cr_assert_eq(open_status(), DGRAFT_STATUS_NOT_FOUND);
    cr_assert(says("never finished") && says("raftctl format"), "%s", why.text);
    cr_assert(says("if no node has ever run"), "%s", why.text);
}

Test(stateless, with_later_segments_is_a_node_that_lost_its_vote)
{
    put("node/lock");
    put("node/log-0000000000000001");
    put("node/log-0000000000000002");
    cr_assert_eq(open_status(), DGRAFT_STATUS_DAMAGED);
    cr_assert(says("term and vote are lost"), "%s", why.text);
}
