/* With batteries: a cluster of one in a directory of its own commits and applies one command. */
#include <dgraft/node.h>

#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static sem_t answered;
static enum dgraft_proposal_fate fate;
static char applied[16];

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].payload_bytes < sizeof applied) {
            memcpy(applied, entries[i].payload, entries[i].payload_bytes);
        }
    }
}

static void on_answer(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)context;
    fate = answer->fate;
    (void)sem_post(&answered);
}

int main(int argc, char **argv)
{
    struct dgraft_why why = {{0}};
    struct dgraft_node_options options = {.machine.apply = apply};
    struct dgraft_node *node = NULL;
    char greeting[] = "hello";
    struct iovec piece = {.iov_base = greeting, .iov_len = sizeof greeting - 1};
    struct dgraft_proposal proposal = {.pieces = &piece, .piece_count = 1, .answered = on_answer};
    if (argc != 2 || sem_init(&answered, 0, 0) != 0) {
        return 2;
    }
    options.directory = argv[1];
    options.listen = "127.0.0.1:0"; /* nobody else wants to reach it */
    if (dgraft_node_format(argv[1], "embedded", 1, "1=127.0.0.1:7001", &why) != DGRAFT_OK ||
        dgraft_node_open(&options, &node, &why) != DGRAFT_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    /* Until it has elected itself a proposal is refused; then it is committed. */
    for (int tries = 0; tries < 100 && fate != DGRAFT_PROPOSAL_COMMITTED; tries++) {
        struct timespec pause = {.tv_nsec = 50000000};
        if (dgraft_node_propose(node, &proposal) == DGRAFT_OK) {
            (void)sem_wait(&answered);
        }
        (void)nanosleep(&pause, NULL);
    }
    dgraft_node_close(node);
    (void)printf("applied: %s\n", applied);
    return fate == DGRAFT_PROPOSAL_COMMITTED && strcmp(applied, "hello") == 0 ? 0 : 1;
}
