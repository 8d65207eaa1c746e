//! Blocks that PKCS#1 v1.5 encrypts, and such that it would not.

/// The bytes of a key of 2048 bits.
const SIZE: usize = 256;

/// Returns the padding of a message (RFC 8017, 7.2.1).
pub fn right(message: &[u8], filler: u8) -> Vec<u8> {
    let mut block = vec![filler; SIZE];
    let from = SIZE - message.len();
    (block[0], block[1], block[from - 1]) = (0, 2, 0);
    block[from..].copy_from_slice(message);
    block
}

/// Returns blocks that are no padding of a message, each with another flaw.
pub fn wrong(filler: u8) -> Vec<(&'static str, Vec<u8>)> {
    let right = right(b"text", filler);
    let with = |at: usize, byte: u8| {
        let mut block = right.clone();
        block[at] = byte;
        block
    };
    vec![
        ("a first byte that is not zero", with(0, 1)),
        ("the block type of signatures", with(1, 1)),
        ("no zero after the padding", with(251, filler)),
        ("a padding that is too short", with(9, 0)),
        ("no padding", with(2, 0)),
    ]
}
