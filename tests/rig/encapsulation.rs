//! Encapsulation by the functions of PKCS#11 3.2: the client crate asks for the default interface, which is
//! 3.0's, and finds none there.
#![allow(unsafe_code)] // calls of C functions

use super::Token;
use cryptoki::context::Function;
use cryptoki::error::{Error, Result, Rv};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki_sys::{CK_ATTRIBUTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV, CK_ULONG, Pkcs11};
use std::ptr::null_mut;

impl Token {
    /// `C_EncapsulateKey`: first for the length, then for the key.
    pub fn encapsulate_key(
        &self,
        mechanism: &Mechanism,
        public: ObjectHandle,
        template: &[Attribute],
    ) -> Result<(Vec<u8>, ObjectHandle)> {
        let mut length = 0;
        self.encapsulate_into(mechanism, public, template, None, &mut length)?;
        let mut ciphertext = vec![0; length as usize];
        let room = Some(&mut ciphertext[..]);
        let key = self.encapsulate_into(mechanism, public, template, room, &mut length)?;
        ciphertext.truncate(length as usize);
        Ok((ciphertext, object(key)))
    }

    /// `C_EncapsulateKey` once, as a program calls it; `length` is what it is told of the room.
    pub fn encapsulate_into(
        &self,
        mechanism: &Mechanism,
        public: ObjectHandle,
        template: &[Attribute],
        room: Option<&mut [u8]>,
        length: &mut CK_ULONG,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut mechanism: CK_MECHANISM = mechanism.into();
        let mut template: Vec<CK_ATTRIBUTE> = template.iter().map(Into::into).collect();
        let (start, count) = (template.as_mut_ptr(), template.len() as CK_ULONG);
        let room = room.map_or(null_mut(), |room| room.as_mut_ptr());
        let (session, public) = (self.handle(), public.handle());
        let mut key = 0;
        // SAFETY: mechanism, template, room and the places of the results are good for the call.
        done(Function::EncapsulateKey, unsafe {
            library().C_EncapsulateKey(
                session,
                &mut mechanism,
                public,
                start,
                count,
                room,
                length,
                &mut key,
            )
        })?;
        Ok(key)
    }

    /// `C_DecapsulateKey`.
    pub fn decapsulate_key(
        &self,
        mechanism: &Mechanism,
        private: ObjectHandle,
        template: &[Attribute],
        ciphertext: &[u8],
    ) -> Result<ObjectHandle> {
        let mut mechanism: CK_MECHANISM = mechanism.into();
        let mut template: Vec<CK_ATTRIBUTE> = template.iter().map(Into::into).collect();
        let (start, count) = (template.as_mut_ptr(), template.len() as CK_ULONG);
        let (from, length) = (ciphertext.as_ptr().cast_mut(), ciphertext.len() as CK_ULONG);
        let (session, private) = (self.handle(), private.handle());
        let mut key = 0;
        // SAFETY: mechanism, template, ciphertext and the place of the result are good for the call.
        done(Function::DecapsulateKey, unsafe {
            library().C_DecapsulateKey(
                session,
                &mut mechanism,
                private,
                start,
                count,
                from,
                length,
                &mut key,
            )
        })?;
        Ok(object(key))
    }
}

/// The module, which is loaded already.
fn library() -> Pkcs11 {
    let path = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    // SAFETY: this takes another reference to it.
    unsafe { Pkcs11::new(path) }.unwrap()
}

fn done(function: Function, code: CK_RV) -> Result<()> {
    match Rv::from(code) {
        Rv::Ok => Ok(()),
        Rv::Error(code) => Err(Error::Pkcs11(code, function)),
    }
}

fn object(handle: CK_OBJECT_HANDLE) -> ObjectHandle {
    // SAFETY: the module has just handed it out.
    unsafe { ObjectHandle::new_from_raw(handle) }
}
