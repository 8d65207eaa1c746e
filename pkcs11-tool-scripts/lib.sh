# What the scripts share: finding and installing what they need, a store of their own, and
# showing commands with their results. POSIX sh; sourced, never run.
# shellcheck shell=sh
# shellcheck disable=SC2317 # the scripts call what stands here

# Every user of this file lies in a folder of the project.
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

# --- what must be there -------------------------------------------------------------------------

# need COMMAND-OR-FILE=PACKAGE...: installs the Debian packages of what is missing, or says what is.
need() {
    missing=$(lacking "$@" | sed 's/^/ /' | tr -d '\n')
    [ -z "$missing" ] && return 0
    # Somebody has tried already.
    [ -z "${KEYSTEAD_NO_PACKAGES:-}" ] || return 1
    say "These Debian packages are missing and are installed now:$missing"
    # shellcheck disable=SC2086 # a list of packages
    install_packages $missing && return 0
    echo "keystead: error: these Debian packages are missing and could not be installed:$missing" >&2
    echo "keystead: hint: as root, run: apt-get install$missing" >&2
    return 1
}

# lacking COMMAND-OR-FILE=PACKAGE...: the Debian packages of what is missing, one a line.
lacking() {
    for pair in "$@"; do
        is_there "${pair%%=*}" || echo "${pair#*=}"
    done
}

# wanted COMMAND-OR-FILE=PACKAGE...: the same for a script of checks, which is skipped where it must be.
wanted() {
    need "$@" 2> /dev/null && return 0
    skip "$(basename -- "$0"): without root, or without the network, these packages are missing:$missing"
    exit 0
}

is_there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

install_packages() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root=''
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || return 1
        as_root='sudo'
        [ -t 0 ] || as_root='sudo -n'
    fi
    {
        $as_root apt-get update -q &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -q --no-install-recommends "$@"
    } >&2
}

# Finds cargo, also where HOME is empty: rustup looks for its toolchains under HOME, so tell it
# where they are when the cargo that we found lies beside them.
need_rust() {
    for bin in "${CARGO_HOME:-${HOME:-}/.cargo}/bin" /root/.cargo/bin /usr/local/cargo/bin; do
        command -v cargo >/dev/null 2>&1 && break
        [ -x "$bin/cargo" ] && PATH=$PATH:$bin
    done
    if ! cargo=$(command -v cargo); then
        echo "keystead: error: cargo is missing" >&2
        echo "keystead: hint: install Rust from https://rustup.rs" >&2
        return 1
    fi
    beside=$(dirname -- "$(dirname -- "$cargo")")
    if [ -z "${RUSTUP_HOME:-}" ] && [ ! -d "${HOME:-}/.rustup" ]; then
        for rustup in "$beside/../.rustup" "$beside/../rustup"; do
            [ -d "$rustup/toolchains" ] && RUSTUP_HOME=$rustup && export RUSTUP_HOME
        done
    fi
    if [ -z "${CARGO_HOME:-}" ] && [ ! -d "${HOME:-}/.cargo" ] && [ -w "$beside" ]; then
        case $beside in */.cargo | */cargo) CARGO_HOME=$beside && export CARGO_HOME ;; esac
    fi
    new_enough
}

# Whether cargo is as new as Cargo.toml asks for: an older one would only stumble over the edition.
new_enough() {
    has=$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    wants=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$project/Cargo.toml")
    [ -n "$has" ] && [ "$has" -ge "$wants" ] && return 0
    echo "keystead: error: Rust 1.$wants or newer is needed, and there is: $(cargo --version)" >&2
    echo "keystead: hint: \`rustup update\` brings it; Debian 12's own is too old" >&2
    return 1
}

# has_tool NAME VERSION: one of cargo's tools in that release, where cargo has it or else in target/tools, where it is
# built once; another release where that cannot be done.
has_tool() {
    kept=$project/target/tools
    case :$PATH: in *":$kept/bin:"*) ;; *) PATH=$kept/bin:$PATH ;; esac
    grep -q -s "^\"$1 $2 " "${CARGO_HOME:-${HOME:-}/.cargo}/.crates.toml" "$kept/.crates.toml" && return 0
    say "$1 $2 is built once, below target/tools ..." >&2
    cargo install --locked --quiet --version "$2" --root "$kept" "$1" >&2 ||
        command -v "$1" >/dev/null 2>&1
}

