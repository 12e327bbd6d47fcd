dgraft_fuzzer(sessions SOURCES fuzz_sessions.c LINKS dgraft::node INCLUDES "${PROJECT_SOURCE_DIR}/node")

# Wrote tests/fuzz/corpus/sessions: run it again when the format changes.
add_executable(make_corpus_sessions EXCLUDE_FROM_ALL make_corpus_sessions.c)
dgraft_compile_options(make_corpus_sessions)
target_include_directories(make_corpus_sessions PRIVATE "${PROJECT_SOURCE_DIR}/node")
target_link_libraries(make_corpus_sessions PRIVATE dgraft::node)
target_link_options(make_corpus_sessions PRIVATE -fsanitize=fuzzer-no-link)
