/* §6.3, implementing linearizable semantics: clients' sessions, over three real drivers in one thread. */
#include <dgraft/node.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY    (86400 * SECOND)

struct server {
    char directory[80];
    struct dgraft_transport *transport;
    struct dgraft_driver *driver; /* NULL: crashed */
    uint64_t clock_ahead_ns;
    unsigned sum; /* of the first bytes of all commands */
};

struct cluster {
    char directory[32];
    struct dgraft_memory_hub *hub;
    struct server servers[4]; /* by id */
    dgraft_time_ns now_ns;
};

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct server *server = context;
    for (size_t i = 0; i < count; i++) {
        server->sum += entries[i].payload[0];
        if (entries[i].remembered != NULL) {
            entries[i].remembered->size = 1;
            entries[i].remembered->bytes[0] = (uint8_t)server->sum;
        }
    }
}

static void start(struct cluster *cluster, dgraft_node_id id)
{
    struct server *server = &cluster->servers[id];
    struct dgraft_why why = {""};
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:700%u", id);
    cr_assert_eq(dgraft_memory_open(cluster->hub, address, 1400, 1000, &server->transport), DGRAFT_OK);
    struct dgraft_driver_options options = {.fs = dgraft_fs_posix(),
                                            .directory = server->directory,
                                            .transport = server->transport,
                                            .machine = {.context = server, .apply = apply},
                                            .check_invariants = true};
    dgraft_config_defaults(&options.core, id);
    options.core.members_max = 3;
    options.core.seed = 77 + id;
    server->sum = 0;
    cr_assert_eq(dgraft_driver_open(&options, cluster->now_ns, &server->driver, &why), DGRAFT_OK, "%s", why.text);
}

static void crash(struct server *server)
{
    dgraft_driver_abandon(server->driver);
    server->driver = NULL;
    server->transport->ops->close(server->transport);
}

static void run(struct cluster *cluster, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        cluster->now_ns += MS;
        for (dgraft_node_id id = 1; id <= 3; id++) {
            struct server *server = &cluster->servers[id];
            if (server->driver != NULL) {
                dgraft_driver_turn(server->driver, cluster->now_ns, cluster->now_ns + server->clock_ahead_ns);
                dgraft_driver_perform(server->driver);
            }
        }
    }
}

static void open_cluster(struct cluster *cluster)
{
    struct dgraft_why why = {""};
    memset(cluster, 0, sizeof *cluster);
    (void)snprintf(cluster->directory, sizeof cluster->directory, "paper-sessions-XXXXXX");
    cr_assert_not_null(mkdtemp(cluster->directory));
    cluster->hub = dgraft_memory_hub_open(NULL, NULL);
    cluster->now_ns = SECOND;
    for (dgraft_node_id id = 1; id <= 3; id++) {
        struct server *server = &cluster->servers[id];
        (void)snprintf(server->directory, sizeof server->directory, "%s/n%u", cluster->directory, id);
        cr_assert_eq(dgraft_node_format(server->directory, "paper", id,
                                        "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003", &why),
                     DGRAFT_OK, "%s", why.text);
        start(cluster, id);
    }
    run(cluster, 2000);
}

static void close_cluster(struct cluster *cluster)
{
    char command[64];
    for (dgraft_node_id id = 1; id <= 3; id++) {
        if (cluster->servers[id].driver != NULL) {
            crash(&cluster->servers[id]);
        }
    }
    dgraft_memory_hub_close(cluster->hub);
    (void)snprintf(command, sizeof command, "rm -r ./%s", cluster->directory);
    cr_assert_eq(system(command), 0);
}

static struct server *leader_of(struct cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= 3; id++) {
        struct dgraft_driver_status status;
        if (cluster->servers[id].driver != NULL) {
            dgraft_driver_status(cluster->servers[id].driver, &status);
            if (status.core.role == DGRAFT_ROLE_LEADER) {
                return &cluster->servers[id];
            }
        }
    }
    cr_assert_fail("nobody leads");
    return NULL;
}

struct call {
    struct dgraft_proposal proposal;
    struct iovec piece;
    char byte;
    int answered;
    struct dgraft_proposal_answer answer;
    struct dgraft_remembered remembered;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    call->answered++;
    call->answer = *answer;
    if (answer->remembered != NULL) {
        call->remembered = *answer->remembered;
    }
}

static void prepare(struct call *call, dgraft_index session, uint64_t sequence, char byte)
{
    memset(call, 0, sizeof *call);
    call->byte = byte;
    call->piece = (struct iovec){&call->byte, 1};
    call->proposal = (struct dgraft_proposal){.pieces = &call->piece,
                                              .piece_count = 1,
                                              .context = call,
                                              .answered = on_answered,
                                              .session = session,
                                              .sequence = sequence};
}

