/* dgraft_sim: whole clusters in one process, each run from a seed. */
#include "sim_campaign.h"

#include <dgraft/status.h>

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct sim_campaign campaign;
    struct sim_replay replay;
    bool one;
};

static const char doc[] =
    "Runs whole clusters on a simulated network, disk and clock, and checks every rule after every step.\v"
    "  dgraft_sim --seeds 1000            a campaign\n"
    "  dgraft_sim --seed 17 --trace       one seed, every event printed\n"
    "Exit code 0: no finding. 1: a finding, or a fault that never struck. 2: misuse.";

static const struct argp_option options[] = {
    {"seed", 's', "S", 0, "Run this seed alone", 0},
    {"steps", 'n', "N", 0, "Stop after N events", 0},
    {"trace", 't', NULL, 0, "Print every event", 0},
    {"seeds", 'c', "N", 0, "Run N seeds", 1},
    {"from", 'f', "S", 0, "Begin with seed S (1)", 1},
    {"seconds", 'T', "S", 0, "Stop after so many seconds", 1},
    {"nodes", 'N', "LIST", 0, "Sizes of clusters, as 1,2,3,5", 1},
    {"jobs", 'j', "N", 0, "Processes at once (1)", 1},
    {"bare", 'b', NULL, 0, "Without the core's own checks", 1},
    {"slice", 'l', NULL, 0, "Too short to demand that every fault strikes", 1},
    {0},
};

static uint64_t number(const char *text, uint64_t least, uint64_t most, const char *option, struct argp_state *state)
{
    char *end = NULL;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least || value > most) {
        argp_error(state, "--%s wants a number from %llu to %llu, not \"%s\"", option, (unsigned long long)least,
                   (unsigned long long)most, text);
    }
    return value;
}

static void sizes(char *list, struct sim_campaign *campaign, struct argp_state *state)
{
    char *rest = NULL;
    for (char *part = strtok_r(list, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        if (campaign->size_count == SIM_SIZES_MAX) {
            argp_error(state, "--nodes takes at most %u sizes", SIM_SIZES_MAX);
        }
        campaign->sizes[campaign->size_count++] = (uint32_t)number(part, 1, 7, "nodes", state);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct sim_campaign *campaign = &arguments->campaign;

    switch (key) {
    case 's':
        arguments->replay.seed = number(argument, 0, UINT64_MAX, "seed", state);
        arguments->one = true;
        return 0;
    case 'n':
        arguments->replay.steps = number(argument, 1, UINT64_MAX, "steps", state);
        return 0;
    case 't':
        arguments->replay.trace = true;
        return 0;
    case 'c':
        campaign->count = number(argument, 1, UINT64_MAX, "seeds", state);
        return 0;
    case 'f':
        campaign->from = number(argument, 0, UINT64_MAX, "from", state);
        return 0;
    case 'T':
        campaign->seconds = number(argument, 1, 1000000, "seconds", state);
        return 0;
    case 'N':
        sizes(argument, campaign, state);
        return 0;
    case 'j':
        campaign->jobs = (uint32_t)number(argument, 1, 16, "jobs", state);
        return 0;
    case 'b':
        campaign->bare = true;
        arguments->replay.bare = true;
        return 0;
    case 'l':
        campaign->slice = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unknown argument \"%s\"", argument);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    fprintf(out, "dgraft_sim %s\n", dgraft_version());
}

int main(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    struct arguments arguments = {.campaign = {.from = 1}};

    argp_program_version_hook = print_version;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.one) {
        arguments.replay.nodes = arguments.campaign.size_count > 0 ? arguments.campaign.sizes[0] : 0;
        return sim_replay(&arguments.replay);
    }
    if (arguments.campaign.count == 0 && arguments.campaign.seconds == 0) {
        arguments.campaign.count = 1000;
    }
    return sim_campaign(&arguments.campaign);
}
