# A Debian of the checks' own: made once by debootstrap in $room, and played in below a layer in $run that
# goes away. Bash; sourced after pkcs11-tool-scripts/lib.sh, never run. Who sources it sets $release, $room
# (kept for the next time where it is not $run) and $run; who calls `as` sets $user_pin and $so_pin.
# shellcheck shell=bash
# shellcheck disable=SC2154 # $release, $room, $run and the PINs

# needs_mounts WHAT: WHAT is skipped where a Debian can be neither made nor mounted.
needs_mounts() {
    if [ "$(id -u)" != 0 ]; then
        skip "$1: only root can make one"
        exit 0
    fi
    if ! unshare --mount --pid --fork true 2> /dev/null; then
        skip "$1: this machine permits no mount namespace"
        exit 0
    fi
}

# make_base PACKAGE...: the system as it was installed, which no run changes. Files *.made say what was done.
make_base() {
    local recipe="$release $*" from
    [ "$(cat "$room/base.made" 2> /dev/null)" = "$recipe" ] && return 0
    mkdir -p "$room"
    rm -rf -- "$room/base" "$room"/*.made
    from=$(mirror)
    debootstrap --variant=minbase --include="$(IFS=,; echo "$*")" "$release" "$room/base" \
        ${from:+"$from"} > "$run/base.log" 2>&1 && echo "$recipe" > "$room/base.made"
}

# The system of the checks that install the package, the same for all of them.
make_installed_base() {
    make_base adduser opensc openssl openssh-client p11-kit
}

# Where this machine has its Debian packages from, that release's or else its own; debootstrap knows another.
mirror() {
    # shellcheck disable=SC2016 # apt's variables
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' 2> /dev/null | awk -v wanted="$release" '
            $2 == "main" && $1 == wanted { found = $3; exit }
            $2 == "main" && $1 !~ /-/ && any == "" { any = $3 }
            END { print found != "" ? found : any }'
}

# Sets $system: the base with a layer over it that goes away. Called in a namespace of its own.
lay_base() {
    system=$run/system
    mkdir -p "$run/layer" "$run/work" "$system"
    mount -t overlay -o "lowerdir=$room/base,upperdir=$run/layer,workdir=$run/work" none "$system" &&
        mount -t proc none "$system/proc" &&
        mount --rbind /dev "$system/dev" &&
        reach_mirror "$system"
}

# reach_mirror SYSTEM: names and proxies are there what they are here.
reach_mirror() {
    cp /etc/resolv.conf /etc/hosts "$1/etc/" || return 1
    # None where nothing is in between.
    grep -l -i -s proxy /etc/apt/apt.conf.d/* | xargs -r cp -t "$1/etc/apt/apt.conf.d"
    return 0
}

# in_namespace SCRIPT: the script's part `--inside`, whose mounts and processes end with it.
in_namespace() {
    unshare --mount --propagation private --pid --fork --kill-child "$1" --inside
}

show_log() {
    sed 's/^/  /' "$run/$1.log"
}

# cannot SENTENCE PATTERN COMMAND...: the command fails, and a line says why.
cannot() {
    local sentence=$1 pattern=$2
    shift 2
    if ! "$@" > "$work/out" 2>&1 && grep -q -E -e "$pattern" "$work/out"; then ok "$sentence"; else
        not_ok "$sentence (expected a failure that says: $pattern)"
        show_output "$@"
    fi
}

# --- what runs there ------------------------------------------------------------------------------

# within COMMAND...
within() {
    chroot "$system" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        KEYSTEAD_NO_PACKAGES=yes DEBIAN_FRONTEND=noninteractive "$@"
}

# as USER COMMAND...: with the user's own groups and home, and without any way to more.
as() {
    local user=$1
    shift
    within setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs \
        env HOME="/home/$user" USER_PIN="$user_pin" SO_PIN="$so_pin" "$@"
}

# agents: the numbers of all that run; the processes of $system are in a namespace of the script's own.
agents() {
    local process
    for process in "$system"/proc/[0-9]*; do
        case $(readlink "$process/exe") in
            */usr/bin/keystead | */usr/bin/keystead' (deleted)') echo "${process##*/}" ;;
        esac
    done
}

no_agent() {
    [ -z "$(agents)" ] && echo "no agent"
}

end_agents() {
    local agent tries=0
    for agent in $(agents); do kill "$agent"; done
    while [ -n "$(agents)" ] && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}
