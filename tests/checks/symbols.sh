#!/bin/bash
# symbols.sh ARCHIVE...: every external symbol starts with dgraft_, so that no program's own name can clash.
set -euo pipefail
status=0
[ $# -gt 0 ] || { echo 'no archives' && exit 1; }
for archive in "$@"; do
    symbols=$(nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
    [ -n "$symbols" ] || { echo "$archive: defines nothing" && status=1; }
    while read -r symbol; do
        [ -z "$symbol" ] || { echo "$archive: $symbol does not start with dgraft_" && status=1; }
    done < <(grep -v '^dgraft_' <<<"$symbols" || true)
done
exit $status
