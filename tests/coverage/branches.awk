# Reads what `gcov -t -b -c` prints of one file; prints, for each line with branches: kind, lines run, file, line, branches,
# how many of them are never taken, text; separated by tabs. Kind: plain, or broken for the failing side of an assertion
# and for the core's checks of itself. Lines without branches come with 0 of them.
function flush() {
    if (mine && (ran || branches > 0 || line_counts)) {
        kind = (file ~ /core_check[a-z_]*\.c$/ || asserting) ? "broken" : "plain"
        printf "%s\t%d\t%s\t%d\t%d\t%d\t%s\n", kind, ran, file, number, branches, missed, text
    }
    branches = missed = ran = line_counts = 0
}
/^ *[^:]+: *[0-9]+:/ {
    flush()
    count = $0
    sub(/:.*/, "", count)
    gsub(/[ *]/, "", count)
    rest = $0
    sub(/^[^:]*:/, "", rest)
    number = rest + 0
    sub(/^[^:]*:/, "", rest)
    if (number == 0) {
        if (rest ~ /^Source:/) mine = rest ~ (file "$")
        next
    }
    text = rest
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    line_counts = count != "-"
    ran = line_counts && count !~ /^[#=]/
    if (!open_assert) asserting = 0
    if (text ~ /(^|[^a-z_])(DGRAFT_CORE_ASSERT|assert)\(/) { asserting = 1; open_assert = 1 }
    if (open_assert && text ~ /;[^"]*$/) open_assert = 0
    next
}
/^branch / { branches++; if (/never executed/ || /taken 0/) missed++ }
END { flush() }
