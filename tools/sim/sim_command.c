/* raftctl sim: whole clusters in one process, each run from a seed. */
#include "sim_command.h"
#include "sim_campaign.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHTS "sim-flights"

struct arguments {
    struct sim_campaign campaign;
    struct sim_replay replay;
    bool one;
};

static const char doc[] =
    "Runs whole clusters on a simulated network, disk and clock, and checks every rule after every step.\v"
    "  raftctl sim --seeds 1000            a campaign\n"
    "  raftctl sim --seed 17 --trace       one seed, every event printed\n"
    "  raftctl sim --seed 17 --record      one seed, and a flight record of each node\n"
    "A finding prints the line that replays it, and keeps a flight record of each node in a directory of its own under "
    "the one of --flights.\n"
    "Exit code 0: no finding. 1: a finding, or a fault that never struck. 2: misuse.";

static const struct argp_option options[] = {
    {"seed", 's', "S", 0, "Run this seed alone", 0},
    {"steps", 'n', "N", 0, "Stop after N events", 0},
    {"trace", 't', NULL, 0, "Print every event", 0},
    {"record", 'r', NULL, 0, "Keep a flight record of each node, also without a finding", 0},
    {"seeds", 'c', "N", 0, "Run N seeds", 1},
    {"from", 'f', "S", 0, "Begin with seed S (1)", 1},
    {"seconds", 'T', "S", 0, "Stop after so many seconds", 1},
    {"nodes", 'N', "LIST", 0, "Sizes of clusters, as 1,2,3,5", 1},
    {"jobs", 'j', "N", 0, "Processes at once (1)", 1},
    {"bare", 'b', NULL, 0, "Without the core's own checks", 1},
    {"flights", 'F', "DIR", 0, "Where flight records go (sim-flights)", 2},
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
    case 'r':
        arguments->replay.record = true;
        return 0;
    case 'F':
        campaign->flights = argument;
        arguments->replay.flights = argument;
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
    case ARGP_KEY_END:
        if (!arguments->one && (arguments->replay.steps != 0 || arguments->replay.trace || arguments->replay.record)) {
            argp_error(state, "--steps, --trace and --record are for one seed: say which with --seed");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_sim(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    struct arguments arguments = {.campaign = {.from = 1, .flights = FLIGHTS}, .replay = {.flights = FLIGHTS}};

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
