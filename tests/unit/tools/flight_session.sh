#!/bin/sh
# The flight record of a node of one, as an operator would meet it on a bad day: kept through a crash, a kill and a clean end;
# replayed as it was; cut, bent, and somebody else's.
#
#   flight_session.sh RAFTCTL RAFTD
set -u
raftctl=$1
raftd=$2
room=$(mktemp -d) || exit 1
pid=
trap 'stop_all' EXIT
cd "$room" || exit 1
ulimit -c 0

stop_all() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    rm -rf "$room"
}

die() {
    echo "FAIL: $1" >&2
    for file in out err raftd.out raftd.err; do
        [ -s $file ] && sed "s/^/    $file: /" $file | tail -n 20 >&2
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

start() {
    "$raftd" n1 --election-timeout 50 --record n1/flight --record-mib 4 >raftd.out 2>raftd.err </dev/null &
    pid=$!
    tries=0
    until [ -s raftd.out ]; do
        kill -0 "$pid" 2>/dev/null || { pid= ; return 1; }
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "raftd is not ready after 10 s"
        sleep 0.05
    done
}

# end SIGNAL CODE: ends raftd, and expects its exit code; 0 for whatever a sanitizer makes of a fault.
end() {
    kill "-$1" "$pid"
    wait "$pid" 2>/dev/null
    got=$?
    pid=
    [ "$got" -eq "$2" ] || die "raftd ended with $got after SIG$1, not $2"
}

port=$((20000 + $$ % 20000))
attempts=0
while :; do
    rm -rf n1
    expect 0 "$raftctl" format n1 --cluster session --node 1 --members "1=127.0.0.1:$port"
    start && break
    grep -q 'in use' raftd.err || die "raftd did not start"
    attempts=$((attempts + 1))
    [ $attempts -lt 20 ] || die "no free port"
    port=$((port + 1))
done
DGRAFT_SERVERS=127.0.0.1:$port
export DGRAFT_SERVERS
expect 0 "$raftctl" put a 1
expect 0 "$raftctl" status --json
says out '"flight": {'
says out '"lost": 0'

# It ends as by an assertion, at once after an event: the end is on record all the same.
expect 0 "$raftctl" put b 2
end ABRT 134
expect 0 "$raftctl" replay n1/flight --print state
says out '^start 1 of node 1, from event 1 on: 2'
says out 'node 1: leader, term 2'
says out 'last 4 of term 2, durable 4, commit 4, applied 4'
tail -n 1 out | grep -q '^equal: [0-9]* events of 1 start of node 1 replayed' || die "the last line is no verdict"
first=$(sed -n 's/^equal: \([0-9]*\) events.*/\1/p' out)

start || die "raftd does not start after SIGABRT"
expect 0 "$raftctl" put c 3
sleep 0.3
end KILL 137
start || die "raftd does not start after SIGKILL"
expect 0 "$raftctl" get c
end TERM 0
expect 0 "$raftctl" replay n1/flight
says out '^start 1 of node 1'
says out "^start 2 of node 1, from event $((first + 1)) on"
says out '^start 3 of node 1'
says out '^equal: [0-9]* events of 3 starts'

# The same state, whenever one stops there; every event with what follows from it.
expect 0 "$raftctl" replay n1/flight --until "$first" --print state
grep 'hash of the whole state' out >hash
expect 0 "$raftctl" replay n1/flight --until "$first" --print state
grep -qx -F "$(cat hash)" out || die "another state at the second time"
says out "up to event $first as asked"
expect 0 "$raftctl" replay n1/flight --print actions --from 1 --until 3
says out '^ *1  20.*  START term=1 store='
[ "$(grep -c '^ *[0-9]*  20' out)" -eq 3 ] || die "not three events"
expect 0 "$raftctl" replay n1/flight --json --print actions --print state
grep -v '^{"type":"[a-z]*",.*}$' out >bad && die "a line of --json is no object: $(head -n 1 bad)"
says out '^{"type":"event","number":1,"kind":"START",.*"actions":\[\]}$'
says out '"kind":"WRITE","fields":{"seq":1,'
says out '^{"type":"state",.*"role":"leader"'
tail -n 1 out | grep -q '^{"type":"summary","verdict":"equal",' || die "the last object is no summary"

# A bad day for the record itself.
size=$(wc -c <n1/flight)
head -c $((size / 2)) n1/flight >cut
"$raftctl" replay cut >out 2>err
[ $? -le 1 ] || die "a cut record: exit code beyond 1"
grep -q '^different\|^broken' out && die "a cut record is no difference"
cp n1/flight bent
block=$(od -An -t u4 -j 16 -N 4 n1/flight | tr -d ' ')
printf X | dd of=bent bs=1 seek=$((4096 + block + 600)) conv=notrunc 2>/dev/null
expect 1 "$raftctl" replay bent
says out '^damage: block 1: '
tail -n 1 out | grep -q '^damaged: ' || die "a bent record is not damaged"
echo 'no record' >letter
expect 1 "$raftctl" replay letter
says out '^unreadable: letter is no flight record'
expect 1 "$raftctl" replay nowhere
says out '^unreadable: nowhere: No such file'
expect 1 "$raftd" n1 --record letter
says err 'letter is no flight record'
[ "$(cat letter)" = 'no record' ] || die "what is no record was written over"
expect 1 "$raftd" n1 --record missing/flight
says err 'cannot make the flight record'
expect 0 "$raftctl" inspect n1
echo "a flight record through three starts: as expected"
