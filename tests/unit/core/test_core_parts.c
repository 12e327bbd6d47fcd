/* The core's data structures, each beside a slow and obvious oracle. */
#include "parts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % bound;
}

static struct dgraft_core *make(uint32_t runs_max, uint32_t inflight_max)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.members_max = 16;
    config.runs_max = runs_max;
    config.inflight_max = inflight_max;
    return dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
}

Test(quorum, of_every_subset_of_up_to_seven_is_a_majority_of_each_half) /* bugs 47, 82 */
{
    struct dgraft_core *core = make(8, 1);
    for (dgraft_node_set voters = 1; voters < 128; voters++) {
        for (dgraft_node_set outgoing = 0; outgoing < 128; outgoing += 1 + below(5)) {
            core->membership.voters = voters;
            core->membership.outgoing = outgoing;
            for (dgraft_node_set yes = 0; yes < 128; yes += 1 + below(3)) {
                int in = 0;
                int out = 0;
                for (int bit = 0; bit < 7; bit++) {
                    const int said = (yes >> bit & 1) != 0 ? 1 : -1;
                    in += (voters >> bit & 1) != 0 ? said : 0;
                    out += (outgoing >> bit & 1) != 0 ? said : 0;
                }
                cr_assert_eq(dgraft_core_decides(core, yes), in > 0 && (out > 0 || outgoing == 0));
            }
        }
    }
    free(core);
}

/* The oracle tries every index: how many of each half hold it? */
Test(quorum, of_match_is_the_largest_index_that_a_majority_of_each_half_holds)
{
    struct dgraft_core *core = make(8, 1);
    for (uint32_t turn = 0; turn < 20000; turn++) {
        uint64_t match[8] = {0};
        core->membership.voters = 1 + below(127);
        core->membership.outgoing = below(2) == 0 ? 0 : 1 + below(127);
        core->membership.learners = 127 & ~(core->membership.voters | core->membership.outgoing);
        dgraft_core_peers_build(core, 0);
        core->durable = match[1] = below(6);
        for (uint32_t i = 0; i < core->peer_count; i++) {
            core->peers[i].match = match[core->peers[i].id] = below(6);
        }
        uint64_t expected = 0;
        for (uint64_t index = 1; index < 6; index++) {
            int in = 0;
            int out = 0;
            for (uint32_t id = 1; id <= 7; id++) {
                const int said = match[id] >= index ? 1 : -1;
                in += (core->membership.voters >> (id - 1) & 1) != 0 ? said : 0;
                out += (core->membership.outgoing >> (id - 1) & 1) != 0 ? said : 0;
            }
            expected = in > 0 && (out > 0 || core->membership.outgoing == 0) ? index : expected;
        }
        cr_assert_eq(dgraft_core_quorum(core, QUORUM_OF_MATCH), expected);
    }
    free(core);
}

/* The oracle is an array of terms by index; a term that was evicted may be unknown, never wrong. */
Test(runs_of_terms, answer_as_an_array_of_terms_would)
{
    enum { LAST = 2000 };
    static dgraft_term terms[LAST + 2];
    for (uint32_t turn = 0; turn < 200; turn++) {
        struct dgraft_core *core = make(8, 1);
        dgraft_term term = 1;
        for (uint32_t operation = 0; operation < 600; operation++) {
            const dgraft_index last = core->last.index;
            if (below(6) == 0 && last > core->commit) {
                const dgraft_index keep = core->commit + below(last - core->commit);
                dgraft_core_runs_truncate(core, keep);
            } else if (below(5) == 0) {
                core->commit += below(last - core->commit + 1);
            } else {
                term += below(4) == 0 ? 1 : 0;
                if (dgraft_core_runs_fit(core, last, term, core->commit)) {
                    dgraft_core_runs_append(core, last + 1, term);
                    terms[last + 1] = term;
                }
            }
            term = core->last.term > term ? core->last.term : term;
            cr_assert_eq(core->last.term, core->last.index == 0 ? 0 : terms[core->last.index]);
            for (dgraft_index i = 1; i <= core->last.index; i++) {
                const dgraft_term known = dgraft_core_term_at(core, i);
                cr_assert(known == terms[i] || (known == 0 && i <= core->commit), "index %u", (unsigned)i);
            }
            cr_assert_eq(dgraft_core_term_at(core, 0), 0u);
            cr_assert_eq(dgraft_core_term_at(core, core->last.index + 1), 0u);
            const dgraft_index from = below(core->last.index + 1);
            const dgraft_term most = below(term + 1);
            dgraft_index floor = from;
            while (floor > 0 && terms[floor] > most) {
                floor--;
            }
            const dgraft_index found = dgraft_core_runs_floor(core, from, most);
            cr_assert(found == floor || (found > floor && dgraft_core_term_at(core, found) == 0));
        }
        free(core);
    }
}

Test(uncommitted_bytes, are_never_forgotten_and_end_at_zero)
{
    struct dgraft_core *core = make(8, 1);
    static uint64_t bytes_of[20001];
    for (uint32_t turn = 0; turn < 20000; turn++) {
        if (below(5) != 0) {
            const uint64_t bytes = below(1000);
            bytes_of[++core->last.index] = bytes;
            dgraft_core_bytes_add(core, core->last.index, bytes);
        } else {
            core->commit += below(core->last.index - core->commit + 1);
            dgraft_core_bytes_release(core);
        }
        uint64_t expected = 0;
        for (dgraft_index i = core->commit + 1; i <= core->last.index; i++) {
            expected += bytes_of[i];
        }
        cr_assert_geq(core->bytes_proposed - core->bytes_committed, expected);
        cr_assert(core->commit < core->last.index || core->bytes_proposed == core->bytes_committed);
    }
    free(core);
}

Test(window, holds_what_was_pushed_and_not_freed)
{
    struct dgraft_core *core = make(8, 5);
    core->membership.voters = 7;
    dgraft_core_peers_build(core, 0);
    struct peer *peer = &core->peers[1];
    dgraft_index pushed[5001];
    uint64_t bytes[5001];
    uint32_t first = 0;
    uint32_t end = 0;
    for (dgraft_index turn = 1; turn <= 5000; turn++) {
        if (dgraft_core_inflight_room(core, peer) && below(3) != 0) {
            pushed[end] = turn;
            bytes[end] = below(100);
            dgraft_core_inflight_push(core, peer, turn, bytes[end]);
            end++;
        } else {
            const dgraft_index match = turn - below(10 < turn ? 10 : turn);
            dgraft_core_inflight_free(core, peer, match);
            while (first < end && pushed[first] <= match) {
                first++;
            }
        }
        uint64_t sum = 0;
        for (uint32_t i = first; i < end; i++) {
            sum += bytes[i];
        }
        cr_assert_eq(peer->inflight_count, end - first);
        cr_assert_eq(peer->inflight_bytes, sum);
        cr_assert_eq(dgraft_core_inflight_room(core, peer), end - first < 5);
    }
    cr_assert_eq(core->peers[0].inflight_count, 0u);
    free(core);
}
