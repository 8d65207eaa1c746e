//! The domain: custom keys, their material and the rules of custody. No PKCS#11 in here.

pub(crate) mod backup;
pub(crate) mod body;
pub(crate) mod expiry;
pub(crate) mod fingerprint;
pub(crate) mod own_expiry;
pub(crate) mod parsed;
pub(crate) mod pin;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod restrictions;
pub(crate) mod seal;
pub(crate) mod state;
mod stretch;

pub use body::{Body, Metadata, Numbered};
pub(crate) use expiry::Expiry;
pub use expiry::ExpiryAction;
pub(crate) use fingerprint::{Association, Fingerprint};
pub(crate) use own_expiry::{Due, OwnExpiry};
pub(crate) use parsed::Parsed;
pub(crate) use policy::{InUse, Key, UsableKey, Usage};
pub(crate) use record::Tag;
pub use record::{Header, Role};
pub(crate) use restrictions::Restrictions;
pub use state::{Event, MaterialState, Status};
pub(crate) use state::{KeyState, Origin};
