# shellcheck shell=bash
# What dgraft wants from Debian, said once. Sourced by tools/quickstart and tests/run.

# To build library and tools.
DGRAFT_BUILD_PACKAGES=(gcc libc6-dev make cmake pkg-config libxxhash-dev libisal-dev libjansson-dev libnng-dev uthash-dev)

# To test, besides: Criterion, a C++ compiler for the headers, clang with libFuzzer, the formatter, two linters, nm and size,
# patch.
# shellcheck disable=SC2034 # used by tests/run
DGRAFT_TEST_PACKAGES=("${DGRAFT_BUILD_PACKAGES[@]}" libcriterion-dev g++ clang libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck binutils patch)

# ensure_packages MODE PACKAGE...: sees to it that the packages are installed.
# MODE is "install", or "tell": then only says what is missing. Prints nothing but a line when nothing is missing.
# Returns 0 when all are there at the end.
ensure_packages() {
    local mode=$1 package output
    local -a missing=() as_root=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        printf 'packages   no dpkg here: taking for granted what Debian calls %s\n' "$*"
        return 0
    fi
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        printf 'packages   all %d are installed\n' $#
        return 0
    fi
    printf 'packages   missing: %s\n' "${missing[*]}"
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    printf 'packages   %s %s apt-get install --no-install-recommends %s\n' \
        "$([ "$mode" = install ] && echo 'installing with:' || echo 'install them with:')" \
        "${as_root[*]}" "${missing[*]}" | tr -s ' '
    [ "$mode" = install ] || return 1
    if [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
        echo 'packages   not root, and there is no sudo: become root and run the line above'
        return 1
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    output=$(mktemp) || return 1
    if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >"$output" 2>&1 </dev/null; then
        tail -n 20 "$output"
        echo "packages   apt-get failed; all of what it said is in $output"
        return 1
    fi
    rm -f "$output"
    printf 'packages   installed %d\n' ${#missing[@]}
}
