//! A line's form: an entry, and the mac that binds it to the lines before.

use super::entry::AuditEntry;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The bytes between a line's text and its mac.
pub(super) const BEFORE_MAC: &str = ",\"mac\":\"";

/// The bytes after the mac.
pub(super) const AFTER_MAC: &str = "\"}";

/// The most bytes that a line takes.
pub(crate) const LONGEST_LINE: usize = 4096;

/// The end of a chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// The number of the last line; 0 before the first.
    pub seq: u64,
    /// Its mac; zeros before the first.
    pub mac: [u8; 32],
}

impl ChainHead {
    /// The mac in hexadecimal digits.
    pub fn mac_text(&self) -> String {
        base16ct::lower::encode_string(&self.mac)
    }
}

/// A head as it is noted elsewhere: the number of the last line, a colon, and its mac in hexadecimal digits.
impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.mac_text())
    }
}

impl FromStr for ChainHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a head is a line's number, a colon and 64 hexadecimal digits";
        let (seq, hex) = text.split_once(':').ok_or(FORM)?;
        let mut mac = [0; 32];
        let read = base16ct::mixed::decode(hex, &mut mac).map_err(|_| FORM)?.len();
        let seq = seq.parse().map_err(|_| FORM)?;
        let head = Self { seq, mac };
        let whole = read == 32 && (seq != 0 || head == Self::default());
        if whole { Ok(head) } else { Err(FORM) }
    }
}

/// Returns the entry of a line and the head after it; none where it is not a line of a log.
pub(crate) fn parse(line: &str) -> Option<(AuditEntry, ChainHead)> {
    let (_, mac) = split(line)?;
    let entry: AuditEntry = serde_json::from_str(line).ok()?;
    let head = ChainHead { seq: entry.seq, mac };
    Some((entry, head))
}

pub(super) fn split(line: &str) -> Option<(&str, [u8; 32])> {
    let (text, rest) = line.rsplit_once(BEFORE_MAC)?;
    let mut mac = [0; 32];
    let read = base16ct::lower::decode(rest.strip_suffix(AFTER_MAC)?, &mut mac).ok()?;
    (read.len() == 32).then_some((text, mac))
}

#[cfg(test)]
mod tests {
    use super::ChainHead;

    #[test]
    fn a_head_is_written_and_read_in_one_form() {
        let head = ChainHead { seq: 7, mac: [0xAB; 32] };
        assert_eq!(head.to_string(), format!("7:{}", "ab".repeat(32)));
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(format!("7:{}", "AB".repeat(32)).parse(), Ok(head));
        assert_eq!(format!("0:{}", "00".repeat(32)).parse(), Ok(ChainHead::default()));
        let (short, nobodys) = (format!("7:{}", "ab".repeat(31)), format!("0:{}", "ab".repeat(32)));
        for wrong in
            ["", "7", "7:", "x:00", &short, &nobodys, &format!("{head}0"), &format!("-{head}")]
        {
            assert!(wrong.parse::<ChainHead>().is_err(), "{wrong}");
        }
    }
}
