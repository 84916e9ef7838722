#!/usr/bin/env bash
# Runs the integration tests with the module under AddressSanitizer, which finds invalid reads and
# writes, use after free, and leaks (looked for when a server ends).
#
#   scripts/memory.sh [pytest arguments]
#
# The module is compiled with the flags of the fuzz targets (fuzz/README.md says how a stable toolchain
# accepts them). The server is the installed one. The sanitizer's allocator is preloaded and replaces
# the server's, so that the module's allocations through the server are checked too. valgrind would
# need no special build, but takes thirty times as long, so it could run only a part of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
folder=target/asan
runtime=$folder/checks.so

server=$(command -v "${SERVER:-redis-server}")
archive=$(compgen -G "$(rustc --print target-libdir)/librustc-*_rt.asan.a" | head -n 1) || true
[ -n "$archive" ] || { echo 'this Rust has no AddressSanitizer; those of rustup have, on Linux' >&2; exit 1; }
# The sanitizer can't see the allocations of a server with a built-in allocator.
nm -D "$server" | grep -E ' U malloc(@|$)' >/dev/null \
    || { echo "$server has its allocator built in; take one that doesn't, as Debian's" >&2; exit 1; }

build() {
    local made=$folder/$host/release/libredis_state.so name=$1
    shift
    RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address -Cforce-frame-pointers=yes' \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo build --release --target "$host" --target-dir $folder "$@"
    cp --remove-destination "$made" "$folder/$name.so"
}

# Rust ships the sanitizer's runtime as an archive for executables. A library must not contain the part
# that runs before everything else, and must not be named libasan, or the runtime takes itself for a
# second one.
make_runtime() {
    cp "$archive" $folder/runtime.a
    ar d $folder/runtime.a asan_preinit.cpp.o
    cc -shared -o $runtime -Wl,--whole-archive $folder/runtime.a -Wl,--no-whole-archive \
        -lpthread -ldl -lm -lrt -l:libstdc++.so.6
    rm $folder/runtime.a
}

build libredis_state
build libredis_state-fault --features fault-injection
make_runtime
cargo build --example second_module

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# Slow unwinding, because the server has no frame pointers. Leaks must not change the exit code, because
# some tests check it. The server handles signals, because it reports crashes itself.
cat >"$reports/redis-server" <<TEXT
#!/bin/sh
export ASAN_OPTIONS=log_path=$reports/report:abort_on_error=1:allocator_may_return_null=1:fast_unwind_on_malloc=0:quarantine_size_mb=32:handle_segv=0:handle_abort=0
export LSAN_OPTIONS=exitcode=0
LD_PRELOAD="$PWD/$runtime" exec "$server" "\$@"
TEXT
chmod +x "$reports/redis-server"

status=0
# SLOWDOWN above 1 also makes the tests stop servers gracefully: the leak check runs when a server exits.
SERVER=$reports/redis-server SLOWDOWN=4 MODULE=$folder/libredis_state.so FAULT_MODULE=$folder/libredis_state-fault.so \
    .venv/bin/python -m pytest --timeout=2400 tests -m 'not once' "$@" || status=$?

# Only reports with a frame of the module count: the server itself is not under test.
found=$(awk -v RS= '/redis_state/ || /LeakSanitizer has encountered/' "$reports"/report.* 2>/dev/null || true)
if [ -n "$found" ]; then
    printf 'AddressSanitizer, in the module:\n%s\n' "$found"
    status=1
fi
exit $status
