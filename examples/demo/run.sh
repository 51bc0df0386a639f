#!/bin/sh
# Run a dozen real jobs from start to end, in a folder that is gone afterwards.
# JOBCTL names the program if it is not on the PATH.
set -eu

jobctl=${JOBCTL:-jobctl}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
daemon=
unset JOBCTL_CONFIG JOBCTL_STORE
# The configuration must be writable by its owner alone.
umask 022

finish() {
    code=$?
    trap - EXIT
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    if [ "$code" -ne 0 ]; then
        echo "The demo failed. What the daemon said:" >&2
        cat "$folder/daemon.log" >&2 2>/dev/null || true
    fi
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

title() { printf '\n== %s\n\n' "$1"; }

# Show a command as one would type it, then run it.
show() {
    printf '$ jobctl'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9=:./_-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$jobctl" "$@"
}

add() {
    show add "$@" >"$folder/out"
    cat "$folder/out"
    id=$(tail -n 1 "$folder/out")
    ids="$ids $id"
}

cp "$here/jobs.toml" "$here/handlers.py" "$here/run.sh" "$folder"
cd "$folder"
ids=

title "1. Twelve jobs, each added by a command of its own"
for file in jobs.toml handlers.py run.sh; do
    add count-words path="$file"
    add checksum path="$file"
    add compress path="$file"
done
add count-words path=jobs.toml --priority 10 --tag urgent
add fetch-rates
retried=$id
add book-order '{"number": 1042, "total": "12,50"}'
dead=$id

title "2. A daemon runs them; one is retried, one fails for good"
echo '$ jobctl run &'
"$jobctl" run >daemon.log 2>&1 &
daemon=$!
# The exit code is 1 because one of them fails, and 124 if they were not done in time.
code=0
# shellcheck disable=SC2086  # the ids are separate words
show wait --timeout 40s $ids || code=$?
[ "$code" -eq 1 ] || exit 1
echo '$ kill %1    # a graceful stop'
kill "$daemon"
wait "$daemon"
daemon=

title "3. What became of them"
show list
echo
show stats

title "4. The one that was retried"
show show "$retried"

title "5. The one that is dead, with its traceback"
show show "$dead"
