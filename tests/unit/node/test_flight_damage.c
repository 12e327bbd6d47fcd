/* A flight record that was cut, bent or swapped: a sentence, never a crash, and never a difference that there is none
 * of. */
#include "flight_pilot.h"

#include "flight_format.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (1024u * 1024)

static enum dgraft_status replay(struct memory_fs *memory, struct dgraft_flight_summary *summary,
                                 struct dgraft_why *why)
{
    return dgraft_flight_replay(memory_fs_seam(memory), PILOT_PATH, UINT64_MAX, NULL, summary, why);
}

/* A record of two starts, of which the first crashed; returns a copy of its bytes. */
static uint8_t *record(struct pilot *pilot, uint64_t *size, struct dgraft_flight_summary *whole)
{
    struct dgraft_why why = {""};
    pilot->write_every = 1;
    pilot_open(pilot, 1, FILE_BYTES);
    pilot_lead(pilot);
    pilot_crash(pilot);
    pilot_open_again(pilot, FILE_BYTES);
    pilot_lead(pilot);
    pilot_work(pilot, 30);
    pilot_land(pilot);
    const uint8_t *bytes = memory_fs_bytes(pilot->memory, PILOT_PATH, size);
    uint8_t *copy = malloc((size_t)*size);
    cr_assert(copy != NULL && bytes != NULL);
    memcpy(copy, bytes, (size_t)*size);
    cr_assert_eq(replay(pilot->memory, whole, &why), DGRAFT_OK);
    cr_assert_eq(whole->end, DGRAFT_FLIGHT_END, "%s", whole->text);
    cr_assert_eq(whole->damages, 0);
    return copy;
}

/* Replays other bytes under the record's name. */
static enum dgraft_status replay_bytes(const uint8_t *bytes, size_t size, struct dgraft_flight_summary *summary)
{
    struct dgraft_why why = {""};
    struct memory_fs *memory = memory_fs_new();
    memory_fs_put(memory, "node", PILOT_PATH, bytes, size);
    const enum dgraft_status status = replay(memory, summary, &why);
    cr_assert(status == DGRAFT_OK || why.text[0] != '\0', "a refusal says why");
    memory_fs_free(memory);
    return status;
}

Test(flight_damage, a_file_cut_at_any_length_gives_what_is_left)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary whole;
    uint64_t size = 0;
    uint8_t *bytes = record(&pilot, &size, &whole);
    uint64_t cut_short = 0;
    for (size_t length = 0; length < size; length += length < 6000 ? 61 : 977) {
        struct dgraft_flight_summary summary;
        const enum dgraft_status status = replay_bytes(bytes, length, &summary);
        if (status == DGRAFT_OK) {
            cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
            cr_assert_leq(summary.events, whole.events);
            cut_short += summary.events < whole.events;
        } else {
            cr_assert(length < FLIGHT_HEADER_BYTES &&
                      (status == DGRAFT_STATUS_FOREIGN || status == DGRAFT_STATUS_DAMAGED));
        }
    }
    cr_assert(cut_short > 0);
    free(bytes);
    pilot_free(&pilot);
}

Test(flight_damage, every_flipped_bit_is_noticed_or_changes_nothing)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary whole;
    uint64_t size = 0;
    uint8_t *bytes = record(&pilot, &size, &whole);
    uint64_t noticed = 0;
    for (size_t at = 0; at < size; at++) {
        struct dgraft_flight_summary summary;
        if (bytes[at] == 0 && at % 64 != 0) {
            continue; /* most of the file is empty */
        }
        const uint8_t bit = (uint8_t)(1u << (at % 8));
        bytes[at] ^= bit;
        const enum dgraft_status status = replay_bytes(bytes, (size_t)size, &summary);
        bytes[at] ^= bit;
        if (status != DGRAFT_OK || summary.damages > 0) {
            noticed++;
            continue;
        }
        cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "byte %zu: %s", at, summary.text);
        cr_assert_eq(summary.state_hash, whole.state_hash, "byte %zu", at);
        cr_assert_eq(summary.events, whole.events, "byte %zu", at);
    }
    cr_assert(noticed > 1000, "%llu", (unsigned long long)noticed);
    free(bytes);
    pilot_free(&pilot);
}

Test(flight_damage, a_block_from_another_place_is_none)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary whole;
    struct dgraft_flight_summary summary;
    struct flight_header header;
    uint64_t size = 0;
    uint8_t *bytes = record(&pilot, &size, &whole);
    cr_assert_eq(dgraft_flight_header_decode(bytes, &header), DGRAFT_OK);
    const size_t second = FLIGHT_HEADER_BYTES + (size_t)2 * header.block_bytes; /* block 2 */
    cr_assert(second < size);
    memcpy(bytes + FLIGHT_HEADER_BYTES + header.block_bytes, bytes + second, (size_t)size - second);
    cr_assert_eq(replay_bytes(bytes, (size_t)size, &summary), DGRAFT_OK);
    cr_assert_eq(summary.damages, 1);
    cr_assert_eq(summary.state_hash, whole.state_hash);
    cr_assert(summary.events < whole.events);
    free(bytes);
    pilot_free(&pilot);
}

