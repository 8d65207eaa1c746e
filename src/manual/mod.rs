//! How Keystead works, for people.
