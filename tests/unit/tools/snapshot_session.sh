#!/bin/sh
# Snapshots in a cluster of three on loopback, as an operator sees them: logs are compacted; who was away for too long, and who
# joins, is sent a snapshot; all end up with the same keys. And the flight record of each node is replayed as it was.
#
#   snapshot_session.sh RAFTCTL RAFTD
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
    "$raftd" "n$node" --election-timeout 200 --check-invariants --snapshot-every 40 --snapshot-tail 5 \
        --record "n$node/flight" "$@" >"ready.$node" 2>"log.$node" </dev/null &
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

# A port that is taken is given up for others, as long as nobody has begun.
begin() {
    members="1=$(at 1),2=$(at 2),3=$(at 3)"
    for node in 1 2 3; do
        rm -rf "n$node"
        "$raftctl" format "n$node" --cluster demo --node "$node" --members "$members" >/dev/null || die "format"
    done
    "$raftd" n1 --election-timeout 200 --snapshot-every 40 --snapshot-tail 5 --check-invariants --record n1/flight \
        >ready.1 2>log.1 </dev/null &
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
start 2
start 3
DGRAFT_SERVERS=$(at 1),$(at 2),$(at 3)
export DGRAFT_SERVERS

# put N: as many commands, each under a key of its own.
put() {
    rm -rf files && mkdir files || die "no room for files"
    number=0
    while [ $number -lt "$1" ]; do
        number=$((number + 1))
        echo "value $number" >files/$number
    done
    expect 0 "$raftctl" load files
}

# One node is away; the others go on until their logs no longer reach back to it.
expect 0 "$raftctl" put before away
kill -9 "$pid3"
wait "$pid3" 2>/dev/null
put 300
until_says 'holds a snapshot of all up to entry [23][0-9][0-9] ' "$raftctl" status
expect 0 "$raftctl" put after away

# It comes back, is sent a snapshot, and has every key.
start 3
until_says '3 of 3 reachable' "$raftctl" status
tries=0
until grep -q 'snapshot of all up to entry .* is taken up' log.3; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || die "node 3 took no snapshot up"
    sleep 0.05
done
until_says 'healthy' "$raftctl" status

# Their directories are compared while they run and write, several times.
rm -rf files && mkdir files || die "no room for files"
for number in $(seq 400); do
    echo "$number" >files/more$number
done
"$raftctl" load files >load.out 2>&1 </dev/null &
load=$!
for time in 1 2 3 4 5; do
    expect 0 "$raftctl" verify n1 n2 n3
    says out 'sound: 3 directories'
done
wait $load || die "the load beside raftctl verify"
expect 0 "$raftctl" verify --json n1 n2 n3
[ "$(grep -c '"type":"replica"' out)" -eq 3 ] || die "not three replicas"
tail -n 1 out | grep -q '"type":"summary","verdict":"sound"' || die "no summary"

# A start begins with the snapshot, and what the log holds besides.
for node in 1 2 3; do
    eval "kill -9 \$pid$node"
    eval "wait \$pid$node" 2>/dev/null
done
expect 0 "$raftctl" verify n1 n2 n3
says out 'sound: 3 directories'
expect 2 "$raftctl" verify n1 n1
says out 'impossible: .* both of node 1'
cp -r n2 rotten
: >rotten/state # in the log, a snapshot may hold what is lost
expect 1 "$raftctl" verify n1 rotten n3
says out 'DAMAGE'
says out 'findings: '
[ -z "$(LC_ALL=C tr -d '\n\040-\176' <out)" ] || die "verify prints control bytes"
for node in 1 2 3; do
    expect 0 "$raftctl" inspect n$node
    says out 'snapshots (1)'
    start $node
done
expect 0 "$raftctl" get before
says out away
expect 0 "$raftctl" get after
says out away

# Who joins is sent one, too: it has the keys that no log tells of any more.
expect 0 "$raftctl" format n4 --node 4 --join "$(at 1)"
start 4 --listen "$(at 4)"
expect 0 "$raftctl" member add "4=$(at 4)"
says out 'node 4 is a voter'
says log.4 'snapshot of all up to entry .* is taken up'

# One may be asked for.
expect 0 "$raftctl" snapshot --servers "$(at 1)"
says out 'is begun'
expect 2 "$raftctl" snapshot nonsense
until_says 'healthy' "$raftctl" status

# All have the same keys.
tries=0
while :; do
    "$raftctl" status --json >out 2>err </dev/null
    hashes=$(grep -o '"hash": *"[0-9a-f]*"' out | sort -u | wc -l)
    counted=$(grep -o '"hash": *"[0-9a-f]*"' out | wc -l)
    [ "$hashes" -eq 1 ] && [ "$counted" -eq 4 ] && break
    tries=$((tries + 1))
    [ $tries -lt 50 ] || die "the nodes' keys differ"
    sleep 0.2
done

# What the cores did is what they were recorded to do, through every start, compaction and snapshot.
for node in 1 2 3 4; do
    eval "kill -TERM \$pid$node"
    eval "wait \$pid$node" || die "node $node ends with an error"
done
pids=
for node in 1 2 3 4; do
    expect 0 "$raftctl" replay n$node/flight --print actions
    tail -n 1 out | grep -q '^equal: ' || die "node $node: $(tail -n 1 out)"
    grep -q '^damage' out && die "node $node: a record is damaged"
    cat out >>all
done
says all '-> COMPACT position.index='
says all '-> SEND to=. SNAPSHOT_CHUNK '
for node in 3 4; do
    expect 0 "$raftctl" replay n$node/flight --print actions
    says out 'SNAPSHOT_STORE snapshot'
    says out 'INSTALL seq='
done
echo "as an operator wants it"
