#!/bin/bash
# format.sh [FILE...]: the C files are laid out as .clang-format says. Without names: all tracked ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/checks/tracked.sh
if [ $# -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(tracked '*.c' '*.h')
fi
[ ${#files[@]} -gt 0 ] || { echo 'no files' && exit 1; }
clang-format-14 --style=file:.clang-format --dry-run -Werror "${files[@]}"
