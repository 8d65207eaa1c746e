//! An agent whose disk takes its time.

use super::World;
use super::preload::compiled;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A disk that is as quick as it is until it is told otherwise.
pub struct SlowDisk {
    library: PathBuf,
    told: PathBuf,
}

impl SlowDisk {
    /// Compiles what stands between an agent and its disk.
    pub fn new(world: &World) -> Self {
        let library = compiled(world, "slow", include_str!("slow.c"));
        Self { library, told: world.path("slow.told") }
    }

    /// From now on each sync takes that much longer.
    pub fn takes(&self, each: Duration) {
        fs::write(&self.told, each.as_millis().to_string()).unwrap();
    }

    /// Has modules start the agent on this disk.
    pub fn configure(&self, world: &World) {
        let (agent, (library, told)) = (world.path("slow.agent"), (&self.library, &self.told));
        let program = env!("CARGO_BIN_EXE_keystead");
        // What `keystead agent --detach` does, but for an environment that stays.
        let script = format!(
            "#!/bin/sh\nexport LD_PRELOAD={library:?} SLOW_DISK={told:?}\n\
             [ \"$2\" = --detach ] || exec {program} \"$@\"\n\
             shift 2\n{program} agent --detached \"$@\" &\n"
        );
        fs::write(&agent, script).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o700)).unwrap();
        let text = format!("store = {:?}\nagent = {agent:?}\n", world.store());
        fs::write(world.path("config.toml"), text).unwrap();
    }
}
