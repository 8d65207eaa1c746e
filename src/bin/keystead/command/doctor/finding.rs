//! The findings of `keystead doctor`: how grave it is, what it is about, and its remedy.

use crate::{Failure, output};
use serde::Serialize;

/// The subjects that are files which the agent writes beside the store, named as in the configuration.
pub(super) const WRITTEN: [&str; 2] = ["log", "metrics"];

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    Well,
    Note,
    Problem,
}

/// A finding, and its remedy.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    pub(super) about: &'static str,
    said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

pub(super) fn print(finding: &Finding) -> Result<(), Failure> {
    let grade = match finding.grade {
        Grade::Well => "ok     ",
        Grade::Note => "note   ",
        Grade::Problem => "problem",
    };
    output::line(format_args!("{grade}  {}: {}", finding.about, finding.said))?;
    match &finding.mend {
        Some(mend) => output::line(format_args!("         {mend}")),
        None => Ok(()),
    }
}

pub(super) fn well(about: &'static str, said: String) -> Finding {
    Finding { grade: Grade::Well, about, said, mend: None }
}

pub(super) fn note(
    about: &'static str,
    said: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding { grade: Grade::Note, about, said: said.into(), mend: Some(mend.into()) }
}

pub(super) fn problem(about: &'static str, failure: Failure) -> Finding {
    let (said, mend) = failure.into_parts();
    Finding { grade: Grade::Problem, about, said, mend }
}
