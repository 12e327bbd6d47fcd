#!/bin/bash
# headers.sh [HEADER...]: every public header compiles alone, twice in a row, as C11 and as C++17, and sees no more than
# its room may see. Headers named on the command line are compiled with every room in sight.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/checks/rooms.sh
# -Wshadow is for C alone: in C++ it objects to a function named as a struct, which both languages allow.
common=(-Wall -Wextra -Wpedantic -Werror -Wconversion -fsyntax-only)
status=0
count=0

# alone HEADER INCLUDE_OPTION...
alone() {
    local header=$1
    shift
    count=$((count + 1))
    printf '#include "%s"\n#include "%s"\nint main(void);\n' "$header" "$header" |
        gcc -std=c11 "${common[@]}" -Wshadow -Wstrict-prototypes "$@" -x c - || { echo "$header: not C11 by itself" && status=1; }
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        g++ -std=c++17 "${common[@]}" "$@" -x c++ - || { echo "$header: not C++17 by itself" && status=1; }
}

if [ $# -gt 0 ]; then
    for header in "$@"; do
        alone "$header" -Icore/include -Iwire/record/include -Iwire/include -Istorage/include -Inode/include
    done
else
    for room in "${ROOMS[@]}"; do
        options=()
        for seen in $(room_sees "$room"); do
            options+=("-I$(room_include "$seen")")
        done
        for header in "$(room_include "$room")"/dgraft/*.h; do
            alone "$PWD/$header" "${options[@]}"
        done
    done
fi
[ $count -gt 0 ] || status=1
exit $status
