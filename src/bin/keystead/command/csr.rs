//! `keystead csr`: a request for a certificate, signed by the key that is to have it (PKCS#10, RFC 2986).

use super::seal::OutputFile;
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::signing::{HashName, Message, Scheme};
use crate::{Failure, Global, public_key};
use pem_rfc7468::LineEnding;
use std::net::IpAddr;
use std::str::FromStr;
use x509_cert::attr::{Attribute, AttributeTypeAndValue, Attributes};
use x509_cert::der::asn1::{BitString, Ia5String};
use x509_cert::der::oid::db::rfc4519::COUNTRY_NAME;
use x509_cert::der::{self, Decode, Encode, Tag, Tagged};
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
    /// The subject, the narrowest name first: CN=www.example.org,O=Example; or as OpenSSL writes it, the widest
    /// first: /O=Example/CN=www.example.org
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: Name,
    /// A host name that the certificate is to be for; may be given several times
    #[arg(long, value_name = "HOST", value_parser = host)]
    dns: Vec<Ia5String>,
    /// An IP address that it is to be for
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    /// A mail address that it is to be for
    #[arg(long, value_name = "ADDRESS", value_parser = ascii)]
    email: Vec<Ia5String>,
    /// Other names that it is to be for, as OpenSSL writes them: DNS:HOST, IP:ADDRESS, email:ADDRESS or URI:ADDRESS
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = alternative)]
    san: Vec<GeneralName>,
    /// Sign by RSA-PSS instead of PKCS#1 v1.5
    #[arg(long)]
    pss: bool,
    /// The hash, for RSA and EC keys [default: sha256, of P-384 and P-521 the one of their size]
    #[arg(long, value_enum, value_name = "HASH")]
    hash: Option<HashName>,
    #[command(flatten)]
    to: OutputFile,
}

fn subject(text: &str) -> Result<Name, String> {
    let name = match text.strip_prefix('/') {
        Some(parts) => from_widest(parts),
        None => text.to_owned(),
    };
    let is_cut = name.bytes().rev().take_while(|it| *it == b'\\').count() % 2 == 1;
    let name = Name::from_str(&name).ok().filter(|_| !is_cut).ok_or_else(|| {
        "a name is written like CN=www.example.org,O=Example,C=CH or /C=CH/O=Example/CN=www.example.org"
            .to_owned()
    })?;
    name.iter().try_for_each(check_part)?;
    Ok(name)
}

