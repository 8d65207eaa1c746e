//! AWS-LC: the only place where it is called.

pub mod aes;
pub mod rsa;
