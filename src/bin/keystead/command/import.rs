//! `keystead import`: brings key material into a custom key, or compares it with what is there.
//!
//! The material takes the way that it takes into another's device: it is wrapped here under an
//! import key's public half, unless that was done elsewhere, and unwrapped by the token, so that it goes
//! through no PKCS#11 call in the clear.

use super::describe;
use crate::client::{SessionMode, TokenArguments};
use crate::file_passphrase::FilePassphrase;
use crate::identifier::{Identifier, TakenIds};
use crate::importing::{self, ImportRequest};
use crate::keys::{self, ListedKey, Shown, check_alias};
use crate::material::Format;
use crate::moment::ExpiryArgument;
use crate::name::Name;
use crate::source_material::{SourceFiles, SourceMaterial};
use crate::transfer::Form;
use crate::{Failure, Global, certificates, manifest, material, output, public_key};
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::internal::object::kinds;
use serde_json::json;
use std::path::PathBuf;

/// Bring key material into a custom key, for the first time or again
///
/// The first import settles which material it is: only the same can be imported again. Importing it
/// while it is present replaces its expiry.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias, key ID or PKCS#11 URI; with --new the alias of a new one
    #[arg(value_parser = Name::of_key)]
    key: Name,
    /// The material's file; - is standard input. The forms ml-kem and two-file have two: first the
    /// transport key, then the wrapped material
    #[arg(default_value = "-", num_args = 1..=2, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The material's format [default: PEM where it is PEM, else raw]
    #[arg(long, value_enum, conflicts_with = "wrapped")]
    format: Option<Format>,
    #[command(flatten)]
    passphrase: FilePassphrase,
    /// When the material expires [default: the custom key's own expiry, else never]
    #[arg(long, value_name = "WHEN", long_help = ExpiryArgument::HELP, allow_hyphen_values = true)]
    expires: Option<ExpiryArgument>,
    /// The fate of the material at its expiry: it is erased, or goes on to decrypt, verify,
    /// unwrap and decapsulate only, until it is deleted by hand
    /// [default: as the custom key's own expiry has it, else erase]
    #[arg(long, value_name = "ACTION", value_parser = ["erase", "read-only"],
          conflicts_with = "dry_run")]
    expiry_action: Option<String>,
    /// Take the import key with that label or PKCS#11 URI instead of one made on the fly
    #[arg(long, value_name = "LABEL", alias = "import-key", value_parser = Name::of_key)]
    with: Option<Name>,
    /// The material is wrapped already, under that import key, in that form (as `keystead wrap` makes
    /// it); a .byok file need not say so
    #[arg(long, value_enum, value_name = "FORM", requires = "with")]
    wrapped: Option<Form>,
    /// Only see whether this is the material that the custom key was imported with, also when it has
    /// been deleted or has expired; nothing changes
    #[arg(long, conflicts_with_all = ["new", "expires"])]
    dry_run: bool,
    /// Make no public key object beside a private key. It has the private key's alias and CKA_ID, can be
    /// read without a PIN, and stays when the material goes
    #[arg(long, conflicts_with = "dry_run")]
    no_public_key: bool,
    /// Leave out the certificates that a private key's file brings with it: of the key and its issuers. They
    /// can be read without a PIN, and stay when the material goes
    #[arg(long, conflicts_with = "dry_run")]
    no_certificates: bool,
    /// Make a new custom key; material that another has, or had and waits for, is refused
    #[arg(long)]
    new: bool,
    /// The type of a new key [default: the one that PEM names, else AES]
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = keys::types(),
          requires = "new")]
    key_type: Option<String>,
    /// The CKA_ID of a new key in hexadecimal, 1 to 64 bytes [default: its key ID's 16 bytes]
    #[arg(long, value_name = "HEX", value_parser = Identifier::parse, requires = "new")]
    id: Option<Identifier>,
    /// The purpose of a new key, at most 255 bytes
    #[arg(long, value_name = "TEXT", requires = "new")]
    description: Option<String>,
}

/// A custom key that has got its material.
struct BroughtKey {
    key: ListedKey,
    /// The word, or words, for what was done.
    done: &'static str,
    /// Set where its public half has become an object of its own.
    readable: bool,
}

