#!/bin/sh
# A cluster of one on loopback, from format to damage, as an operator would meet it: what is printed where, exit codes, one
# process for one directory, a clean end, a start after SIGKILL, and what inspect says before, meanwhile and afterwards.
#
#   raftd_session.sh RAFTCTL RAFTD
set -u
raftctl=$1
raftd=$2
room=$(mktemp -d) || exit 1
pid=
trap 'stop_all' EXIT
cd "$room" || exit 1

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

# Begins raftd and waits for its line; a port that is taken is given up for the next.
start() {
    "$raftd" n1 --election-timeout 50 --check-invariants >raftd.out 2>raftd.err </dev/null &
    pid=$!
    tries=0
    until [ -s raftd.out ]; do
        kill -0 "$pid" 2>/dev/null || { pid= ; return 1; }
        tries=$((tries + 1))
        [ $tries -lt 200 ] || die "raftd is not ready after 10 s"
        sleep 0.05
    done
}

# Ends raftd with a signal and expects its exit code.
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
says out 'cluster id'
says out "127.0.0.1:$port"
says out 'raftd n1'
[ "$(cat raftd.out)" = "raftd: node 1 of cluster session ready on 127.0.0.1:$port" ] || die "not the line it is to print"
says raftd.err 'warning: datagrams are not sealed'

DGRAFT_SERVERS=127.0.0.1:$port
export DGRAFT_SERVERS
dd if=/dev/urandom of=large bs=1024 count=1024 2>/dev/null
: >empty
expect 0 "$raftctl" put greeting hello
expect 0 "$raftctl" put large @large
expect 0 "$raftctl" put empty @empty
expect 0 "$raftctl" put "$(printf 'odd\033[2Jkey')" x
expect 0 "$raftctl" put gone x
expect 0 "$raftctl" delete gone
expect 0 "$raftctl" get greeting
[ "$(cat out)" = hello ] || die "another value"
expect 0 "$raftctl" get large
cmp -s out large || die "a value of 1 MiB came back changed"
expect 0 "$raftctl" get empty
[ ! -s out ] || die "an empty value is not"
expect 1 "$raftctl" get gone
expect 0 "$raftctl" status
expect 0 "$raftctl" status --json

# One process for one directory; one socket for one address.
expect 1 "$raftd" n1
says err 'n1'
[ ! -s out ] || die "the second raftd says that it is ready"
expect 0 "$raftctl" format n2 --cluster other --node 1 --members "1=127.0.0.1:$port"
expect 1 "$raftd" n2
says err 'in use'
expect 1 "$raftctl" format n1 --cluster session --node 1 --members "1=127.0.0.1:$port"
says err 'not empty'

# narrow: but for the verdict, which is one line whatever it says, tables and findings fit a terminal.
narrow() {
    sed '$d' out | awk 'length($0) > 80 { print; found = 1 } END { exit found }' >bad || die "wider than 80: $(head -n 1 bad)"
}

# Inspect reads while the node runs.
expect 0 "$raftctl" inspect n1
says out ', running'
narrow
says out 'PUT greeting (5 bytes)'
says out 'PUT large (1048576 bytes)'
says out 'DELETE gone'
says out 'PUT odd\\x1b\[2Jkey (1 bytes)'
says out "1=127.0.0.1:$port"
[ -z "$(LC_ALL=C tr -d '\n\040-\176' <out)" ] || die "inspect prints control bytes"
tail -n 1 out | grep -q '^n1: healthy: ' || die "the last line is no verdict"
"$raftctl" inspect --follow --records --seconds 20 n1 >followed 2>err &
follower=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    grep -q keep followed && break
    sleep 0.1
done
grep -q keep followed || die "--follow does not begin"
"$raftctl" put followed yes >out 2>&1 || die "put, while its directory is followed"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q 'PUT followed (3 bytes)' followed && break
    sleep 0.1
done
kill -INT $follower
wait $follower || die "--follow does not end well at SIGINT"
grep -q 'PUT followed (3 bytes)' followed || die "--follow does not show what is written"
grep -q greeting followed && die "--follow shows what was written before"
tail -n 1 followed | grep -q '^n1: followed; [0-9]* batch' || die "the last line of --follow says nothing"
expect 1 "$raftctl" inspect --follow --seconds 1 nowhere
expect 0 "$raftctl" inspect --quiet n1
[ "$(wc -l <out)" -eq 1 ] || die "--quiet is not one line"
expect 0 "$raftctl" inspect --json n1
grep -v '^{"type":"[a-z_]*","path":"n1.*}$' out >bad && die "a line of --json is no object: $(head -n 1 bad)"
tail -n 1 out | grep -q '"type":"summary".*"verdict":"healthy"' || die "the last object is no summary"
expect 0 "$raftctl" inspect --no-records n1
grep -q greeting out && die "--no-records shows records"
expect 0 "$raftctl" inspect --payload hex n1
says out '^    0000020  68 65 6c 6c 6f  *hello$'
expect 0 "$raftctl" inspect --payload text n1
says out 'greetinghello$'
expect 0 "$raftctl" inspect --payload json n1
says out '{"command":"put","key":"greeting","value":"hello"}$'
says out '{"command":"delete","key":"gone"}$'
expect 0 "$raftctl" inspect --json --payload json n1
says out '"payload":{"command":"put","key":"greeting","value":"hello"}'
expect 0 "$raftctl" inspect --json --payload hex n1
says out '"payload":"[0-9a-f]*6772656574696e6768656c6c6f"'
expect 0 "$raftctl" inspect --from 3 --to 3 n1
[ "$(grep -c 'PUT' out)" -eq 1 ] || die "--from 3 --to 3 shows not one record"

end TERM 0
[ "$(wc -l <raftd.out)" -eq 1 ] || die "more than one line on standard output"
expect 0 "$raftctl" inspect n1
says out 'not running'
start || die "raftd does not start again"
expect 0 "$raftctl" get greeting
expect 0 "$raftctl" put after restart
end KILL 137
expect 0 "$raftctl" inspect n1
start || die "raftd does not start after SIGKILL"
expect 0 "$raftctl" get after
[ "$(cat out)" = restart ] || die "what was acknowledged before SIGKILL is not there"
expect 0 "$raftctl" get large
cmp -s out large || die "1 MiB changed after SIGKILL"
end INT 0

# One byte of what was acknowledged is damaged: said by name, never served, never cut.
victim=$(grep -l -a greeting n1/log-* | head -n 1)
offset=$(grep -a -b -o greeting "$victim" | head -n 1 | cut -d : -f 1)
before=$(wc -c <"$victim")
printf G | dd of="$victim" bs=1 seek="$offset" conv=notrunc 2>/dev/null
expect 1 "$raftctl" inspect n1
says out 'DAMAGE'
says out 'do: check the disk and start the node: it fetches'
narrow
tail -n 1 out | grep -q '^n1: damaged: .*cannot be read; .*when it has none, restore the directory' || die "the last line is no verdict with a remedy"
expect 1 "$raftctl" inspect "$victim"
expect 1 "$raftctl" inspect --json --quiet n1
says out '"verdict":"damaged"'
says out '"refused":false'
expect 1 "$raftd" n1
says err "$(basename "$victim")"
[ ! -s out ] || die "raftd is ready on a damaged log"
[ "$(wc -c <"$victim")" -eq "$before" ] || die "the damaged file was cut"
expect 1 "$raftctl" inspect nowhere
says out 'unreadable'
expect 1 "$raftctl" inspect large
echo "a session from format to damage: as expected"