static void propose(struct server *server, struct call *call, dgraft_index session, uint64_t sequence, char byte)
{
    prepare(call, session, sequence, byte);
    cr_assert_eq(dgraft_driver_propose(server->driver, &call->proposal), DGRAFT_OK);
}

static dgraft_index open_session(struct cluster *cluster, uint64_t timeout_ns)
{
    struct call call;
    prepare(&call, 0, 0, 0);
    cr_assert_eq(dgraft_driver_session_open(leader_of(cluster)->driver, &call.proposal, timeout_ns), DGRAFT_OK);
    run(cluster, 100);
    cr_assert_eq(call.answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    return call.answer.position.index;
}

static void assert_alike(struct cluster *cluster, unsigned sum)
{
    const uint64_t digest = dgraft_driver_sessions_digest(cluster->servers[1].driver);
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cr_assert_eq(cluster->servers[id].sum, sum, "server %u has %u", id, cluster->servers[id].sum);
        cr_assert_eq(dgraft_driver_sessions_digest(cluster->servers[id].driver), digest);
    }
}

/* "If the leader crashes after committing the log entry but before responding to the client, the client will retry the
 * command with a new leader, causing it to be executed a second time." */
Test(section_6_3, a_retry_at_another_leader_takes_effect_once_and_is_answered_alike)
{
    static struct cluster cluster;
    struct call calls[3];
    open_cluster(&cluster);
    const dgraft_index session = open_session(&cluster, 60 * SECOND);
    struct server *old = leader_of(&cluster);
    propose(old, &calls[0], session, 1, 5);
    propose(old, &calls[1], session, 2, 7);
    run(&cluster, 100); /* committed, and let the answers be lost */
    const dgraft_node_id crashed = (dgraft_node_id)(old - cluster.servers);
    crash(old);
    run(&cluster, 2000);
    propose(leader_of(&cluster), &calls[2], session, 1, 5);
    run(&cluster, 100);
    cr_assert_eq(calls[2].answered, 1);
    cr_assert_eq(calls[2].answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    cr_assert(calls[2].answer.repeated);
    cr_assert_eq(calls[2].answer.position.index, session + 1);
    cr_assert(calls[2].remembered.size == 1 && calls[2].remembered.bytes[0] == 5);
    start(&cluster, crashed);
    run(&cluster, 2000);
    assert_alike(&cluster, 12);
    close_cluster(&cluster);
}

/* "If a server receives a request for a session that is not known, it returns an error." It "does not allocate a new
 * session" for it. */
Test(section_6_3, a_session_that_was_never_opened_is_refused_and_not_made)
{
    static struct cluster cluster;
    struct call calls[3];
    struct dgraft_driver_status status;
    open_cluster(&cluster);
    const dgraft_index session = open_session(&cluster, 60 * SECOND);
    for (int i = 0; i < 3; i++) {
        propose(leader_of(&cluster), &calls[i], session + 50 - (uint64_t)(i == 2) * 51, 1, 1);
        run(&cluster, 100);
        cr_assert_eq(calls[i].answer.fate, DGRAFT_PROPOSAL_NO_SESSION);
    }
    dgraft_driver_status(leader_of(&cluster)->driver, &status);
    cr_assert(status.sessions.open == 1 && status.sessions.opened == 1);
    run(&cluster, 500);
    assert_alike(&cluster, 0);
    close_cluster(&cluster);
}

/* Servers must agree on when to expire a session: the leader's clock goes into the entries, theirs are not asked. */
Test(section_6_3, sessions_expire_by_the_time_in_the_log_on_all_servers_alike)
{
    static struct cluster cluster;
    struct call calls[4];
    open_cluster(&cluster);
    cluster.servers[1].clock_ahead_ns = DAY;
    cluster.servers[2].clock_ahead_ns = 3 * DAY;
    cluster.servers[3].clock_ahead_ns = 7 * DAY;
    const dgraft_index kept = open_session(&cluster, 60 * SECOND);
    const dgraft_index lost = open_session(&cluster, 2 * SECOND);
    propose(leader_of(&cluster), &calls[0], lost, 1, 1);
    run(&cluster, 5000);
    propose(leader_of(&cluster), &calls[1], kept, 1, 2); /* its time ends the other */
    run(&cluster, 500);
    propose(leader_of(&cluster), &calls[2], lost, 1, 1);
    propose(leader_of(&cluster), &calls[3], kept, 1, 2);
    run(&cluster, 500);
    cr_assert_eq(calls[0].answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    cr_assert_eq(calls[2].answer.fate, DGRAFT_PROPOSAL_NO_SESSION);
    cr_assert_eq(calls[3].answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    cr_assert(calls[3].answer.repeated);
    assert_alike(&cluster, 3);
    close_cluster(&cluster);
}
