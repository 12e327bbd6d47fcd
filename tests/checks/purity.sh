#!/bin/bash
# purity.sh ARCHIVE: the core calls nothing and remembers nothing (rule C1).
# Undefined symbols are the five that a freestanding C compiler wants, and the stack guard; .data and .bss are empty.
set -euo pipefail
archive=$1
allowed='memcpy|memmove|memset|memcmp|abort|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'
status=0

# What one object defines, another of the same archive may call.
defined=$(nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
[ -n "$defined" ] || { echo "$archive: defines nothing" && exit 1; }

while read -r symbol; do
    echo "$archive: calls $symbol, so it is not pure"
    status=1
done < <(comm -23 <(nm -u "$archive" | awk '$1 == "U" { print $2 }' | grep -Evx "$allowed" | sort -u) \
    <(printf '%s\n' "$defined"))

while read -r section size object; do
    echo "$archive: $object keeps $size bytes in $section, so it remembers"
    status=1
done < <(size -A "$archive" | awk '
    / :|:$/ { object = $1 }
    /^\.(data|bss|tdata|tbss|tm_clone)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 { print $1, $2, object }')
exit $status
