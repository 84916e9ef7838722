#!/usr/bin/env bash
# The core's tests under a memory checker: Miri where the toolchain has it, else valgrind.
# Property tests run fewer cases here: it is the memory that is looked at, not the laws.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPTEST_CASES=${PROPTEST_CASES:-8}

for toolchain in '' +nightly; do
    if cargo $toolchain miri --version >/dev/null 2>&1; then
        echo "core tests under $(cargo $toolchain miri --version)"
        # Tree Borrows, not the older Stacked Borrows: rkyv's relative pointers reach from a vector's
        # head to its elements, which the older model refuses in any archive.
        export MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-tree-borrows'
        exec cargo $toolchain miri test -p redis-state-core
    fi
done

command -v valgrind >/dev/null || { echo "neither Miri nor valgrind: 'rustup +nightly component add miri', or 'apt-get install valgrind'" >&2; exit 1; }
echo "core tests under $(valgrind --version) (this toolchain has no Miri)"
target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${target}_RUNNER=valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
exec cargo test -p redis-state-core --tests
