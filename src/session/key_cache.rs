//! The keys that a session used last: using one again asks for nothing but whether it still may be used.

use crate::error::Result;
use crate::key::{UsableKey, Usage};
use crate::token::{Handle, Token};

/// The key the session used last, for each usage, so that using it again takes a few loads.
#[derive(Default)]
pub(crate) struct KeyCache([Option<LastKey>; 4]);

struct LastKey {
    handle: Handle,
    mechanism: u64,
    key: UsableKey,
    /// The number of uses in that minute that are not counted with the token yet.
    uses: u64,
    minute: u64,
}

impl LastKey {
    fn count(&mut self, token: &Token) {
        if self.uses > 0 {
            token.count_uses(&self.key, self.minute, std::mem::take(&mut self.uses));
        }
    }
}

impl KeyCache {
    /// Counts all uses with the token.
    pub(super) fn count(&mut self, token: &Token) {
        self.0.iter_mut().flatten().for_each(|last| last.count(token));
    }

    /// Drops the keys that an Init would not get any more.
    pub(super) fn let_go(&mut self, token: &Token) {
        for entry in &mut self.0 {
            if let Some(mut ended) = entry.take_if(|last| !token.still_usable(&last.key)) {
                ended.count(token);
            }
        }
    }

    /// Returns the key as an Init gets it: the last one where it still may be used, else asked for anew.
    pub(super) fn key(
        &mut self,
        token: &Token,
        handle: Handle,
        usage: Usage,
        mechanism: u64,
    ) -> Result<&UsableKey> {
        let [encrypt, decrypt, sign, verify] = &mut self.0;
        let entry = match usage {
            Usage::Encrypt => encrypt,
            Usage::Decrypt => decrypt,
            Usage::Sign => sign,
            _ => verify,
        };
        let minute = token.minute();
        let holds = |last: &LastKey| {
            last.handle == handle && last.mechanism == mechanism && token.still_usable(&last.key)
        };
        let mut last = match entry.take() {
            Some(last) if holds(&last) => last,
            other => {
                other.into_iter().for_each(|mut other| other.count(token));
                let key = token.usable(handle, usage, mechanism)?;
                LastKey { handle, mechanism, key, uses: 0, minute }
            }
        };
        if last.minute != minute {
            last.count(token);
            last.minute = minute;
        }
        last.uses += 1;
        Ok(&entry.insert(last).key)
    }
}
