# Compares unreached.txt (first file) with what the run left unreached: "room/file.c: text", in sections that say why.
FNR == NR {
    if ($0 !~ /^#/ && $0 != "") { named[$0] = FNR; if ($0 !~ /^(core|wire)\/[a-z0-9_\/]+\.c: ./) { bad = 1; printf "unreached.txt:%d: no file and text: %s\n", FNR, $0 } }
    next
}
FNR == 1 { FS = "\t"; $0 = $0 }
$1 == "plain" && $6 > 0 {
    key = $3 ": " $7
    seen[key] = 1
    if (!(key in named)) { bad = 1; printf "%s:%d: not reached, and not named in tests/coverage/unreached.txt: %s\n", $3, $4, $7 }
}
END {
    for (key in named) if (!(key in seen)) { bad = 1; printf "unreached.txt:%d: is reached, or is there no longer: %s\n", named[key], key }
    if (!bad) { n = 0; for (key in named) n++; printf "all branches are reached but for those on %d lines, which are named\n", n }
    exit bad
}
