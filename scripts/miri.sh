#!/usr/bin/env bash
# Runs the core's tests under memory checkers: the unit tests under Miri if the toolchain has it (else
# under valgrind), the property tests under valgrind, because Miri is a hundred times too slow for them,
# and the thread tests under ThreadSanitizer. The property tests run fewer cases than usual, because
# these runs check memory and not laws.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPTEST_CASES=${PROPTEST_CASES:-16}

host() { rustc -vV | sed -n 's/^host: //p'; }

under_miri() {
    local toolchain
    for toolchain in '' +nightly; do
        cargo $toolchain miri --version >/dev/null 2>&1 || continue
        echo "unit tests under $(cargo $toolchain miri --version)"
        # Tree Borrows, not the older Stacked Borrows: rkyv's relative pointers reach from a vector's
        # head to its elements, which the older model forbids in every archive.
        # The skipped test has a name of a megabyte, which takes Miri many minutes. It runs under
        # valgrind below.
        MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-tree-borrows' \
            cargo $toolchain miri test -p redis-state-core --lib -- --skip a_small_archive_of_a_huge_document
        under_valgrind --lib a_small_archive_of_a_huge_document
        return
    done
    echo 'this toolchain has no Miri: unit tests under valgrind'
    under_valgrind --lib
}

under_valgrind() {
    local target
    command -v valgrind >/dev/null || { echo 'valgrind is needed: apt-get install valgrind' >&2; exit 1; }
    target=$(host | tr 'a-z-' 'A-Z_')
    env "CARGO_TARGET_${target}_RUNNER=valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite" \
        cargo test -p redis-state-core "$@"
}

# ThreadSanitizer must see the standard library's accesses, so the standard library is compiled too.
threads() {
    local toolchain sysroot
    for toolchain in '' +nightly; do
        sysroot=$(rustc $toolchain --print sysroot 2>/dev/null) || continue
        [ -d "$sysroot/lib/rustlib/src/rust/library" ] || continue
        compgen -G "$sysroot/lib/rustlib/$(host)/lib/librustc-*_rt.tsan.a" >/dev/null || continue
        echo "thread tests under ThreadSanitizer, $(rustc $toolchain --version)"
        RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=thread cargo $toolchain test -Zbuild-std \
            --target "$(host)" --target-dir target/tsan -p redis-state-core --test suite -- threads::
        return
    done
    echo 'not under ThreadSanitizer: no toolchain of rustup has it and the source of the standard library (rust-src)'
}

property_tests() {
    echo "property tests under $(valgrind --version)"
    # Without the thread tests, because valgrind runs one thread at a time.
    under_valgrind --test suite -- --skip threads::
}

# Miri and valgrind use one core each, so they run side by side. The output of the background job is
# printed at the end.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ threads; property_tests; } >"$log" 2>&1 &
beside=$!
under_miri & # in the background too: before `||` it would continue after an error
status=0
wait $! || status=$?
wait $beside || status=$?
cat "$log"
exit $status
