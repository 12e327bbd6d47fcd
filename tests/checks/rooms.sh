# shellcheck shell=bash
# Which room may see which: design by include path. Sourced by headers.sh and arrows.sh.

# room_include ROOM: where its public headers are.
room_include() {
    case $1 in
    record) echo wire/record/include ;;
    *) echo "$1/include" ;;
    esac
}

# room_sees ROOM: the rooms whose public headers it may include, itself first.
room_sees() {
    case $1 in
    core) echo core ;;
    record) echo record core ;;
    wire) echo wire core record ;;
    storage) echo storage core record ;;
    node) echo node core record wire storage ;;
    *) echo "no room is called $1" >&2 && return 1 ;;
    esac
}

# shellcheck disable=SC2034
ROOMS=(core record wire storage node)
