//! `keystead csr`: a request for a certificate, signed by the key that is to have it (PKCS#10, RFC 2986).

use super::seal::OutputFile;
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::signing::{HashName, Message, Scheme};
use crate::whole_file::Output;
use crate::{Failure, Global, public_key};
use pem_rfc7468::LineEnding;
use std::net::IpAddr;
use std::str::FromStr;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::der::asn1::{BitString, Ia5String};
use x509_cert::der::{self, Decode, Encode};
use x509_cert::ext::ToExtension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Make a request for a certificate of a key pair (PKCS#10), signed by the key
///
/// Only the public key and what is named here goes into it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// The subject, the narrowest name first: CN=www.example.org,O=Example
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: Name,
    /// A host name that the certificate is to be for; may be given several times
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// An IP address that it is to be for
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    /// A mail address that it is to be for
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// The hash, for RSA and EC keys [default: sha256, of P-384 and P-521 the one of their size]
    #[arg(long, value_enum, value_name = "HASH")]
    hash: Option<HashName>,
    #[command(flatten)]
    to: OutputFile,
}

fn subject(text: &str) -> Result<Name, String> {
    match Name::from_str(text) {
        Ok(name) if !text.starts_with('/') => Ok(name),
        _ => Err("a name is written like CN=www.example.org,O=Example,C=CH".to_owned()),
    }
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let scheme = Scheme::of(&key, self.hash, false)?;
        let private = public_key::private(&session, &key)?;
        let info = self.info(&public_key::info(&session, &key)?).map_err(Failure::new)?;
        let signed = info.to_der().map_err(Failure::new)?;
        let signature = scheme.sign(&session, private, Message::Data(signed.as_slice()))?;
        let request = CertReq {
            info,
            algorithm: scheme.identifier(&key)?,
            signature: BitString::from_bytes(&signature).map_err(Failure::new)?,
        };
        let der = request.to_der().map_err(Failure::new)?;
        let pem = pem_rfc7468::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der);
        let mut out = Output::begin(global, &self.to.out, 0o666, self.to.force)?;
        out.write(pem.map_err(Failure::new)?.as_bytes())?;
        out.finish()
    }

    fn info(&self, public: &[u8]) -> der::Result<CertReqInfo> {
        let mut attributes = Attributes::new();
        let names = self.names()?;
        if !names.is_empty() {
            let extension = SubjectAltName(names).to_extension(&self.subject, &[])?;
            attributes.insert(Attribute::try_from(ExtensionReq(vec![extension]))?)?;
        }
        let (version, subject) = (Version::V1, self.subject.clone());
        let public_key = SubjectPublicKeyInfoOwned::from_der(public)?;
        Ok(CertReqInfo { version, subject, public_key, attributes })
    }

    /// Returns the names beside the subject, as the extension has them (RFC 5280, 4.2.1.6).
    fn names(&self) -> der::Result<Vec<GeneralName>> {
        let dns = self.dns.iter().map(|name| Ok(GeneralName::DnsName(Ia5String::new(name)?)));
        let ip = self.ip.iter().map(|address| Ok(GeneralName::from(*address)));
        let mail = self.email.iter().map(|name| Ok(GeneralName::Rfc822Name(Ia5String::new(name)?)));
        dns.chain(ip).chain(mail).collect()
    }
}
