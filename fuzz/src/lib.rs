//! Will hold one fuzz target for each parser of bytes from disk. Nothing is here yet.
//!
//! To promise: whatever the bytes, a parser answers with a value or a typed error; it never panics,
//! hangs, or reserves more than its input justifies.

#![forbid(unsafe_code)]
