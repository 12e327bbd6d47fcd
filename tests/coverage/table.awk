# The table of files, and the list of what is not reached.
BEGIN { FS = "\t" }
function percent(part, whole) { return whole == 0 ? 100 : 100 * part / whole }
function row(name, of) {
    printf "%-34s %6d %6d %6.1f %%   %6d %6d %6.1f %%\n", name, run[of], lines[of], percent(run[of], lines[of]),
        taken[of], branches[of], percent(taken[of], branches[of])
}
function add(of) {
    lines[of]++
    run[of] += $2
    if ($1 == "plain") { branches[of] += $5; taken[of] += $5 - $6 }
}
{
    if (!($3 in lines)) names[++count] = $3
    room = $3
    sub(/\/.*/, "/", room)
    add($3)
    add(room)
    if ($1 == "broken") { broken[room] += $5; broken_missed[room] += $6 }
    else if ($6 > 0) list[++listed] = sprintf("%s:%d: %d of %d: %s", $3, $4, $6, $5, $7)
}
END {
    printf "%-34s %13s %19s\n", "", "lines reached", "branches reached"
    for (i = 1; i <= count; i++) row(names[i], names[i])
    row("core/", "core/")
    row("wire/", "wire/")
    printf "\nCounted apart: %d branches of assertions and of the core checking itself (%d of core/, %d of wire/), of which %d are not taken.\n",
        broken["core/"] + broken["wire/"], broken["core/"], broken["wire/"], broken_missed["core/"] + broken_missed["wire/"]
    printf "\nNot reached, branches of all on that line:\n"
    for (i = 1; i <= listed; i++) print list[i]
}
