#!/bin/sh
# Members of a cluster on loopback, as an operator changes them: a second node joins, catches up and votes; the first, which
# leads, is removed; a disk that was lost is named, and replaced.
#
#   member_session.sh RAFTCTL RAFTD
set -u
raftctl=$1
raftd=$2
room=$(mktemp -d) || exit 1
pids=
trap 'stop_all' EXIT
cd "$room" || exit 1
port=$((21000 + $$ % 9000))

stop_all() {
    for pid in $pids; do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$room"
}

die() {
    echo "FAIL: $1" >&2
    for file in out err log.*; do
        [ -s "$file" ] && sed "s/^/    $file: /" "$file" | tail -n 12 >&2
    done
    exit 1
}

# expect CODE COMMAND...
expect() {
    code=$1
    shift
    "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$code" ] || die "$*: exit code $got, not $code"
}

# says FILE WORD
says() {
    grep -q -- "$2" "$1" || die "$1 lacks '$2'"
}

at() {
    echo "127.0.0.1:$((port + $1))"
}

# start N [OPTION...]: begins raftd for node N and waits for its line.
start() {
    node=$1
    shift
    "$raftd" "n$node" --election-timeout 100 --check-invariants "$@" >"ready.$node" 2>"log.$node" </dev/null &
    eval "pid$node=$!"
    pids="$pids $!"
    tries=0
    until [ -s "ready.$node" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "raftd of node $node is not ready after 10 s"
        sleep 0.05
    done
}

# until_says WORD COMMAND...: repeats a command until it prints a word, for 10 s.
until_says() {
    word=$1
    shift
    tries=0
    until "$@" >out 2>err </dev/null; grep -q -- "$word" out; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || die "$* does not say '$word'"
        sleep 0.2
    done
}

# A port that is taken is given up for others, as long as the first node does not begin.
begin() {
    rm -rf n1
    "$raftctl" format n1 --cluster demo --node 1 --members "1=$(at 1)" >/dev/null || die "format"
    "$raftd" n1 --election-timeout 100 --check-invariants >ready.1 2>log.1 </dev/null &
    pid1=$!
    pids="$pids $pid1"
    tries=0
    until [ -s ready.1 ]; do
        kill -0 "$pid1" 2>/dev/null || return 1
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "raftd is not ready after 10 s"
        sleep 0.05
    done
}
attempt=0
until begin; do
    attempt=$((attempt + 1))
    [ $attempt -lt 20 ] || die "no port is free"
    port=$((port + 10))
done
DGRAFT_SERVERS=$(at 1)
export DGRAFT_SERVERS
expect 0 "$raftctl" put key value

# What cannot be is refused, in words.
expect 1 "$raftctl" member remove 1
says err 'only voter'
expect 1 "$raftctl" member remove 9
says err 'no member'
expect 1 "$raftctl" member add "2=$(at 2)"
says err 'no raftd answers'
expect 2 "$raftctl" member add 2
expect 2 "$raftctl" member frobnicate 2
expect 2 "$raftctl" format n2 --node 2 --join "$(at 1)" --cluster demo

# Two more join, by what the first one says of the cluster.
for node in 2 3; do
    expect 0 "$raftctl" format n$node --node $node --join "$(at 1)"
    says out 'member add'
    expect 1 "$raftd" n$node
    says err '--listen'
    start $node --listen "$(at $node)"
    expect 1 "$raftctl" member add "4=$(at $node)"
    says err "is node $node"
done
expect 0 "$raftctl" member add "2=$(at 2)"
says out 'node 2 is a voter'
expect 0 "$raftctl" member add "3=$(at 3)" --learner
says out 'learner'
expect 0 "$raftctl" member promote 3
says out 'node 3 is a voter'
expect 0 "$raftctl" member list
[ "$(grep -c voter out)" -eq 3 ] || die "three voters are wanted"
expect 0 "$raftctl" status
says out '3 of 3 reachable'

# The leader removes itself; the others go on, and what it stored is there.
expect 0 "$raftctl" member remove 1
until_says 'healthy: node [23] leads' "$raftctl" status
DGRAFT_SERVERS=$(at 2),$(at 3)
expect 0 "$raftctl" get key
says out value
says log.1 'no member'
kill "$pid1"

# A disk that is lost is named; the node is removed, and comes back with a new one.
expect 0 "$raftctl" format n4 --node 4 --join "$(at 2)"
start 4 --listen "$(at 4)"
expect 0 "$raftctl" member add "4=$(at 4)"
kill -9 "$pid4"
wait "$pid4" 2>/dev/null
rm -rf n4
expect 0 "$raftctl" format n4 --node 4 --join "$(at 2)"
start 4 --listen "$(at 4)"
until_says 'wiped or exchanged' "$raftctl" status
expect 0 "$raftctl" member remove 4
expect 0 "$raftctl" member add "4=$(at 4)"
says out 'node 4 is a voter'
until_says 'healthy' "$raftctl" status
expect 0 "$raftctl" member demote 4
says out 'learner'
echo "as an operator wants it"
