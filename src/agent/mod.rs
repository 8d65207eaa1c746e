//! The agent: the one process that opens a store. Only the program links it.
