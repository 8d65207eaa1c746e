//! The commands. Each is a file: its arguments, and what it does with them. A new one is added by its
//! file, and its lines here.

mod agent;
mod audit;
mod backup;
mod certificate;
mod clock;
mod completions;
mod config;
mod create;
mod csr;
mod delete_material;
mod deletion;
mod describe;
mod destroy_token;
mod directory;
mod doctor;
mod fleet;
mod generate;
mod groups;
mod import;
mod import_key;
mod import_keys;
mod import_many;
mod init;
mod list;
mod manual;
pub(crate) mod migrate;
mod open;
mod options;
mod pin;
mod public;
mod recover;
mod rename;
mod restore;
mod rights;
mod rotate;
mod seal;
mod set_expiry;
mod show;
mod sign;
mod status;
mod sweep;
mod systemd;
mod tokens;
mod wrap;

use crate::{Failure, Global};
pub(crate) use groups::grouped;
pub(crate) use options::ordered;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Arguments),
    Tokens(tokens::Arguments),
    Pin(pin::Arguments),
    Create(create::Arguments),
    Generate(generate::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Public(public::Arguments),
    Sign(sign::Sign),
    Verify(sign::Verify),
    Csr(csr::Arguments),
    Certificate(certificate::Arguments),
    Describe(describe::Arguments),
    Rename(rename::Arguments),
    SetExpiry(set_expiry::Arguments),
    Enable(status::Enable),
    Disable(status::Disable),
    Import(import::Arguments),
    ImportKey(import_key::Arguments),
    ImportKeys(import_keys::Arguments),
    ImportMany(import_many::Arguments),
    Migrate(migrate::Arguments),
    Wrap(wrap::Arguments),
    DeleteMaterial(delete_material::Arguments),
    Rotate(rotate::Arguments),
    Seal(seal::Arguments),
    Open(open::Arguments),
    ScheduleDeletion(deletion::ScheduleDeletion),
    CancelDeletion(deletion::CancelDeletion),
    DestroyToken(destroy_token::Arguments),
    Sweep(sweep::Arguments),
    Audit(audit::Arguments),
    Systemd(systemd::Arguments),
    Clock(clock::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Recover(recover::Arguments),
    Doctor(doctor::Arguments),
    Fleet(fleet::Arguments),
    Config(config::Arguments),
    Agent(agent::Arguments),
    Completions(completions::Arguments),
    Manual(manual::Arguments),
}

impl Command {
    /// Runs the command; `line` makes the definition of the whole command line.
    pub(crate) fn run(self, global: &Global, line: fn() -> clap::Command) -> Result<(), Failure> {
        match self {
            Self::Init(arguments) => arguments.run(global),
            Self::Tokens(arguments) => arguments.run(global),
            Self::Pin(arguments) => arguments.run(global),
            Self::Create(arguments) => arguments.run(global),
            Self::Generate(arguments) => arguments.run(global),
            Self::List(arguments) => arguments.run(global),
            Self::Show(arguments) => arguments.run(global),
            Self::Public(arguments) => arguments.run(global),
            Self::Sign(arguments) => arguments.run(global),
            Self::Verify(arguments) => arguments.run(global),
            Self::Csr(arguments) => arguments.run(global),
            Self::Certificate(arguments) => arguments.run(global),
            Self::Describe(arguments) => arguments.run(global),
            Self::Rename(arguments) => arguments.run(global),
            Self::SetExpiry(arguments) => arguments.run(global),
            Self::Enable(arguments) => arguments.run(global),
            Self::Disable(arguments) => arguments.run(global),
            Self::Import(arguments) => arguments.run(global),
            Self::ImportKey(arguments) => arguments.run(global),
            Self::ImportKeys(arguments) => arguments.run(global),
            Self::ImportMany(arguments) => arguments.run(global),
            Self::Migrate(arguments) => arguments.run(global),
            Self::Wrap(arguments) => arguments.run(global),
            Self::DeleteMaterial(arguments) => arguments.run(global),
            Self::Rotate(arguments) => arguments.run(global),
            Self::Seal(arguments) => arguments.run(global),
            Self::Open(arguments) => arguments.run(global),
            Self::ScheduleDeletion(arguments) => arguments.run(global),
            Self::CancelDeletion(arguments) => arguments.run(global),
            Self::DestroyToken(arguments) => arguments.run(global),
            Self::Sweep(arguments) => arguments.run(global),
            Self::Audit(arguments) => arguments.run(global),
            Self::Systemd(arguments) => arguments.run(global),
            Self::Clock(arguments) => arguments.run(global),
            Self::Backup(arguments) => arguments.run(global),
            Self::Restore(arguments) => arguments.run(global),
            Self::Recover(arguments) => arguments.run(global),
            Self::Doctor(arguments) => arguments.run(global),
            Self::Fleet(arguments) => arguments.run(global),
            Self::Config(arguments) => arguments.run(global),
            Self::Agent(arguments) => arguments.run(global),
            Self::Completions(arguments) => arguments.run(line()),
            Self::Manual(arguments) => arguments.run(global, line()),
        }
    }
}
