#!/usr/bin/env bash
# The integration tests with server and module under valgrind: wrong reads and writes, and memory
# that nothing points to any more when the server ends. The server's jemalloc is replaced by
# valgrind's own allocator, so that the module's allocations are seen one by one.
#
#   MODULE=… tests/memory.sh [pytest arguments]      (default: commands, bad input, binary names)
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
real=$(command -v "${SERVER:-redis-server}")
cat >"$folder/redis-server" <<TEXT
#!/bin/sh
case "\$*" in *--version*) exec "$real" "\$@" ;; esac
exec valgrind -q --soname-synonyms=somalloc=libjemalloc* --leak-check=full \\
    --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=0 \\
    --log-file="$folder/valgrind.%p" "$real" "\$@"
TEXT
chmod +x "$folder/redis-server"

[ $# -gt 0 ] || set -- tests/test_commands.py tests/test_binary.py tests/test_compat_edge.py tests/test_bad_input.py
status=0
SERVER=$folder/redis-server SLOWDOWN=30 .venv/bin/python -m pytest "$@" || status=$?

# The server itself is not on trial: what counts is a report with a frame of the module in it.
reports=$(awk -v RS='\n==[0-9]+== \n' '/libredis_state|redis_state/' "$folder"/valgrind.* 2>/dev/null || true)
if [ -n "$reports" ]; then
    printf 'valgrind, in the module:\n%s\n' "$reports"
    status=1
fi
exit $status
