//! # Containers
//!
//! `.packaging/Containerfile` makes an image of a slim Debian with agent, program, module and p11-kit. The files
//! `pin` and `so-pin` in `secrets` must be readable for the user of the container.
//!
//! ```sh
//! tests/package
//! podman build --tag keystead --file .packaging/Containerfile \
//!     target/package
//! run() {
//!     podman run --rm --read-only --cap-drop all --user 4242:0 \
//!         --group-add 10001 \
//!         --volume keystead-records:/var/lib/keystead \
//!         --volume keystead-agent:/var/lib/keystead-agent \
//!         --volume "$PWD/secrets:/secrets:ro" "$@"
//! }
//! run keystead init LABEL --so-pin-file /secrets/so-pin \
//!     --pin-file /secrets/pin
//! run --detach --name keystead keystead
//! podman exec keystead keystead list --pin-file /secrets/pin
//! ```
//!
//! `init` makes the store once, in a container that ends. The next one runs `keystead agent --stay`, which goes on
//! until it is told to end. It writes in the two volumes and nowhere else, and wants no HOME, no TMPDIR, no
//! capability, no network and no user that `/etc/passwd` knows.
//! `keystead tokens` there (`podman exec keystead keystead tokens`) tells an orchestrator whether the agent answers; what
//! starts it anew after its end is the orchestrator's (`--restart always` in the place of `--rm`).
//!
//! # What the agent needs
//!
//! * Two volumes on file systems of this machine: the records in `/var/lib/keystead`, which no other container is
//!   to have, and the agent's directory in `/var/lib/keystead-agent`, with the socket. Both are to be kept: the
//!   secrets that erasing takes away, the PIN counts and the audit log lie beside the socket.
//! * The store's directories lie one below the volumes' own and belong to the user that made them. To make them,
//!   the user must be able to write in the volumes: as a member of the group `0`, which the image's own user is and
//!   orchestrators give to numbers of their choice, or by `fsGroup: 10001`.
//! * That user is the only one who starts agents. It must be a member of the group `10001`, which the configuration
//!   names by number, or the configuration must name none.
//! * One agent. A second on the same volumes says that another serves them, and ends: no rolling update, but
//!   `Recreate`, and volumes that are `ReadWriteOncePod` where there is such a thing.
//! * Process 1 of the image is `tini`, which hands signals on and waits for processes that others leave behind. The
//!   agent does without, too. `SIGTERM` ends it once everything is durable; where it is killed, the next one finds
//!   its socket and its lock, and goes on. What has expired meanwhile is erased before the first answer.
//! * The log goes to standard error. No timer and no systemd is needed.
//!
//! # What a program in another container needs
//!
//! * glibc, as Debian, Ubuntu, Fedora and the images of Red Hat have it, and not musl.
//! * Of this image the module, the configuration and, where it uses p11-kit, the module's file:
//!
//! ```text
//! COPY --from=keystead \
//!     /usr/lib/x86_64-linux-gnu/pkcs11/libkeystead.so \
//!     /usr/lib/x86_64-linux-gnu/pkcs11/
//! COPY --from=keystead \
//!     /usr/share/p11-kit/modules/keystead.module \
//!     /usr/share/p11-kit/modules/
//! COPY --from=keystead /etc/keystead/config.toml /etc/keystead/
//! ```
//!
//! * The volume of the agent's directory at the same place, read-only, and not that of the records.
//! * A user of its own in the group `10001` (`--group-add 10001`, `supplementalGroups`, `fsGroup`). It uses the
//!   tokens and makes none. The agent's own user would start an agent in the program's container where none answers,
//!   and fails there for want of the records.
//! * The same kernel: the same machine, and no sandbox with a kernel of its own (gVisor, Kata) around one of the
//!   two. Namespaces of processes, networks and users may differ; those of users must give the agent's user and the
//!   group the same numbers. The audit log names the program's user, and its process where the agent can see it.
//! * `user-config: none` in `/etc/pkcs11/pkcs11.conf` where it uses p11-kit as a user that `/etc/passwd` does not
//!   know: p11-kit looks for a home, and gives up.
//!
//! In a pod of Kubernetes, agent and program are two containers with `runAsUser` of their own and the pod's
//! `fsGroup: 10001`; PINs come as files of a secret, see `--pin-file` and `pin-source`.