/// Says of material that came again, and never expires now, where that is not what was asked for.
fn say_endless(before: &Shown, asked: Option<ExpiryArgument>) -> Result<(), Failure> {
    let had = match before.expires {
        _ if asked.is_some() => return Ok(()),
        Some(at) => format!("it would have expired {at}"),
        None if before.waits() && before.material != "never imported" => {
            "an earlier import's expiry is not this one's".to_owned()
        }
        None => return Ok(()),
    };
    output::done(format_args!(
        "{had}: --expires gives an import its expiry, and `keystead set-expiry` every import"
    ))
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        describe::check(self.description.as_deref().unwrap_or_default())?;
        let access = if self.dry_run { SessionMode::ReadOnly } else { SessionMode::ReadWrite };
        let session = self.token.log_in_for(global, access, Some(&self.key))?;
        let alias = self.key.alias();
        let time = global.store_time()?;
        let begun = time.moment();
        let target = self.target(&session)?;
        let own = target.as_ref().map(|it| it.shown.key_type.as_str());
        let said = own.or(self.key_type.as_deref());
        let kind = said.map(importing::kind).transpose()?;
        let written = (self.wrapped, self.format);
        let mut files = SourceFiles::read(&self.files, written, kind, &self.passphrase)?;
        let key_type = said.or_else(|| files.named_type()).unwrap_or(keys::DEFAULT_TYPE);
        let import = ImportRequest {
            target: target.as_ref(),
            alias: &alias,
            id: self.id.as_ref().map(Identifier::bytes),
            kind: importing::kind(key_type)?,
            bits: kinds::size_named(key_type),
            expires: self.expires,
            action: self.expiry_action.as_deref().map(manifest::action).transpose()?,
            description: self.description.as_deref(),
            time,
        };
        if !self.dry_run {
            import.check_expiry()?;
        }
        let certificates = files.take_certificates();
        let material = self.material(&import, files)?;
        match &target {
            Some(key) if self.dry_run => self.compare(global, &session, key, &import, &material),
            _ => {
                let brought = self.bring(&session, &import, &material, begun)?;
                // Before anything is told: where that fails, all is done.
                let certificates = self.bring_certificates(&session, &brought.key, &certificates);
                self.report(global, &import, &brought)?;
                match certificates? {
                    Some(said) if !global.json => output::done(said),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The custom key that the material is for; none with --new.
    fn target(&self, session: &Session) -> Result<Option<ListedKey>, Failure> {
        if self.new {
            check_alias(session, &self.key.alias())?;
            if let Some(id) = &self.id {
                TakenIds::of(&ListedKey::all(session)?).take(id)?;
            }
            return Ok(None);
        }
        let there_is_none = |failure: Failure| match self.dry_run {
            true => failure,
            false => failure.also("`--new` makes a custom key"),
        };
        match ListedKey::find_chosen(session, &self.key)? {
            Some(key) => Ok(Some(key)),
            None => Err(there_is_none(ListedKey::none_chosen(&self.key))),
        }
    }

    fn material(
        &self,
        import: &ImportRequest,
        files: SourceFiles,
    ) -> Result<SourceMaterial, Failure> {
        let material = files.material(import.kind)?;
        if let (SourceMaterial::Plain(plain), Some(_)) = (&material, &self.with) {
            material::bits(plain, import.kind).map_err(|failure| {
                failure.also("--wrapped FORM says that it is wrapped already")
            })?;
        }
        import.check(&material)?;
        match material.is_wrapped() && self.with.is_none() {
            true => Err(Failure::new("this is a key transfer file, wrapped under some import key")
                .hint("--with says under which")),
            false => Ok(material),
        }
    }

    fn bring(
        &self,
        session: &Session,
        import: &ImportRequest,
        material: &SourceMaterial,
        begun: Timestamp,
    ) -> Result<BroughtKey, Failure> {
        let by = importing::import_key(session, self.with.as_ref())?;
        if import.target.is_none() {
            let lost = ListedKey::all(session)?.into_iter().filter(ListedKey::is_lost);
            import.check_new(session, &by, material, &lost.collect::<Vec<_>>())?;
        }
        let imported = import.bring(session, &by, material)?;
        let key = ListedKey::named(session, &importing::key_id(session, imported)?)?;
        let done = match import.target {
            // Lost since the check.
            None if key.shown.created.as_second() < begun.as_second() => {
                "imported; the key that had this material before is back"
            }
            _ => "imported",
        };
        let readable = !self.no_public_key && public_key::make_beside(session, &key)?;
        Ok(BroughtKey { key, done, readable })
    }

    /// Tells what was imported.
    fn report(
        &self,
        global: &Global,
        import: &ImportRequest,
        BroughtKey { key, done, readable }: &BroughtKey,
    ) -> Result<(), Failure> {
        key.report(global, &format!("{done}, {}", key.shown.lasting(import.time.moment())))?;
        if let (Some(before), None, false) = (import.target, key.shown.expires, global.json) {
            say_endless(&before.shown, self.expires)?;
        }
        match *readable && !global.json {
            true => output::done(public_key::READABLE),
            false => Ok(()),
        }
    }

    /// Puts the certificates that came with a private key beside it, and returns what became of them.
    fn bring_certificates(
        &self,
        session: &Session,
        key: &ListedKey,
        came: &[Vec<u8>],
    ) -> Result<Option<String>, Failure> {
        if came.is_empty() || self.no_certificates {
            return Ok(None);
        }
        let said = certificates::bring(session, key, came).map_err(|failure| {
            failure.also("the key has been imported; --no-certificates imports nothing else")
        })?;
        Ok(Some(said))
    }

    fn compare(
        &self,
        global: &Global,
        session: &Session,
        key: &ListedKey,
        import: &ImportRequest,
        material: &SourceMaterial,
    ) -> Result<(), Failure> {
        let shown = &key.shown;
        if shown.material == "never imported" {
            return Err(Failure::not_found(format_args!(
                "{shown}: nothing has been imported, so there is nothing to compare with"
            ))
            .hint("`keystead import` without --dry-run imports it"));
        }
        let by = importing::import_key(session, self.with.as_ref())?;
        import.compare(session, &by, material, key)?;
        if global.json {
            return output::json(&json!({
                "alias": shown.alias, "key_id": shown.key_id, "material": shown.material,
                "same_material": true, "expires": shown.expires,
                "next_import_expires": shown.next_import_expires,
                "next_import_expires_in_seconds": shown.next_import_expires_in_seconds,
            }));
        }
        let now = import.time.moment();
        let expiry = if shown.waits() { shown.next_import(now) } else { shown.lasting(now) };
        output::done(format_args!(
            "it is the same material ({} in the token, {expiry}); nothing has changed: {shown}",
            shown.material
        ))
    }
}
