//! The module as a C program calls it: the `cryptoki` crate has no names for half of the mechanisms.
//! It sets up the token all the same.
#![allow(unsafe_code)] // calls of C functions

use crate::rig::{Token, World};
use cryptoki::error::{Rv, RvError};
use cryptoki_sys::*;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// More than any result here is longer than its input.
const ROOM: usize = 8 << 10;

/// The result of a call, or the code it refuses with.
pub type Result<T> = std::result::Result<T, RvError>;

/// The module, a token and its session.
pub struct Client {
    library: Pkcs11,
    token: Token,
}

/// A mechanism and the parameter it points to.
pub struct Mechanism<'a> {
    raw: CK_MECHANISM,
    parameter: PhantomData<&'a ()>,
}

impl From<CK_MECHANISM_TYPE> for Mechanism<'_> {
    fn from(mechanism: CK_MECHANISM_TYPE) -> Self {
        let raw = CK_MECHANISM { mechanism, pParameter: null_mut(), ulParameterLen: 0 };
        Self { raw, parameter: PhantomData }
    }
}

impl<'a> Mechanism<'a> {
    /// A mechanism whose parameter is a structure, whose own pointers must still be good.
    pub fn with<T>(mechanism: CK_MECHANISM_TYPE, parameter: &'a T) -> Self {
        Self::at(mechanism, &raw const *parameter, size_of::<T>())
    }

    /// Its `CKM_` number.
    pub fn number(&self) -> CK_MECHANISM_TYPE {
        self.raw.mechanism
    }

    /// A mechanism whose parameter is bytes.
    pub fn with_bytes(mechanism: CK_MECHANISM_TYPE, parameter: &'a [u8]) -> Self {
        Self::at(mechanism, parameter.as_ptr(), parameter.len())
    }

    fn at<T>(mechanism: CK_MECHANISM_TYPE, start: *const T, len: usize) -> Self {
        let raw = CK_MECHANISM {
            mechanism,
            pParameter: start.cast_mut().cast(),
            ulParameterLen: len as CK_ULONG,
        };
        Self { raw, parameter: PhantomData }
    }

    fn pointer(&self) -> CK_MECHANISM_PTR {
        (&raw const self.raw).cast_mut()
    }
}

/// An object's attributes: their types and bytes.
pub type Template<'a> = [(CK_ATTRIBUTE_TYPE, &'a [u8])];

macro_rules! one_shot {
    ($($name:ident: $init:ident, $step:ident;)*) => {$(
        pub fn $name(
            &self,
            mechanism: &Mechanism,
            key: CK_OBJECT_HANDLE,
            input: &[u8],
        ) -> Result<Vec<u8>> {
            let (session, library) = (self.token.handle(), &self.library);
            // SAFETY: the mechanism, the input and the room are good for the call.
            unsafe {
                done(library.$init(session, mechanism.pointer(), key))?;
                filled(input.len() + ROOM, |room, len| {
                    library.$step(session, bytes(input), length(input), room, len)
                })
            }
        }
    )*};
}

impl Client {
    /// Makes a token and logs its user in.
    pub fn new(world: &World) -> Self {
        let token = world.token();
        let path = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        // SAFETY: it is loaded already, and this takes another reference to it.
        let library = unsafe { Pkcs11::new(path) }.unwrap();
        Self { library, token }
    }

    one_shot! {
        encrypt: C_EncryptInit, C_Encrypt;
        decrypt: C_DecryptInit, C_Decrypt;
        sign: C_SignInit, C_Sign;
    }

