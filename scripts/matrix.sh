#!/usr/bin/env bash
# Runs the integration tests on every supported server: the installed one and those of
# scripts/servers.sh. Skips the tests that don't depend on the server (marker `once`, tests/pytest.ini).
# Arguments go to pytest. Prints a table at the end, and fails if the tests failed on any server.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

servers=$(scripts/servers.sh) || exit 1
if [ -z "${MATRIX_SKIP_INSTALLED:-}" ] && command -v redis-server >/dev/null; then
    servers="$(command -v redis-server)"$'\n'"$servers"
fi

failed=0
table=
for server in $servers; do
    version=$("$server" --version | sed 's/ sha=.*//')
    echo "== $version ($server)"
    start=$SECONDS
    if SERVER=$server .venv/bin/python -m pytest tests -m 'not once' "$@"; then result=passed; else result=FAILED; failed=1; fi
    table+=$(printf '%-28s %s in %d s' "$version" "$result" $((SECONDS - start)))$'\n'
done
printf '\n%s' "$table"
exit $failed
