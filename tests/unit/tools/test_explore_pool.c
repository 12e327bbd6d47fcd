#include <criterion/criterion.h>
#include <explore_pool.h>
#include <explore_visited.h>
#include <string.h>

#define STRINGS 100000u

Test(explore_pool, gives_a_string_one_number_however_many_there_are)
{
    struct explore_memory memory = {.used_bytes = 0};
    struct explore_pool pool;
    explore_pool_open(&pool, &memory);
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < STRINGS; i++) {
            const uint32_t bytes[8] = {i, i / 2, 7, 7, 7, 7, 7, 7};
            cr_assert_eq(explore_pool_put(&pool, bytes, 4 + i % 29), i);
        }
    }
    for (uint32_t i = 0; i < STRINGS; i++) {
        uint32_t size = 0;
        uint32_t word = 0;
        memcpy(&word, explore_pool_get(&pool, i, &size), sizeof word);
        cr_assert_eq(word, i);
        cr_assert_eq(size, 4 + i % 29);
    }
    cr_assert_eq(pool.count, STRINGS);
    explore_pool_close(&pool);
    cr_assert_eq(memory.used_bytes, 0, "what is counted is given back");
}

Test(explore_pool, tells_a_string_from_its_beginning)
{
    struct explore_memory memory = {.used_bytes = 0};
    struct explore_pool pool;
    explore_pool_open(&pool, &memory);
    cr_assert_eq(explore_pool_put(&pool, "ab", 2), 0);
    cr_assert_eq(explore_pool_put(&pool, "a", 1), 1);
    cr_assert_eq(explore_pool_put(&pool, "", 0), 2);
    cr_assert_eq(explore_pool_put(&pool, "a", 1), 1);
    explore_pool_close(&pool);
}

/* Records are 100 bytes and more, so that they fill more than one chunk. */
Test(explore_visited, keeps_every_state_once_in_the_order_of_discovery)
{
    struct explore_memory memory = {.used_bytes = 0};
    struct explore_visited visited;
    uint8_t bytes[EXPLORE_VISITED_BYTES_MAX] = {0};
    const uint32_t count = 120000;
    explore_visited_open(&visited, &memory);
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            memcpy(bytes, &i, sizeof i);
            cr_assert_eq(explore_visited_add(&visited, bytes, 100 + i % 900, i), pass == 0);
        }
    }
    cr_assert_gt(visited.chunk_count, 0);
    cr_assert_eq(visited.count, count);
    uint64_t place = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = 0;
        uint32_t word = 0;
        uint64_t parent = 0;
        uint64_t next = 0;
        memcpy(&word, explore_visited_at(&visited, place, &size, &parent, &next), sizeof word);
        cr_assert_eq(word, i);
        cr_assert_eq(size, 100 + i % 900);
        cr_assert_eq(parent, i);
        place = next;
    }
    explore_visited_close(&visited);
    cr_assert_eq(memory.used_bytes, 0);
}
