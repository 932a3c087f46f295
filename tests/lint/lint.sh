#!/bin/bash
# tests/lint/lint.sh - `make lint`: format (clang-format 14, pinned because versions differ), includes between
# rooms, forbidden functions, lengths and words, shell scripts. Says every finding; exit status 1 if there was any.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

mapfile -t files < <(git ls-files -co --exclude-standard 2>/dev/null |
    while read -r f; do [ -f "$f" ] && echo "$f"; done)
if [ ${#files[@]} -eq 0 ]; then
    mapfile -t files < <(find . -type f -not -path './build*' -not -path './.git/*' | sed 's|^\./||' | sort)
fi

select_by() { printf '%s\n' "${files[@]}" | grep -E "$1"; }
mapfile -t c_files < <(select_by '\.[ch]$')
mapfile -t shell_files < <(select_by '(\.sh$|^\.ci/run$)')

status=0
check() { # name, command..
    local name=$1
    shift
    if "$@"; then
        echo "lint: $name: ok"
    else
        echo "lint: $name: FAILED"
        status=1
    fi
}

formatter=clang-format-14
command -v $formatter >/dev/null || formatter=clang-format
# shellcheck disable=SC2317 # called by name
format_c() {
    case "$($formatter --version)" in
    *"version 14."*)
        $formatter --dry-run -Werror "${c_files[@]}" 2>&1 | { grep 'error:' || true; } | cut -d: -f1 | sort | uniq -c |
            awk '{ print "  " $2 ": " $1 " places; clang-format-14 -i " $2; bad = 1 } END { exit bad }'
        ;;
    *) echo "  needs clang-format 14 (deploy/install-deps.sh --tests)" && return 1 ;;
    esac
}

check "format of ${#c_files[@]} C files" format_c
check "includes" python3 tests/lint/includes.py "${c_files[@]}"
check "rules" python3 tests/lint/rules.py "${files[@]}"
check "shell scripts" shellcheck "${shell_files[@]}"
exit $status
