//! # Installing
//!
//! `tests/package` makes a `.deb` and an `.rpm` in `target/package`; `.packaging/install` installs without one, below
//! `/usr/local` unless `PREFIX` and `LIBDIR` say otherwise, and `.packaging/install --remove` takes away what it installed.
//! All bring the module in p11-kit's directory, the program with manual pages and completions, services for systemd, and the
//! user and group `keystead`, whose store is `/var/lib/keystead`. `keystead.module`, in `/usr/share/p11-kit/modules`, makes the
//! module known to every program that uses p11-kit.
//!
//! As root:
//!
//! ```text
//! apt install ./target/package/keystead_*.deb
//! runuser -u keystead -- keystead init LABEL
//! usermod -aG keystead www-data
//! systemctl enable --now keystead.socket keystead-sweep.timer
//! ```
//!
//! `init` asks for both PINs. Who is of the group may use the tokens, and make none; an agent of another user they cannot
//! start. Without systemd one has to run for them: `runuser -u keystead -- keystead agent --stay`, as a service.
//!
//! An upgrade goes on with the store, and programs that have the module loaded go on with theirs. Where the changelog says
//! that the store's format has changed, the first agent of the new version upgrades the store, and does not speak to a module of
//! the earlier one (`CKR_DEVICE_ERROR`; the log says which format each knows): start these programs anew then. Neither a package nor
//! `--remove` ever removes keys. `.packaging/Containerfile` makes an image of the `.deb`; [`containers`](super::containers)
//! says how it runs, and what programs in other containers need.
//!
//! The packages list every crate that they are made of (`keystead.cdx.json`, CycloneDX), and so do program and module in
//! themselves: `cargo audit bin /usr/bin/keystead` looks for advisories. The same sources and tools give the same bytes in any
//! directory, which `tests/run reproducible` compares.
