set(tools "${PROJECT_SOURCE_DIR}/tools")
dgraft_fuzzer(command INPUT_BYTES_MAX 320 SOURCES fuzz_command.c "${tools}/raftctl/inspect_hint.c"
              LINKS dgraft_kv dgraft_cli INCLUDES "${tools}/raftctl")
dgraft_fuzzer(answer INPUT_BYTES_MAX 512 SOURCES fuzz_answer.c RIG numeric_hosts.c LINKS kv_client PkgConfig::XXHASH)
dgraft_fuzzer(address INPUT_BYTES_MAX 320 SOURCES fuzz_address.c RIG numeric_hosts.c LINKS dgraft::wire)
dgraft_fuzzer(status INPUT_BYTES_MAX 768
              SOURCES fuzz_status.c "${tools}/raftctl/status_repair.c" "${tools}/raftctl/status_view.c"
                      "${tools}/raftctl/status_verdict.c"
              RIG printable_stream.c LINKS dgraft_cli dgraft::dgraft PkgConfig::JANSSON INCLUDES "${tools}/raftctl")
dgraft_fuzzer(report INPUT_BYTES_MAX 1536
              SOURCES fuzz_report.c "${tools}/raftctl/inspect_text.c" "${tools}/raftctl/inspect_json.c"
                      "${tools}/raftctl/inspect_hint.c" "${tools}/raftctl/inspect_payload.c"
                      "${tools}/raftctl/inspect_verdict.c"
              RIG printable_stream.c ${storage_fuzz_rig} LINKS dgraft_kv dgraft_cli dgraft::dgraft PkgConfig::JANSSON
              INCLUDES ${storage_fuzz_includes} "${tools}/raftctl")

dgraft_fuzzer(verify INPUT_BYTES_MAX 1024
              SOURCES fuzz_verify.c "${tools}/raftctl/verify_json.c" "${tools}/raftctl/verify_logs.c"
                      "${tools}/raftctl/verify_members.c" "${tools}/raftctl/verify_replicas.c"
                      "${tools}/raftctl/verify_text.c" "${tools}/raftctl/verify_verdict.c"
              RIG printable_stream.c ../unit/tools/replica_rig.c ${storage_fuzz_rig}
              LINKS dgraft_cli dgraft::dgraft PkgConfig::JANSSON
              INCLUDES ${storage_fuzz_includes} "${PROJECT_SOURCE_DIR}/tests/unit/tools" "${tools}/raftctl")

# Wrote tests/fuzz/corpus/{command,answer,address,status}: run it again when a format changes.
add_executable(make_corpus_tools EXCLUDE_FROM_ALL make_corpus_tools.c)
dgraft_compile_options(make_corpus_tools)
target_link_libraries(make_corpus_tools PRIVATE dgraft_kv)
target_link_options(make_corpus_tools PRIVATE -fsanitize=fuzzer-no-link)
