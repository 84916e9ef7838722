#!/usr/bin/env bash
# Runs the fuzz targets, one on each core at a time, and fails if one of them crashed.
#
#   fuzz/run.sh SECONDS [TARGET...]     run each target (by default all) for SECONDS
#
# New inputs are kept in fuzz/target/corpus (not committed) and used by the next run.
# An input that crashes is written to fuzz/target/crashes.
set -euo pipefail
TIMEFORMAT='%U s of CPU'
cd "$(dirname "$0")"

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(document archive arguments stateful)
bin=$(./build.sh | tail -n 1)
mkdir -p target/crashes

# An input counts as slow after 100 seconds, because a shared machine may pause for some. More than a
# gigabyte of memory for an input of a few kilobytes is a bug too. The leak check runs at the end.
options=(-max_total_time="$seconds" -timeout=100 -rss_limit_mb=1024 -malloc_limit_mb=256
         -max_len=4096 -print_final_stats=1 -verbosity=1 -artifact_prefix=target/crashes/)
declare -A dictionary=([document]=json [archive]=archive [arguments]=arguments)

fuzz() {
    local target=$1 dict=${dictionary[$1]:-} grown=target/corpus/$1 log=target/$1.log
    mkdir -p "$grown"
    if ! { time "$bin/$target" "${options[@]}" ${dict:+-dict=dictionaries/$dict.dict} \
            "$grown" "corpus/$target" >"$log" 2>&1; } 2>"$log.time"; then
        tail -n 60 "$log"
        echo "fuzz: $target crashed; the input is in fuzz/target/crashes" >&2
        return 1
    fi
    # Print the CPU time, the coverage at the start and at the end, and the number of executions.
    echo "fuzz: $target, $seconds s $(<"$log.time")"
    grep -m1 INITED "$log"
    grep DONE "$log"
    grep number_of_executed_units "$log"
}

failed=0
running=0
for target in "${targets[@]}"; do
    if ((running == $(nproc))); then
        wait -n || failed=1
        ((running -= 1)) || true
    fi
    fuzz "$target" &
    ((running += 1))
done
while ((running > 0)); do
    wait -n || failed=1
    ((running -= 1)) || true
done
exit $failed
