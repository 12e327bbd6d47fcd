#!/bin/bash
# protocol.sh [--rows] [DOCUMENT]: each row of docs/protocol.md's tables names code and tests that exist: files; functions, which
# one of the row's files of code defines; tests as suite.name, which one Criterion test under tests/ is. A test named by a
# section stands in rows of that section.
#
# And the other way round, but for --rows: every test under tests/paper/ is in a row; every section of the dissertation that a
# comment of core/ or node/ cites as [§x.y] has a row; a function under such a comment is named in one; every section that
# a row names has a test of its own name.
set -euo pipefail
whole=yes
[ "${1:-}" != --rows ] || { whole=no && shift; }
document=$(realpath "${1:-$(dirname "$0")/../../docs/protocol.md}")
cd "$(dirname "$0")/../.."
export LC_ALL=C
status=0
rows=0

complain() {
    echo "$document:$1: $2"
    status=1
}

# tests_under DIRECTORY: a test is Test(suite, name, or the same over two lines.
tests_under() {
    grep -rhoEz 'Test\([a-z0-9_]+,[[:space:]]+[a-z0-9_]+' --include='*.c' "$1" | tr '\0' '\n' | tr -s ' \n' ' ' |
        sed 's/Test(/\n/g; s/, /./g; s/ //g' | grep . | sort -u
}
tests=$(tests_under tests)

# words TEXT: what stands between backquotes.
words() {
    grep -oE '`[^`]+`' <<<"$1" | tr -d '`' || true
}

# table: the rows, each with its number in front.
table() {
    grep -nE '^\|' "$document" | grep -vE '^[0-9]+:\|(---|[[:space:]]*rule[[:space:]]*\|)' | sed 's/:|/|/'
}

# section_of TEST: "§3.6.2" of section_3_6_2.a_rule; nothing of other tests.
section_of() {
    sed -n 's/^section_\([0-9_]*\)\..*/§\1/p' <<<"$1" | tr _ .
}

# names SOURCE SECTION: whether a row's source has this very section among those it lists.
names() {
    case ", $(tr -d ' ' <<<"$1" | sed 's/,/, /g')," in *" $2,"*) return 0 ;; esac
    return 1
}

while IFS='|' read -r number rule source code proof _; do
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
        *)
            grep -qxF "$word" <<<"$tests" || complain "$number" "there is no test $word"
            section=$(section_of "$word")
            [ -z "$section" ] || names "$source" "$section" || complain "$number" "$word is not of$source"
            ;;
        esac
    done < <(words "$proof")
done < <(table)
[ $rows -gt 0 ] || complain 1 'no rows'

# cited: "§x.y function file" for each function whose comment, right above it, cites a section; "§x.y - file" for what
# other comments cite.
cited() {
    awk '
        function cite(text, name) {
            while (match(text, /§[0-9]+(\.[0-9]+)*/)) {
                print substr(text, RSTART, RLENGTH), name, FILENAME
                text = substr(text, RSTART + RLENGTH)
            }
        }
        FNR == 1 || /^$/ { cite(comment, "-"); comment = "" }
        /^\/\*/ { cite(comment, "-"); comment = ""; inside = 1 }
        inside { comment = comment " " $0; if (/\*\//) inside = 0; next }
        /^[a-z].*\(/ && (!/;[ \t]*$/ || FILENAME ~ /\.h$/) {
            name = $0
            sub(/\(.*/, "", name)
            sub(/.*[ *]/, "", name)
            cite(comment, name)
            comment = ""
        }
        { cite($0, "-") }
        END { cite(comment, "-") }' core/*.[ch] core/include/dgraft/*.h node/*.[ch] node/include/dgraft/*.h | sort -u
}

# rows_of SECTION: the rows whose source names it.
rows_of() {
    while IFS='|' read -r number rule source rest; do
        ! names "$source" "$1" || echo "$number|$rule|$source|$rest"
    done <"$work/table"
}

if [ $whole = yes ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    table >"$work/table"
    papers=$(tests_under tests/paper)
    proven=$(cut -d '|' -f 5 "$work/table")
    while read -r test; do
        grep -qF "\`$test\`" <<<"$proven" || complain 1 "no row has the paper test $test"
    done <<<"$papers"
    cited >"$work/cited"
    while read -r section; do
        rows_of "$section" >"$work/$section"
        [ -s "$work/$section" ] || complain 1 "no row is of $section, which is cited in $(grep -F -m1 "$section " "$work/cited" | cut -d ' ' -f 3)"
    done < <(cut -d ' ' -f 1 "$work/cited" | sort -u)
    while read -r section function file; do
        [ "$function" = - ] || grep -qF "\`$function\`" "$work/$section" ||
            complain 1 "no row of $section names $function, which cites it in $file"
    done <"$work/cited"
    while read -r section; do
        grep -qF "section_$(tr . _ <<<"${section#§}")." <<<"$papers" || complain 1 "no paper test is named by $section"
    done < <(cut -d '|' -f 3 "$work/table" | grep -oE '§[0-9]+(\.[0-9]+)*' | sort -u)
    echo "$(wc -l <<<"$papers") paper tests, $(cut -d ' ' -f 1 "$work/cited" | sort -u | wc -l) sections cited"
fi
echo "$rows rules"
exit $status
