//! The place of a fleet's records: the members of etcd, the path of the fleet's keys there, and what a host has of its
//! own: its agent's directory, and the files of a TLS client. Nothing of etcd is linked for it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The longest prefix, in bytes: it stands in every key of a transaction.
const MAX_PREFIX: usize = 128;

/// The scheme of a fleet's URL.
pub(super) const SCHEME: &str = "etcd";

/// The place of a fleet's records, as one host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetLocation {
    /// The members of etcd, each as `host:port`.
    members: Vec<String>,
    /// The path that all keys of the fleet begin with, as `/keystead/prod`.
    prefix: String,
    /// The own directory of this host's agent; empty as long as only the URL is known.
    directory: PathBuf,
    /// The files with which the host shows who it is; none on this machine alone.
    tls: Option<TlsFiles>,
}

/// The files of a TLS client, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates of the authorities that sign the members' certificates.
    pub authorities: PathBuf,
    /// The host's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl FleetLocation {
    /// Parses `etcd://host:port,host:port/prefix`. The error says what is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?}: {why}");
        let form = || wrong("it should be etcd://host:port,host:port/prefix");
        let (members, path) =
            url.strip_prefix("etcd://").and_then(|rest| rest.split_once('/')).ok_or_else(form)?;
        let members: Vec<String> = members.split(',').map(str::to_owned).collect();
        if !members.iter().all(|member| is_member(member)) {
            return Err(form());
        }
        let plain =
            |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_graphic());
        if path.len() >= MAX_PREFIX || !path.split('/').all(plain) {
            return Err(wrong(
                "the prefix should be a path of visible ASCII, at most 127 bytes long",
            ));
        }
        let prefix = format!("/{path}");
        Ok(Self { members, prefix, directory: PathBuf::new(), tls: None })
    }

    /// Returns the same place with what a host has of its own. The error says what is missing there.
    pub(crate) fn on_host(self, directory: PathBuf, tls: Option<TlsFiles>) -> Result<Self, String> {
        // Rows are sealed, but one who alters the traffic can forge public ones, and undo all.
        if tls.is_none() && !self.members.iter().all(|member| is_loopback(member)) {
            return Err(format!(
                "{self}: etcd on another machine is reached by TLS only; set etcd_ca, etcd_certificate and etcd_key"
            ));
        }
        Ok(Self { directory, tls, ..self })
    }

    /// Returns true where both are the records of one fleet, as the URL names them.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.members, &self.prefix) == (&other.members, &other.prefix)
    }

    /// Returns the own directory of this host's agent.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the members of etcd, each as `host:port`.
    #[cfg_attr(not(feature = "etcd"), allow(dead_code))] // only a build with etcd reads them
    pub(crate) fn members(&self) -> &[String] {
        &self.members
    }

    /// Returns the path that all keys of the fleet begin with.
    #[cfg_attr(not(feature = "etcd"), allow(dead_code))] // only a build with etcd reads it
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the files of the TLS client.
    #[cfg_attr(not(feature = "etcd"), allow(dead_code))] // only a build with etcd reads them
    pub(crate) fn tls(&self) -> Option<&TlsFiles> {
        self.tls.as_ref()
    }
}

impl fmt::Display for FleetLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{}{}", self.members.join(","), self.prefix)
    }
}

fn is_member(member: &str) -> bool {
    let port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let (host, rest) = member.rsplit_once(':').unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(plain) && port(rest)
}

fn is_loopback(member: &str) -> bool {
    let host = member.rsplit_once(':').map_or(member, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_members_and_a_prefix_and_is_shown_as_it_was_written() {
        let url = "etcd://a:2379,[2001:db8::1]:2379/keystead/prod";
        let fleet = FleetLocation::parse(url).unwrap();
        assert_eq!(fleet.members(), ["a:2379", "[2001:db8::1]:2379"]);
        assert_eq!(fleet.prefix(), "/keystead/prod");
        assert_eq!(fleet.to_string(), url);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        let long = format!("etcd://a:1/{}", "x".repeat(MAX_PREFIX));
        for (url, expected) in [
            ("etcd://a:1", "should be etcd://"),
            ("etcd://a/k", "should be etcd://"),
            ("etcd://a:0/k", "should be etcd://"),
            ("etcd://a:1,/k", "should be etcd://"),
            ("etcd://a:1/", "the prefix"),
            ("etcd://a:1/k/", "the prefix"),
            ("etcd://a:1/k\0", "the prefix"),
            (&long, "the prefix"),
        ] {
            let error = FleetLocation::parse(url).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    #[test]
    fn another_machine_is_reached_by_tls_only() {
        let on_host = |url: &str| FleetLocation::parse(url).unwrap().on_host("/a".into(), None);
        let error = on_host("etcd://127.0.0.1:1,10.0.0.1:1/k").unwrap_err();
        assert!(error.contains("by TLS only"), "{error}");
        on_host("etcd://127.0.0.1:1,[::1]:2,localhost:3/k").unwrap();
    }
}
