# shellcheck shell=bash
# tracked [PATTERN...]: the project's own files, one per line: those that git tracks, or would be asked to; from a plain
# copy of the tree, those that are not built. Sourced from the top of the tree.
tracked() {
    if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
        git -c safe.directory='*' ls-files -- "$@" | while IFS= read -r file; do
            [ ! -f "$file" ] || printf '%s\n' "$file"
        done
    else
        find . -path ./build -prune -o -type f -print | sed 's|^\./||' | sort | while IFS= read -r file; do
            local pattern
            for pattern in "${@:-*}"; do
                # shellcheck disable=SC2254 # the pattern is meant as one
                case $file in $pattern) printf '%s\n' "$file" && break ;; esac
            done
        done
    fi
}
