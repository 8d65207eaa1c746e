# What the clients' tests share: their packages, a store and a token of their own, servers on
# loopback, and the row that each client has in README's table. Bash; sourced, never run.
# shellcheck shell=bash
set -uo pipefail
# shellcheck source=pkcs11-tool-scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../pkcs11-tool-scripts/lib.sh"
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What a folder of tests/clients holds beside its `run`.
# shellcheck disable=SC2034 # for the scripts that source this
here=$(cd "$(dirname "$0")" && pwd)

# client NAME COMMAND-OR-FILE=PACKAGE...: the client's packages and a store with a token.
client() {
    with_packages "$@"
    open_store
    make_token
    cd "$work" || exit 1
}

# with_packages NAME COMMAND-OR-FILE=PACKAGE...: a client whose packages cannot be had is skipped. With
# KEYSTEAD_LIST_PACKAGES it only says what it would install.
with_packages() {
    local name=$1
    shift
    if [ -n "${KEYSTEAD_LIST_PACKAGES:-}" ]; then
        printf '%s\n' "$@"
        exit 0
    fi
    if ! packages "$@"; then
        skip "$name: its packages are not here and could not be installed"
        exit 0
    fi
}

# Clients run beside each other, apt-get does not.
packages() {
    (
        flock 9
        need "$@"
    ) 9> "${TMPDIR:-/tmp}/keystead-packages.$UID.lock"
}

# row NAME VERSION WHAT: the client's row in README; tests/checks/clients-table adds the result.
row() {
    echo "row $1 | $2 | $3"
}

# The upstream version of a Debian package, without what Debian's updates change.
version_of() {
    dpkg-query -W -f '${Version}' "$1" | sed -E 's/^[0-9]+://; s/-[^-]*$//; s/[+~].*//'
}

# soon SENTENCE COMMAND...: the command succeeds within twenty seconds.
soon() {
    local sentence=$1 deadline=$((SECONDS + 20))
    shift
    until "$@" > "$work/out" 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            not_ok "$sentence (waited twenty seconds)"
            show_output "$@"
            return 1
        fi
        sleep 0.05
    done
}

# A TCP port of loopback that nobody listens on.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
    done
    echo "$port"
}

# listens PORT: somebody accepts connections there.
listens() {
    (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}
