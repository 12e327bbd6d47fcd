/* Writes the first inputs of fuzz_sessions: make_corpus_sessions DIRECTORY. */
#include <sessions.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void save(const char *directory, const char *name, struct sessions *sessions)
{
    char path[512];
    const size_t size = dgraft_sessions_encoded_bytes(sessions);
    uint8_t *bytes = malloc(size);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (bytes == NULL || file == NULL) {
        perror(path);
        exit(1);
    }
    dgraft_sessions_encode(sessions, bytes);
    if (fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    free(bytes);
    dgraft_sessions_free(sessions);
}

/* A table of so many sessions, each with every `step`th of its newest sequences done. */
static struct sessions table(uint32_t count, uint64_t newest, uint64_t step)
{
    struct sessions sessions = {0};
    dgraft_index index = 10;
    dgraft_sessions_advance(&sessions, 5000);
    for (uint32_t i = 0; i < count && dgraft_sessions_reserve(&sessions); i++) {
        const dgraft_index id = index++;
        dgraft_sessions_open(&sessions, id, 1000000);
        for (uint64_t sequence = step; sequence <= newest; sequence += step) {
            const struct dgraft_session_head head = {id, sequence};
            struct dgraft_remembered answer = {.size = (uint32_t)(sequence % 20)};
            memset(answer.bytes, 'a', answer.size);
            (void)dgraft_sessions_take(&sessions, &head, (struct dgraft_position){index++, 2}, NULL);
            dgraft_sessions_remember(&sessions, &head, &answer);
        }
    }
    return sessions;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus_sessions DIRECTORY\n");
        return 2;
    }
    struct sessions tables[] = {table(0, 0, 1), table(1, 1, 1), table(3, 10, 3), table(1, 70, 1)};
    const char *const names[] = {"none", "one", "three", "full-window"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        save(argv[1], names[i], &tables[i]);
    }
    return 0;
}
