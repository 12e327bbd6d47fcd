#!/bin/sh
# A cluster of three on loopback whose disks give back other bytes than they were given, as an operator sees it: entries are
# damaged on two nodes at once, on each other ones, also those that say who the members are; a segment is lost, and the newest
# snapshot. All come back by themselves, with the same keys.
#
#   repair_session.sh RAFTCTL RAFTD
set -u
raftctl=$1
raftd=$2
room=$(mktemp -d) || exit 1
pids=
trap 'stop_all' EXIT
cd "$room" || exit 1
port=$((11000 + $$ % 9000))

stop_all() {
    for pid in $pids; do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$room"
}

die() {
    echo "FAIL: $1" >&2
    for file in out err log.*; do
        [ -s "$file" ] && cut -c1-200 "$file" | sed "s/^/    $file: /" | tail -n 12 >&2
    done
    exit 1
}

at() {
    echo "127.0.0.1:$((port + $1))"
}

# begin N: begins raftd for node N. ready N: waits for its line; fails when the process ends.
begin() {
    rm -f "ready.$1"
    "$raftd" "n$1" --election-timeout 200 --check-invariants >"ready.$1" 2>>"log.$1" </dev/null &
    eval "pid$1=$!"
    pids="$pids $!"
}

ready() {
    eval "pid=\$pid$1"
    tries=0
    until [ -s "ready.$1" ]; do
        kill -0 "$pid" 2>/dev/null || return 1
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "raftd of node $1 is not ready after 10 s"
        sleep 0.05
    done
}

# stop N: ends node N cleanly, so that its log's end is marked.
stop() {
    eval "pid=\$pid$1"
    kill -TERM "$pid"
    wait "$pid" 2>/dev/null || die "node $1 does not end cleanly"
}

# settled: waits until all three have applied everything and nothing is damaged.
settled() {
    tries=0
    until "$raftctl" get first >out 2>err && "$raftctl" status >out 2>err && grep -q '3 of 3 reachable' out &&
        grep -q healthy out; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || die "the cluster does not settle"
        sleep 0.2
    done
}

# same: every key is there, whoever is asked; and the three directories say the same.
same() {
    settled
    for node in 1 2 3; do
        for number in 1 57 120; do
            DGRAFT_SERVERS=$(at $node) "$raftctl" get "files/$number" >out 2>err || die "node $node: get files/$number"
            grep -q "value $number" out || die "node $node has another value of $number"
        done
    done
}

# damage NODE OFFSET BYTES: other bytes, as a disk may give them, in the segment that was written up to there.
damage() {
    for file in "n$1"/log-*; do
        if [ "$(dd if="$file" bs=1 skip="$2" count=64 2>/dev/null | tr -d '\0' | wc -c)" -gt 0 ]; then
            head -c "$3" /dev/zero | tr '\0' 'U' | dd of="$file" bs=1 seek="$2" conv=notrunc 2>/dev/null || die "dd $file"
            return
        fi
    done
    die "node $1 has no segment written up to $2"
}

# mended N: its log says what was damaged, and that it is not any more.
mended() {
    grep -q 'are damaged: the other members are asked' "log.$1" || die "node $1 says nothing of damage"
    grep -q 'opened again: nothing is damaged' "log.$1" || die "node $1 does not say that it is mended"
    : >"log.$1"
}

attempt=0
while :; do
    members="1=$(at 1),2=$(at 2),3=$(at 3)"
    for node in 1 2 3; do
        rm -rf "n$node"
        "$raftctl" format "n$node" --cluster demo --node "$node" --members "$members" >/dev/null || die format
    done
    begin 1
    ready 1 && break
    attempt=$((attempt + 1))
    [ $attempt -lt 20 ] || die "no port is free"
    port=$((port + 10))
done
begin 2
begin 3
ready 2 || die "node 2"
ready 3 || die "node 3"
DGRAFT_SERVERS=$(at 1),$(at 2),$(at 3)
export DGRAFT_SERVERS
mkdir files || exit 1
for number in $(seq 120); do
    { echo "value $number" && head -c 3000 /dev/zero | tr '\0' x; } >"files/$number"
done
settled_once=0
until "$raftctl" put first x >out 2>err; do
    settled_once=$((settled_once + 1))
    [ $settled_once -lt 50 ] || die "nobody leads"
    sleep 0.2
done
"$raftctl" load files >out 2>err || die load
same

# Two nodes at once, at places that the third and each other still hold: the members' entry on one of them.
stop 1
stop 2
damage 1 4300 200
damage 1 60000 4096
damage 2 120000 4096
begin 1
begin 2
ready 1 || die "node 1 does not start"
ready 2 || die "node 2 does not start"
same
mended 1
mended 2

# All three at once, each at another place.
for node in 1 2 3; do
    stop $node
done
damage 1 200000 512
damage 2 230000 512
damage 3 260000 512
for node in 1 2 3; do
    begin $node
done
for node in 1 2 3; do
    ready $node || die "node $node does not start"
done
same
for node in 1 2 3; do
    mended $node
done
"$raftctl" put last y >out 2>err || die "put after repair"

# A snapshot rots whose log is compacted: the leader's takes its place.
"$raftctl" snapshot >out 2>err || die snapshot
tries=0
until ls n3/snapshot-0* >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || die "node 3 makes no snapshot"
    sleep 0.1
done
"$raftctl" put newest z >out 2>err || die "put behind the snapshot"
stop 3
for file in n3/snapshot-0*; do
    printf 'rot' | dd of="$file" bs=1 seek=9000 conv=notrunc 2>/dev/null
done
begin 3
ready 3 || die "node 3 does not start"
same
grep -q 'the snapshot is damaged' log.3 || die "node 3 says nothing of its snapshot"
echo "repair_session: three disks damaged, nothing lost"
