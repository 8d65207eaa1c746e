//! Sessions and the operations in them.
