#!/usr/bin/env bash
# Starts a server with the module in the foreground, with the server's default configuration.
#
#   SERVER=redis-server PORT=6379 DATA=data scripts/run-server.sh MODULE.so
set -euo pipefail
module=$(realpath "$1")
server=${SERVER:-redis-server}
port=${PORT:-6379}
data=${DATA:-data}

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "make run: port $port is taken by another program; choose one with PORT=…, as in: make run PORT=6380" >&2
    exit 1
fi

mkdir -p "$data"
cli="redis-cli"
[ "$port" = 6379 ] || cli="redis-cli -p $port"
cat <<TEXT

  $($server --version | cut -d' ' -f1-3), module $module
  port $port, data in $(realpath "$data"), the server's default configuration; Ctrl-C saves and stops

  In another terminal:
    $cli SM.SET order '{"initial":"new","map":{"new":["paid","cancelled"],"paid":["shipped"]}}'
    $cli SM.MUTATE order paid "card ok"
    $cli SM.GET order

TEXT
exec "$server" --port "$port" --dir "$data" --loadmodule "$module"
