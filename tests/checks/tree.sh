#!/bin/bash
# tree.sh [DIRECTORY]: rules on the tree's files that a machine can check: one subject and one name per file, none beyond
# 800 lines, nothing left for later, no way around the arrows, links in the docs that lead somewhere.
set -euo pipefail
# shellcheck source=tests/checks/tracked.sh
source "$(dirname "${BASH_SOURCE[0]}")/tracked.sh"
cd "${1:-$(dirname "$0")/../..}"
status=0

complain() {
    while IFS= read -r line; do
        [ -z "$line" ] || { echo "$1: $line" && status=1; }
    done
}

mapfile -t sources < <(tracked '*.c' '*.h')
mapfile -t texts < <(tracked '*.c' '*.h' '*.cmake' '*.sh' '*CMakeLists.txt' '*.lua')
[ ${#sources[@]} -gt 0 ] || { echo 'no sources' && exit 1; }

complain 'a name that two files have' < <(printf '%s\n' "${sources[@]##*/}" | grep -vx 'main\.c' | sort | uniq -d)
complain 'a folder at the top that is no room' < <(tracked | sed -n 's,/.*,,p' | sort -u |
    grep -vxE '\.[a-z]+|core|wire|storage|node|tools|tests|docs')
complain 'longer than 800 lines' < <(for file in "${texts[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || echo "$file has $lines"
done)
complain 'left for later' < <(grep -nE '\b(TODO|FIXME|XXX)\b' "${texts[@]}" | grep -v '^tests/checks/')
complain 'an include that climbs out of its room' < <(grep -nE '^#include "\.\./' "${sources[@]}")
complain "a name that belongs to Debian's libraft" < <(grep -nE '\braft_[a-z]+\(|#include <raft' "${sources[@]}")

while IFS= read -r document; do
    complain "$document links to nothing" < <(grep -oE '\]\([^)#: ]+' "$document" | sed 's/^](//' | sort -u |
        while IFS= read -r link; do
            [ -e "$(dirname "$document")/$link" ] || echo "$link"
        done)
done < <(tracked '*.md')
while IFS= read -r script; do
    head -c 20 "$script" | grep -qE '^#!.*(bash|/sh)' || continue
    bash -n "$script" || { echo "$script: not a script that bash can read" && status=1; }
    [ -x "$script" ] || { echo "$script: begins with #! and cannot be executed" && status=1; }
done < <(tracked)
exit $status