# copy_sources FOLDER: copies the project there, without what was built.
copy_sources() {
    (cd "$project" && source_files | tar --create --null --files-from=-) | tar --extract --directory="$1"
}

source_files() {
    git ls-files -z --cached --others --exclude-standard 2> /dev/null ||
        find . -name target -prune -o -name .git -prune -o -type f -print0
}

# --- a store for this script only ---------------------------------------------------------------

# Sets $module, $keystead and a store in a temporary directory, which goes away with the script;
# an agent whose store goes away ends by itself.
open_store() {
    wanted pkcs11-tool=opensc openssl=openssl
    find_build
    work=$(mktemp -d "${TMPDIR:-/tmp}/keystead.XXXXXX")
    trap 'close_store' EXIT
    trap 'exit 130' INT TERM
    KEYSTEAD_STORE=$work/store
    KEYSTEAD_CONF=$work/config.toml
    export KEYSTEAD_STORE KEYSTEAD_CONF
    mkdir -m 700 "$KEYSTEAD_STORE"
    : > "$KEYSTEAD_CONF"
}

close_store() {
    status=$?
    cd /
    # An agent that is ending may still be writing there.
    rm -rf -- "$work" 2> /dev/null || { sleep 1; rm -rf -- "$work"; }
    exit "$status"
}

# agent_of STORE: the number of the process that serves the store.
agent_of() {
    for process in /proc/[0-9]*; do
        words=$(tr '\0' '\n' 2> /dev/null < "$process/cmdline") || continue
        if printf '%s\n' "$words" | grep -q -x agent &&
            printf '%s\n' "$words" | grep -q -x -F -e "$1"; then
            echo "${process#/proc/}"
        fi
    done
}

# The build to play with: $KEYSTEAD_BUILD, a directory with libkeystead.so and keystead in it,
# else the release build, made first where it is missing or older than the sources.
find_build() {
    build=${KEYSTEAD_BUILD:-}
    if [ -z "$build" ]; then
        need_rust || exit 1
        say "Building the module (nothing to do if it is built already) ..."
        (cd "$project" && cargo build --release --locked --quiet) || exit 1
        build=${CARGO_TARGET_DIR:-$project/target}/release
    fi
    module=$build/libkeystead.so
    keystead=$build/keystead
    for file in "$module" "$keystead"; do
        [ -e "$file" ] || { echo "keystead: error: there is no $file" >&2; exit 1; }
    done
}

# --- talking ------------------------------------------------------------------------------------

# asks_for_help ARGUMENT...: one of them is --help or -h; then what the script's head says is printed.
asks_for_help() {
    for argument in "$@"; do
        case $argument in
            -h | --help)
                sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0" | sed '/^shellcheck /d'
                return 0
                ;;
        esac
    done
    return 1
}

say() {
    printf '%s\n' "$*"
}

# What a return code means here, for codes that pkcs11-tool may print only as a number.
meaning() {
    case $1 in
        CKR_ACTION_PROHIBITED) echo 0x1b ;;
        CKR_TEMPLATE_INCONSISTENT) echo 0xd1 ;;
        CKR_WRAPPED_KEY_INVALID) echo 0x110 ;;
        CKR_WRAPPED_KEY_LEN_RANGE) echo 0x112 ;;
        CKR_KEY_FUNCTION_NOT_PERMITTED) echo 0x68 ;;
        CKR_ATTRIBUTE_VALUE_INVALID) echo 0x13 ;;
        CKR_MECHANISM_INVALID) echo 0x70 ;;
        CKR_PIN_INCORRECT) echo 0xa0 ;;
        CKR_PIN_LOCKED) echo 0xa4 ;;
        CKR_DEVICE_MEMORY) echo 0x31 ;;
        CKR_DEVICE_ERROR) echo 0x30 ;;
        CKR_TOKEN_NOT_PRESENT) echo 0xe0 ;;
        CKR_TOKEN_WRITE_PROTECTED) echo 0xe2 ;;
        CKR_GENERAL_ERROR) echo 0x5 ;;
        *) echo "lib.sh knows no number for $1" >&2; return 1 ;;
    esac
}

# --- checks: one line each, which tests/run counts -----------------------------------------------

failures=0

