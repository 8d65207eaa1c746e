//! Hosts of a fleet: worlds whose store lies in an etcd of the rig.

use super::etcd::{ETCD, Etcd};
use super::world::World;
use std::fs;

impl World {
    /// Starts an etcd for the scenario, which is skipped where there is none.
    pub fn etcd(&self) -> Etcd {
        self.needs(ETCD);
        Etcd::start()
    }

    /// Makes this world's configuration that of a host of the fleet with that name, which reaches etcd at `members`;
    /// with these lines.
    pub fn join_etcd(&self, members: &str, fleet: &str, lines: &str) {
        let text = format!(
            "store = \"etcd://{members}/keystead/{fleet}\"\nagent_directory = {:?}\nagent = {:?}\n{lines}\n",
            self.store(),
            env!("CARGO_BIN_EXE_keystead"),
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Makes a fleet there, with this world as its only host.
    pub fn found_fleet(&self, members: &str, fleet: &str, lines: &str) {
        self.join_etcd(members, fleet, lines);
        self.make_fleet();
    }

    /// Makes the fleet that the configuration names, with this world as its only host.
    pub fn make_fleet(&self) {
        let made = self.keystead(&["fleet", "init"]);
        assert!(made.status.success(), "{made:?}");
    }
}