/// Refuses a part of a name that readers of requests do not take: one that is no text, an empty one, and a country of
/// other than two letters (RFC 5280, appendix A).
fn check_part(part: &AttributeTypeAndValue) -> Result<(), String> {
    let value = part.value.value();
    let is_text = matches!(
        part.value.tag(),
        Tag::Utf8String
            | Tag::PrintableString
            | Tag::Ia5String
            | Tag::TeletexString
            | Tag::BmpString
    );
    match part.oid {
        _ if !is_text => Err("a part of it is no text".to_owned()),
        _ if value.is_empty() => Err("a part of it is empty".to_owned()),
        COUNTRY_NAME if value.len() != 2 || !value.iter().all(u8::is_ascii_alphabetic) => {
            Err("C is a country's code of two letters (ISO 3166)".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns a name of OpenSSL's (`/C=CH/CN=a`, a slash in a part behind a backslash) as RFC 4514 writes it.
fn from_widest(parts: &str) -> String {
    let mut written = vec![String::new()];
    let mut letters = parts.chars();
    while let Some(letter) = letters.next() {
        let last = written.last_mut();
        match (letter, last) {
            ('/', _) => written.push(String::new()),
            (letter, Some(last)) => {
                let letter = if letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
                if ",+\"\\<>;".contains(letter) {
                    last.push('\\');
                }
                last.push(letter);
            }
            (_, None) => {}
        }
    }
    written.reverse();
    written.join(",")
}

/// Parses a host name as a certificate has it, perhaps with a star for its first label (RFC 5280, 4.2.1.6; RFC 6125).
fn host(text: &str) -> Result<Ia5String, String> {
    let is_label = |label: &str| {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_name = text.len() <= 253 && name.split('.').all(is_label);
    match name.parse::<IpAddr>() {
        Ok(_) => Err("this is an address, which --ip or IP: names".to_owned()),
        Err(_) if is_name => Ia5String::new(text).map_err(|error| error.to_string()),
        Err(_) => {
            Err("a host name has labels of letters, digits and hyphens with dots between"
                .to_owned())
        }
    }
}

/// Parses a name in visible ASCII.
fn ascii(text: &str) -> Result<Ia5String, String> {
    match !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic()) {
        true => Ia5String::new(text).map_err(|error| error.to_string()),
        false => Err("it has visible ASCII characters, and no space".to_owned()),
    }
}

/// Parses a name beside the subject as OpenSSL's configuration has it (RFC 5280, 4.2.1.6).
fn alternative(text: &str) -> Result<GeneralName, String> {
    let wrong = || format!("{text:?} is not DNS:HOST, IP:ADDRESS, email:ADDRESS or URI:ADDRESS");
    let (kind, name) =
        text.trim().split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
    Ok(match kind.to_ascii_lowercase().as_str() {
        "dns" => GeneralName::DnsName(host(name)?),
        "ip" => GeneralName::from(name.parse::<IpAddr>().map_err(|_| wrong())?),
        "email" => GeneralName::Rfc822Name(ascii(name)?),
        "uri" => GeneralName::UniformResourceIdentifier(ascii(name)?),
        _ => return Err(wrong()),
    })
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let scheme = Scheme::of(&key, self.hash, self.pss)?;
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
        self.to.deliver(global, &key, ("request", pem.map_err(Failure::new)?.as_bytes()))
    }

    fn info(&self, public: &[u8]) -> der::Result<CertReqInfo> {
        let mut attributes = Attributes::new();
        let names = self.names();
        if !names.is_empty() {
            let extension = SubjectAltName(names).to_extension(&self.subject, &[])?;
            attributes.insert(Attribute::try_from(ExtensionReq(vec![extension]))?)?;
        }
        let (version, subject) = (Version::V1, self.subject.clone());
        let public_key = SubjectPublicKeyInfoOwned::from_der(public)?;
        Ok(CertReqInfo { version, subject, public_key, attributes })
    }

    /// Returns the names beside the subject, as the extension has them (RFC 5280, 4.2.1.6).
    fn names(&self) -> Vec<GeneralName> {
        let dns = self.dns.iter().cloned().map(GeneralName::DnsName);
        let ip = self.ip.iter().map(|address| GeneralName::from(*address));
        let mail = self.email.iter().cloned().map(GeneralName::Rfc822Name);
        let others = self.san.iter().cloned();
        dns.chain(ip).chain(mail).chain(others).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{alternative, ascii, from_widest, host, subject};

    #[test]
    fn a_name_of_openssls_is_the_same_name() {
        assert_eq!(from_widest("C=CH/O=A\\/B, Inc./CN=a"), "CN=a,O=A/B\\, Inc.,C=CH");
        assert_eq!(subject("CN=a,O=b,C=CH").unwrap(), subject("/C=CH/O=b/CN=a").unwrap());
        for right in ["CN=a\\\\", "CN=#0C0161", "C=CH,CN=\u{fc}"] {
            assert!(subject(right).is_ok(), "{right}");
        }
        for wrong in
            ["/CN", "CN", "a", "CN=", "CN=a\\", "C=DEU", "C=1", "CN=#0403414243", "/C=C/CN=a"]
        {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_beside_the_subject_says_its_kind() {
        for right in ["DNS:a.example", "dns:*.example", "IP:192.0.2.7", "IP:2001:db8::1", "URI:a:b"]
        {
            assert!(alternative(right).is_ok(), "{right}");
        }
        for wrong in ["", "a.example", "DNS:", "IP:a", "RID:1.2", "DNS:\u{fc}.example", "DNS:a b"] {
            assert!(alternative(wrong).is_err(), "{wrong}");
        }
        let long = "a.".repeat(130);
        for wrong in ["", "a\nb", "a,IP:1.2.3.4", "192.0.2.7", "a..b", "a.*.b", "*", &long] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
        assert!(host("*.www-1.example").is_ok() && ascii("a@example.org").is_ok());
        assert!(ascii("a b").is_err() && ascii("").is_err());
    }
}
