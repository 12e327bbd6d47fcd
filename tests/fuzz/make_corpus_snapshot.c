/* Writes the first inputs of fuzz_snapshot: make_corpus_snapshot DIRECTORY. */
#include <snapshot_state.h>

#include <stdio.h>
#include <stdlib.h>

static void save(const char *directory, const char *name, uint32_t members_count, uint32_t sessions_count,
                 const char *machine, size_t machine_bytes)
{
    char path[512];
    struct dgraft_members members = {.count = members_count};
    struct sessions sessions = {0};
    struct dgraft_snapshot_writer writer = {.bytes = NULL};
    for (uint32_t i = 0; i < members_count; i++) {
        members.items[i] = (struct dgraft_member){.id = i + 1, .roles = DGRAFT_MEMBER_VOTER, .store = 77 + i};
        snprintf(members.items[i].address, sizeof members.items[i].address, "127.0.0.1:%u", 7001 + i);
    }
    dgraft_sessions_advance(&sessions, 5000);
    for (uint32_t i = 0; i < sessions_count && dgraft_sessions_reserve(&sessions); i++) {
        const struct dgraft_session_head head = {10 + 2 * i, 1};
        dgraft_sessions_open(&sessions, head.session, 1000000);
        (void)dgraft_sessions_take(&sessions, &head, (struct dgraft_position){head.session + 1, 2}, NULL);
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || !dgraft_snapshot_state_begin(&writer, 1, &members, &sessions) ||
        !dgraft_snapshot_write(&writer, machine, machine_bytes)) {
        perror(path);
        exit(1);
    }
    if (fwrite(writer.bytes, 1, writer.size, file) != writer.size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    free(writer.bytes);
    dgraft_sessions_free(&sessions);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus_snapshot DIRECTORY\n");
        return 2;
    }
    save(argv[1], "empty-machine", 1, 0, "", 0);
    save(argv[1], "three-members", 3, 0, "state", 5);
    save(argv[1], "sessions", 2, 3, "some bytes of a machine", 23);
    return 0;
}
