//! PINs: what Argon2id makes of them, and a token's entry.
