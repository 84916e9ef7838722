#!/usr/bin/env bash
# Starts a server with the module in a temporary folder, a fleet that moves by itself, and the console, for a look.
# Ends all three and removes the folder at Ctrl-C, at SIGTERM, or when one of the three ends.
#
#   SERVER=redis-server PORT=6379 WEB=8017 scripts/console.sh MODULE.so
#   PORT=6379 WEB=8017 scripts/console.sh --ports      says whether both ports are free, and starts nothing
#
# Traps and `await` call functions, which shellcheck doesn't see.
# shellcheck disable=SC2317
set -euo pipefail
server=${SERVER:-redis-server}
port=${PORT:-6379}
web=${WEB:-8017}

fail() { printf 'make console: %s\n' "$@" >&2; exit 1; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
need_free() {
    ! listens "$1" || fail "port $1 is taken by another program; choose one with $2=…, as in: make console $2=$3"
}
need_free "$port" PORT 6380
need_free "$web" WEB 8018
[ "$1" != --ports ] || exit 0

module=$(realpath "$1")
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD/python/src
python=.venv/bin/python
folder=$(mktemp -d "${TMPDIR:-/tmp}/redisstate-console-XXXXXX")
pids=()
names=()

# A program that hangs must not keep the others, nor the folder. Later signals must not stop this.
running() {
    local pid
    for pid in "${pids[@]}"; do if kill -0 "$pid" 2>/dev/null; then return 0; fi; done
    return 1
}
end() {
    local status=$?
    trap '' INT TERM HUP
    running && kill "${pids[@]}" 2>/dev/null
    for _ in {1..50}; do if running; then sleep 0.1; fi; done
    running && kill -KILL "${pids[@]}" 2>/dev/null
    wait
    rm -rf "$folder"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Where Linux can tie a program to this one, it ends even if this is killed by SIGKILL.
tied=()
! setpriv --pdeathsig TERM true 2>/dev/null || tied=(setpriv --pdeathsig TERM)

# Starts a program in the background, with its output in a file of the folder.
start() {
    names+=("$1")
    "${tied[@]}" "${@:2}" </dev/null >"$folder/${1##* }.log" 2>&1 &
    pids+=($!)
}
# Says which of them has ended, with its last lines, and ends the others.
ended() {
    local i
    for i in "${!pids[@]}"; do
        if kill -0 "${pids[i]}" 2>/dev/null; then continue; fi
        printf '\nmake console: the %s has ended; its last lines:\n' "${names[i]}" >&2
        tail -n 5 "$folder/${names[i]##* }.log" >&2
    done
    exit 1
}
# Waits for what must come true soon, as long as all programs run.
await() {
    local pid
    until "$@"; do
        for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || ended; done
        sleep 0.1
    done
}

# The files come a moment after the programs are started.
has_address() { grep -qsm 1 'http://' "$folder/console.log"; }
has_fleet() { grep -qsm 1 machines "$folder/fleet.log"; }

start server "$server" --port "$port" --bind 127.0.0.1 --dir "$folder" --save '' --loadmodule "$module"
await listens "$port"
start 'demo fleet' "$python" scripts/demo_fleet.py --port "$port"
start console "$python" -m redis_state.cli --url "redis://127.0.0.1:$port" console --port "$web" --write
await has_address
await has_fleet

cat <<TEXT

  The console:  $(grep -oE 'http://[^ ]+' "$folder/console.log" | tail -n 1)

  $(cat "$folder/fleet.log") on a server of its own at port $port, whose data go when it ends.
  Whoever has the address can move these machines. Ctrl-C ends all.

TEXT
wait -n || true
ended