/* The sum fits, the image does not: as after a bug, or from somebody who means harm. */
Test(flight_damage, an_image_that_no_core_can_be_in_is_refused)
{
    struct pilot pilot = {.write_every = 1};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    const size_t size = dgraft_core_size(&pilot.config);
    unsigned char *copy = malloc(size);
    uint32_t refused = 0;
    cr_assert(copy != NULL);
    for (size_t at = 0; at < size; at++) {
        memcpy(copy, pilot.core, size);
        copy[at] ^= 0xff;
        struct dgraft_core *core = dgraft_core_adopt(copy, &pilot.config);
        refused += core == NULL;
        if (core != NULL) {
            struct dgraft_core_status status;
            dgraft_core_status(core, &status); /* stays within the block */
        }
    }
    memcpy(copy, pilot.core, size);
    cr_assert(dgraft_core_adopt(copy, &pilot.config) != NULL);
    cr_assert(refused > 200, "%u", refused);
    struct dgraft_config other = pilot.config;
    other.inflight_max++;
    cr_assert(dgraft_core_adopt(copy, &other) == NULL);
    free(copy);
    pilot_free(&pilot);
}

Test(flight_damage, a_disk_that_fails_ends_the_record_and_not_the_node)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_stats stats;
    struct dgraft_flight_summary summary;
    struct dgraft_why why = {""};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    memory_fs_fail_at(pilot.memory, memory_fs_calls(pilot.memory) + 40, EIO, true);
    pilot_work(&pilot, 200);
    dgraft_flight_stats(pilot.flight, &stats);
    cr_assert_eq(stats.error, EIO);
    pilot_land(&pilot);
    memory_fs_fail_at(pilot.memory, 0, 0, false);
    cr_assert_eq(replay(pilot.memory, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END);
    cr_assert(summary.events > 0 && summary.events < pilot.events);
    pilot_free(&pilot);
}

Test(flight_damage, short_and_interrupted_writes_are_continued)
{
    struct pilot pilot = {.write_every = 3};
    struct dgraft_flight_summary summary;
    struct dgraft_why why = {""};
    pilot_open(&pilot, 1, FILE_BYTES);
    memory_fs_short(pilot.memory, 4711);
    pilot_lead(&pilot);
    pilot_work(&pilot, 100);
    pilot_land(&pilot);
    cr_assert_eq(replay(pilot.memory, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.events, pilot.events);
    cr_assert_eq(summary.state_hash, pilot_hash(&pilot));
    pilot_free(&pilot);
}

static enum dgraft_status open_as(struct memory_fs *memory, dgraft_node_id id, uint64_t bytes, struct dgraft_why *why)
{
    struct dgraft_flight *flight = NULL;
    struct dgraft_config config;
    dgraft_config_defaults(&config, id);
    config.runs_max = 8;
    config.inflight_max = 8;
    const struct dgraft_flight_options options = {
        .fs = memory_fs_seam(memory), .path = PILOT_PATH, .bytes = bytes, .cluster = 77};
    const enum dgraft_status status = dgraft_flight_open(&options, &config, &flight, why);
    dgraft_flight_abandon(flight);
    return status;
}

Test(flight_damage, what_is_somebody_elses_is_left_alone)
{
    static const uint8_t letter[] = "Dear Alice, this is no flight record at all.";
    struct pilot pilot = {0};
    struct dgraft_flight_summary whole;
    struct dgraft_why why = {""};
    uint64_t size = 0;
    uint8_t *bytes = record(&pilot, &size, &whole);
    const uint64_t before = memory_fs_hash(pilot.memory);
    cr_assert_eq(open_as(pilot.memory, 2, FILE_BYTES, &why), DGRAFT_STATUS_FOREIGN);
    cr_assert(strstr(why.text, "node 1") != NULL, "%s", why.text);
    cr_assert_eq(memory_fs_hash(pilot.memory), before);
    free(bytes);
    pilot_free(&pilot);

    struct memory_fs *memory = memory_fs_new();
    memory_fs_put(memory, "node", PILOT_PATH, letter, sizeof letter);
    cr_assert_eq(open_as(memory, 1, FILE_BYTES, &why), DGRAFT_STATUS_FOREIGN);
    cr_assert(strstr(why.text, "is no flight record") != NULL, "%s", why.text);
    const uint8_t *left = memory_fs_bytes(memory, PILOT_PATH, &size);
    cr_assert(size == sizeof letter && memcmp(left, letter, sizeof letter) == 0);
    memory_fs_free(memory);
}

Test(flight_damage, a_record_of_another_size_is_kept_as_old)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary whole;
    struct dgraft_why why = {""};
    uint64_t size = 0;
    uint64_t old_size = 0;
    uint8_t *bytes = record(&pilot, &size, &whole);
    cr_assert_eq(open_as(pilot.memory, 1, 2 * FILE_BYTES, &why), DGRAFT_OK, "%s", why.text);
    const uint8_t *old = memory_fs_bytes(pilot.memory, PILOT_PATH ".old", &old_size);
    cr_assert(old != NULL && old_size == size && memcmp(old, bytes, (size_t)size) == 0);
    free(bytes);
    pilot_free(&pilot);
}

Test(flight_damage, too_small_a_record_is_refused_with_the_least_size)
{
    struct dgraft_why why = {""};
    struct memory_fs *memory = memory_fs_new();
    memory_fs_put(memory, "node", "node/lock", NULL, 0);
    cr_assert_eq(open_as(memory, 1, 10000, &why), DGRAFT_STATUS_CONFIG);
    cr_assert(strstr(why.text, "are the least") != NULL, "%s", why.text);
    memory_fs_free(memory);
}
