//! Messages encrypted and decrypted under one key, each with its own IV, its tag apart from its text
//! (PKCS#11 3.1, 5.9 and 5.11). What is wrong with a message ends that message, not the operation.
//!
//! A decryption in parts gives its whole text with the last part: nothing leaves before its tag has
//! been checked.

use super::key_cache::KeyCache;
use super::message_iv::{IvGenerator, Ivs};
use super::message_key::MessageKey;
use super::operation::Messages;
use super::output::{Filled, Out};
use crate::error::{Error, Reason, Result};
use crate::key::UsableKey;
use crate::mechanism::{MechanismRow, MessageRow, MessageShape, Params, Transform};
use crate::token::Token;

/// The parameter of one message, the caller's.
pub(crate) struct MessageParameter {
    /// The IV, or the room for one.
    pub iv: Vec<u8>,
    /// The number of its first bits that are the caller's where the rest is made here.
    pub fixed_bits: u64,
    /// The way in which it is made.
    pub generator: IvGenerator,
    /// The tag, or room for one.
    pub tag: Vec<u8>,
    /// The tag's length in bits.
    pub tag_bits: u64,
}

/// A key and what begins each message with it.
struct Beginning {
    key: MessageKey,
    row: &'static MechanismRow,
    begin: fn(&MechanismRow, &UsableKey, &Params) -> Result<Box<dyn Transform>>,
    messages: MessageRow,
}

impl Beginning {
    fn message(&self, parameter: &MessageParameter, aad: &[u8]) -> Result<Box<dyn Transform>> {
        let params = (self.messages.params)(parameter.iv.clone(), aad.to_vec(), parameter.tag_bits);
        (self.begin)(self.row, &self.key, &params)
    }
}

/// Messages being encrypted.
pub(crate) struct MessageEncryption {
    beginning: Beginning,
    ivs: Ivs,
    message: Option<Box<dyn Transform>>,
}

/// Messages being decrypted.
pub(crate) struct MessageDecryption {
    beginning: Beginning,
    message: Option<Box<dyn Transform>>,
    /// The length of the message so far, in bytes.
    taken: usize,
}

impl MessageEncryption {
    /// Encrypts messages under a key that an Init was given.
    pub(super) fn new(
        row: &'static MechanismRow,
        messages: MessageRow,
        key: MessageKey,
        ivs: Ivs,
    ) -> Self {
        let beginning = Beginning { key, row, begin: MechanismRow::begin_encrypt, messages };
        Self { beginning, ivs, message: None }
    }

    /// The C structure of its messages' parameters.
    pub(crate) fn shape(&self) -> MessageShape {
        self.beginning.messages.shape
    }

    /// Asks for the key again, for the next message.
    pub(super) fn renew(&mut self, token: &Token, keys: &mut KeyCache) -> Result<()> {
        self.beginning.key.renew(token, keys)
    }

    /// Encrypts a message (`C_EncryptMessage`); IV and tag are left in the parameter.
    pub(crate) fn whole(
        &mut self,
        parameter: &mut MessageParameter,
        aad: &[u8],
        text: &[u8],
        out: &mut Out,
    ) -> Result<Filled> {
        out.fill(text.len(), |room| {
            self.make_iv(parameter)?;
            let mut message = self.beginning.message(parameter, aad)?;
            let tag = room_for_tag(message.as_ref(), &mut parameter.tag)?;
            message.whole_apart(text, room, tag)
        })
    }

    /// Begins a message (`C_EncryptMessageBegin`); the IV is left in the parameter.
    pub(crate) fn begin(&mut self, parameter: &mut MessageParameter, aad: &[u8]) -> Result<()> {
        self.make_iv(parameter)?;
        self.message = Some(self.beginning.message(parameter, aad)?);
        Ok(())
    }

