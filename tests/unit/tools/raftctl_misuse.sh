#!/bin/sh
# Every misuse of raftctl and raftd: exit code 2, nothing on standard output, one sentence (and argp's pointer to --help)
# on standard error, nothing written. And what is no misuse is told apart: exit code 1 with a sentence.
#
#   raftctl_misuse.sh RAFTCTL RAFTD
set -u
raftctl=$1
raftd=$2
room=$(mktemp -d) || exit 1
trap 'rm -rf "$room"' EXIT
cd "$room" || exit 1
members=1=127.0.0.1:7001,2=127.0.0.1:7002
tests=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: $1" >&2
    sed 's/^/    out: /' out >&2
    sed 's/^/    err: /' err >&2
}

# expect CODE WORD COMMAND...: exit code, and a word that the sentence has
expect() {
    code=$1
    word=$2
    shift 2
    tests=$((tests + 1))
    "$@" >out 2>err </dev/null
    got=$?
    sentences=$(grep -vc '^Try `\|^information\.$' err)
    if [ "$got" -ne "$code" ]; then
        fail "$*: exit code $got, not $code"
    elif [ -s out ]; then
        fail "$*: something on standard output"
    elif [ "$sentences" -ne 1 ]; then
        fail "$*: $sentences sentences, not one"
    elif ! grep -q -- "$word" err; then
        fail "$*: the sentence lacks '$word'"
    elif [ -n "$(LC_ALL=C tr -d '\n\040-\176' <err)" ]; then
        fail "$*: bytes on the terminal that are not printable"
    fi
}

expect 2 'which command' "$raftctl"
expect 2 'no command' "$raftctl" frobnicate
expect 2 'did you mean .inspect' "$raftctl" inspct
expect 2 'did you mean .format' "$raftctl" fromat
expect 2 'no command' "$raftctl" "$(printf 'x\033[2J')"
expect 2 'no command' "$raftctl" --frobnicate

expect 2 'which directory' "$raftctl" format --cluster c --node 1 --members $members
expect 2 '--cluster NAME is missing' "$raftctl" format d --node 1 --members $members
expect 2 '--node N is missing' "$raftctl" format d --cluster c --members $members
expect 2 '--members .* is missing' "$raftctl" format d --cluster c --node 1
expect 2 'not among the members' "$raftctl" format d --cluster c --node 3 --members $members
expect 2 'from 1 to 64' "$raftctl" format d --cluster c --node 0 --members $members
expect 2 'from 1 to 64' "$raftctl" format d --cluster c --node 65 --members $members
expect 2 'from 1 to 64' "$raftctl" format d --cluster c --node one --members $members
expect 2 '1 to 63' "$raftctl" format d --cluster '' --node 1 --members $members
expect 2 '1 to 63' "$raftctl" format d --cluster "$(printf '%064d' 0)" --node 1 --members $members
expect 2 'letters' "$raftctl" format d --cluster "$(printf 'a\033b')" --node 1 --members $members
for list in '' , 1 1= =a:1 1=a 1=a: 1=a:0 1=a:65536 1=a:x 0=a:1 65=a:1 1=a:1,1=b:2 x=a:1 1=a:1,,2=b:2 1=a:1/boss; do
    expect 2 'members' "$raftctl" format d --cluster c --node 1 --members "$list"
done
expect 2 'one directory' "$raftctl" format d e --cluster c --node 1 --members $members
expect 2 'unrecognized option' "$raftctl" format d --frobnicate
expect 2 'requires an argument' "$raftctl" format d --cluster

expect 2 'which directory' "$raftctl" inspect
expect 2 'exclude' "$raftctl" inspect --records --no-records .
expect 2 'wants an index' "$raftctl" inspect --from x .
expect 2 'wants an index' "$raftctl" inspect --to 0 .
expect 2 'greater' "$raftctl" inspect --from 5 --to 4 .
expect 2 'leaves out' "$raftctl" inspect --no-records --from 5 .
expect 2 'wants a number' "$raftctl" inspect --follow --seconds x .
expect 2 'for how long' "$raftctl" inspect --seconds 3 .
expect 2 'one directory' "$raftctl" inspect --follow . .
expect 2 'leave out' "$raftctl" inspect --follow --quiet .
expect 2 'hex, text or json' "$raftctl" inspect --payload x .
expect 2 'leaves out' "$raftctl" inspect --no-records --payload hex .
expect 2 'unrecognized option' "$raftctl" inspect --frobnicate .

expect 2 'which directories' "$raftctl" verify
expect 2 'Two or more' "$raftctl" verify .
expect 2 'unrecognized option' "$raftctl" verify --frobnicate . ..

expect 2 'which file' "$raftctl" replay
expect 2 'one file' "$raftctl" replay a b
expect 2 'number of an event' "$raftctl" replay --until 0 a
expect 2 'state or actions' "$raftctl" replay --print everything a
expect 2 'wants --print actions' "$raftctl" replay --from 5 a
expect 2 'for one seed' "$raftctl" sim --steps 5
expect 2 'unknown argument' "$raftctl" sim 5
expect 2 'wants a number' "$raftctl" sim --seed x

# Whatever commands there are: without their arguments, and with an option that none has.
unset DGRAFT_SERVERS
commands=$("$raftctl" --help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 7 ] || { echo "FAIL: --help lists too few commands: $commands" >&2; exit 1; }
for command in $commands; do
    expect 2 'unrecognized option' "$raftctl" "$command" --frobnicate
    case $command in
    put | get | delete | load)
        expect 2 'which' "$raftctl" "$command"
        expect 2 'which servers' "$raftctl" "$command" a
        ;;
    esac
done
expect 2 'which servers' "$raftctl" status
expect 2 'seconds' "$raftctl" status --servers 127.0.0.1:1 --timeout never
expect 2 'address\|port\|HOST' "$raftctl" status --servers nonsense

expect 2 'which directory' "$raftd"
expect 2 'one directory' "$raftd" a b
expect 2 'wants a number' "$raftd" a --election-timeout never
expect 2 'wants a number' "$raftd" a --election-timeout 9
expect 2 'wants a number' "$raftd" a --datagram-bytes 65001
expect 2 'wants a number' "$raftd" a --spares 4097
expect 2 'less than half' "$raftd" a --election-timeout 100 --heartbeat 50
expect 2 'less than half' "$raftd" a --heartbeat 150
expect 2 'unrecognized option' "$raftd" --frobnicate
expect 2 'that --record names' "$raftd" a --record-mib 8
expect 2 'wants a number' "$raftd" a --record flight --record-mib 1
expect 2 'wants HOST:PORT' "$raftd" a --listen ''
expect 2 'wants HOST:PORT' "$raftd" a --listen 127.0.0.1

# The environment is no misuse.
expect 1 'nowhere' "$raftd" nowhere
expect 1 'missing' "$raftctl" format missing/parent/d --cluster c --node 1 --members $members
mkdir full && : >full/file
expect 1 'full' "$raftctl" format full --cluster c --node 1 --members $members

made=$(find . -mindepth 1 ! -name out ! -name err ! -path './full*')
if [ -n "$made" ]; then
    failures=$((failures + 1))
    echo "FAIL: something was written: $made" >&2
fi
for program in "$raftctl" "$raftd"; do
    for option in --help --version; do
        tests=$((tests + 1))
        "$program" $option >out 2>err || fail "$program $option: exit code $?"
        [ -s out ] && [ ! -s err ] || fail "$program $option: says nothing, or on standard error"
    done
done
echo "$tests cases, $failures failed"
[ "$failures" -eq 0 ]
