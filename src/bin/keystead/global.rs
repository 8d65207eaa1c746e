//! The options that every command understands, and the configuration under them.

use crate::Failure;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use keystead::internal::config::{Config, logging};
use keystead::internal::presence;
use std::path::Path;

/// The options that every command understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The store: a directory, sled:///directory or etcd://members/prefix [default: as configured]
    #[arg(long, global = true, value_name = "STORE",
          value_parser = NonEmptyStringValueParser::new().try_map(from_here))]
    pub store: Option<String>,
    /// The configuration file [default: $KEYSTEAD_CONF, the user's, the system's]
    #[arg(long, global = true, value_name = "FILE",
          value_parser = NonEmptyStringValueParser::new().try_map(from_here))]
    pub config: Option<String>,
    /// Print JSON instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not say what was done
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

impl Global {
    fn load(&self) -> Result<Config, Failure> {
        Ok(match &self.store {
            Some(store) => Config::load_with_store(self.config.as_deref(), store)?,
            None => Config::load(self.config.as_deref())?,
        })
    }

    /// The configuration, under what the command line says, with the log opened as it has it.
    pub(crate) fn configuration(&self) -> Result<Config, Failure> {
        let config = self.load()?;
        logging::open(&config);
        Ok(config)
    }

    /// The same for a command on a store, which must be there.
    pub(crate) fn store(&self) -> Result<Config, Failure> {
        let config = self.configuration()?;
        presence::check(&config.directory)?;
        Ok(config)
    }

    /// Checks that a file that is to be written is none of the store's own: `--force` would replace them.
    /// A command that needs no store does without a configuration too, and then there is none to spare.
    pub(crate) fn check_outside_store(&self, file: &Path) -> Result<(), Failure> {
        let Ok(config) = self.load() else { return Ok(()) };
        let Ok(folder) = folder_of(file).canonicalize() else { return Ok(()) };
        let own = [Some(config.directory.as_path()), config.store.local()];
        let mut own = own.into_iter().flatten().filter_map(|own| own.canonicalize().ok());
        match own.any(|own| folder.starts_with(own)) {
            true => {
                let message = format_args!("{}: this is in the store's directory", file.display());
                Err(Failure::usage(message)
                    .hint("only the agent writes there: name a file elsewhere"))
            }
            false => Ok(()),
        }
    }
}

/// A path as people write it, seen from here: the module finds it in the environment, where it is
/// absolute. What has a scheme is left to the configuration.
fn from_here(text: String) -> std::io::Result<String> {
    let path = match text.contains("://") {
        true => return Ok(text),
        false => std::path::absolute(&text)?,
    };
    path.into_os_string().into_string().map_err(|_| std::io::ErrorKind::InvalidFilename.into())
}

/// Returns the folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
