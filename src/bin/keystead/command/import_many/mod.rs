//! `keystead import-many`: imports of a whole directory or manifest. Each is looked at before the
//! first import, and what is there already is left alone, so that it can be run again after whatever
//! stopped it.

mod job;

use super::describe;
use crate::client::{Login, SessionMode, TokenArguments};
use crate::file_passphrase::FilePassphrase;
use crate::identifier::{Identifier, TakenIds};
use crate::importing::{self, ImportRequest};
use crate::keys::{self, ListedKey, check_alias};
use crate::manifest::{self, ManifestEntry, WantedImport};
use crate::moment::ExpiryArgument;
use crate::name::Name;
use crate::source_material::{SourceFiles, SourceMaterial};
use crate::store_time::StoreTime;
use crate::whole_file::is_standard;
use crate::wrapping::ImportKey;
use crate::{Failure, Global, certificates, output, public_key};
use cryptoki::session::Session;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use job::{ImportJob, Outcome, refusal, refused, report};
use keystead::internal::object::{kinds, words};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The number of imports that go on at once where none ends the others: the store makes what they commit durable
/// together.
const AT_ONCE: usize = 8;

/// Import the material of many custom keys: a directory of files, or what a CSV manifest lists
///
/// In a directory a file's name is the alias, without .hex, .b64, .base64, .pem and .byok, which say
/// how the material is written. A manifest's first line names its columns: file; alias, or id, the key ID of
/// a custom key that is there; type; form; cka_id, the CKA_ID of a new key in hexadecimal; expires;
/// expiry_action; description. Aliases that there are not yet become new custom keys. Running it again
/// imports only what is not there with the same material; what is there keeps its expiry and its CKA_ID.
///
/// Each is looked at first, and where one is wrong or refused then, nothing is imported. What only shows
/// at the import itself, such as material that another key has, ends the run there: what was imported
/// before stays. With --keep-going the others are imported either way, several at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The directory or the manifest
    source: PathBuf,
    /// The type of new keys, where a line does not say [default: the one that PEM names, else AES]
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = keys::types())]
    key_type: Option<String>,
    /// When material expires, where a line does not say
    #[arg(long, value_name = "WHEN", long_help = ExpiryArgument::HELP, allow_hyphen_values = true)]
    expires: Option<ExpiryArgument>,
    /// Take the import key with that label or PKCS#11 URI instead of one made on the fly; material that is wrapped
    /// already needs it
    #[arg(long, value_name = "LABEL", value_parser = Name::of_key)]
    with: Option<Name>,
    /// Make no public key objects beside private keys. They have the private keys' aliases and CKA_IDs,
    /// can be read without a PIN, and stay when the material goes
    #[arg(long)]
    no_public_key: bool,
    /// Leave out the certificates that files of private keys bring with them
    #[arg(long)]
    no_certificates: bool,
    #[command(flatten)]
    passphrase: FilePassphrase,
    /// Import the others where some are wrong or refused
    #[arg(long)]
    keep_going: bool,
    #[arg(skip)]
    time: StoreTime,
    /// Held while certificates are put beside a key.
    #[arg(skip)]
    certificates: Mutex<()>,
}

/// The keys of earlier lines, so that no two are for the same, and the keys that no line may bring back
/// under another alias.
#[derive(Default)]
struct EarlierLines {
    names: HashSet<String>,
    ids: TakenIds,
    materials: HashSet<[u8; 32]>,
    lost: Vec<ListedKey>,
}

impl Arguments {
    pub(crate) fn run(mut self, global: &Global) -> Result<(), Failure> {
        if is_standard(&self.source) {
            return Err(Failure::usage("a manifest is not read from standard input")
                .hint("name a file: the files it lists are found beside it"));
        }
        let entries = manifest::read(&self.source)?;
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        self.time = global.store_time()?;
        let by = importing::import_key(&session, self.with.as_ref())?;
        let mut jobs = self.looked_at(&session, &by, entries)?;
        let wrong = refused(&jobs);
        let imports = wrong == 0 || self.keep_going;
        if imports {
            self.import(&session, &by, &mut jobs)?;
        }
        report(global, &jobs).map_err(|failure| match imports {
            true => output::though_done(failure),
            false => failure,
        })?;
        match refused(&jobs) {
            0 => Ok(()),
            _ if wrong > 0 && !self.keep_going => {
                Err(refusal(format_args!("{}: nothing is imported", self.source.display()), &jobs)
                    .hint("--keep-going imports the others"))
            }
            _ => Err(refusal(self.source.display(), &jobs)
                .hint("running it again imports what is not there yet")),
        }
    }

