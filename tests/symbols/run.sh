#!/bin/bash
# run.sh [--write] BUILD: the functions that the public headers declare are those of public-symbols.txt; libdgraft.a defines
# every one of them, and libdgraft_core.a those of the core. A change of the list is a change of the API: it is seen in
# review, and told in CHANGELOG.md. --write writes the list anew.
#
# The archives define more names that start with dgraft_, because rooms have several files; what no header declares is nobody
# else's to call.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
list=tests/symbols/public-symbols.txt
write=no
if [ "${1:-}" = --write ]; then
    write=yes
    shift
fi
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

rooms=(core wire/record wire storage node)
options=()
for room in "${rooms[@]}"; do
    options+=("-I$room/include")
    for header in "$room"/include/dgraft/*.h; do
        echo "#include <dgraft/${header##*/}>"
    done
done >"$work/all.c"

# The compiler says what is declared where; functions that are defined in a header are no symbols.
gcc -std=c11 -D_POSIX_C_SOURCE=200809L "${options[@]}" -aux-info "$work/declared" -fsyntax-only "$work/all.c"
sed -nE 's|^/\* ([a-z/]*include/dgraft/[a-z_0-9]+\.h):[0-9]+:NC \*/ extern [^(]*[ *](dgraft_[a-z0-9_]+) \(.*|\2 \1|p' "$work/declared" |
    sort -u >"$work/public"
[ -s "$work/public" ] || { echo 'the headers declare nothing' && exit 1; }

# defines ARCHIVE <names: each is an external symbol of it.
defines() {
    nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$work/defined"
    while IFS= read -r name; do
        grep -qx "$name" "$work/defined" || { echo "$1 does not define $name, which a header declares" && status=1; }
    done
}
defines "$build/libdgraft.a" < <(cut -d ' ' -f 1 "$work/public")
defines "$build/core/libdgraft_core.a" < <(sed -n 's| core/include/.*||p' "$work/public")

if [ $write = yes ]; then
    cp "$work/public" "$list"
    echo "$list: $(wc -l <"$list") symbols"
elif ! diff -u --label "$list" --label 'what the headers declare' "$list" "$work/public"; then
    echo "the API has changed: say so in CHANGELOG.md under Compatibility, then: tests/symbols/run.sh --write $build"
    status=1
fi
exit $status
