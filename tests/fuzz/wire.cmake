dgraft_fuzzer(record SOURCES fuzz_record.c LINKS dgraft::record)
dgraft_fuzzer(frame SOURCES fuzz_frame.c LINKS dgraft::wire PkgConfig::XXHASH)
dgraft_fuzzer(membership SOURCES fuzz_membership.c LINKS dgraft::wire)
dgraft_fuzzer(fragment SOURCES fuzz_fragment.c LINKS dgraft::wire PkgConfig::XXHASH)

# Wrote tests/fuzz/corpus/{record,frame,membership,fragment}: run it again when a format changes.
add_executable(make_corpus_wire EXCLUDE_FROM_ALL make_corpus_wire.c)
dgraft_compile_options(make_corpus_wire)
target_link_libraries(make_corpus_wire PRIVATE dgraft::wire)
target_link_options(make_corpus_wire PRIVATE -fsanitize=fuzzer-no-link)
