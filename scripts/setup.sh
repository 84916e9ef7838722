#!/usr/bin/env bash
# Sees to what a make target needs: nothing is touched when all of it is there; what is missing is
# installed with apt where that is allowed, else named with the command that installs it.
#
#   scripts/setup.sh run|test|lint|bench|core-memory|matrix|fuzz
#
# That a name is there says little: a compiler may not link, a Rust be too old, a virtual environment
# half made. So each thing is asked to do what it is needed for.
set -euo pipefail
cd "$(dirname "$0")/.."

SERVER=${SERVER:-redis-server}
REDIS_MIN=7.0
PYTHON_MIN=3.10 # the oldest that tests/requirements.txt runs on
RUST_MIN=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
# The first version number in what a program says of itself; nothing if it doesn't run.
version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

# ---- what is missing ------------------------------------------------------------------------

# A line for each thing: the Debian package, a tab, what is wrong without it.
lack() { printf '%s\t%s\n' "$1" "$2"; }

links() { echo 'int main(void) { return 0; }' | "$1" -x "$2" - -o /dev/null 2>/dev/null; }
runs() { "$@" >/dev/null 2>&1; }

missing_for_build() {
    local fault
    links cc c || lack build-essential "no C compiler (cc) that can link a program"
    fault=$(scripts/libclang.sh) || lack libclang-dev "$fault"
}
missing_for_run() {
    missing_for_build
    [ "$SERVER" != redis-server ] || have redis-server || lack redis-server 'no redis-server'
    runs redis-cli --version || lack redis-tools 'no redis-cli that runs'
}
missing_for_test() {
    missing_for_run
    have python3 || lack python3 'no python3'
    runs python3 -c 'import ensurepip, venv' || lack python3-venv 'no python3 that can make a virtual environment'
}
missing() {
    case $1 in
        run) missing_for_run ;;
        test) missing_for_test ;;
        lint) missing_for_test; have shellcheck || lack shellcheck 'no shellcheck' ;;
        bench) missing_for_test; missing_valgrind ;;
        matrix) missing_for_test; missing_debootstrap ;;
        core-memory) missing_for_build; missing_valgrind ;;
        fuzz) missing_for_build; links c++ c++ || lack build-essential 'no C++ compiler (c++) that can link a program' ;;
    esac
}
missing_valgrind() { runs valgrind -q true || lack valgrind 'no valgrind that runs'; }
missing_debootstrap() {
    have debootstrap || [ -n "$(scripts/servers.sh --cached trixie)" ] || lack debootstrap 'no debootstrap'
}

# ---- apt --------------------------------------------------------------------------------------

root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
may_install() {
    have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}
apt_updated=
apt_update() {
    [ -n "$apt_updated" ] || root apt-get update -q >&2
    apt_updated=yes
}

# Debian starts a server on 6379 as soon as the package is in; a policy that says no is put up for
# the time of the installation, and taken away again. One that is there already is left alone.
POLICY=/usr/sbin/policy-rc.d
apt_install() {
    apt_update
    if [ ! -e $POLICY ]; then
        # Also when it is interrupted: it would be taken for somebody's own for ever.
        trap 'root rm -f $POLICY' EXIT
        printf '#!/bin/sh\nexit 101\n' | root tee $POLICY >/dev/null
        root chmod 755 $POLICY
    fi
    local status=0
    root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2 || status=$?
    if [ -n "$(trap -p EXIT)" ]; then root rm -f $POLICY; trap - EXIT; fi
    return $status
}
keep_service_off() {
    if have systemctl; then root systemctl disable -q redis-server 2>/dev/null || true; fi
    say "the package's own redis-server service is installed, but neither started nor enabled"
}

explain() {
    local package fault
    while IFS=$'\t' read -r package fault; do say "$fault   ($package)"; done <<<"$1"
}
install_packages() {
    local lacking packages
    lacking=$(missing "$1")
    [ -n "$lacking" ] || return 0
    explain "$lacking"
    mapfile -t packages < <(cut -f 1 <<<"$lacking" | sort -u)
    may_install || fail "install with: apt-get update && apt-get install ${packages[*]}" \
        '(as root; on other systems, what answers to these Debian packages)'
    say "installing ${packages[*]}"
    apt_install "${packages[@]}" || fail "apt-get could not install: ${packages[*]}" \
        'its own lines above say why; without a network it can do nothing'
    case " ${packages[*]} " in *' redis-server '*) keep_service_off ;; esac
    # What is in the way of the package, such as a variable or a program earlier on the path, is not
    # for this script to change.
    lacking=$(missing "$1")
    [ -z "$lacking" ] || { explain "$lacking"; fail "the packages are installed, and that has not helped"; }
}

