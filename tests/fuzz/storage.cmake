set(storage_fuzz_rig storage_input.c ../unit/storage/memory_fs.c)
set(storage_fuzz_includes "${PROJECT_SOURCE_DIR}/storage" "${PROJECT_SOURCE_DIR}/tests/unit/storage")
dgraft_fuzzer(batch SOURCES fuzz_batch.c ${storage_fuzz_rig} LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(inspect SOURCES fuzz_inspect.c ${storage_fuzz_rig} LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(recovery SOURCES fuzz_recovery.c ${storage_fuzz_rig} LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(state SOURCES fuzz_state.c LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})

# Wrote tests/fuzz/corpus/{batch,inspect,recovery,state}: run it again when a format changes.
add_executable(make_corpus_storage EXCLUDE_FROM_ALL make_corpus_storage.c ${storage_fuzz_rig}
               ../unit/storage/storage_rig.c)
dgraft_compile_options(make_corpus_storage)
target_compile_definitions(make_corpus_storage PRIVATE _GNU_SOURCE)
target_include_directories(make_corpus_storage PRIVATE ${storage_fuzz_includes})
target_link_libraries(make_corpus_storage PRIVATE dgraft::storage)
target_link_options(make_corpus_storage PRIVATE -fsanitize=fuzzer-no-link)
