/* What servers say of the members: who they are, how far they have come. */
#ifndef RAFTCTL_MEMBER_VIEW_H
#define RAFTCTL_MEMBER_VIEW_H

#include <kv_client.h>

/* What one server says of itself. */
struct member_view {
    uint64_t node;
    uint64_t leader; /* 0 unknown */
    char cluster[64];
    char cluster_id[24];
    char store[24];
};

/* Asks the server at a place. Returns false when it does not answer. */
bool member_view_ask(struct kv_client *client, int place, struct member_view *view);

/* Asks the servers that the client was opened with until one answers that leads, or follows a leader. */
bool member_view_of_leader(struct kv_client *client, struct member_view *view);

/* Prints the members as the leader has them. Returns the exit code. */
int member_view_list(const char *program, struct kv_client *client);

/* Waits until a node is a voter, and says on stderr how far it has come. Returns the exit code. */
int member_view_wait(const char *program, struct kv_client *client, uint64_t node);

#endif
