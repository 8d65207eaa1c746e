//! Every attribute that the specification has, one row each, and the row of any attribute; read by one
//! interpreter ([`super::build`]). Keystead's own are in [`super::properties`].

use super::lattices;
use super::properties::{self, PROPERTIES};
use super::rule::{
    ALL, CERTIFICATE, DATA, HIDDEN, KEYS, MADE, NEVER, PRIVATE, PUBLIC, SECRET, TRUST, row, secret,
};
use super::trust::{MOST, UNKNOWN, *};
use super::values::RSA_NUMBERS;
use crate::text::MAX_TEXT;
use crate::v3_2::*;
use pkcs11_sys::*;

pub(crate) use super::rule::{COPY, Initial, Rule, ValueForm};
pub use super::rule::{CREATE, Changeable, DERIVE, GENERATE, UNWRAP, class_bit};

/// Returns the row of an attribute of an object of this class; none if such an object cannot have it.
pub fn rule(kind: u64, class: u64) -> Option<&'static Rule> {
    let from = BY_NUMBER.partition_point(|(number, _)| *number < kind);
    let rows = BY_NUMBER.iter().skip(from).take_while(|(number, _)| *number == kind);
    rows.map(|(_, rule)| *rule).find(|rule| rule.classes & class_bit(class) != 0)
}

/// Returns the rows of the attributes that an object of this class can have, by their numbers.
pub(crate) fn of_class(class: u64) -> impl Iterator<Item = &'static Rule> {
    let class = class_bit(class);
    BY_NUMBER.iter().map(|(_, rule)| *rule).filter(move |rule| rule.classes & class != 0)
}

