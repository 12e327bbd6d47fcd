#!/bin/bash
# selftest.sh BUILD: each check beside this file is shown something bad, and must refuse it, and something good, and must
# let it pass. A check that cannot fail is worth nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
here=tests/checks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# archive NAME: makes $work/NAME.a of the C source on standard input.
archive() {
    gcc -std=c11 -O1 -x c -c -o "$work/$1.o" - && ar rcs "$work/$1.a" "$work/$1.o"
}

# expect pass|refuse WHAT COMMAND...
expect() {
    local wanted=$1 what=$2 got=pass
    shift 2
    "$@" >"$work/output" 2>&1 || got=refuse
    [ $got = "$wanted" ] || { echo "$1 must $wanted $what:" && cat "$work/output" && status=1; }
}

archive pure <<<'#include <string.h>
void dgraft_a(char *p, const char *q, unsigned long n); void dgraft_a(char *p, const char *q, unsigned long n) { memmove(p, q, n); }'
archive calls <<<'#include <time.h>
long dgraft_b(void); long dgraft_b(void) { return time(0); }'
archive remembers <<<'int dgraft_c(void); int dgraft_c(void) { static int n; return n++; }'
archive initialized <<<'int dgraft_d(void); int dgraft_d(void) { static int n = 7; return n++; }'
archive foreign <<<'int raft_start(void); int raft_start(void) { return 0; }'
archive empty <<<'typedef int nothing;'
expect pass 'what only moves memory' $here/purity.sh "$work/pure.a"
expect refuse 'a call of time' $here/purity.sh "$work/calls.a"
expect refuse 'a counter' $here/purity.sh "$work/remembers.a"
expect refuse 'an initialized counter' $here/purity.sh "$work/initialized.a"
expect refuse 'an archive without code' $here/purity.sh "$work/empty.a"
expect pass 'names that start with dgraft_' $here/symbols.sh "$work/pure.a"
expect refuse 'another name' $here/symbols.sh "$work/pure.a" "$work/foreign.a"
expect refuse 'an archive without names' $here/symbols.sh "$work/empty.a"

printf '#ifndef A\n#define A\n#include <stdint.h>\nuint32_t a(uint32_t b);\n#endif\n' >"$work/good.h"
printf '#ifndef B\n#define B\nuint32_t a(uint32_t b);\n#endif\n' >"$work/needs.h"
printf '#ifndef C\n#define C\nint a(int class);\n#endif\n' >"$work/only_c.h"
printf 'struct a { int b; };\n' >"$work/once.h"
expect pass 'a header that stands alone' $here/headers.sh "$work/good.h"
expect refuse 'a header that needs another' $here/headers.sh "$work/needs.h"
expect refuse 'a header that is not C++' $here/headers.sh "$work/only_c.h"
expect refuse 'a header without a guard' $here/headers.sh "$work/once.h"

expect pass 'the rooms as they are' $here/arrows.sh "$build"
expect refuse 'a core that sees records' $here/arrows.sh "$build" -Iwire/record/include

printf 'int a(void)\n{\n    return 0;\n}\n' >"$work/good.c"
printf 'int a(void) { return 0; }\n' >"$work/bad.c"
expect pass 'a file laid out well' $here/format.sh "$work/good.c"
expect refuse 'a file laid out badly' $here/format.sh "$work/bad.c"

# tree NAME: a small tree of its own, good so far.
tree() {
    mkdir -p "$work/$1/core" "$work/$1/wire"
    cp "$work/good.c" "$work/$1/core/one.c"
    cp "$work/good.c" "$work/$1/wire/two.c"
    printf '[one](core/one.c)\n' >"$work/$1/README.md"
    printf '#!/bin/sh\ntrue\n' >"$work/$1/run"
    chmod +x "$work/$1/run"
}
for case in good twice long later climbs link script mode stray; do tree $case; done
cp "$work/good.c" "$work/twice/wire/one.c"
seq 801 | sed 's/.*/int a&;/' >"$work/long/core/long.c"
printf '/* TO''DO: later */\n' >"$work/later/core/later.c"
printf '#include "../wire/two.h"\n' >"$work/climbs/core/climbs.c"
printf '[two](a/two.c)\n' >"$work/link/README.md"
printf '#!/bin/sh\nif\n' >"$work/script/run"
chmod -x "$work/mode/run"
mkdir "$work/stray/leftover" && cp "$work/link/run" "$work/stray/leftover/"
expect pass 'a tidy tree' $here/tree.sh "$work/good"
expect refuse 'one name for two files' $here/tree.sh "$work/twice"
expect refuse 'a file of 801 lines' $here/tree.sh "$work/long"
expect refuse 'what is left for later' $here/tree.sh "$work/later"
expect refuse 'an include that climbs' $here/tree.sh "$work/climbs"
expect refuse 'a link to nothing' $here/tree.sh "$work/link"
expect refuse 'a broken script' $here/tree.sh "$work/script"
expect refuse 'a script that cannot be executed' $here/tree.sh "$work/mode"
expect refuse 'a folder that is no room' $here/tree.sh "$work/stray"

# shellcheck disable=SC2016 # the backquotes are Markdown's
# row CODE TEST: a document with one rule.
row() {
    printf '| rule | source | code | tests |\n|---|---|---|---|\n| a | b | %s | %s |\n' "$1" "$2" >"$work/rules.md"
}
row '`dgraft_step` in `core/step.c`' '`waking_late.is_only_slower`'
expect pass 'a rule whose code and test exist' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_stride` in `core/step.c`' '`waking_late.is_only_slower`'
expect refuse 'a function that is not there' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_step` in `core/quorum.c`' '`waking_late.is_only_slower`'
expect refuse 'a function that is elsewhere' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_core_finish` in `core/step.c`' '`waking_late.is_only_slower`'
expect refuse 'a function that is only called there' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_step` in `core/step.c`' '`waking_late.is_only_faster`'
expect refuse 'a test that is not there' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_step` in `core/step.c`' 'none'
expect refuse 'a rule without a test' $here/protocol.sh --rows "$work/rules.md"
row '`dgraft_step` in `core/step.c`' '`section_3_3.servers_start_as_followers`'
expect refuse 'a test of a section that the rule is not of' $here/protocol.sh --rows "$work/rules.md"
# The other way round: the page without a test, without a function, without a section.
sed 's/ `section_3_3.servers_start_as_followers`//' docs/protocol.md >"$work/rules.md"
expect refuse 'a paper test that is in no row' $here/protocol.sh "$work/rules.md"
sed 's/`check_quorum`/`dgraft_core_timers`/' docs/protocol.md >"$work/rules.md"
expect refuse 'a function that cites a section and is in no row of it' $here/protocol.sh "$work/rules.md"
sed 's/| §3.6.2/| C10/' docs/protocol.md >"$work/rules.md"
expect refuse 'a section that is cited and has no row' $here/protocol.sh "$work/rules.md"
sed 's/| §6.2 |/| §6.2, §7.7 |/' docs/protocol.md >"$work/rules.md"
expect refuse 'a section without a test' $here/protocol.sh "$work/rules.md"
printf 'no table\n' >"$work/rules.md"
expect refuse 'a document without rules' $here/protocol.sh --rows "$work/rules.md"
exit $status
