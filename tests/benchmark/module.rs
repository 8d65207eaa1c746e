//! A PKCS#11 module, loaded by its path, and its calls: one of C each, or the two that begin an operation and do it.
#![allow(unsafe_code)] // calls of C functions

use crate::template::{Mechanism, Template};
use cryptoki_sys::*;
use std::path::Path;
use std::ptr::null_mut;

/// The result of a step, or a sentence that says which call refused, and by which code.
pub type Outcome<T> = Result<T, String>;

/// A loaded module, which stays loaded until the program ends.
#[derive(Clone, Copy)]
pub struct Module(&'static CK_FUNCTION_LIST);

/// A session of a module.
#[derive(Clone, Copy)]
pub struct Session {
    pub module: Module,
    pub slot: CK_SLOT_ID,
    handle: CK_SESSION_HANDLE,
}

/// Calls a function of the module's list.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let name = stringify!($function);
        let function = $module.0.$function.ok_or_else(|| format!("the module has no {name}"))?;
        // SAFETY: the pointers are those of values that live through the call, with their sizes beside them.
        match unsafe { function($($argument),*) } {
            CKR_OK => Ok(()),
            code => Err(format!("{name} returns {code:#x}")),
        }
    }};
}

impl Module {
    /// Loads the library at that path.
    pub fn load(path: &Path) -> Outcome<Self> {
        // SAFETY: the initialisers of a library that the caller of the benchmark names are run.
        let library = unsafe { Pkcs11::new(path) }.map_err(|error| error.to_string())?;
        let library: &Pkcs11 = Box::leak(Box::new(library));
        let mut list = null_mut();
        // SAFETY: `list` takes one pointer.
        let code = unsafe { library.C_GetFunctionList(&mut list) };
        // SAFETY: the library, which is never unloaded, keeps the list; null is none.
        let list = unsafe { list.as_ref() };
        list.filter(|_| code == CKR_OK)
            .map(Self)
            .ok_or_else(|| format!("C_GetFunctionList returns {code:#x}"))
    }

    pub fn initialize(self) -> Outcome<()> {
        let mut arguments = CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags: CKF_OS_LOCKING_OK,
            pReserved: null_mut(),
        };
        call!(self, C_Initialize((&raw mut arguments).cast()))
    }

    pub fn finalize(self) -> Outcome<()> {
        call!(self, C_Finalize(null_mut()))
    }

    /// Returns the library's description and version, from the module before it is initialised or after.
    pub fn version(self) -> Outcome<String> {
        let mut about = CK_INFO::default();
        if call!(self, C_GetInfo(&mut about)).is_err() {
            self.initialize()?;
            call!(self, C_GetInfo(&mut about))?;
            self.finalize()?;
        }
        let description = String::from_utf8_lossy(&about.libraryDescription).trim().to_owned();
        let CK_VERSION { major, minor } = about.libraryVersion;
        Ok(format!("{description} {major}.{minor}"))
    }

    /// Returns the slots, in the module's order.
    fn slots(self) -> Outcome<Vec<CK_SLOT_ID>> {
        let mut count = 0;
        call!(self, C_GetSlotList(CK_TRUE, null_mut(), &mut count))?;
        let mut slots = vec![0; count as usize];
        call!(self, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count))?;
        slots.truncate(count as usize);
        Ok(slots)
    }

    /// Returns the first slot whose token is initialised, or whose is not.
    pub fn slot(self, initialised: bool) -> Outcome<CK_SLOT_ID> {
        for slot in self.slots()? {
            let mut token = CK_TOKEN_INFO::default();
            call!(self, C_GetTokenInfo(slot, &mut token))?;
            if (token.flags & CKF_TOKEN_INITIALIZED != 0) == initialised {
                return Ok(slot);
            }
        }
        Err(format!(
            "no slot has a token that is {}initialised",
            if initialised { "" } else { "not " }
        ))
    }

    /// Makes a token and sets both PINs, in the module's first free slot; the module is finalised then.
    pub fn make_token(self, pin: &str) -> Outcome<()> {
        self.initialize()?;
        let (mut label, mut pin) = ([b' '; 32], pin.as_bytes().to_vec());
        label[..9].copy_from_slice(b"benchmark");
        let (slot, at, length) = (self.slot(false)?, pin.as_mut_ptr(), pin.len() as CK_ULONG);
        call!(self, C_InitToken(slot, at, length, label.as_mut_ptr()))?;
        // SoftHSM moves a new token to another slot at the next start.
        self.finalize()?;
        self.initialize()?;
        let session = self.open(self.slot(true)?)?;
        call!(self, C_Login(session.handle, CKU_SO, at, length))?;
        call!(self, C_InitPIN(session.handle, at, length))?;
        self.finalize()
    }

    pub fn open(self, slot: CK_SLOT_ID) -> Outcome<Session> {
        let (flags, mut handle) = (CKF_SERIAL_SESSION | CKF_RW_SESSION, 0);
        call!(self, C_OpenSession(slot, flags, null_mut(), None, &mut handle))?;
        Ok(Session { module: self, slot, handle })
    }

    /// Opens a session on the token that `make_token` made, and logs its user in.
    pub fn log_in(self, pin: &str) -> Outcome<Session> {
        let session = self.open(self.slot(true)?)?;
        let mut pin = pin.as_bytes().to_vec();
        let length = pin.len() as CK_ULONG;
        call!(self, C_Login(session.handle, CKU_USER, pin.as_mut_ptr(), length))?;
        Ok(session)
    }
}

