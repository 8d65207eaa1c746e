//! A member of etcd on this machine, which ends with the test, or with the program that runs it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program.
pub const ETCD: &str = "etcd";

/// The time in which etcd must answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of times that other ports are tried: between their choice and their use others may take them.
const TRIES: usize = 5;

/// Runs etcd until its standard input ends, as it does with the program that holds it.
const KEEPER: &str = r#""$0" "$@" <&- & etcd=$!; read -r _; kill -9 $etcd; wait $etcd"#;

/// A running member.
#[derive(Debug)]
pub struct Etcd {
    keeper: Child,
    scheme: &'static str,
    port: u16,
    directory: tempfile::TempDir,
}

/// The files of a TLS server, in PEM.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// The authority of the clients' certificates.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Etcd {
    /// Starts a cluster of one member.
    pub fn start() -> Self {
        Self::start_with(None, &[])
    }

    /// The same, by TLS or not, with these options.
    pub fn start_with(tls: Option<&ServerFiles>, options: &[&str]) -> Self {
        let [member] = Self::start_together(tls, options);
        member
    }

    /// Starts a cluster of three members.
    pub fn start_three() -> [Self; 3] {
        Self::start_together(None, &[])
    }

    fn start_together<const N: usize>(tls: Option<&ServerFiles>, options: &[&str]) -> [Self; N] {
        for _ in 0..TRIES {
            let ports = free_ports();
            let peers = ports.map(|[_, peers]| format!("http://127.0.0.1:{peers}"));
            let cluster: Vec<String> =
                peers.iter().map(|peer| format!("{}={peer}", name_of(peer))).collect();
            let cluster = ["--initial-cluster", &cluster.join(",")];
            let options = [&cluster[..], options].concat();
            let mut members = ports.map(|ports| Self::spawn(ports, tls, &options));
            if members.iter_mut().all(Self::answers) {
                return members;
            }
        }
        panic!("etcd does not start");
    }

    fn spawn([port, peers]: [u16; 2], tls: Option<&ServerFiles>, options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("etcd").tempdir().expect("a directory");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let clients = format!("{scheme}://127.0.0.1:{port}");
        let peers = format!("http://127.0.0.1:{peers}");
        let log = File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, ETCD, "--name", &name_of(&peers), "--logger", "zap"]);
        command.arg("--data-dir").arg(directory.path().join("data"));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--heartbeat-interval", "50", "--election-timeout", "500"]);
        if let Some(ServerFiles { authority, certificate, key }) = tls {
            command.args(["--client-cert-auth", "--trusted-ca-file"]).arg(authority);
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
        }
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Self { keeper: command.spawn().expect("a shell"), scheme, port, directory }
    }

    /// Returns true where this member leads the cluster.
    pub fn leads(&self) -> bool {
        let status = self.control(&["endpoint", "status", "--write-out", "fields"]);
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.rsplit(' ').next().map(str::to_owned)
        };
        field("\"MemberID\"") == field("\"Leader\"")
    }

    /// Returns the address of its clients, as `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs `etcdctl` on it, and returns what it prints.
    pub fn control(&self, arguments: &[&str]) -> String {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &format!("{}://{}", self.scheme, self.address())])
            .args(arguments)
            .output()
            .expect("etcdctl");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "etcdctl {arguments:?}: {out}{err}");
        out
    }

    /// Waits until it listens; false where it has ended instead.
    fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if is_ready(&self.directory.path().join("log")) {
                return TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            }
            if has_failed(&self.directory.path().join("log")) {
                return false;
            }
            // etcd says it in its log alone.
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{}", log(&self.directory.path().join("log")));
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if let Some(mut line) = self.keeper.stdin.take() {
            // A keeper that has ended has ended etcd.
            let _ = line.write_all(b"\n");
        }
        let _ = self.keeper.wait();
    }
}

fn is_ready(file: &Path) -> bool {
    [
        "ready to serve client requests",
        "serving client requests",
        "serving client traffic",
        "serving insecure client",
    ]
    .iter()
    .any(|sign| log(file).contains(sign))
}

fn has_failed(file: &Path) -> bool {
    log(file).contains("\"level\":\"fatal\"")
}

fn log(file: &Path) -> String {
    let mut text = String::new();
    let read = File::open(file).and_then(|mut file| file.read_to_string(&mut text));
    read.map(|_| text).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names a member by the URL of its peers.
fn name_of(peers: &str) -> String {
    peers.replace([':', '/'], "")
}

fn free_ports<const N: usize>() -> [[u16; 2]; N] {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
    // All are bound at once, so that they differ.
    let listeners = [(); N].map(|()| [bind(), bind()]);
    listeners.map(|pair| pair.map(|it| it.local_addr().expect("an address").port()))
}
