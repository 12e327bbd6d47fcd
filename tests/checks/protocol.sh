#!/bin/bash
# protocol.sh [DOCUMENT]: each row of docs/protocol.md's tables names code and tests that exist: files; functions, which one of
# the row's files of code defines; tests as suite.name, which one Criterion test under tests/ is.
set -euo pipefail
document=$(realpath "${1:-$(dirname "$0")/../../docs/protocol.md}")
cd "$(dirname "$0")/../.."
export LC_ALL=C
status=0
rows=0

complain() {
    echo "$document:$1: $2"
    status=1
}

# A test is Test(suite, name, or the same over two lines.
tests=$(grep -rhoEz 'Test\([a-z0-9_]+,[[:space:]]+[a-z0-9_]+' --include='*.c' tests | tr '\0' '\n' | tr -s ' \n' ' ' |
    sed 's/Test(/\n/g; s/, /./g; s/ //g' | sort -u)

# words TEXT: what stands between backquotes.
words() {
    grep -oE '`[^`]+`' <<<"$1" | tr -d '`' || true
}

while IFS='|' read -r number rule _ code proof _; do
    rows=$((rows + 1))
    files=()
    functions=()
    while read -r word; do
        case $word in
        '') ;;
        */*) [ -f "$word" ] && files+=("$word") || complain "$number" "there is no file $word" ;;
        *) functions+=("$word") ;;
        esac
    done < <(words "$code")
    [ ${#files[@]} -gt 0 ] && [ ${#functions[@]} -gt 0 ] || { complain "$number" "no function and file for:$rule" && continue; }
    for function in "${functions[@]}"; do
        # A definition begins a line, and is not ended by a semicolon.
        grep -E "^[a-z][^;=]*[ *]$function\(" "${files[@]}" | grep -qv ';$' ||
            complain "$number" "$function is not defined in ${files[*]}"
    done
    [ -n "$(words "$proof")" ] || complain "$number" "no test for:$rule"
    while read -r word; do
        case $word in
        '') ;;
        */*) [ -f "$word" ] || complain "$number" "there is no file $word" ;;
        *) grep -qxF "$word" <<<"$tests" || complain "$number" "there is no test $word" ;;
        esac
    done < <(words "$proof")
done < <(grep -nE '^\|' "$document" | grep -vE '^[0-9]+:\|(---|[[:space:]]*rule[[:space:]]*\|)' | sed 's/:|/|/')

[ $rows -gt 0 ] || complain 1 'no rows'
echo "$rows rules"
exit $status
