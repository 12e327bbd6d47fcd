set(flight_includes "${PROJECT_SOURCE_DIR}/node" "${PROJECT_SOURCE_DIR}/tests/unit/storage")
dgraft_fuzzer(flight INPUT_BYTES_MAX 4096 SOURCES fuzz_flight.c RIG ../unit/storage/memory_fs.c
              LINKS dgraft::node PkgConfig::XXHASH INCLUDES ${flight_includes})

# Wrote tests/fuzz/corpus/flight: run it again when the format changes.
add_executable(make_corpus_flight EXCLUDE_FROM_ALL make_corpus_flight.c)
dgraft_compile_options(make_corpus_flight)
target_compile_definitions(make_corpus_flight PRIVATE _GNU_SOURCE)
target_include_directories(make_corpus_flight PRIVATE ${flight_includes})
target_link_libraries(make_corpus_flight PRIVATE dgraft::node)
target_link_options(make_corpus_flight PRIVATE -fsanitize=fuzzer-no-link)