ok() {
    say "ok $*"
}

not_ok() {
    say "not ok $*"
    failures=$((failures + 1))
}

skip() {
    say "skipped $*"
}

# works SENTENCE COMMAND...: the command succeeds. Its output is kept in $work/out.
works() {
    sentence=$1
    shift
    if "$@" > "$work/out" 2>&1; then ok "$sentence"; else
        not_ok "$sentence"
        show_output "$@"
    fi
}

# refuses SENTENCE CODE COMMAND...: the command fails with the PKCS#11 return code CODE.
refuses() {
    sentence=$1
    code=$2
    number=$(meaning "$code")
    shift 2
    if ! "$@" > "$work/out" 2>&1 &&
        grep -q -E "$code([^A-Z_]|\$)|[( ]$number\\)?[^0-9a-f]*\$" "$work/out"; then
        ok "$sentence"
    else
        not_ok "$sentence (expected $code)"
        show_output "$@"
    fi
}

# fails SENTENCE COMMAND...: the command fails, for a reason that has no PKCS#11 return code.
fails() {
    sentence=$1
    shift
    if "$@" > "$work/out" 2>&1; then
        not_ok "$sentence"
        show_output "$@"
    else
        ok "$sentence"
    fi
}

# prints SENTENCE PATTERN COMMAND...: the command succeeds and a line matches the pattern.
prints() {
    sentence=$1
    pattern=$2
    shift 2
    if "$@" > "$work/out" 2>&1 && grep -q -E -e "$pattern" "$work/out"; then ok "$sentence"; else
        not_ok "$sentence (expected a line with: $pattern)"
        show_output "$@"
    fi
}

# lacks SENTENCE PATTERN COMMAND...: the command succeeds and no line matches the pattern.
lacks() {
    sentence=$1
    pattern=$2
    shift 2
    if "$@" > "$work/out" 2>&1 && ! grep -q -E -e "$pattern" "$work/out"; then ok "$sentence"; else
        not_ok "$sentence (expected no line with: $pattern)"
        show_output "$@"
    fi
}

# comes SENTENCE PATTERN COMMAND...: within a minute the command succeeds and a line matches.
comes() {
    sentence=$1
    pattern=$2
    shift 2
    tries=0
    until "$@" > "$work/out" 2>&1 && grep -q -E -e "$pattern" "$work/out"; do
        tries=$((tries + 1))
        if [ "$tries" = 240 ]; then
            not_ok "$sentence (expected a line with: $pattern)"
            show_output "$@"
            return
        fi
        sleep 0.25
    done
    ok "$sentence"
}

# same SENTENCE FILE FILE
same() {
    if cmp -s -- "$2" "$3"; then ok "$1"; else not_ok "$1 ($2 and $3 differ)"; fi
}

# differs SENTENCE FILE FILE
differs() {
    if cmp -s -- "$2" "$3"; then not_ok "$1 ($2 and $3 are the same)"; else ok "$1"; fi
}

show_output() {
    printf '  $ %s\n' "$*"
    sed 's/^/  /' "$work/out"
}

# Ends a script of checks.
finish() {
    [ "$failures" = 0 ]
    exit $?
}

# --- pkcs11-tool --------------------------------------------------------------------------------

# p11 ARGUMENTS...: pkcs11-tool on the module. PINs are read from the environment, not from argv.
p11() {
    pkcs11-tool --module "$module" "$@"
}

# user ARGUMENTS...: the same, logged in to the script's token as its user.
user() {
    p11 --token-label "$token" --login --pin env:USER_PIN "$@"
}

# empty_key JSON: makes an empty custom key.
empty_key() {
    printf '%s\n' "$1" > "$work/json"
    user --write-object "$work/json" --type data --application-label keystead
}

token=demo
USER_PIN=user-1234
SO_PIN=officer-1234
export USER_PIN SO_PIN

# A token with both PINs set.
make_token() {
    if ! set_up_token > "$work/out" 2>&1; then
        not_ok "a token is made"
        show_output make_token
        exit 1
    fi
}

set_up_token() {
    p11 --init-token --slot-index 0 --label "$token" --so-pin env:SO_PIN &&
        p11 --token-label "$token" --login --login-type so --so-pin env:SO_PIN \
            --init-pin --new-pin env:USER_PIN
}
