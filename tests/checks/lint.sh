#!/bin/bash
# lint.sh BUILD [--all | FILE...]: cppcheck, gcc -fanalyzer and clang-tidy on what is shipped: the library and its tools.
# BUILD has compile_commands.json. All of it for the first two, which take seconds; clang-tidy looks at the files named, or
# all, or those changed since the branch left main (or beside the last commit) and a sample of the others that changes with
# the commit, until LINT_SECONDS (120) are over. Says how many it saw; nothing seen is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/checks/tracked.sh
source tests/checks/tracked.sh
build=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
jobs=$(nproc)
begun=$SECONDS
export LC_ALL=C

mapfile -t shipped < <(tracked 'core/*.c' 'wire/*.c' 'storage/*.c' 'node/*.c' 'tools/*.c' | sort)

# commands FILE...: "file<TAB>command that compiles it", of the files that BUILD knows.
commands() {
    awk -v top="$PWD/" '
        /^  "directory": / { split($0, part, "\""); directory = part[4] }
        /^  "command": / {
            command = $0
            sub(/^  "command": "/, "", command)
            sub(/",?$/, "", command)
            gsub(/\\\\/, "\001", command)
            gsub(/\\"/, "\"", command)
            gsub(/\001/, "\\", command)
        }
        /^  "file": / {
            split($0, part, "\"")
            file = part[4]
            if (index(file, top) == 1) print substr(file, length(top) + 1) "\t" "cd " directory " && " command
        }' "$build/compile_commands.json" >"$work/all"
    awk -F '\t' 'FNR == NR { wanted[$0]; next } $1 in wanted && !seen[$1]++' <(printf '%s\n' "$@") "$work/all"
}

commands "${shipped[@]}" >"$work/shipped"
known=$(wc -l <"$work/shipped")
[ "$known" -gt 0 ] || { echo "$build/compile_commands.json knows none of the files" && exit 1; }

# Each room is read with the folders that it may see; uthash's macros and Criterion are not looked into.
rooms=(-Icore/include -Iwire/record/include -Iwire/include -Istorage/include -Inode/include)
mapfile -t folders < <(dirname "${shipped[@]}" | sort -u | sed 's/^/-I/')
cut -f 1 "$work/shipped" >"$work/names"
cppcheck --quiet -j "$jobs" --enable=warning,performance,portability --std=c11 --inline-suppr -D_GNU_SOURCE \
    -DDGRAFT_VERSION='"0"' --suppress=missingIncludeSystem --error-exitcode=1 "${rooms[@]}" "${folders[@]}" \
    --file-list="$work/names" || { echo 'cppcheck has something to say' && status=1; }

# Leaks are LeakSanitizer's: this analyzer takes what a function hands out through a pointer for lost.
sed 's/^[^\t]*\t//; s/ -o [^ ]* -c / -c /; s/ -fsanitize=[^ ]*//g' "$work/shipped" |
    sed 's/$/ -fanalyzer -Wno-analyzer-malloc-leak -Werror -o \/dev\/null/' >"$work/analyzer"
tr '\n' '\0' <"$work/analyzer" | xargs -0 -P "$jobs" -I '{}' bash -c '{}' ||
    { echo 'gcc -fanalyzer has something to say' && status=1; }
echo "cppcheck and gcc -fanalyzer: $known files, $((SECONDS - begun)) s"

# What clang-tidy looks at, the most important first.
head=$(git -c safe.directory='*' rev-parse -q --verify HEAD 2>/dev/null || echo none)
base=$(git -c safe.directory='*' merge-base HEAD origin/main 2>/dev/null || true)
if [ -z "$base" ] || [ "$base" = "$head" ]; then
    base=$(git -c safe.directory='*' rev-parse -q --verify HEAD~1 2>/dev/null || true)
fi
limit=${LINT_SECONDS:-120}
case ${1:-} in
--all)
    cat "$work/names" >"$work/chosen"
    limit=1000000
    ;;
'')
    : >"$work/changed"
    [ -z "$base" ] || git -c safe.directory='*' diff --name-only "$base" -- >"$work/changed"
    {
        grep -Fxf "$work/changed" "$work/names" || true
        grep -vFxf "$work/changed" "$work/names" | sort -R --random-source=<(yes "$head") || true
    } >"$work/chosen"
    ;;
*) printf '%s\n' "$@" >"$work/chosen" ;;
esac

# tidy FILE DEADLINE BUILD WORK: begins nothing when the time is over.
# shellcheck disable=SC2317 # xargs calls it
tidy() {
    [ "$(date +%s)" -lt "$2" ] || return 0
    if clang-tidy-14 -p "$3" --quiet "$1" >"$4/${1//\//+}.said" 2>/dev/null; then
        echo "$1" >>"$4/clean"
    else
        grep -E 'error:|warning:|note:' "$4/${1//\//+}.said" || cat "$4/${1//\//+}.said"
        echo "$1" >>"$4/dirty"
    fi
}
export -f tidy
touch "$work/clean" "$work/dirty"
begun=$SECONDS
xargs -P "$jobs" -I '{}' bash -c 'tidy "$@"' tidy '{}' "$(($(date +%s) + limit))" "$build" "$work" <"$work/chosen"
seen=$(cat "$work/clean" "$work/dirty" | wc -l)
[ ! -s "$work/dirty" ] || { echo 'clang-tidy has something to say' && status=1; }
[ "$seen" -gt 0 ] || { echo 'clang-tidy saw nothing' && status=1; }
echo "clang-tidy: $seen of $known files, $((SECONDS - begun)) s"
exit $status
