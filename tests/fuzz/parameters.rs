//! `CK_MECHANISM` with any parameter: numbers that make no sense, pieces of any length, nothing behind a pointer.

use super::input::Input;
use crate::error::Reason;
use crate::ffi::params::MechanismPtr;
use crate::mechanism::{MECHANISMS, Params, ParamsShape};
use pkcs11_sys::*;
use std::ffi::c_void;
use std::ptr::null_mut;

/// A word of a parameter's structure.
#[derive(Clone, Copy)]
enum Word {
    Number,
    /// A pointer to as many bytes as the word there says.
    Piece(usize),
    /// A pointer to a structure of this size that is read or written as a whole.
    Structure(usize),
    /// A pointer to `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep,
    /// A pointer to as many `CK_PRF_DATA_PARAM` as the word there says.
    Fields(usize),
    /// A pointer to `CK_SSL3_KEY_MAT_OUT`.
    KeysOut,
    /// A pointer to no keys: the number beside it is 0.
    Nothing,
}
use Word::*;

/// `CK_GCM_PARAMS` before version 2.40, which is told by its length.
const OLD_GCM: &[Word] = &[Piece(1), Number, Piece(3), Number, Number];

const OAEP: &[Word] = &[Number, Number, Number, Piece(4), Number];

/// Returns the words of the structure that a shape is read from; none where it is bytes.
fn layout(shape: ParamsShape) -> Option<&'static [Word]> {
    Some(match shape {
        ParamsShape::None | ParamsShape::Bytes => return None,
        ParamsShape::Ctr | ParamsShape::Pss | ParamsShape::TlsMac => &[Number, Number, Number],
        ParamsShape::Gcm | ParamsShape::Gmac => {
            &[Piece(1), Number, Number, Piece(4), Number, Number]
        }
        ParamsShape::Ccm => &[Number, Piece(2), Number, Piece(4), Number, Number],
        ParamsShape::ChaCha => &[Piece(1), Number, Piece(3), Number],
        ParamsShape::Oaep => OAEP,
        ParamsShape::RsaAes => &[Number, Oaep],
        ParamsShape::Length | ParamsShape::FirstBit | ParamsShape::Key | ParamsShape::Version => {
            &[Number]
        }
        ParamsShape::Ecdh => &[Number, Number, Piece(1), Number, Piece(3)],
        ParamsShape::Hkdf => &[Number, Number, Number, Piece(4), Number, Number, Piece(7), Number],
        ParamsShape::Eddsa => &[Number, Number, Piece(1)],
        ParamsShape::SignContext => &[Number, Piece(2), Number],
        ParamsShape::HashSignContext => &[Number, Piece(2), Number, Number],
        ParamsShape::Data => &[Piece(1), Number],
        ParamsShape::CbcData => &[Number, Number, Piece(3), Number],
        ParamsShape::Kbkdf => &[Number, Number, Fields(1), Number, Nothing],
        ParamsShape::KbkdfFeedback => {
            &[Number, Number, Fields(1), Number, Piece(3), Number, Nothing]
        }
        ParamsShape::Pbkdf2 => {
            &[Number, Piece(2), Number, Number, Number, Piece(6), Number, Piece(8), Number]
        }
        ParamsShape::TlsMaster => &[Piece(1), Number, Piece(3), Number, Structure(2), Number],
        ParamsShape::TlsExtendedMaster => &[Number, Piece(2), Number, Structure(2)],
        ParamsShape::TlsKeys | ParamsShape::TlsKeysWithoutIvs => {
            &[Number, Number, Number, Number, Piece(5), Number, Piece(7), Number, KeysOut, Number]
        }
        ParamsShape::TlsExport => {
            &[Number, Piece(2), Number, Piece(4), Number, Piece(6), Number, Piece(8), Number]
        }
    })
}

/// The memory of a caller: each piece in an allocation of its own, as long as it says it is.
#[derive(Default)]
struct Memory {
    pieces: Vec<Box<[u8]>>,
    words: Vec<Box<[u64]>>,
}

impl Memory {
    fn piece(&mut self, input: &mut Input<'_>, length: u64) -> *mut c_void {
        // Longer ones are refused by their length; nothing is read of them.
        let length = usize::try_from(length.min(MAX_PIECE)).unwrap();
        let mut bytes = input.bytes(length).to_vec();
        bytes.resize(length, 0);
        self.pieces.push(bytes.into());
        self.pieces.last_mut().unwrap().as_mut_ptr().cast()
    }

    fn structure(&mut self, words: Vec<u64>) -> *mut c_void {
        self.words.push(words.into());
        self.words.last_mut().unwrap().as_mut_ptr().cast()
    }

