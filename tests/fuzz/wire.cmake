dgraft_fuzzer(record INPUT_BYTES_MAX 1024 SOURCES fuzz_record.c LINKS dgraft::record)
dgraft_fuzzer(frame INPUT_BYTES_MAX 2048 SOURCES fuzz_frame.c LINKS dgraft::wire PkgConfig::XXHASH)
dgraft_fuzzer(membership INPUT_BYTES_MAX 6144 SOURCES fuzz_membership.c LINKS dgraft::wire)
dgraft_fuzzer(fragment INPUT_BYTES_MAX 512 SOURCES fuzz_fragment.c LINKS dgraft::wire PkgConfig::XXHASH)

# Wrote tests/fuzz/corpus/{record,frame,membership,fragment}: run it again when a format changes.
add_executable(make_corpus_wire EXCLUDE_FROM_ALL make_corpus_wire.c)
dgraft_compile_options(make_corpus_wire)
target_link_libraries(make_corpus_wire PRIVATE dgraft::wire)
target_link_options(make_corpus_wire PRIVATE -fsanitize=fuzzer-no-link)
