#!/usr/bin/env bash
# Builds the fuzz targets with AddressSanitizer and coverage, on the stable toolchain.
#
# cargo-fuzz would set the same flags, but would have to be installed. RUSTC_BOOTSTRAP=1 makes a stable
# compiler accept -Z flags. With an explicit --target, build scripts and procedural macros are built
# separately and without these flags.
set -euo pipefail
cd "$(dirname "$0")"

host=$(rustc -vV | sed -n 's/^host: //p')
flags=(
    --cfg fuzzing
    -Zsanitizer="${SANITIZER:-address}"
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ccodegen-units=1
)
RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" \
    cargo build --quiet --locked --release --target "$host" --target-dir target "$@"
echo "target/$host/release"
