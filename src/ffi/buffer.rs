//! Pointers and lengths from C as slices: what may be NULL, what cannot be, and what happens where a
//! caller's input and output overlap.

use crate::error::{Reason, Result};
use crate::secret::Secret;
use crate::session::Out;
use crate::sys;
use pkcs11_sys::*;
use std::ptr::NonNull;

/// The longest input that is copied to be kept beside the call's own data, in bytes: a signature, associated
/// data, a wrapped key, a piece of a parameter.
pub(crate) const MAX_PIECE: CK_ULONG = 1 << 20;

/// The end of memory: no processor gives a process more bytes.
const MAX_MEMORY: usize = 1 << 56;

/// Returns whether a byte can be read at an address that may be none.
pub(crate) fn is_readable(address: *const CK_BYTE) -> Result<bool> {
    sys::is_readable(address).map_err(|error| Reason::HostMemory.detail(error))
}

/// Borrows input of which copies are made: `ArgumentsBad` where it is longer than [`MAX_PIECE`], too. A copy for
/// which there is no memory would end the process.
///
/// # Safety
/// As [`input`].
pub(crate) unsafe fn piece<'a>(data: *const CK_BYTE, len: CK_ULONG) -> Result<&'a [u8]> {
    if len > MAX_PIECE {
        return Err(Reason::ArgumentsBad.detail("too long"));
    }
    // SAFETY: this function asks the same of `data` and `len`.
    unsafe { input(data, len) }
}

/// Borrows the caller's input. `(NULL, 0)` is empty; NULL with a length is `ArgumentsBad`.
///
/// # Safety
/// `data` is NULL or valid for reads of `len` elements, and nothing writes there during `'a`.
pub(crate) unsafe fn input<'a, T>(data: *const T, len: CK_ULONG) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    let len = possible(data, len)?;
    // SAFETY: `possible` found it not NULL, aligned, and no longer than memory can be; that its elements
    // are there and stay as they are is this function's own condition.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// Borrows the caller's text: `most` bytes, or those before the first NUL. NULL is `ArgumentsBad`.
///
/// # Safety
/// `text` is NULL, or valid for reads of `most` bytes or up to and with a NUL, and nothing writes there
/// during `'a`.
pub(crate) unsafe fn text<'a>(text: *const CK_UTF8CHAR, most: CK_ULONG) -> Result<&'a [u8]> {
    let most = possible(text, most)?;
    // SAFETY: no byte before `at` is a NUL, so the caller promises that this one can be read.
    let length = (0..most).find(|&at| unsafe { text.add(at).read() } == 0).unwrap_or(most);
    // SAFETY: not NULL, and each of these bytes has just been read.
    Ok(unsafe { std::slice::from_raw_parts(text, length) })
}

