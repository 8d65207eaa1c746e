//! The one global: the module between `C_Initialize` and `C_Finalize`.
