//! The way to a fleet's etcd: its members, the prefix of the fleet's rows, and the files of a TLS client.

use crate::error::{Error, Reason, Result};
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time in which a member takes a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after which a member is asked for a sign of life, and the time in which it gives one. etcd ends
/// connections that ask more often than every five seconds, or while nothing is asked for.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(3));

/// The longest prefix, in bytes: it stands in every key of a transaction.
const MAX_PREFIX: usize = 128;

/// The place of a fleet's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// The members of etcd, each as `host:port`.
    members: Vec<String>,
    /// The path that all keys of the fleet begin with, as `/keystead/prod`.
    prefix: String,
    /// The files with which a host shows who it is; none on this machine alone.
    tls: Option<TlsFiles>,
}

/// The files of a TLS client, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificates of the authorities that sign the members' certificates.
    pub(crate) authorities: PathBuf,
    /// The host's certificate, and those between it and its authority.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl Access {
    /// Parses `etcd://host:port,host:port/prefix`. Fails with [`Reason::BadConfiguration`].
    pub(crate) fn parse(url: &str, tls: Option<TlsFiles>) -> Result<Self> {
        let wrong = |why: &str| Reason::BadConfiguration.detail(format_args!("{url:?}: {why}"));
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
        // Rows are sealed, but one who alters the traffic can forge public ones, and undo all.
        if tls.is_none() && !members.iter().all(|member| is_loopback(member)) {
            return Err(wrong("etcd on another machine is reached by TLS only"));
        }
        Ok(Self { members, prefix: format!("/{path}"), tls })
    }

    /// Returns the members, each as `host:port`.
    pub(super) fn members(&self) -> &[String] {
        &self.members
    }

    /// Returns the path that all keys of the fleet begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the URL of a member.
    pub(super) fn url_of(&self, member: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{member}")
    }

    /// Reads the files of the TLS client and returns the options of a connection.
    pub(super) fn options(&self) -> Result<ConnectOptions> {
        let options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
            .with_keep_alive_while_idle(false);
        let Some(tls) = &self.tls else { return Ok(options) };
        let authorities = Certificate::from_pem(read(&tls.authorities)?);
        let identity = Identity::from_pem(read(&tls.certificate)?, read(&tls.key)?);
        let client = TlsOptions::new().ca_certificate(authorities).identity(identity);
        Ok(options.with_tls(client))
    }

    /// Returns the error of a connection that cannot even be begun with these options.
    pub(super) fn bad_options(&self, why: &str) -> Error {
        let Some(tls) = &self.tls else { return Reason::BadConfiguration.detail(why) };
        let TlsFiles { authorities, certificate, key } = tls;
        Reason::BadConfiguration.detail(format_args!(
            "{}, {}, {}: {why}",
            authorities.display(),
            certificate.display(),
            key.display()
        ))
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|cause| {
        Reason::BadConfiguration.detail(format_args!("{}: {cause}", file.display()))
    })
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

    fn tls() -> TlsFiles {
        let file = |name: &str| PathBuf::from(format!("/nowhere/{name}"));
        TlsFiles { authorities: file("ca"), certificate: file("cert"), key: file("key") }
    }

    #[test]
    fn a_url_names_members_and_a_prefix() {
        let access = Access::parse("etcd://a:2379,[2001:db8::1]:2379/keystead/prod", Some(tls()));
        let access = access.unwrap();
        assert_eq!(access.members(), ["a:2379", "[2001:db8::1]:2379"]);
        assert_eq!(access.prefix(), "/keystead/prod");
        assert_eq!(access.url_of("a:2379"), "https://a:2379");
        let access = Access::parse("etcd://127.0.0.1:1,[::1]:2,localhost:3/k", None).unwrap();
        assert_eq!(access.url_of("localhost:3"), "http://localhost:3");
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
            let error = Access::parse(url, Some(tls())).unwrap_err();
            assert_eq!(error.reason(), Reason::BadConfiguration);
            assert!(error.to_string().contains(expected), "{url}: {error}");
        }
    }

    #[test]
    fn another_machine_is_reached_by_tls_only() {
        let error = Access::parse("etcd://127.0.0.1:1,10.0.0.1:1/k", None).unwrap_err();
        assert!(error.to_string().contains("by TLS only"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = Access::parse("etcd://a:1/k", Some(tls())).unwrap().options().unwrap_err();
        assert_eq!(error.reason(), Reason::BadConfiguration);
        assert!(error.to_string().contains("/nowhere/ca: "), "{error}");
    }
}