/// Runs `call` with the caller's output, then tells the caller the length.
///
/// A NULL `data` asks for the length only; a NULL `len` is `ArgumentsBad`.
///
/// # Safety
/// `len` is NULL or valid for reading and writing; `data` is NULL or valid for writes of `*len`
/// elements, and nothing else uses them during the call.
pub(crate) unsafe fn output<T, R>(
    data: *mut T,
    len: *mut CK_ULONG,
    call: impl FnOnce(&mut Out<'_, T>) -> Result<R>,
) -> Result<R> {
    // SAFETY: `len` is NULL or the caller's own number.
    let length = unsafe { OutPtr::new(len) }?;
    // SAFETY: `data` is NULL or has the room that `len` announces, which was read just now.
    let mut out = Out::new(unsafe { room(data, length.read()) }?);
    let result = call(&mut out);
    let told = out.length();
    if let Some(told) = told {
        length.write(told as CK_ULONG);
    }
    result
}

/// Runs `call` with the caller's input and output. Where they overlap, the input is copied first.
///
/// # Safety
/// As [`input`] and [`output`], but that the two may overlap.
pub(crate) unsafe fn through<R>(
    data: *const CK_BYTE,
    data_len: CK_ULONG,
    out: *mut CK_BYTE,
    out_len: *mut CK_ULONG,
    call: impl FnOnce(&[u8], &mut Out) -> Result<R>,
) -> Result<R> {
    let copy;
    // SAFETY: `out_len` is NULL or the caller's own number.
    let room = unsafe { OutPtr::new(out_len) }?.read();
    let input = if overlap(data, data_len, out, room) {
        // SAFETY: `data` has `data_len` bytes, and nothing writes there before the copy is made.
        copy = Secret::copy_of(unsafe { input(data, data_len) }?)?;
        copy.expose()
    } else {
        // SAFETY: `data` has `data_len` bytes, and the output, which is elsewhere, does not change them.
        unsafe { input(data, data_len) }?
    };
    // SAFETY: `out` has room for `*out_len` bytes, and `input` is elsewhere or a copy.
    unsafe { output(out, out_len, |out| call(input, out)) }
}

/// Borrows the caller's room for up to `len` elements; none where `data` is NULL.
///
/// # Safety
/// `data` is NULL or valid for writes of `len` elements, and nothing else uses them during `'a`.
pub(crate) unsafe fn room<'a, T>(data: *mut T, len: CK_ULONG) -> Result<Option<&'a mut [T]>> {
    if data.is_null() {
        return Ok(None);
    }
    if len == 0 {
        return Ok(Some(&mut []));
    }
    let len = possible(data, len)?;
    // SAFETY: `possible` found it not NULL, aligned, and no longer than memory can be; that the room is
    // there, and used by nothing else, is this function's own condition.
    Ok(Some(unsafe { std::slice::from_raw_parts_mut(data, len) }))
}

/// A pointer to where the caller wants one value.
pub(crate) struct OutPtr<T>(NonNull<T>);

impl<T: Copy> OutPtr<T> {
    /// Takes the caller's pointer; NULL is `ArgumentsBad`.
    ///
    /// # Safety
    /// `out` is NULL, or valid for reading and writing until it is dropped.
    pub(crate) unsafe fn new(out: *mut T) -> Result<Self> {
        match NonNull::new(out).filter(|out| out.is_aligned()) {
            Some(out) => Ok(Self(out)),
            None => Err(Reason::ArgumentsBad.detail("no place for a result")),
        }
    }

    /// Writes the value for the caller.
    pub(crate) fn write(&self, value: T) {
        // SAFETY: valid for writing, as promised at `new`.
        unsafe { self.0.write(value) }
    }

    /// Reads the value that the caller left.
    pub(crate) fn read(&self) -> T {
        // SAFETY: valid for reading, as promised at `new`.
        unsafe { self.0.read() }
    }
}

/// Returns `len` where so many elements at `data` can be memory at all, else `ArgumentsBad`.
fn possible<T>(data: *const T, len: CK_ULONG) -> Result<usize> {
    let bytes = usize::try_from(len).ok().and_then(|len| len.checked_mul(size_of::<T>()));
    let fits =
        bytes.is_some_and(|bytes| bytes <= MAX_MEMORY && data.addr().checked_add(bytes).is_some());
    if data.is_null() || !data.is_aligned() || !fits {
        return Err(Reason::ArgumentsBad.detail("a buffer that cannot be"));
    }
    Ok(len as usize)
}

fn overlap(data: *const u8, data_len: CK_ULONG, out: *const u8, out_len: CK_ULONG) -> bool {
    let (data, out) = (data.addr() as CK_ULONG, out.addr() as CK_ULONG);
    data < out.saturating_add(out_len) && out < data.saturating_add(data_len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, clippy::indexing_slicing)]
mod tests {
    use super::{MAX_PIECE, OutPtr, input, output, overlap, piece, room, text, through};
    use crate::error::Reason;
    use crate::session::Filled;
    use pkcs11_sys::*;
    use std::ptr::{dangling, null, null_mut};

    #[test]
    fn a_text_ends_at_its_first_nul_or_its_full_length() {
        assert_eq!(unsafe { text(c"ab".as_ptr().cast(), 32) }, Ok(&b"ab"[..]));
        assert_eq!(unsafe { text(b"abcd".as_ptr(), 3) }, Ok(&b"abc"[..]));
        assert_eq!(unsafe { text(null(), 32) }.unwrap_err().reason(), Reason::ArgumentsBad);
    }

    #[test]
    fn no_bytes_are_an_empty_input_wherever_they_are_not() {
        assert_eq!(unsafe { input::<u8>(null(), 0) }, Ok(&[][..]));
        assert_eq!(unsafe { input::<u8>(dangling(), 0) }, Ok(&[][..]));
        assert_eq!(unsafe { input([7_u8].as_ptr(), 1) }, Ok(&[7][..]));
    }

    #[test]
    fn an_input_that_cannot_be_is_refused() {
        let words = [0_u64; 2];
        let odd = words.as_ptr().cast::<u8>().wrapping_add(1).cast::<u64>();
        for (data, len) in
            [(null(), 1), (words.as_ptr(), CK_ULONG::MAX), (words.as_ptr(), 1 << 54), (odd, 1)]
        {
            let refused = unsafe { input::<u64>(data, len) }.unwrap_err();
            assert_eq!(refused.reason(), Reason::ArgumentsBad);
        }
    }

    #[test]
    fn input_that_is_copied_is_no_longer_than_a_piece() {
        let bytes = vec![7; MAX_PIECE as usize + 1];
        let (start, most) = (bytes.as_ptr(), MAX_PIECE);
        assert_eq!(unsafe { piece(start, most) }.unwrap().len(), most as usize);
        for len in [most + 1, 1 << 40, CK_ULONG::MAX] {
            let refused = unsafe { piece(start, len) }.unwrap_err();
            assert_eq!(refused.reason(), Reason::ArgumentsBad);
        }
    }

    #[test]
    fn an_output_needs_a_length_and_room_that_can_be() {
        let mut byte = 0_u8;
        let refused = unsafe { output(&mut byte, null_mut(), |_| Ok(())) }.unwrap_err();
        assert_eq!(refused.reason(), Reason::ArgumentsBad);
        let refused = unsafe { room(&mut byte, CK_ULONG::MAX) }.unwrap_err();
        assert_eq!(refused.reason(), Reason::ArgumentsBad);
        assert_eq!(unsafe { room::<u8>(null_mut(), 9) }, Ok(None));
    }

    #[test]
    fn the_length_is_told_for_a_question_a_short_buffer_and_a_result() {
        let mut bytes = [0_u8; 4];
        for (data, given, filled) in [
            (null_mut(), 0, Filled::Asked),
            (bytes.as_mut_ptr(), 2, Filled::Short),
            (bytes.as_mut_ptr(), 4, Filled::Written),
        ] {
            let mut len = given;
            let result = unsafe { output(data, &mut len, |out| Ok(out.copy(&[1, 2, 3]))) };
            assert_eq!((result, len), (Ok(filled), 3));
        }
        assert_eq!(bytes, [1, 2, 3, 0]);
    }

    #[test]
    fn a_failure_leaves_the_length_as_it_was() {
        let (mut byte, mut len) = (0_u8, 1);
        let failure =
            unsafe { output(&mut byte, &mut len, |_| Err::<(), _>(Reason::DataInvalid.into())) };
        assert!(failure.is_err());
        assert_eq!(len, 1);
    }

    #[test]
    fn output_over_input_is_the_same_as_output_elsewhere() {
        for shift in 0..=4 {
            let mut bytes = [1, 2, 3, 4, 0, 0, 0, 0];
            let (start, mut len) = (bytes.as_mut_ptr(), 4);
            let call = |input: &[u8], out: &mut crate::session::Out| {
                out.fill(4, |room| {
                    for (to, from) in room.iter_mut().zip(input.iter().rev()) {
                        *to = *from * 2;
                    }
                    Ok(4)
                })
            };
            let filled = unsafe { through(start, 4, start.add(shift), &mut len, call) };
            assert_eq!(filled, Ok(Filled::Written));
            assert_eq!(bytes[shift..shift + 4], [8, 6, 4, 2], "shifted by {shift}");
        }
    }

    #[test]
    fn ranges_overlap_when_they_share_a_byte() {
        let start = dangling::<u8>();
        let at = |offset: usize| start.wrapping_add(offset);
        assert!(overlap(at(0), 4, at(3), 4) && overlap(at(3), 4, at(0), 4));
        assert!(overlap(at(0), 9, at(3), 1));
        assert!(!overlap(at(0), 4, at(4), 4) && !overlap(at(4), 4, at(0), 4));
        assert!(!overlap(null(), 0, at(0), 4) && !overlap(at(0), 4, null(), 0));
    }

    #[test]
    fn an_out_pointer_is_read_and_written() {
        let mut value: CK_ULONG = 3;
        let out = unsafe { OutPtr::new(&mut value) }.unwrap();
        assert_eq!(out.read(), 3);
        out.write(4);
        assert_eq!(value, 4);
        assert!(unsafe { OutPtr::<CK_ULONG>::new(null_mut()) }.is_err());
    }
}