# ---- Rust -------------------------------------------------------------------------------------

# Debian 12's own rustc is too old, but it has a newer one beside it for its browsers: rustc-web.
apt_rust() {
    local suffix version
    apt_update
    for suffix in '' -web; do
        version=$(apt-cache policy "rustc$suffix" | sed -n 's/^ *Candidate: *\([0-9.]*[0-9]\).*/\1/p')
        if [ -z "$version" ] || ! at_least "$version" "$RUST_MIN"; then continue; fi
        say "installing rustc$suffix $version and cargo$suffix"
        apt_install "rustc$suffix" "cargo$suffix" && return 0
    done
    return 1
}
# cargo and rustc may come from two places, or be rustup's stand-ins without a toolchain behind them.
has_rust() {
    local program version
    for program in rustc cargo; do
        version=$(version_of "$program" --version)
        if [ -z "$version" ] || ! at_least "$version" "$RUST_MIN"; then return 1; fi
    done
}
found() { if have "$1"; then version_of "$1" --version | grep . || echo "one that doesn't run"; else echo none; fi; }
need_rust() {
    has_rust && return 0
    # A Rust that somebody chose is not replaced; one that isn't there at all may be brought by apt.
    if ! have rustc && ! have cargo && may_install && apt_rust && has_rust; then return 0; fi
    fail "Rust $RUST_MIN or newer is needed, rustc and cargo (found: rustc $(found rustc), cargo $(found cargo))" \
        'install it with rustup (https://rustup.rs), or with: apt-get install rustc-web cargo-web   (Debian 12)'
}
need_lints() {
    { runs cargo fmt --version && runs cargo clippy --version; } \
        || fail 'rustfmt and clippy are needed; with rustup: rustup component add rustfmt clippy'
}

# ---- Python -----------------------------------------------------------------------------------

need_python() {
    local version
    version=$(version_of python3 --version)
    at_least "$version" "$PYTHON_MIN" || fail "Python $PYTHON_MIN or newer is needed (python3 is $version)"
}

# The copy of the requirements is put there last, when all of them are in. It says nothing of a Python
# that has gone since, or of another one under the same name, so the packages are asked as well.
venv_is_whole() {
    cmp -s tests/requirements.txt .venv/requirements.txt \
        && .venv/bin/python -c 'import pytest, pytest_timeout, redis, xdist' 2>/dev/null
}
need_venv() {
    venv_is_whole && return 0
    say "making .venv with tests/requirements.txt"
    python3 -m venv --clear .venv >&2 || fail 'python3 could not make .venv'
    .venv/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt >&2 \
        || fail 'pip could not install tests/requirements.txt into .venv' \
            'its own lines above say why; without a network it can do nothing'
    cp tests/requirements.txt .venv/requirements.txt
}

# ---- the server -------------------------------------------------------------------------------

need_server() {
    local said version
    have "$SERVER" || fail "SERVER=$SERVER: no such program; install it, or name another: SERVER=/path/to/redis-server"
    said=$("$SERVER" --version 2>&1) || fail "SERVER=$SERVER doesn't run: ${said%%$'\n'*}"
    version=$(grep -oE 'v=[0-9.]+' <<<"$said" | head -n 1) \
        || fail "SERVER=$SERVER is no server of Redis or Valkey: ${said%%$'\n'*}"
    at_least "${version#v=}" "$REDIS_MIN" || fail "SERVER=$SERVER is ${version#v=}; $REDIS_MIN or newer is needed"
}

# The export tests draw with Graphviz and say so when they skip; it is brought where that is free.
offer_graphviz() {
    have dot || ! may_install || apt_install graphviz || say "no Graphviz: the tests that draw are skipped"
}

purpose=${1:-test}
case $purpose in
    run | test | lint | bench | core-memory | matrix | fuzz) ;;
    *) say "unknown purpose '$purpose'"; exit 2 ;;
esac
# A server that was asked for by name is not brought by apt, so what it lacks is said first.
case $purpose in run | test | bench) [ "$SERVER" = redis-server ] || need_server ;; esac
install_packages "$purpose"
need_rust
case $purpose in
    run) need_server ;;
    test) need_server; need_python; need_venv; offer_graphviz ;;
    lint) need_lints; need_python; need_venv ;;
    bench) need_server; need_python; need_venv ;;
    matrix) need_python; need_venv ;;
esac
