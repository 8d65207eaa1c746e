//! Everything that can be wrong with an etcd, and what is said of it.

use super::certificates::Authority;
use super::*;
use crate::error::{Error, Reason};
use crate::store::etcd::tests::member::ServerFiles;
use std::path::PathBuf;

/// An etcd that asks its clients for certificates, and what a test needs to be one.
struct Guarded {
    files: tempfile::TempDir,
    authority: Authority,
    fleet: Fleet,
}

impl Guarded {
    fn new(test: &str) -> Option<Self> {
        if !skip::has_all(test, &[member::ETCD, "etcdctl", "openssl"]) {
            return None;
        }
        let files = tempfile::tempdir().unwrap();
        let authority = Authority::new(files.path(), "authority");
        let server = authority.certify("etcd");
        let server = ServerFiles {
            authority: authority.certificate(),
            certificate: server.certificate,
            key: server.key,
        };
        let etcd = member::Etcd::start_with(Some(&server), &[]);
        Some(Self { files, authority, fleet: Fleet::on(Arc::new(etcd)) })
    }

    fn client(&self, name: &str) -> TlsFiles {
        let client = self.authority.certify(name);
        self.files_of(self.authority.certificate(), client.certificate, client.key)
    }

    fn files_of(&self, authorities: PathBuf, certificate: PathBuf, key: PathBuf) -> TlsFiles {
        TlsFiles { authorities, certificate, key }
    }

    fn open(&self, host: &str, tls: TlsFiles) -> Result<Etcd> {
        let url = format!("etcd://{}/{}", self.fleet.server.address(), self.fleet.prefix);
        self.fleet.open_at(host, &url, Some(tls))
    }

    fn refusal(&self, tls: TlsFiles) -> Error {
        self.open("refused", tls).map(drop).unwrap_err()
    }

    /// Runs `etcdctl` as a client of that name.
    fn control_as(&self, client: &TlsFiles, arguments: &[&str]) {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let files = [
            ("--cacert", text(&client.authorities)),
            ("--cert", text(&client.certificate)),
            ("--key", text(&client.key)),
        ];
        let mut all: Vec<&str> = Vec::new();
        files.iter().for_each(|(option, file)| all.extend([*option, file]));
        all.extend(arguments);
        self.fleet.server.control(&all);
    }
}

#[test]
fn a_host_with_a_certificate_is_let_in_by_tls() {
    let Some(guarded) = Guarded::new("etcd by TLS") else { return };
    let store = guarded.open("one", guarded.client("host-a")).unwrap();
    store.apply(&put("k", "1")).unwrap();
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
}

#[test]
fn a_wrong_certificate_is_said() {
    let Some(guarded) = Guarded::new("a wrong certificate") else { return };
    let stranger = Authority::new(guarded.files.path(), "stranger");
    let own = guarded.client("host-a");
    let unknown = stranger.certify("host-a");
    let strange_server = TlsFiles { authorities: stranger.certificate(), ..own.clone() };
    let error = guarded.refusal(strange_server);
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let strange_client =
        TlsFiles { certificate: unknown.certificate.clone(), key: unknown.key, ..own.clone() };
    let error = guarded.refusal(strange_client);
    // etcd's word may be lost with the connection.
    let says = ["BadCertificate", "UnknownCA", "does not accept this host's certificate"];
    assert!(says.iter().any(|it| error.to_string().contains(it)), "{error}");
    let error = guarded.refusal(TlsFiles { certificate: unknown.certificate, ..own.clone() });
    assert_eq!(error.reason(), Reason::BadConfiguration, "key and certificate do not fit: {error}");
    let nonsense = guarded.files.path().join("nonsense");
    std::fs::write(&nonsense, "no PEM").unwrap();
    let error = guarded.refusal(TlsFiles { key: nonsense, ..own });
    assert_eq!(error.reason(), Reason::BadConfiguration, "{error}");
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn an_etcd_that_lets_a_host_only_read_is_said() {
    let Some(guarded) = Guarded::new("an etcd that can only be read") else { return };
    let (root, host) = (guarded.client("root"), guarded.client("host-a"));
    let store = guarded.open("one", host.clone()).unwrap();
    let path = format!("/{}", guarded.fleet.prefix);
    for arguments in [
        &["user", "add", "root", "--new-user-password", "unused"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "reader"],
        &["role", "grant-permission", "reader", "--prefix=true", "read", &path],
        &["user", "add", "host-a", "--new-user-password", "unused"],
        &["user", "grant-role", "host-a", "reader"],
        &["auth", "enable"],
    ] {
        guarded.control_as(&root, arguments);
    }
    let error = store.apply(&put("k", "1")).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreReadOnly, "{error}");
    assert!(error.to_string().contains("permission denied"), "{error}");
    assert_eq!(value(&store, "k"), None);
    let error = guarded.refusal(guarded.client("nobody-knows"));
    assert_eq!(error.reason(), Reason::StoreReadOnly, "{error}");
}

