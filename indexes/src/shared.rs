//! What many threads read while others write: nobody waits for anybody who reads.
//!
//! From the bottom up:
//!
//! - `apart`: a thing in cache lines of its own;
//! - `readers`: who is reading, so that it is known when all are gone who might still see something;
//! - `gate`: whether a row may be read, or written, or neither;
//! - `pages`: how the system keeps long stretches of memory;
//! - `pieces`: room that grows and never moves;
//! - `line`, `rows`: rows of bytes behind gates, with the unsafe code that takes;
//! - `links`: lists of numbers, each of which may change at any time;
//! - `set`: sets of slots;
//! - `lives`: which slots are there, and which are being taken up or given up.

mod apart;
mod gate;
mod line;
mod links;
mod lives;
#[cfg(all(test, loom))]
mod models;
mod pages;
mod pieces;
mod primitives;
mod readers;
mod rows;
mod set;

pub(crate) use apart::Apart;
pub(crate) use line::{Numbers, WORDS, Words};
pub(crate) use links::Lists;
pub(crate) use lives::{Lives, Taken};
pub(crate) use pages::prefer_large;
pub(crate) use pieces::Pieces;
pub(crate) use readers::{Moment, Pin, Readers, hint};
pub(crate) use rows::{Closed, GATE, Held, Rows, RowsInUse, RunInUse};
pub(crate) use set::SharedSet;
