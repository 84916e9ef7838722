#!/usr/bin/env bash
# Provides the programs that a make target needs. Changes nothing if all of them are present. Installs
# missing ones with apt if it may, and otherwise prints the command that installs them.
#
#   scripts/setup.sh run|console|console-venv|test|browser|lint|bench|core-memory|matrix|fuzz
#
# The presence of a program proves little: a compiler may be unable to link, Rust may be too old, a
# virtual environment may be incomplete. So the script tries each program out.
set -euo pipefail
cd "$(dirname "$0")/.."

SERVER=${SERVER:-redis-server}
CHROMIUM=${CHROMIUM:-chromium}
REDIS_MIN=7.0
PYTHON_MIN=3.10 # the oldest version that tests/requirements.txt supports
RUST_MIN=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
# Prints the first version number in a program's output; nothing if it doesn't run.
version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

# ---- what is missing ------------------------------------------------------------------------

# Prints a line for one missing thing: its Debian package, a tab, the problem.
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
missing_for_python() {
    missing_for_run
    have python3 || lack python3 'no python3'
    runs python3 -c 'import ensurepip, venv' || lack python3-venv 'no python3 that can make a virtual environment'
}
missing() {
    case $1 in
        run) missing_for_run ;;
        console | test) missing_for_python ;;
        browser) missing_for_python; missing_chromium ;;
        lint) missing_for_python; have shellcheck || lack shellcheck 'no shellcheck' ;;
        bench) missing_for_python; missing_valgrind ;;
        matrix) missing_for_python; missing_debootstrap ;;
        core-memory) missing_for_build; missing_valgrind ;;
        fuzz) missing_for_build; links c++ c++ || lack build-essential 'no C++ compiler (c++) that can link a program' ;;
    esac
}
missing_chromium() {
    [ "$CHROMIUM" != chromium ] || runs chromium --version || lack chromium 'no chromium that runs'
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

# Debian starts a server on port 6379 as soon as the package is installed. A temporary policy-rc.d file
# prevents that during the installation. An existing policy is left alone.
POLICY=/usr/sbin/policy-rc.d
apt_install() {
    apt_update
    if [ ! -e $POLICY ]; then
        # Remove it after an interruption too: later runs would take it for the user's own policy.
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
    if have systemctl; then root systemctl disable -q "$1" 2>/dev/null || true; fi
    say "the package's own $1 service is installed, but neither started nor enabled"
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
    case " ${packages[*]} " in *' redis-server '*) keep_service_off redis-server ;; esac
    # The package may be hidden by a variable or by a program earlier on the path. This script doesn't
    # change those.
    lacking=$(missing "$1")
    [ -z "$lacking" ] || { explain "$lacking"; fail "the packages are installed, and that has not helped"; }
}

# ---- Rust -------------------------------------------------------------------------------------

# Debian 12's rustc is too old, but Debian 12 also has a newer one for building browsers: rustc-web.
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
# cargo and rustc may come from two places, or be rustup's proxies without a toolchain, so both are tried.
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
    # An installed Rust is not replaced. If there is none, apt may install one.
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

# .venv/requirements.txt is copied last, after all packages are installed. It doesn't prove that the
# environment's Python still exists or is the same, so the packages are imported too.
venv_is_whole() {
    cmp -s tests/requirements.txt .venv/requirements.txt \
        && imports hatchling, lark, mypy, pytest, pytest_timeout, redis, rich, starlette, uvicorn, xdist
}
imports() { .venv/bin/python -c "import $*" 2>/dev/null; }
make_venv() { python3 -m venv --clear .venv >&2 || fail 'python3 could not make .venv'; }
pip_install() {
    .venv/bin/python -m pip install -q --disable-pip-version-check "$@" >&2 \
        || fail "pip could not install $what into .venv" \
            'its own lines above say why; without a network it can do nothing'
}
need_venv() {
    local what=tests/requirements.txt
    venv_is_whole && return 0
    say "making .venv with $what"
    make_venv
    pip_install -r tests/requirements.txt
    cp tests/requirements.txt .venv/requirements.txt
}
need_playwright() {
    local what=tests/requirements-browser.txt
    cmp -s $what .venv/requirements-browser.txt && imports axe_playwright_python playwright && return 0
    say "adding $what to .venv"
    pip_install -r $what
    cp $what .venv/requirements-browser.txt
}
# The console needs a small part of tests/requirements.txt. An environment that has it stays as it is. A new one gets no
# more than that, in the versions of that file; the tests replace it by theirs.
need_console_venv() {
    local what='the package and its console'
    imports click, defusedxml, graphviz, lark, redis, rich, starlette, uvicorn, yaml && return 0
    say "making .venv with $what"
    make_venv
    PIP_CONSTRAINT=tests/requirements.txt pip_install './python[console]'
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

need_chromium() { runs "$CHROMIUM" --version || fail "CHROMIUM=$CHROMIUM doesn't run"; }

# The export tests draw with Graphviz, and are skipped without it. Installs it if apt may.
offer_graphviz() {
    have dot || ! may_install || apt_install graphviz || say "no Graphviz: the tests that draw are skipped"
}

# The comparison of the benchmarks runs a PostgreSQL of its own, and is smaller without it. Installs it if apt
# may. POSTGRES names the folder of its programs.
has_postgresql() {
    if [ -n "${POSTGRES:-}" ]; then [ -x "$POSTGRES/initdb" ]; return; fi
    have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
offer_postgresql() {
    if has_postgresql; then return 0; fi
    if [ -z "${POSTGRES:-}" ] && may_install && apt_install postgresql; then
        keep_service_off postgresql
    else
        say "no PostgreSQL: it is left out of the comparison"
    fi
}

purpose=${1:-test}
case $purpose in
    run | console | console-venv | test | browser | lint | bench | core-memory | matrix | fuzz) ;;
    *) say "unknown purpose '$purpose'"; exit 2 ;;
esac
# apt can't install a server that SERVER names, so problems with it are reported first.
case $purpose in run | console | test | browser | bench) [ "$SERVER" = redis-server ] || need_server ;; esac
# The environment of the console is made beside the build, when `console` has provided everything else.
[ "$purpose" = console-venv ] || { install_packages "$purpose"; need_rust; }
case $purpose in
    run) need_server ;;
    console) need_server; need_python ;;
    console-venv) need_console_venv ;;
    test) need_server; need_python; need_venv; offer_graphviz ;;
    browser) need_server; need_python; need_venv; need_playwright; need_chromium ;;
    lint) need_lints; need_python; need_venv ;;
    bench) need_server; need_python; need_venv; offer_postgresql ;;
    matrix) need_python; need_venv ;;
esac