#[test]
fn an_etcd_that_is_full_is_said_and_nothing_is_doubled_or_lost() {
    if !skip::has_all("a full etcd", &[member::ETCD, "etcdctl"]) {
        return;
    }
    let server = member::Etcd::start_with(None, &["--quota-backend-bytes", "4194304"]);
    let fleet = Fleet::on(Arc::new(server));
    let store = fleet.open("one");
    let large = "x".repeat(1 << 20);
    let mut written = 0;
    let error = loop {
        match store.apply(&put(&format!("large {written}"), &large)) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 20, "it is not full");
    };
    assert_eq!(error.reason(), Reason::StoreFull, "{error}");
    assert!(error.to_string().contains("raise etcd's quota"), "{error}");
    assert_eq!(store.scan(b"large", b"", 100).unwrap().len(), written);
    let again = store.apply(&put("small", "1")).unwrap_err();
    assert_eq!(again.reason(), Reason::StoreFull, "{again}");
    assert_eq!(value(&store, "small"), None);
}

#[test]
fn the_records_of_another_fleet_are_left_alone() {
    let Some(fleet) = Fleet::new("another fleet's records") else { return };
    let store = fleet.open("one");
    store.apply(&put("k", "1")).unwrap();
    let other = StoreIdentity { store: Id::new([9; 16]), incarnation: 1 };
    let number = store.number().unwrap();
    let stranger = Fleet { identity: other, hosts: tempfile::tempdir().unwrap(), ..fleet };
    let error = stranger.try_open("one", &[stranger.server.address()]).map(drop).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreAbsent);
    assert!(error.to_string().contains("the records are those of another fleet"), "{error}");
    assert_eq!(store.number().unwrap(), number, "nothing has changed");
}

#[test]
fn a_prefix_without_records_is_said_where_there_should_be_some() {
    let Some(fleet) = Fleet::new("a prefix without records") else { return };
    let known = Acknowledged { number: 1, is_new: false, ..fleet.acknowledged() };
    let error = open(&fleet.place("one"), &known).map(drop).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreAbsent);
    assert!(error.to_string().contains("there are no records of a fleet"), "{error}");
    let listed =
        fleet.server.control(&["get", "--prefix", &format!("/{}", fleet.prefix), "--keys-only"]);
    assert_eq!(listed.trim(), "", "nothing was made");
}

#[test]
fn an_etcd_that_does_not_answer_is_named() {
    let Some(fleet) = Fleet::new("an etcd that does not answer") else { return };
    let began = Instant::now();
    let error = fleet.try_open("one", &["127.0.0.1:1".to_owned()]).map(drop).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreUnavailable);
    assert!(
        error.to_string().contains("127.0.0.1:1: ") && error.to_string().contains("refused"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    let both = ["127.0.0.1:1".to_owned(), fleet.server.address()];
    fleet.try_open("one", &both).expect("one of two members is enough");
}