    /// Verifies by `C_Verify`, by `C_VerifySignature` and, where the mechanism takes messages, by
    /// `C_VerifyMessage`: all answer the same.
    pub fn verify(
        &self,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let (session, library) = (self.token.handle(), &self.library);
        let (input, input_len) = (bytes(input), length(input));
        let (signature, len) = (bytes(signature), length(signature));
        // SAFETY: the mechanism, the input and the signature are good for the calls.
        unsafe {
            done(library.C_VerifyInit(session, mechanism.pointer(), key))?;
            let told_last = done(library.C_Verify(session, input, input_len, signature, len));
            let init =
                library.C_VerifySignatureInit(session, mechanism.pointer(), key, signature, len);
            let told_first = done(init)
                .and_then(|()| done(library.C_VerifySignature(session, input, input_len)));
            assert_eq!(told_first, told_last);
            if self.takes(mechanism.number(), CKF_MESSAGE_VERIFY) {
                done(library.C_MessageVerifyInit(session, mechanism.pointer(), key))?;
                let told = library.C_VerifyMessage(
                    session,
                    null_mut(),
                    0,
                    input,
                    input_len,
                    signature,
                    len,
                );
                done(library.C_MessageVerifyFinal(session))?;
                assert_eq!(done(told), told_last);
            }
            told_last
        }
    }

    /// Signs each of these as a message of one operation.
    pub fn sign_messages(
        &self,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
        messages: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>> {
        let (session, library) = (self.token.handle(), &self.library);
        // SAFETY: the mechanism is good for the call.
        done(unsafe { library.C_MessageSignInit(session, mechanism.pointer(), key) })?;
        let sign = |message: &&[u8]| {
            // SAFETY: the message and the room are good for the call.
            filled(ROOM, |room, len| unsafe {
                let (start, count) = (bytes(message), length(message));
                library.C_SignMessage(session, null_mut(), 0, start, count, room, len)
            })
        };
        let signed = messages.iter().map(sign).collect();
        // SAFETY: the session is the token's.
        done(unsafe { library.C_MessageSignFinal(session) })?;
        signed
    }

    /// Returns whether a mechanism has a flag.
    pub fn takes(&self, mechanism: CK_MECHANISM_TYPE, flag: CK_FLAGS) -> bool {
        let mut info = CK_MECHANISM_INFO::default();
        let slot = self.token.slot.id();
        // SAFETY: the structure is good for the call.
        done(unsafe { self.library.C_GetMechanismInfo(slot, mechanism, &mut info) }).unwrap();
        info.flags & flag != 0
    }

    pub fn digest(&self, mechanism: CK_MECHANISM_TYPE, input: &[u8]) -> Result<Vec<u8>> {
        let (session, library) = (self.token.handle(), &self.library);
        // SAFETY: the mechanism, the input and the room are good for the call.
        unsafe {
            done(library.C_DigestInit(session, Mechanism::from(mechanism).pointer()))?;
            filled(ROOM, |room, len| {
                library.C_Digest(session, bytes(input), length(input), room, len)
            })
        }
    }

    pub fn create(&self, template: &Template) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        // SAFETY: the template and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            self.library.C_CreateObject(self.token.handle(), start, count, handle)
        })
    }

    pub fn wrap(
        &self,
        mechanism: &Mechanism,
        by: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<Vec<u8>> {
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        // SAFETY: the mechanism and the room are good for the call.
        filled(2 * ROOM, |room, len| unsafe {
            self.library.C_WrapKey(session, mechanism, by, key, room, len)
        })
    }

    pub fn unwrap(
        &self,
        mechanism: &Mechanism,
        by: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        let (wrapped, len) = (bytes(wrapped), length(wrapped));
        // SAFETY: the mechanism, the blob, the template and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            self.library.C_UnwrapKey(session, mechanism, by, wrapped, len, start, count, handle)
        })
    }

    /// Unwraps beside associated data; the tag is in the parameter.
    pub fn unwrap_authenticated(
        &self,
        mechanism: &Mechanism,
        by: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        aad: &[u8],
        template: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        let ((wrapped, len), (aad, aad_len)) =
            ((bytes(wrapped), length(wrapped)), (bytes(aad), length(aad)));
        // SAFETY: the mechanism, the blob, the data, the template and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            self.library.C_UnwrapKeyAuthenticated(
                session, mechanism, by, wrapped, len, start, count, aad, aad_len, handle,
            )
        })
    }

    pub fn derive(
        &self,
        mechanism: &Mechanism,
        from: CK_OBJECT_HANDLE,
        template: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        // SAFETY: the mechanism, the template and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            self.library.C_DeriveKey(session, mechanism, from, start, count, handle)
        })
    }

    pub fn generate(&self, mechanism: &Mechanism, template: &Template) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        // SAFETY: the mechanism, the template and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            self.library.C_GenerateKey(session, mechanism, start, count, handle)
        })
    }

    /// A ciphertext, and the key that it is decapsulated to.
    pub fn encapsulate(
        &self,
        mechanism: &Mechanism,
        public: CK_OBJECT_HANDLE,
        template: &Template,
    ) -> Result<(Vec<u8>, CK_OBJECT_HANDLE)> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
        let mut key = 0;
        // SAFETY: the mechanism, the template, the room and the handle are good for the call.
        let ciphertext = filled(2 * ROOM, |room, len| unsafe {
            let library = &self.library;
            library.C_EncapsulateKey(session, mechanism, public, start, count, room, len, &mut key)
        });
        ciphertext.map(|ciphertext| (ciphertext, key))
    }

    pub fn decapsulate(
        &self,
        mechanism: &Mechanism,
        private: CK_OBJECT_HANDLE,
        ciphertext: &[u8],
        template: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut raw = raw(template);
        let (session, mechanism) = (self.token.handle(), mechanism.pointer());
        let (from, len) = (bytes(ciphertext), length(ciphertext));
        // SAFETY: the mechanism, the template, the ciphertext and the handle are good for the call.
        made(|handle| unsafe {
            let (start, count) = (raw.as_mut_ptr(), raw.len() as CK_ULONG);
            let library = &self.library;
            library.C_DecapsulateKey(session, mechanism, private, start, count, from, len, handle)
        })
    }

    /// A key's `CKA_VALUE`.
    pub fn value(&self, object: CK_OBJECT_HANDLE) -> Vec<u8> {
        self.attribute(object, CKA_VALUE)
    }

    pub fn attribute(&self, object: CK_OBJECT_HANDLE, kind: CK_ATTRIBUTE_TYPE) -> Vec<u8> {
        filled(16 * ROOM, |room, len| {
            let mut asked =
                CK_ATTRIBUTE { type_: kind, pValue: room.cast(), ulValueLen: 16 * ROOM as u64 };
            // SAFETY: the room and its length are good for the call.
            unsafe {
                let code =
                    self.library.C_GetAttributeValue(self.token.handle(), object, &mut asked, 1);
                *len = asked.ulValueLen;
                code
            }
        })
        .unwrap()
    }

    /// Every mechanism that the token lists.
    pub fn mechanisms(&self) -> Vec<CK_MECHANISM_TYPE> {
        let mut listed = vec![0; ROOM];
        let mut count = ROOM as CK_ULONG;
        // SAFETY: the list has room for as many as its count says.
        done(unsafe {
            let slot = self.token.slot.id();
            self.library.C_GetMechanismList(slot, listed.as_mut_ptr(), &mut count)
        })
        .unwrap();
        listed.truncate(count as usize);
        listed
    }
}