    /// Encrypts a part (`C_EncryptMessageNext`); the last one leaves the tag in `tag`.
    pub(crate) fn next(
        &mut self,
        text: &[u8],
        tag: Option<&mut Vec<u8>>,
        out: &mut Out,
    ) -> Result<Filled> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        let last = tag.is_some();
        let filled = out.fill(text.len(), |room| seal(message.as_mut(), text, room, tag))?;
        if !last || filled != Filled::Written {
            self.message = Some(message);
        }
        Ok(filled)
    }

    fn make_iv(&mut self, parameter: &mut MessageParameter) -> Result<()> {
        self.ivs.next(&mut parameter.iv, parameter.fixed_bits, parameter.generator)
    }
}

/// Encrypts a part, the last one if there is room for a tag.
fn seal(
    message: &mut dyn Transform,
    text: &[u8],
    room: &mut [u8],
    tag: Option<&mut Vec<u8>>,
) -> Result<usize> {
    let written = message.update(text, room)?;
    if let Some(tag) = tag {
        message.finish(room_for_tag(message, tag)?)?;
    }
    Ok(written)
}

fn room_for_tag<'a>(message: &dyn Transform, tag: &'a mut [u8]) -> Result<&'a mut [u8]> {
    match tag.len() == message.finish_len() {
        true => Ok(tag),
        false => Err(Reason::MechanismParam.detail("the tag's length")),
    }
}

impl MessageDecryption {
    /// Decrypts messages under a key that an Init was given.
    pub(super) fn new(row: &'static MechanismRow, messages: MessageRow, key: MessageKey) -> Self {
        let beginning = Beginning { key, row, begin: MechanismRow::begin_decrypt, messages };
        Self { beginning, message: None, taken: 0 }
    }

    /// The C structure of its messages' parameters.
    pub(crate) fn shape(&self) -> MessageShape {
        self.beginning.messages.shape
    }

    /// Asks for the key again, for the next message.
    pub(super) fn renew(&mut self, token: &Token, keys: &mut KeyCache) -> Result<()> {
        self.beginning.key.renew(token, keys)
    }

    /// Decrypts a message (`C_DecryptMessage`).
    pub(crate) fn whole(
        &mut self,
        parameter: &MessageParameter,
        aad: &[u8],
        sealed: &[u8],
        out: &mut Out,
    ) -> Result<Filled> {
        out.fill(sealed.len(), |room| {
            let mut message = self.beginning.message(parameter, aad)?;
            let mut input = Vec::new();
            input.try_reserve_exact(sealed.len() + parameter.tag.len())?;
            input.extend_from_slice(sealed);
            input.extend_from_slice(&parameter.tag);
            message.whole(&input, room).map_err(forged)
        })
    }

    /// Begins a message (`C_DecryptMessageBegin`).
    pub(crate) fn begin(&mut self, parameter: &MessageParameter, aad: &[u8]) -> Result<()> {
        self.message = Some(self.beginning.message(parameter, aad)?);
        self.taken = 0;
        Ok(())
    }

    /// Decrypts a part (`C_DecryptMessageNext`); the last one comes with the tag.
    pub(crate) fn next(
        &mut self,
        sealed: &[u8],
        tag: Option<&[u8]>,
        out: &mut Out,
    ) -> Result<Filled> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        let taken = self.taken.saturating_add(sealed.len());
        let most = if tag.is_some() { taken } else { message.update_len(sealed.len()) };
        let filled = out.fill(most, |room| {
            let written = message.update(sealed, room)?;
            let Some(tag) = tag else { return Ok(written) };
            message.update(tag, &mut [])?;
            message.finish(room).map_err(forged)
        })?;
        if filled == Filled::Written {
            self.taken = taken;
        }
        if tag.is_none() || filled != Filled::Written {
            self.message = Some(message);
        }
        Ok(filled)
    }
}

impl Messages for MessageEncryption {
    type Message = Box<dyn Transform>;

    fn under_way(&mut self) -> &mut Option<Self::Message> {
        &mut self.message
    }
}

impl Messages for MessageDecryption {
    type Message = Box<dyn Transform>;

    fn under_way(&mut self) -> &mut Option<Self::Message> {
        &mut self.message
    }
}

/// Messages have a code of their own for what does not authenticate.
fn forged(failure: Error) -> Error {
    match failure.reason() {
        Reason::EncryptedInvalid => Reason::AeadInvalid.into(),
        _ => failure,
    }
}
