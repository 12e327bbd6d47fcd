#!/bin/sh
# What a step uses as a flag or an index into a ring is looked at by dgraft_core_adopt: every bool, enum, ring's head and count of
# the core's state. A new one wants its line in core/adopt.c.
#
#   core_adopt.sh STATE_H ADOPT_C
set -u
state=$1
adopt=$2

# members STRUCT: of these kinds, one a line.
members() {
    sed -n "/^struct $1 {/,/^};/p" "$state" |
        sed -nE 's/^ *(bool|enum [a-z_]+|uint32_t) +([a-z_]+);.*/\1 \2/p' |
        sed -nE 's/^(bool|enum [a-z_]+) //p; s/^uint32_t ([a-z]+_(head|count))$/\1/p'
}

missing=0
found=0
for owner in peer transfer dgraft_core; do
    for member in $(members $owner); do
        found=$((found + 1))
        case $owner in
        peer) place="peer->$member" ;;
        transfer) place="core->transfer.$member" ;;
        *) place="core->$member" ;;
        esac
        if ! grep -qE -- "$place\>" "$adopt"; then
            echo "core/adopt.c does not look at $place"
            missing=$((missing + 1))
        fi
    done
done
[ $found -ge 30 ] || { echo "only $found members were found in $state" && exit 1; }
[ $missing -eq 0 ] && echo "$found members are looked at"