    fn fields(&mut self, input: &mut Input<'_>, count: u64) -> *mut c_void {
        // More are refused by their number.
        let fields = (0..count.min(MOST_FIELDS)).flat_map(|_| {
            let (kind, length) = (input.number() % 8, input.number());
            [kind, self.piece(input, length).expose_provenance() as u64, length]
        });
        let fields = fields.collect();
        self.structure(fields)
    }

    /// Fills a structure: its numbers first, then what its pointers lead to, each of which may be NULL.
    fn filled(&mut self, input: &mut Input<'_>, layout: &[Word]) -> Vec<u64> {
        let number = |word: &Word| if matches!(word, Number) { input.number() } else { 0 };
        let mut words: Vec<u64> = layout.iter().map(number).collect();
        let nulls = input.byte();
        for (at, word) in layout.iter().enumerate() {
            let pointer = match *word {
                Number => continue,
                _ if nulls & (1 << (at % 8)) != 0 && nulls > 0x80 => null_mut(),
                Piece(length) => self.piece(input, words[length]),
                Structure(size) => self.piece(input, size as u64),
                Oaep => {
                    let oaep = self.filled(input, OAEP);
                    self.structure(oaep)
                }
                Fields(count) => self.fields(input, words[count]),
                KeysOut => {
                    let ivs = [64, 64].map(|length| self.piece(input, length));
                    let [client, server] = ivs.map(|iv| iv.expose_provenance() as u64);
                    self.structure(vec![0, 0, 0, 0, client, server])
                }
                Nothing => null_mut(),
            };
            words[at] = pointer.expose_provenance() as u64;
        }
        // Where there is nothing behind the last pointer, its number says so.
        if let (Some(Nothing), Some(count)) = (layout.last(), words.len().checked_sub(2)) {
            words[count] = 0;
        }
        words
    }
}

/// The longest piece that is read, and the most fields of SP 800-108.
const MAX_PIECE: u64 = 1 << 20;
const MOST_FIELDS: u64 = 256;

/// Numbers of hashes, mask functions and the like, which a mutation would seldom find.
const KNOWN: &[u64] = &[
    CKM_SHA_1,
    CKM_SHA256,
    CKM_SHA384,
    CKM_SHA512,
    CKM_SHA3_256,
    CKM_SHA256_HMAC,
    CKM_AES_CMAC,
    CKG_MGF1_SHA256,
];

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let row = input.of(MECHANISMS);
    let mut memory = Memory::default();
    let (start, length) = match layout(row.params) {
        None => {
            let length = input.number();
            (memory.piece(&mut input, length), length)
        }
        Some(layout) => {
            let is_gcm = matches!(row.params, ParamsShape::Gcm | ParamsShape::Gmac);
            let layout = if is_gcm && input.byte() & 1 == 1 { OLD_GCM } else { layout };
            let known = input.byte();
            let mut words = memory.filled(&mut input, layout);
            for (at, word) in layout.iter().enumerate() {
                if matches!(word, Number) && known & (1 << (at % 8)) != 0 && words[at] < 128 {
                    let used =
                        layout.iter().any(|it| matches!(it, Piece(of) | Fields(of) if *of == at));
                    let number = KNOWN[usize::try_from(words[at]).unwrap() % KNOWN.len()];
                    words[at] = if used { words[at] } else { number };
                }
            }
            let size = match row.params {
                ParamsShape::Version => 2,
                _ => words.len() as u64 * 8,
            };
            let cut = if input.byte() == 255 { size.saturating_sub(input.number()) } else { size };
            // The older structure has a pointer where the other has a number.
            let is_old = is_gcm && cut == OLD_GCM.len() as u64 * 8;
            let length = if is_old { layout.len() as u64 * 8 } else { cut };
            (memory.structure(words), length)
        }
    };
    let start = if input.byte() == 255 { null_mut() } else { start };
    let mechanism = CK_MECHANISM { mechanism: row.id, pParameter: start, ulParameterLen: length };
    let read = parsed(&mechanism);
    assert_eq!(read, parsed(&mechanism), "{}: reading changes the parameter", row.name);
    match read {
        Ok(params) => assert!(kept(&params) < 8 << 20, "{}: {params:?}", row.name),
        Err(reason) => {
            let fair = [Reason::MechanismParam, Reason::MechanismInvalid, Reason::ArgumentsBad];
            assert!(fair.contains(&reason), "{}: {reason:?}", row.name);
        }
    }
}

fn parsed(mechanism: &CK_MECHANISM) -> Result<Params, Reason> {
    let asked = unsafe { MechanismPtr::new(mechanism) }.read(CK_FLAGS::MAX);
    asked.map(|asked| asked.mechanism.params).map_err(|error| error.reason())
}

/// Returns about as many bytes as a parameter keeps.
fn kept(params: &Params) -> usize {
    format!("{params:?}").len() / 4
}
