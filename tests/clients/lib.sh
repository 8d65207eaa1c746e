# What the clients' tests share: their packages, a store and a token of their own, servers on
# loopback, and the row that each client has in README's table and the manual's. Bash; sourced, never run.
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
    trap 'leave' EXIT
    make_token
    cd "$work" || exit 1
    printf %s "$USER_PIN" > pin
}

leave() {
    local status=$?
    stop_servers
    (exit "$status")
    close_store
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

# --- packages that are not installed ------------------------------------------------------------

# unpacked PACKAGE...: packages whose installation would start a service on this machine are unpacked and no
# more, in a folder that is kept. Sets $unpacked; a client whose packages cannot be had is skipped.
unpacked() {
    unpacked=$build/../clients/$1
    [ -e "$unpacked/.made" ] && return 0
    mkdir -p "$unpacked"
    (
        flock 9
        cd "$unpacked" || exit 1
        apt-get download -q "$@" || { refresh_lists && apt-get download -q "$@"; }
    ) > "$work/out" 2>&1 9> "${TMPDIR:-/tmp}/keystead-packages.$UID.lock" &&
        find "$unpacked" -name '*.deb' -exec dpkg -x {} "$unpacked" \; -delete &&
        touch "$unpacked/.made" && return 0
    skip "$1: it is not here and could not be downloaded"
    exit 0
}

refresh_lists() {
    [ "$(id -u)" = 0 ] && [ -z "${KEYSTEAD_NO_PACKAGES:-}" ] && apt-get update -q
}

# --- a client's own tests -----------------------------------------------------------------------

# suite NAME FILE: counts lines `pass TEST` and `fail TEST` of standard input. FILE names the tests that have to
# fail, a line each, `TEST: reason`. What the tests printed, in own.log, is shown where others do.
suite() {
    local result name reason before=$failures
    while read -r result name; do
        reason=$(awk -v name="$name: " 'index($0, name) == 1 { print substr($0, length(name) + 1) }' "$2")
        case $result${reason:+ known} in
            pass) ok "$1: $name" ;;
            'fail known') say "$1: $name fails, which it has to: $reason" ;;
            'pass known') not_ok "$1: $name passes, though it should fail: $reason" ;;
            *) not_ok "$1: $name" ;;
        esac
    done
    [ "$failures" = "$before" ] || sed 's/^/  /' own.log
}

# plain_token: a store with a token without custody from here, as clients' own tests expect: they delete what
# they generate, and use RSA keys of 1024 bits.
plain_token() {
    KEYSTEAD_STORE=$work/plain
    mkdir -m 700 "$KEYSTEAD_STORE"
    printf 'custody = false\nrsa_minimum = 1024\n' > "$KEYSTEAD_CONF"
    make_token
}

# --- servers ------------------------------------------------------------------------------------

servers=()

# serves SENTENCE PORT COMMAND...: a server that soon listens on that port of loopback. No function, so that
# the process that `stop_servers` ends is the server itself. Its output is in server.log.
serves() {
    local sentence=$1 port=$2
    shift 2
    "$@" > server.log 2>&1 &
    servers+=($!)
    soon "$sentence" listens "$port" && return
    cat server.log
    return 1
}

stop_servers() {
    local server
    for server in "${servers[@]}"; do
        kill "$server" 2> /dev/null
        wait "$server" 2> /dev/null
    done
    servers=()
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

# --- keys ---------------------------------------------------------------------------------------

# bring ALIAS TYPE [OPTION...]: a custom key with material from ALIAS.key, which is made where it is not there:
# both halves are found by clients, and its certificate for localhost, by its own key, is ALIAS.pem.
bring() {
    local alias=$1 type=$2
    shift 2
    [ -e "$alias.key" ] || make_software_key "$alias" "$type"
    "$keystead" import "$alias" "$alias.key" --new --type "$type" --pin-file pin "$@" > out 2>&1 ||
        { not_ok "a key of $type is brought in"; show_output "$keystead" import "$alias"; }
}

# make_software_key NAME TYPE: NAME.key, and NAME.pem, its own certificate for localhost.
make_software_key() {
    local options=(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)
    # Without the engine, where one is configured.
    local -x OPENSSL_CONF=/etc/ssl/openssl.cnf
    case $2 in
        EC) options=(-algorithm EC -pkeyopt ec_paramgen_curve:P-256) ;;
        ED25519) options=(-algorithm ED25519) ;;
    esac
    openssl genpkey "${options[@]}" -out "$1.key" 2> /dev/null
    openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 2 -addext subjectAltName=DNS:localhost \
        -addext basicConstraints=critical,CA:true -out "$1.pem"
}

# The CKA_ID of a custom key's objects, in hexadecimal.
id_of() {
    "$keystead" show "$1" --json --pin-file pin | sed -n 's/.*"key_id": "\(.*\)".*/\1/p' | tr -d -
}

# take_away ALIAS: the material of a custom key, as its owner takes it.
take_away() {
    works "the material of $1 is deleted meanwhile" \
        "$keystead" delete-material "$1" --pin-file pin
}

# for_others: what root makes here serves the processes of a server that go on as others, in group daemon.
for_others() {
    printf 'group = "daemon"\n' > "$KEYSTEAD_CONF"
    chmod 644 "$KEYSTEAD_CONF"
    chmod 711 "$work"
    end_agent
}

# The configuration is read by the next one.
end_agent() {
    local agent
    agent=$(agent_of "$KEYSTEAD_STORE")
    [ -n "$agent" ] || return 0
    kill -TERM "$agent"
    tail --pid="$agent" -f /dev/null
}

# --- OpenSSL ------------------------------------------------------------------------------------

# configure_openssl: makes openssl.cnf, which programs on OpenSSL's library read too, of standard input, how it
# finds the token, and of how certificates are asked for.
configure_openssl() {
    {
        printf '%s\n' 'openssl_conf = start' '[start]'
        cat
        cat << END
[req]
distinguished_name = none
prompt = no
[none]
CN = localhost
[ca]
basicConstraints = CA:true
subjectAltName = DNS:localhost
END
    } > openssl.cnf
    export OPENSSL_CONF=$work/openssl.cnf
}

engine() {
    local found
    found=$(openssl version -e 2> /dev/null | sed -n 's/^ENGINESDIR: "\(.*\)"/\1/p')
    echo "${found:-/usr/lib/$(uname -m)-linux-gnu/engines-3}/pkcs11.so"
}

# configure_engine INIT: with 1 the engine is there from the start, for programs that take it to be.
configure_engine() {
    configure_openssl << END
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = $(engine)
MODULE_PATH = $module
init = $1
END
}

# uri KEY: where the engine finds it, and the PIN.
uri() {
    echo "pkcs11:token=$token;object=$1;pin-source=file:$work/pin"
}