    /// Finds out of every entry whether it can be imported, or need not be.
    fn looked_at(
        &self,
        session: &Session,
        by: &ImportKey,
        entries: Vec<ManifestEntry>,
    ) -> Result<Vec<ImportJob>, Failure> {
        let bar = progress("checking", entries.len())?;
        let there = ListedKey::all(session)?;
        let mut seen = EarlierLines { ids: TakenIds::of(&there), ..EarlierLines::default() };
        seen.lost = there.into_iter().filter(ListedKey::is_lost).collect();
        let look = |entry: ManifestEntry| {
            let mut job = ImportJob::of(entry);
            if let Some(wanted) = &job.wanted {
                let looked = self.look(session, by, wanted, &mut seen);
                (job.outcome, job.key_id) = match looked {
                    Ok(found) => found,
                    Err(failure) => (Outcome::Refused(failure), None),
                };
            }
            bar.inc(1);
            job
        };
        let jobs = entries.into_iter().map(look).collect();
        bar.finish_and_clear();
        Ok(jobs)
    }

    fn look(
        &self,
        session: &Session,
        by: &ImportKey,
        wanted: &WantedImport,
        seen: &mut EarlierLines,
    ) -> Result<(Outcome, Option<String>), Failure> {
        describe::check(wanted.description.as_deref().unwrap_or_default())?;
        let target = target(session, wanted)?;
        if let (None, Some(id)) = (&target, &wanted.cka_id) {
            seen.ids.take(id)?;
        }
        let name = target.as_ref().map_or(&wanted.name, |key| &key.shown.key_id);
        if !seen.names.insert(name.clone()) {
            return Err(Failure::new("an earlier line is for the same custom key")
                .hint("a custom key has one material: keep one of the lines"));
        }
        let files = self.files(target.as_ref(), wanted)?;
        let import = self.import_of(target.as_ref(), wanted, files.named_type())?;
        let material = self.material(&import, files)?;
        if let Some(digest) = material.digest()?
            && !seen.materials.insert(digest)
        {
            return Err(Failure::new("an earlier line brings the same material")
                .hint("material belongs to one custom key at a time"));
        }
        let Some(key) = &target else {
            import.check_expiry()?;
            import.check_new(session, by, &material, &seen.lost)?;
            return Ok((Outcome::NotTried, None));
        };
        let shown = &key.shown;
        if shown.status == "pending deletion" {
            return Err(Failure::refused("the custom key awaits its deletion")
                .hint("`keystead cancel-deletion` keeps it"));
        }
        if shown.material != "never imported" {
            import.compare(session, by, &material, key)?;
        }
        let outcome = match shown.material.as_str() {
            "present" => {
                Outcome::Skipped { otherwise: otherwise(key, &import), expires: shown.expires }
            }
            _ => import.check_expiry().map(|()| Outcome::NotTried)?,
        };
        Ok((outcome, Some(shown.key_id.clone())))
    }

    /// Imports what is still to be: until one is refused, or all, and then several at once.
    fn import(&self, login: &Login, by: &ImportKey, jobs: &mut [ImportJob]) -> Result<(), Failure> {
        let bar = progress("importing", jobs.len())?;
        let at_once = if self.keep_going { AT_ONCE.min(jobs.len()) } else { 1 };
        let more = (1..at_once).map(|_| login.another_session());
        let more = more.collect::<Result<Vec<Session>, _>>()?;
        let (queue, ended) = (Mutex::new(jobs.iter_mut()), AtomicBool::new(false));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |session: &Session| {
            while !ended.load(Ordering::Relaxed)
                && let Some(job) = next()
            {
                self.import_one(session, by, job);
                bar.inc(1);
                if matches!(job.outcome, Outcome::Refused(_)) && !self.keep_going {
                    ended.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|threads| {
            for session in more {
                threads.spawn(move || work(&session));
            }
            work(login);
        });
        bar.finish_and_clear();
        Ok(())
    }

    /// Imports one, if that is still to be done, and makes its public key object.
    fn import_one(&self, session: &Session, by: &ImportKey, job: &mut ImportJob) {
        if let (Outcome::NotTried, Some(wanted)) = (&job.outcome, &job.wanted) {
            match self.bring(session, by, wanted) {
                Ok((key_id, expires)) => {
                    job.outcome = Outcome::Imported { expires };
                    job.key_id = Some(key_id);
                }
                Err(failure) => job.outcome = Outcome::Refused(failure),
            }
        }
        if let Err(failure) = self.make_public(session, job) {
            job.outcome = Outcome::Refused(failure);
        }
    }

    /// Makes the public key object of what is there now, also where an earlier run was stopped before.
    fn make_public(&self, session: &Session, job: &mut ImportJob) -> Result<(), Failure> {
        let there = matches!(job.outcome, Outcome::Imported { .. } | Outcome::Skipped { .. });
        if let Some(key_id) = job.key_id.as_ref().filter(|_| there && !self.no_public_key) {
            job.readable = public_key::make_beside(session, &ListedKey::named(session, key_id)?)?;
        }
        Ok(())
    }

    /// Returns key ID and expiry. Files are read again: material is kept no longer than one import takes.
    fn bring(
        &self,
        session: &Session,
        by: &ImportKey,
        wanted: &WantedImport,
    ) -> Result<(String, Option<Timestamp>), Failure> {
        let target = target(session, wanted)?;
        let mut files = self.files(target.as_ref(), wanted)?;
        let import = self.import_of(target.as_ref(), wanted, files.named_type())?;
        let came = files.take_certificates();
        let material = self.material(&import, files)?;
        let imported = import.bring(session, by, &material)?;
        let key_id = importing::key_id(session, imported)?;
        if !came.is_empty() && !self.no_certificates {
            // One after the other, so that an issuer of several is there once.
            let _alone = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
            certificates::bring(session, &ListedKey::named(session, &key_id)?, &came)?;
        }
        Ok((key_id, importing::expires(session, imported)?))
    }

    /// Reads the files of an entry.
    fn files(
        &self,
        target: Option<&ListedKey>,
        wanted: &WantedImport,
    ) -> Result<SourceFiles, Failure> {
        let said = self.said(target, wanted).map(importing::kind).transpose()?;
        let written = (wanted.form, wanted.format);
        SourceFiles::read(&wanted.files, written, said, &self.passphrase)
    }

    /// Returns the type of key that is said, whatever the files name.
    fn said<'a>(
        &'a self,
        target: Option<&'a ListedKey>,
        wanted: &'a WantedImport,
    ) -> Option<&'a str> {
        let own = target.map(|key| key.shown.key_type.as_str());
        own.or(wanted.key_type.as_deref()).or(self.key_type.as_deref())
    }

