#!/bin/bash
# tests/fuzz/run.sh BUILD SECONDS NAME.. - runs fuzz targets one after another, each from its seeds in
# tests/fuzz/corpus/NAME and what earlier runs found (BUILD/corpus/NAME, kept). Exit status 1 if one crashed, hung,
# leaked or took too much memory; the input is then in BUILD/found/NAME-*.
set -uo pipefail
build=$1 seconds=$2
shift 2
status=0
mkdir -p "$build/found"
for name in "$@"; do
    mkdir -p "$build/corpus/$name"
    seeds=tests/fuzz/corpus/$name dictionary=tests/fuzz/$name.dict log=$build/found/$name.log
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384)
    options+=(-artifact_prefix="$build/found/$name-")
    if [ -f "$dictionary" ]; then options+=("-dict=$dictionary"); fi
    if "$build/bin/${name}_fuzz" "${options[@]}" "$build/corpus/$name" "$seeds" >"$log" 2>&1; then
        echo "fuzz: $name: ok, $(grep -a '^Done' "$log")"
    else
        echo "fuzz: $name: FAILED"
        tail -40 "$log"
        status=1
    fi
done
exit $status
