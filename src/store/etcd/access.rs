//! The way to a fleet's etcd: the URLs of its members, and the options of a connection, with the files of a TLS client.

use crate::config::{FleetLocation, TlsFiles};
use crate::error::{Error, Reason, Result};
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use std::path::Path;
use std::time::Duration;

/// The time in which a member takes a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after which a member is asked for a sign of life, and the time in which it gives one. etcd ends
/// connections that ask more often than every five seconds, or while nothing is asked for.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(3));

/// Returns the URL of a member.
pub(super) fn url_of(fleet: &FleetLocation, member: &str) -> String {
    let scheme = if fleet.tls().is_some() { "https" } else { "http" };
    format!("{scheme}://{member}")
}

/// Reads the files of the TLS client and returns the options of a connection.
pub(super) fn options(fleet: &FleetLocation) -> Result<ConnectOptions> {
    let options = ConnectOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
        .with_keep_alive_while_idle(false);
    let Some(tls) = fleet.tls() else { return Ok(options) };
    let authorities = Certificate::from_pem(read(&tls.authorities)?);
    let identity = Identity::from_pem(read(&tls.certificate)?, read(&tls.key)?);
    let client = TlsOptions::new().ca_certificate(authorities).identity(identity);
    Ok(options.with_tls(client))
}

/// Returns the error of a connection that cannot even be begun with these options.
pub(super) fn bad_options(fleet: &FleetLocation, why: &str) -> Error {
    let Some(tls) = fleet.tls() else { return Reason::BadConfiguration.detail(why) };
    let TlsFiles { authorities, certificate, key } = tls;
    Reason::BadConfiguration.detail(format_args!(
        "{}, {}, {}: {why}",
        authorities.display(),
        certificate.display(),
        key.display()
    ))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|cause| {
        Reason::BadConfiguration.detail(format_args!("{}: {cause}", file.display()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fleet(tls: Option<TlsFiles>) -> FleetLocation {
        FleetLocation::parse("etcd://localhost:1/k").unwrap().on_host("/a".into(), tls).unwrap()
    }

    #[test]
    fn a_member_is_spoken_to_by_tls_where_the_files_for_it_are_there() {
        assert_eq!(url_of(&fleet(None), "localhost:1"), "http://localhost:1");
        let file = |name: &str| format!("/nowhere/{name}").into();
        let tls = TlsFiles { authorities: file("ca"), certificate: file("cert"), key: file("key") };
        let fleet = fleet(Some(tls));
        assert_eq!(url_of(&fleet, "localhost:1"), "https://localhost:1");
        let error = options(&fleet).unwrap_err();
        assert_eq!(error.reason(), Reason::BadConfiguration);
        assert!(error.to_string().contains("/nowhere/ca: "), "{error}");
    }
}