impl Session {
    pub fn close(self) -> Outcome<()> {
        call!(self.module, C_CloseSession(self.handle))
    }

    pub fn create(self, template: &Template) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut attributes, mut object) = (template.attributes(), 0);
        let (at, count) = (attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
        call!(self.module, C_CreateObject(self.handle, at, count, &mut object))?;
        Ok(object)
    }

    pub fn generate(self, template: &Template) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut attributes, mut key) = (template.attributes(), 0);
        let mut mechanism = Mechanism::plain(CKM_AES_KEY_GEN);
        let (at, count) = (attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
        call!(self.module, C_GenerateKey(self.handle, mechanism.raw(), at, count, &mut key))?;
        Ok(key)
    }

    /// Returns the public key and the private key of a new pair.
    pub fn generate_pair(
        self,
        mechanism: CK_MECHANISM_TYPE,
        public: &Template,
        private: &Template,
    ) -> Outcome<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)> {
        let mut mechanism = Mechanism::plain(mechanism);
        let (mut public, mut private) = (public.attributes(), private.attributes());
        let (at, count) = (public.as_mut_ptr(), public.len() as CK_ULONG);
        let (private_at, private_count) = (private.as_mut_ptr(), private.len() as CK_ULONG);
        let (mut public, mut private) = (0, 0);
        let module = self.module;
        call!(
            module,
            C_GenerateKeyPair(
                self.handle,
                mechanism.raw(),
                at,
                count,
                private_at,
                private_count,
                &mut public,
                &mut private
            )
        )?;
        Ok((public, private))
    }

    pub fn destroy(self, object: CK_OBJECT_HANDLE) -> Outcome<()> {
        call!(self.module, C_DestroyObject(self.handle, object))
    }

    /// Encrypts one message into `output`; returns the ciphertext's length.
    pub fn encrypt(
        self,
        mechanism: &mut Mechanism,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
        output: &mut [u8],
    ) -> Outcome<usize> {
        let (from, length) = (input.as_ptr().cast_mut(), input.len() as CK_ULONG);
        let mut written = output.len() as CK_ULONG;
        call!(self.module, C_EncryptInit(self.handle, mechanism.raw(), key))?;
        let to = output.as_mut_ptr();
        call!(self.module, C_Encrypt(self.handle, from, length, to, &mut written))?;
        Ok(written as usize)
    }

    /// Signs a message, or authenticates it, into `output`; returns the signature's length.
    pub fn sign(
        self,
        mechanism: &mut Mechanism,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
        output: &mut [u8],
    ) -> Outcome<usize> {
        let (from, length) = (input.as_ptr().cast_mut(), input.len() as CK_ULONG);
        let mut written = output.len() as CK_ULONG;
        call!(self.module, C_SignInit(self.handle, mechanism.raw(), key))?;
        let to = output.as_mut_ptr();
        call!(self.module, C_Sign(self.handle, from, length, to, &mut written))?;
        Ok(written as usize)
    }

    /// Digests a message with SHA-256.
    pub fn digest(self, input: &[u8]) -> Outcome<[u8; 32]> {
        let (mut mechanism, mut output, mut written) = (Mechanism::plain(CKM_SHA256), [0; 32], 32);
        let (from, length) = (input.as_ptr().cast_mut(), input.len() as CK_ULONG);
        call!(self.module, C_DigestInit(self.handle, mechanism.raw()))?;
        let to = output.as_mut_ptr();
        call!(self.module, C_Digest(self.handle, from, length, to, &mut written))?;
        Ok(output)
    }

    pub fn random(self, output: &mut [u8]) -> Outcome<()> {
        let (to, length) = (output.as_mut_ptr(), output.len() as CK_ULONG);
        call!(self.module, C_GenerateRandom(self.handle, to, length))
    }

    /// Wraps a key of up to 1 KiB.
    pub fn wrap(
        self,
        mechanism: &mut Mechanism,
        by: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Outcome<Vec<u8>> {
        let (mut output, mut written) = (vec![0; 1024], 1024);
        let to = output.as_mut_ptr();
        call!(self.module, C_WrapKey(self.handle, mechanism.raw(), by, key, to, &mut written))?;
        output.truncate(written as usize);
        Ok(output)
    }

    pub fn unwrap(
        self,
        mechanism: &mut Mechanism,
        by: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &Template,
    ) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut attributes, mut key) = (template.attributes(), 0);
        let (at, count) = (attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
        let (from, length) = (wrapped.as_ptr().cast_mut(), wrapped.len() as CK_ULONG);
        let (module, handle, raw) = (self.module, self.handle, mechanism.raw());
        call!(module, C_UnwrapKey(handle, raw, by, from, length, at, count, &mut key))?;
        Ok(key)
    }

    /// Returns all objects that a template describes, taken so many at a time.
    pub fn find<const SOME: usize>(self, template: &Template) -> Outcome<Vec<CK_OBJECT_HANDLE>> {
        let (mut attributes, mut found) = (template.attributes(), Vec::new());
        let (at, count) = (attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
        call!(self.module, C_FindObjectsInit(self.handle, at, count))?;
        let mut some = [0; SOME];
        loop {
            let mut count = 0;
            call!(
                self.module,
                C_FindObjects(self.handle, some.as_mut_ptr(), SOME as CK_ULONG, &mut count)
            )?;
            found.extend_from_slice(&some[..count as usize]);
            if count < SOME as CK_ULONG {
                break;
            }
        }
        call!(self.module, C_FindObjectsFinal(self.handle))?;
        Ok(found)
    }

    /// Reads one attribute into `output`; returns its length.
    pub fn read(
        self,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
        output: &mut [u8],
    ) -> Outcome<usize> {
        let (to, length) = (output.as_mut_ptr().cast(), output.len() as CK_ULONG);
        let mut attribute = CK_ATTRIBUTE { type_: kind, pValue: to, ulValueLen: length };
        call!(self.module, C_GetAttributeValue(self.handle, object, &mut attribute, 1))?;
        Ok(attribute.ulValueLen as usize)
    }
}
