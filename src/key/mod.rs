//! The domain: custom keys, their material and the rules of custody. No PKCS#11 in here.

pub mod backup;
pub mod body;
pub mod material;
pub mod own_expiry;
pub mod parsed;
pub mod pin;
pub mod policy;
pub mod record;
pub mod restrictions;
pub mod seal;
pub mod state;
mod stretch;

pub use body::{Body, Metadata, Numbered};
pub use material::{Expiry, ExpiryAction, Fingerprint};
pub use own_expiry::{Due, OwnExpiry};
pub use parsed::Parsed;
pub use policy::{InUse, Key, UsableKey, Usage};
pub use record::{Header, Role, Tag};
pub use restrictions::Restrictions;
pub use state::{Event, Material, Origin, State, Status};
