//! The manual of Keystead: how it works, for people.
//!
//! * [`architecture`]: the three parts, and the way of a call through them.
//! * [`backup`]: what a backup holds, and what a restored one does not bring back.
//! * [`ceremony`]: how material is wrapped, carried, compared and imported.
//! * [`clients`]: which clients were run, what each needs to know, and where it stumbles.
//! * [`configuration`]: every key of the configuration, and what holds without it.
//! * [`containers`]: what an agent needs in a container, and a program in another.
//! * [`fleet`]: what hosts that share a store are promised, and the commands that let them come and go.
//! * [`installing`]: what packages and the installation without one bring, and what stays without them.
//! * [`life`]: the states of a custom key and what works in each.
//! * [`log`]: what is told of all this, and where.
//! * [`mechanisms`]: which mechanisms are served, for which keys, and what each does.
//! * [`migrating`]: how another token's objects come here, and which stay where they are.
//! * [`pkcs11`]: which interfaces are served, and what of PKCS#11 3.2 is not.
//! * [`program`]: the commands, and what each is for.
//! * [`proofs`]: kills, losses of power, damage, thieves and clocks that it was put through, and what each shows.
//! * [`properties`]: what a custom key tells of itself, as attributes and as JSON.
//! * [`recipes`]: TLS, an authority, signed code, sealed backups, keys as the clouds' instructions make them.
//! * [`sealing`]: what a custom key seals, blobs and files byte by byte.
//! * [`speed`]: what mechanisms cost beside the functions of the library that they call.
//! * [`store`]: what lies in a store's directory, byte by byte.
//! * [`threats`]: what is protected from whom, and what is not.

pub mod architecture;
pub mod backup;
pub mod ceremony;
pub mod clients;
pub mod configuration;
pub mod containers;
pub mod fleet;
pub mod installing;
pub mod life;
pub mod log;
pub mod mechanisms;
pub mod migrating;
pub mod pkcs11;
pub mod program;
pub mod proofs;
pub mod properties;
pub mod recipes;
pub mod sealing;
pub mod speed;
pub mod store;
pub mod threats;
