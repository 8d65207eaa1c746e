//! An authority for tests, and the certificates that it signs, made by OpenSSL's program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority with its files in a directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    name: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority of that name.
    pub fn new(directory: &Path, name: &str) -> Self {
        let authority = Self { directory: directory.to_owned(), name: name.to_owned() };
        let Certified { certificate, key } = authority.files(name);
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            &subject,
            "-addext",
            "basicConstraints=critical,CA:true",
            "-keyout",
            path(&key),
            "-out",
            path(&certificate),
        ]);
        authority
    }

    /// Returns its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.files(&self.name).certificate
    }

    /// Certifies a program of that name on this machine, server or client.
    pub fn certify(&self, name: &str) -> Certified {
        let files = self.files(&format!("{}-{name}", self.name));
        let request = self.directory.join(format!("{}-{name}.csr", self.name));
        let extensions = self.directory.join(format!("{}-{name}.ext", self.name));
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            path(&files.key),
            "-out",
            path(&request),
        ]);
        let text = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:false\n";
        std::fs::write(&extensions, text).expect("the extensions");
        let own = self.files(&self.name);
        openssl(&[
            "x509",
            "-req",
            "-in",
            path(&request),
            "-CA",
            path(&own.certificate),
            "-CAkey",
            path(&own.key),
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            path(&extensions),
            "-out",
            path(&files.certificate),
        ]);
        files
    }

    fn files(&self, name: &str) -> Certified {
        let file = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        Certified { certificate: file("pem"), key: file("key") }
    }
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("openssl");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {error}");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