fn done(code: CK_RV) -> Result<()> {
    match Rv::from(code) {
        Rv::Ok => Ok(()),
        Rv::Error(code) => Err(code),
    }
}

fn filled(room: usize, step: impl FnOnce(CK_BYTE_PTR, CK_ULONG_PTR) -> CK_RV) -> Result<Vec<u8>> {
    let (mut output, mut len) = (vec![0; room], room as CK_ULONG);
    done(step(output.as_mut_ptr(), &mut len))?;
    output.truncate(len as usize);
    Ok(output)
}

fn made(step: impl FnOnce(CK_OBJECT_HANDLE_PTR) -> CK_RV) -> Result<CK_OBJECT_HANDLE> {
    let mut handle = 0;
    done(step(&mut handle))?;
    Ok(handle)
}

/// A pointer that the module only reads from.
fn bytes(slice: &[u8]) -> CK_BYTE_PTR {
    slice.as_ptr().cast_mut()
}

fn length(slice: &[u8]) -> CK_ULONG {
    slice.len() as CK_ULONG
}

fn raw(template: &Template) -> Vec<CK_ATTRIBUTE> {
    let attribute = |(type_, value): &(CK_ATTRIBUTE_TYPE, &[u8])| CK_ATTRIBUTE {
        type_: *type_,
        pValue: bytes(value).cast(),
        ulValueLen: length(value),
    };
    template.iter().map(attribute).collect()
}