    fn import_of<'a>(
        &'a self,
        target: Option<&'a ListedKey>,
        wanted: &'a WantedImport,
        named: Option<&str>,
    ) -> Result<ImportRequest<'a>, Failure> {
        let own = target.map(|key| key.shown.key_type.as_str());
        let said = wanted.key_type.as_deref();
        if let (Some(own), Some(said)) = (own, said)
            && own != said
        {
            return Err(Failure::refused(format_args!(
                "the custom key is for {own}, and not {said}"
            ))
            .hint("correct the type, or leave it out: the custom key has its own"));
        }
        let key_type = self.said(target, wanted).or(named).unwrap_or(keys::DEFAULT_TYPE);
        Ok(ImportRequest {
            target,
            alias: &wanted.name,
            id: wanted.cka_id.as_ref().filter(|_| target.is_none()).map(Identifier::bytes),
            kind: importing::kind(key_type)?,
            bits: kinds::size_named(key_type),
            expires: wanted.expires.or(self.expires),
            action: wanted.action,
            description: wanted.description.as_deref().filter(|_| target.is_none()),
            time: self.time,
        })
    }

    fn material(
        &self,
        import: &ImportRequest,
        files: SourceFiles,
    ) -> Result<SourceMaterial, Failure> {
        let material = files.material(import.kind)?;
        import.check(&material)?;
        match material.is_wrapped() && self.with.is_none() {
            true => Err(Failure::new("this is wrapped already").hint("--with says under what")),
            false => Ok(material),
        }
    }
}

/// The custom key that an entry is for; none where it makes one.
fn target(session: &Session, wanted: &WantedImport) -> Result<Option<ListedKey>, Failure> {
    let target = match wanted.by_id {
        true => Some(ListedKey::named(session, &wanted.name)?),
        false => ListedKey::find(session, &wanted.name)?,
    };
    match (&target, &wanted.cka_id) {
        (Some(key), Some(id)) if key.shown.id_bytes() != id.bytes() => Err(Failure::new(
            format_args!("the custom key has the CKA_ID {}, and not {id}", key.shown.id),
        )
        .hint("correct the cka_id, or leave it out: the custom key keeps its own")),
        (Some(_), _) => Ok(target),
        (None, _) => check_alias(session, &wanted.name).map(|()| None),
    }
}

/// Returns whether an import would change the expiry of material that is present.
fn otherwise(key: &ListedKey, import: &ImportRequest) -> bool {
    let at = match import.expires {
        None => false,
        Some(ExpiryArgument::Never) => key.shown.expires.is_some(),
        Some(ExpiryArgument::At(moment)) => key.shown.expires != Some(moment),
        Some(ExpiryArgument::After(_)) => true,
    };
    let action = import.action.map(|action| words::action(action).text);
    at || action.is_some_and(|action| key.json.get("expiry_action").is_none_or(|has| has != action))
}

/// Shows the progress on a terminal.
fn progress(what: &'static str, many: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{msg:>10} {bar:30} {pos}/{len} {eta}");
    let bar = ProgressBar::new(u64::try_from(many).unwrap_or(u64::MAX));
    Ok(bar.with_style(style.map_err(Failure::new)?).with_message(what))
}
