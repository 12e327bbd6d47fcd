#!/bin/bash
# run.sh BUILD: installs BUILD under a prefix of its own and is a stranger to it: programs in C11 and C++17, with the core
# alone and with all, found by CMake and by pkg-config, compiled without a warning, and run. The programs in README.md and
# docs/embedding.md are among them, as they stand there.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
strict=(-Wall -Wextra -Wpedantic -Werror -D_POSIX_C_SOURCE=200809L)

say() {
    printf '\n== %s\n' "$*"
}

# programs_of DOCUMENT NAME: its C blocks that have a main become NAME.c, with no port that another test may have taken.
mkdir "$work/examples"
programs_of() {
    local port=$((20000 + RANDOM % 10000))
    awk '/^```c$/ { block = ""; inside = 1; next }
         /^```$/ { if (inside && block ~ /int main\(/) printf "%s", block; inside = 0 }
         inside { block = block $0 "\n" }' "$1" | sed "s/127\.0\.0\.1:7001/127.0.0.1:$port/" >"$work/examples/$2.c"
    [ -s "$work/examples/$2.c" ] || { echo "$1 has no program" && exit 1; }
}
programs_of README.md readme_example
programs_of docs/embedding.md embedding_example

say installing
cmake --install "$build" --prefix "$prefix"
for tool in raftd raftctl; do
    "$prefix/bin/$tool" --help >/dev/null || { echo "$tool does not run from where it is installed" && exit 1; }
done
# Nothing installed may know where it was built.
if grep -rlF "$PWD" "$prefix/include" "$prefix/lib/cmake" "$prefix/lib/pkgconfig"; then
    echo 'these files know the build tree' && exit 1
fi
mv "$prefix" "$work/moved" # nor where it was installed first
prefix=$work/moved
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# works PROGRAM...: each does what it is for. What wants a directory gets a new one.
works() {
    local program directory
    for program in "$@"; do
        directory=$(mktemp -d)
        echo "\$ $(basename "$program")"
        case $program in
        *_core) "$program" ;;
        *embedding_example)
            "$prefix/bin/raftctl" format "$directory/node1" --cluster counter --node 1 \
                --members "1=127.0.0.1:$((30000 + RANDOM % 2000))"
            "$program" "$directory/node1" | tee "$directory/said"
            grep -qx 'fate 1, counter 1' "$directory/said"
            ;;
        *readme_example)
            "$program" "$directory/node1" | tee "$directory/said"
            grep -qx 'committed as entry [0-9]*; the machine has seen 5 bytes' "$directory/said"
            ;;
        *) "$program" "$directory/node" ;;
        esac
        rm -rf "$directory"
    done
}

say 'found by CMake'
cmake -S tests/install -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DDGRAFT_EXAMPLES="$work/examples"
cmake --build "$work/build" -j "$(nproc)"
works "$work/build"/{c_core,cxx_core,c_node,cxx_node,readme_example,embedding_example}

say 'found by pkg-config'
[ "$(pkg-config --modversion libdgraft)" = "$(pkg-config --modversion libdgraft_core)" ]
read -ra core < <(pkg-config --static --cflags --libs libdgraft_core)
read -ra all < <(pkg-config --static --cflags --libs libdgraft)
read -ra plain < <(pkg-config --cflags --libs libdgraft) # there is only an archive: without --static it must link, too
mkdir "$work/pc"
gcc -std=c11 "${strict[@]}" tests/embed/embed_core.c "${core[@]}" -o "$work/pc/c_core"
gcc -std=c11 "${strict[@]}" tests/embed/embed_node.c "${all[@]}" -o "$work/pc/c_node"
g++ -std=c++17 "${strict[@]}" tests/install/stranger_core.cc "${core[@]}" -o "$work/pc/cxx_core"
g++ -std=c++17 "${strict[@]}" tests/install/stranger_node.cc "${plain[@]}" -o "$work/pc/cxx_node"
works "$work/pc"/{c_core,cxx_core,c_node,cxx_node}
for alone in "$work/pc/c_core" "$work/build/c_core"; do
    if ldd "$alone" | grep -E 'xxhash|isal|nng|jansson'; then
        echo 'the core alone wants a library' && exit 1
    fi
done
