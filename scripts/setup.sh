#!/usr/bin/env bash
# Sees to what a make target needs: nothing is touched when all of it is there; what is missing is
# installed with apt where that is allowed, else named with the command that installs it.
#
#   scripts/setup.sh run|test|bench|core-memory|matrix|fuzz
set -euo pipefail
cd "$(dirname "$0")/.."

SERVER=${SERVER:-redis-server}
RUST_MIN=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml 2>/dev/null | head -n 1)
RUST_MIN=${RUST_MIN:-1.85}

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# ---- what is missing ------------------------------------------------------------------------

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || compgen -G '/usr/lib*/libclang.so*' >/dev/null
}
has_rust() {
    have cargo && have rustc && at_least "$(rustc --version | awk '{print $2}')" "$RUST_MIN"
}
has_venv_module() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

missing_for_build() {
    have cc || echo build-essential
    has_libclang || echo libclang-dev
}
missing_for_run() {
    missing_for_build
    have "$SERVER" || { [ "$SERVER" != redis-server ] || echo redis-server; }
    have redis-cli || echo redis-tools
}
missing_for_test() {
    missing_for_run
    has_venv_module || printf '%s\n' python3 python3-venv
}
missing_packages() {
    case $1 in
        run) missing_for_run ;;
        test) missing_for_test ;;
        bench) missing_for_test; have valgrind || echo valgrind ;;
        matrix) missing_for_test; have debootstrap || [ -n "$(scripts/servers.sh --cached trixie)" ] || echo debootstrap ;;
        core-memory) missing_for_build; have valgrind || echo valgrind ;;
        fuzz) missing_for_build; have c++ || echo build-essential ;;
        *) say "unknown purpose '$1'"; exit 2 ;;
    esac | sort -u
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
    local put_up=
    if [ ! -e $POLICY ]; then
        printf '#!/bin/sh\nexit 101\n' | root tee $POLICY >/dev/null
        root chmod 755 $POLICY
        put_up=yes
    fi
    local status=0
    root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2 || status=$?
    [ -z "$put_up" ] || root rm -f $POLICY
    return $status
}
keep_service_off() {
    if have systemctl; then root systemctl disable -q redis-server 2>/dev/null || true; fi
    say "the package's own redis-server service is installed, but neither started nor enabled"
}

install_packages() {
    local names packages
    names=$(missing_packages "$1")
    [ -n "$names" ] || return 0
    read -r -d '' -a packages <<<"$names" || true
    if ! may_install; then
        say "missing: ${packages[*]}"
        say "install with: apt-get install ${packages[*]}   (as root; on other systems, what answers to these Debian packages)"
        exit 1
    fi
    say "installing ${packages[*]}"
    apt_install "${packages[@]}" || { say "apt-get could not install: ${packages[*]}"; exit 1; }
    case " ${packages[*]} " in *' redis-server '*) keep_service_off ;; esac
}

# ---- Rust -------------------------------------------------------------------------------------

# Debian 12's own rustc is too old, but it has a newer one beside it for its browsers: rustc-web.
apt_rust() {
    local suffix version
    apt_update
    for suffix in '' -web; do
        version=$(apt-cache policy "rustc$suffix" | sed -n 's/^ *Candidate: *\([0-9.]*[0-9]\).*/\1/p')
        [ -n "$version" ] && at_least "$version" "$RUST_MIN" || continue
        say "installing rustc$suffix $version and cargo$suffix"
        apt_install "rustc$suffix" "cargo$suffix" && return 0
    done
    return 1
}
need_rust() {
    has_rust && return 0
    local found=none
    have rustc && found=$(rustc --version)
    # A Rust that somebody chose is not replaced; one that isn't there at all may be brought by apt.
    if [ "$found" = none ] && may_install && apt_rust && has_rust; then return 0; fi
    say "Rust $RUST_MIN or newer is needed, with cargo (found: $found)"
    say "install it with rustup (https://rustup.rs), or with: apt-get install rustc-web cargo-web   (Debian 12)"
    exit 1
}

# ---- Python -----------------------------------------------------------------------------------

need_venv() {
    if [ -x .venv/bin/python ] && cmp -s tests/requirements.txt .venv/requirements.txt; then return 0; fi
    say "making .venv with tests/requirements.txt"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt >&2 \
        || { say "pip could not install tests/requirements.txt into .venv"; exit 1; }
    cp tests/requirements.txt .venv/requirements.txt
}

need_server() {
    have "$SERVER" || { say "SERVER=$SERVER: no such program"; exit 1; }
}

# The export tests draw with Graphviz and say so when they skip; it is brought where that is free.
offer_graphviz() {
    have dot || ! may_install || apt_install graphviz || say "no Graphviz: the tests that draw are skipped"
}

purpose=${1:-test}
install_packages "$purpose"
need_rust
case $purpose in
    run) need_server ;;
    test) need_server; need_venv; offer_graphviz ;;
    matrix | bench) need_venv ;;
esac
