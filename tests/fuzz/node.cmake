dgraft_fuzzer(sessions INPUT_BYTES_MAX 8192 SOURCES fuzz_sessions.c LINKS dgraft::node INCLUDES "${PROJECT_SOURCE_DIR}/node")

# Wrote tests/fuzz/corpus/sessions: run it again when the format changes.
add_executable(make_corpus_sessions EXCLUDE_FROM_ALL make_corpus_sessions.c)
dgraft_compile_options(make_corpus_sessions)
target_include_directories(make_corpus_sessions PRIVATE "${PROJECT_SOURCE_DIR}/node")
target_link_libraries(make_corpus_sessions PRIVATE dgraft::node)
target_link_options(make_corpus_sessions PRIVATE -fsanitize=fuzzer-no-link)

dgraft_fuzzer(snapshot INPUT_BYTES_MAX 8192 SOURCES fuzz_snapshot.c LINKS dgraft::node INCLUDES "${PROJECT_SOURCE_DIR}/node")

# Wrote tests/fuzz/corpus/snapshot: run it again when the format changes.
add_executable(make_corpus_snapshot EXCLUDE_FROM_ALL make_corpus_snapshot.c)
dgraft_compile_options(make_corpus_snapshot)
target_include_directories(make_corpus_snapshot PRIVATE "${PROJECT_SOURCE_DIR}/node")
target_link_libraries(make_corpus_snapshot PRIVATE dgraft::node)
target_link_options(make_corpus_snapshot PRIVATE -fsanitize=fuzzer-no-link)
