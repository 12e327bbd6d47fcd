/* What a node that repairs its log answers to STATUS. */
#include <kv_status.h>

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct dgraft_driver_status driver;

static json_t *asked(void)
{
    const struct kv_status status = {.driver = &driver};
    char *text = kv_status_json(&status);
    cr_assert_not_null(text);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(json, "%s", text);
    free(text);
    return json;
}

static bool is(const json_t *object, const char *wanted)
{
    json_t *other = json_loads(wanted, 0, NULL);
    cr_assert_not_null(other, "%s", wanted);
    const bool same = json_equal(object, other) == 1;
    json_decref(other);
    return same;
}

Test(kv_status, a_node_that_is_whole_says_so)
{
    driver.core.self = 1;
    driver.core.membership.voters = dgraft_node_set_of(1) | dgraft_node_set_of(2);
    json_t *json = asked();
    cr_assert(is(json_object_get(json, "repair"), "{\"reopened\":0,\"under_way\":false,\"damage\":[]}"));
    json_decref(json);
}

Test(kv_status, who_said_what_of_damaged_entries)
{
    struct dgraft_core_status *core = &driver.core;
    core->self = 2;
    core->membership.voters = dgraft_node_set_of(1) | dgraft_node_set_of(2) | dgraft_node_set_of(3);
    core->membership.outgoing = dgraft_node_set_of(4) | dgraft_node_set_of(2);
    core->membership.learners = dgraft_node_set_of(64);
    core->repairing = true;
    core->damage_count = 2;
    core->damage[0] = (struct dgraft_damage_status){.damage = {6, 10, {11, 5}},
                                                    .have_not = dgraft_node_set_of(1),
                                                    .damaged = dgraft_node_set_of(3),
                                                    .compacted = dgraft_node_set_of(64)};
    core->damage[1] = (struct dgraft_damage_status){.damage = {20, 20, {20, 7}}};
    driver.reopened = 3;
    json_t *json = asked();
    cr_assert(is(json_object_get(json, "repair"),
                 "{\"reopened\":3,\"under_way\":true,\"damage\":["
                 "{\"first\":6,\"last\":10,\"anchor_index\":11,\"anchor_term\":5,\"have_not\":[1],\"damaged\":[3],"
                 "\"compacted\":[64],\"waiting\":[4]},"
                 "{\"first\":20,\"last\":20,\"anchor_index\":20,\"anchor_term\":7,\"have_not\":[],\"damaged\":[],"
                 "\"compacted\":[],\"waiting\":[1,3,4,64]}]}"));
    json_decref(json);
}
