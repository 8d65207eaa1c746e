//! The C border: every entry point, once.
