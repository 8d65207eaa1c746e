//! Sealing: AES-256-GCM under keys that HKDF makes for each record and purpose.
