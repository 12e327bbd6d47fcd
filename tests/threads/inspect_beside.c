/* Whoever inspects a directory must not keep a node out of it: one thread inspects without a pause, the other opens the
 * store again and again. Every open succeeds, and the inspector sees some of them.
 */
#include "plain_check.h"

#include <dgraft/inspect.h>
#include <dgraft/node.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { OPENS = 2000 };

static char base[] = "inspect-beside-XXXXXX";
static char directory[64];
static atomic_bool stopping;
static atomic_uint seen_running;
static atomic_uint inspections;

static void *inspect(void *unused)
{
    const struct dgraft_inspect_visitor silent = {0};
    (void)unused;
    while (!atomic_load(&stopping)) {
        struct dgraft_inspect_summary summary;
        struct dgraft_why why = {""};
        CHECK(dgraft_inspect(dgraft_fs_posix(), directory, &silent, &summary, &why) == DGRAFT_OK, "%s", why.text);
        atomic_fetch_add(&seen_running, summary.running ? 1u : 0u);
        atomic_fetch_add(&inspections, 1);
    }
    return NULL;
}

int main(void)
{
    const struct dgraft_storage_options options = {0};
    struct dgraft_why why = {""};
    pthread_t inspector;
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    (void)snprintf(directory, sizeof directory, "%s/1", base);
    CHECK(dgraft_node_format(directory, "beside", 1, "1=127.0.0.1:7001", &why) == DGRAFT_OK, "%s", why.text);
    CHECK(pthread_create(&inspector, NULL, inspect, NULL) == 0, "pthread_create");
    unsigned opens = 0;
    for (; opens < OPENS || atomic_load(&inspections) < 100 || atomic_load(&seen_running) == 0; opens++) {
        struct dgraft_storage *storage = NULL;
        const enum dgraft_status status = dgraft_storage_open(dgraft_fs_posix(), directory, &options, &storage, &why);
        CHECK(status == DGRAFT_OK, "open %u: %s", opens, why.text);
        dgraft_storage_abandon(storage);
    }
    atomic_store(&stopping, true);
    CHECK(pthread_join(inspector, NULL) == 0, "pthread_join");
    printf("%u opens beside %u inspections, of which %u saw one\n", opens, atomic_load(&inspections),
           atomic_load(&seen_running));
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    CHECK(system(command) == 0, "%s", command);
    return 0;
}
