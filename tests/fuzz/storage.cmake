set(storage_fuzz_rig storage_input.c storage_scenes.c ../unit/storage/memory_fs.c ../unit/storage/memory_crash.c ../unit/storage/storage_rig.c)
set(storage_fuzz_includes "${PROJECT_SOURCE_DIR}/storage" "${PROJECT_SOURCE_DIR}/tests/unit/storage")
dgraft_fuzzer(batch INPUT_BYTES_MAX 4096 SOURCES fuzz_batch.c RIG ${storage_fuzz_rig}
              LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(inspect INPUT_BYTES_MAX 1536 SOURCES fuzz_inspect.c RIG ${storage_fuzz_rig}
              LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(recovery INPUT_BYTES_MAX 1536 SOURCES fuzz_recovery.c RIG ${storage_fuzz_rig}
              LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})
dgraft_fuzzer(state INPUT_BYTES_MAX 656 SOURCES fuzz_state.c LINKS dgraft::storage INCLUDES ${storage_fuzz_includes})

# Wrote tests/fuzz/corpus/{batch,inspect,recovery,report,state}: run it again when a format changes.
add_executable(make_corpus_storage EXCLUDE_FROM_ALL make_corpus_storage.c ${storage_fuzz_rig})
dgraft_compile_options(make_corpus_storage)
target_compile_definitions(make_corpus_storage PRIVATE _GNU_SOURCE)
target_include_directories(make_corpus_storage PRIVATE ${storage_fuzz_includes})
target_link_libraries(make_corpus_storage PRIVATE dgraft::storage)
target_link_options(make_corpus_storage PRIVATE -fsanitize=fuzzer-no-link)
