#!/bin/bash
# arrows.sh BUILD [EXTRA_OPTION...]: arrows between rooms run one way. Compiles, with each room's own flags from
# BUILD/compile_commands.json, a file that asks for every public header of every room: those of the rooms it may see must
# be found, all others must not. The extra options serve the test of this test.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/checks/rooms.sh
build=$1
shift
status=0
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT

# flags_of ROOM: where CMake lets the room's sources look for headers.
flags_of() {
    grep -m 1 -E "\"command\".*dgraft_$1_objects\.dir/" "$build/compile_commands.json" |
        grep -oE -- '-(I|isystem) ?[^ ]+' || { echo "no source of room $1 in $build" >&2 && return 1; }
}

for room in "${ROOMS[@]}"; do
    mapfile -t flags < <(flags_of "$room")
    [ ${#flags[@]} -gt 0 ] || { status=1 && continue; }
    for other in "${ROOMS[@]}"; do
        wanted=absent
        [[ " $(room_sees "$room") " != *" $other "* ]] || wanted=found
        for header in "$(room_include "$other")"/dgraft/*.h; do
            name=dgraft/$(basename "$header")
            printf '#if __has_include(<%s>)\n#error %s found %s\n#endif\n' "$name" "$room" "$name"
        done >"$probe/probe.c"
        have=$(gcc -std=c11 -fsyntax-only "${flags[@]}" "$@" "$probe/probe.c" 2>&1 | grep -c 'error: #error' || true)
        total=$(grep -c '^#error' "$probe/probe.c")
        if [ $wanted = found ] && [ "$have" -ne "$total" ]; then
            echo "$room may see $other, but finds only $have of its $total headers" && status=1
        elif [ $wanted = absent ] && [ "$have" -ne 0 ]; then
            echo "$room must not see $other, but finds $have of its headers" && status=1
        fi
    done
done
exit $status
