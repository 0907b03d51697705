//! Runs the real `arrwdb` with right and wrong words and files, and looks at what it says and how it ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod bench;
mod create;
mod damage;
mod data;
mod distances;
mod files;
mod import;
mod index;
mod reading;
mod resume;
mod sandbox;
mod search;
mod usage;