/// Every row, the specification's and Keystead's own, by the numbers of their attributes: a call that makes a key
/// looks dozens of them up.
static BY_NUMBER: [(u64, &Rule); RULES.len() + properties::RULES] = by_number();

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn by_number() -> [(u64, &'static Rule); RULES.len() + properties::RULES] {
    let mut sorted = [(0, &RULES[0]); RULES.len() + properties::RULES];
    let (mut from, mut count) = (0, 0);
    while from < RULES.len() + PROPERTIES.len() {
        let rule = match from < RULES.len() {
            true => Some(&RULES[from]),
            false => PROPERTIES[from - RULES.len()].rule.as_ref(),
        };
        if let Some(rule) = rule {
            let mut to = count;
            while to > 0 && sorted[to - 1].0 > rule.kind {
                sorted[to] = sorted[to - 1];
                to -= 1;
            }
            sorted[to] = (rule.kind, rule);
            count += 1;
        }
        from += 1;
    }
    sorted
}

/// Returns whether an attribute belongs to another type of public or private key.
pub(crate) fn is_foreign(kind: u64, class: u64, key_type: u64) -> bool {
    if !matches!(class, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY) {
        return false;
    }
    let (rsa, on_lattice) = (key_type == CKK_RSA, lattices::are(key_type));
    let own = match kind {
        CKA_MODULUS_BITS => rsa,
        CKA_EC_PARAMS | CKA_EC_POINT => !rsa && !on_lattice,
        CKA_PARAMETER_SET | CKA_SEED => on_lattice,
        CKA_VALUE => on_lattice || !rsa && class == CKO_PRIVATE_KEY,
        number => rsa || !RSA_NUMBERS.contains(&number),
    };
    !own
}

use Changeable::{Copying, Ends, Falls, Free, Never, Officer, Own, Rises, Usage};
use Initial::{Absent, Empty};
use ValueForm::{Bytes, Date, Flag, Label, Mechanisms, No, Number, Text, UpTo};

/// The attributes whose value is a template.
pub(crate) const TEMPLATES: [u64; 5] = [
    CKA_WRAP_TEMPLATE,
    CKA_UNWRAP_TEMPLATE,
    CKA_DERIVE_TEMPLATE,
    CKA_ENCAPSULATE_TEMPLATE,
    CKA_DECAPSULATE_TEMPLATE,
];

/// The table. Usage flags and the defaults of `CKA_PRIVATE`, `CKA_SENSITIVE` and `CKA_EXTRACTABLE`
/// depend on the rest of the template and are decided in [`super::build`].
pub const RULES: &[Rule] = &[
    // Every object (PKCS#11 3.1, 4.4)
    row(CKA_CLASS, Number, ALL, MADE, Never, Absent),
    row(CKA_TOKEN, Flag, ALL, MADE, Copying, Initial::Flag(false)),
    row(CKA_PRIVATE, Flag, ALL, MADE, Copying, Absent),
    row(CKA_MODIFIABLE, Flag, ALL, MADE, Copying, Initial::Flag(true)),
    row(CKA_LABEL, Label, ALL, MADE, Free, Empty),
    row(CKA_COPYABLE, Flag, ALL, MADE, Falls, Initial::Flag(true)),
    row(CKA_DESTROYABLE, Flag, ALL, MADE, Copying, Initial::Flag(true)),
    row(CKA_UNIQUE_ID, Bytes, ALL, NEVER, Never, Absent),
    // Data objects (4.5)
    row(CKA_APPLICATION, Text(MAX_TEXT), DATA, CREATE | DERIVE, Free, Empty),
    row(CKA_OBJECT_ID, Bytes, DATA, CREATE | DERIVE, Free, Empty),
    row(CKA_VALUE, Bytes, DATA, CREATE, Free, Empty),
    // How much CKM_HKDF_DATA derives (6.62); no data object has it afterwards.
    row(CKA_VALUE_LEN, Number, DATA, DERIVE, Never, Absent),
    // X.509 certificates (4.6): their names change, and nothing else; a trusted one's not either.
    row(CKA_CERTIFICATE_TYPE, Number, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_CERTIFICATE_CATEGORY, UpTo(3), CERTIFICATE, CREATE, Never, Initial::Number(0)),
    row(CKA_VALUE, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_SUBJECT, Bytes, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_ID, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_ISSUER, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_SERIAL_NUMBER, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_TRUSTED, Flag, CERTIFICATE, CREATE, Officer, Initial::Flag(false)),
    row(CKA_CHECK_VALUE, Bytes, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_START_DATE, Date, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_END_DATE, Date, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_PUBLIC_KEY_INFO, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_URL, Text(2048), CERTIFICATE, CREATE, Never, Empty),
    row(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_JAVA_MIDP_SECURITY_DOMAIN, UpTo(3), CERTIFICATE, CREATE, Never, Initial::Number(0)),
    row(CKA_NAME_HASH_ALGORITHM, Number, CERTIFICATE, CREATE, Never, Initial::Number(CKM_SHA_1)),
    // Trust objects (3.2, 4.7): they are about one certificate for good.
    row(CKA_ISSUER, Bytes, TRUST, CREATE, Never, Absent),
    row(CKA_SERIAL_NUMBER, Bytes, TRUST, CREATE, Never, Absent),
    row(CKA_HASH_OF_CERTIFICATE, Bytes, TRUST, CREATE, Free, Empty),
    row(CKA_NAME_HASH_ALGORITHM, Number, TRUST, CREATE, Free, Initial::Number(CKM_SHA_1)),
    row(CKA_TRUST_SERVER_AUTH, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_CLIENT_AUTH, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_CODE_SIGNING, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_EMAIL_PROTECTION, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_IPSEC_IKE, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_TIME_STAMPING, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    row(CKA_TRUST_OCSP_SIGNING, UpTo(MOST), TRUST, CREATE, Free, Initial::Number(UNKNOWN)),
    // Every key (4.7)
    row(CKA_KEY_TYPE, Number, KEYS, MADE, Never, Absent),
    row(CKA_ID, Bytes, KEYS, MADE, Free, Empty),
    row(CKA_START_DATE, Date, KEYS, MADE, Free, Empty),
    row(CKA_END_DATE, Date, KEYS, MADE, Free, Empty),
    row(CKA_DERIVE, Flag, KEYS, MADE, Usage, Absent),
    row(CKA_LOCAL, Flag, KEYS, NEVER, Never, Absent),
    row(CKA_KEY_GEN_MECHANISM, Number, KEYS, NEVER, Never, Absent),
    row(CKA_ALLOWED_MECHANISMS, Mechanisms, KEYS, MADE, Never, Empty),
    // Since 3.2: the two halves of a pair each do one of them.
    row(CKA_ENCAPSULATE, Flag, PUBLIC, MADE, Usage, Absent),
    row(CKA_ENCAPSULATE, No, HIDDEN, MADE, Free, Initial::Flag(false)),
    row(CKA_DECAPSULATE, Flag, PRIVATE, MADE, Usage, Absent),
    row(CKA_DECAPSULATE, No, SECRET | PUBLIC, MADE, Free, Initial::Flag(false)),
    // Secret and private keys (4.9, 4.10)
    row(CKA_SENSITIVE, Flag, HIDDEN, MADE, Rises, Absent),
    row(CKA_EXTRACTABLE, Flag, HIDDEN, MADE, Falls, Absent),
    row(CKA_ALWAYS_SENSITIVE, Flag, HIDDEN, NEVER, Never, Absent),
    row(CKA_NEVER_EXTRACTABLE, Flag, HIDDEN, NEVER, Never, Absent),
    row(CKA_WRAP_WITH_TRUSTED, Flag, HIDDEN, MADE, Rises, Initial::Flag(false)),
    row(CKA_ENCRYPT, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_DECRYPT, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_SIGN, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_VERIFY, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_WRAP, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_UNWRAP, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_TRUSTED, Flag, SECRET | PUBLIC, MADE, Officer, Initial::Flag(false)),
    secret(CKA_VALUE, SECRET, CREATE),
    row(CKA_CHECK_VALUE, Bytes, SECRET, MADE, Ends, Absent),
    row(CKA_VALUE_LEN, Number, SECRET, MADE, Never, Absent),
    // Public and private keys (4.8, 4.9)
    row(CKA_SUBJECT, Bytes, PUBLIC | PRIVATE, MADE, Free, Empty),
    row(CKA_SIGN_RECOVER, Flag, PRIVATE, MADE, Usage, Absent),
    row(CKA_VERIFY_RECOVER, Flag, PUBLIC, MADE, Usage, Absent),
    row(CKA_ALWAYS_AUTHENTICATE, Flag, PRIVATE, MADE, Never, Initial::Flag(false)),
    // Not the specification's: pkcs11-tool asks it of every key it uses, and warns where there is none.
    row(CKA_ALWAYS_AUTHENTICATE, Flag, SECRET, NEVER, Never, Initial::Flag(false)),
    row(CKA_PUBLIC_KEY_INFO, Bytes, PRIVATE, CREATE | UNWRAP, Own, Absent),
    row(CKA_PUBLIC_KEY_INFO, Bytes, PUBLIC, CREATE, Never, Absent),
    row(CKA_WRAP_TEMPLATE, ValueForm::Template, SECRET | PUBLIC, MADE, Never, Empty),
    row(CKA_UNWRAP_TEMPLATE, ValueForm::Template, HIDDEN, MADE, Never, Empty),
    row(CKA_DERIVE_TEMPLATE, ValueForm::Template, HIDDEN, MADE, Never, Empty),
    row(CKA_ENCAPSULATE_TEMPLATE, ValueForm::Template, PUBLIC, MADE, Never, Empty),
    row(CKA_DECAPSULATE_TEMPLATE, ValueForm::Template, PRIVATE, MADE, Never, Empty),
    // Elliptic curves (6.3)
    row(CKA_EC_PARAMS, Bytes, PUBLIC | PRIVATE, CREATE | GENERATE, Never, Absent),
    row(CKA_EC_POINT, Bytes, PUBLIC | PRIVATE, CREATE, Never, Absent),
    secret(CKA_VALUE, PRIVATE, CREATE),
    // RSA (6.1)
    row(CKA_MODULUS, Bytes, PUBLIC | PRIVATE, CREATE, Never, Absent),
    row(CKA_MODULUS_BITS, Number, PUBLIC, GENERATE, Never, Absent),
    row(CKA_PUBLIC_EXPONENT, Bytes, PUBLIC | PRIVATE, CREATE | GENERATE, Never, Absent),
    secret(CKA_PRIVATE_EXPONENT, PRIVATE, CREATE),
    secret(CKA_PRIME_1, PRIVATE, CREATE),
    secret(CKA_PRIME_2, PRIVATE, CREATE),
    secret(CKA_EXPONENT_1, PRIVATE, CREATE),
    secret(CKA_EXPONENT_2, PRIVATE, CREATE),
    secret(CKA_COEFFICIENT, PRIVATE, CREATE),
    // ML-KEM and ML-DSA (3.2, 6.67 and 6.68)
    row(CKA_PARAMETER_SET, Number, PUBLIC | PRIVATE, CREATE | GENERATE, Never, Absent),
    row(CKA_VALUE, Bytes, PUBLIC, CREATE, Never, Absent),
    secret(CKA_SEED, PRIVATE, CREATE),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static Rule> {
        RULES.iter().chain(PROPERTIES.iter().filter_map(|property| property.rule.as_ref()))
    }

    #[test]
    fn every_row_is_found_by_its_number_and_each_of_its_classes() {
        let classes =
            [CKO_DATA, CKO_CERTIFICATE, CKO_TRUST, CKO_SECRET_KEY, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY];
        for row in all() {
            for class in classes {
                let found = rule(row.kind, class).is_some_and(|it| it.classes == row.classes);
                assert_eq!(found, row.classes & class_bit(class) != 0, "{:#x}", row.kind);
            }
        }
        assert!(rule(u64::MAX, CKO_DATA).is_none());
    }

    #[test]
    fn every_attribute_has_one_row_for_each_class() {
        for (at, rule) in all().enumerate() {
            for other in all().skip(at + 1) {
                let both = other.kind == rule.kind && other.classes & rule.classes != 0;
                assert!(!both, "{:#x}", rule.kind);
            }
        }
    }

    #[test]
    fn every_usage_flag_changes_as_one() {
        for &(_, flag) in crate::object::kinds::USAGE_FLAGS {
            let mut rows = all().filter(|rule| rule.kind == flag).peekable();
            assert!(rows.peek().is_some(), "{flag:#x}");
            assert!(rows.all(|rule| rule.change == Usage || rule.form == No), "{flag:#x}");
        }
    }

    #[test]
    fn only_flags_rise_or_fall_and_nothing_secret_changes() {
        for rule in all() {
            if matches!(rule.change, Rises | Falls | Usage) {
                assert_eq!(rule.form, Flag, "{:#x}", rule.kind);
            }
            if rule.secret {
                assert_eq!(rule.change, Never, "{:#x}", rule.kind);
            }
        }
    }
}
