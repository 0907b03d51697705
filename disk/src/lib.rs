//! The one seam to the disk: every byte arrwDB reads, writes, maps, renames or syncs passes here.
//!
//! Owns: the traits [`Disk`], [`File`] and [`Region`], which say for each call what is durable when
//! it returns; [`OsDisk`], the real disk; [`SimDisk`], one that can lose power at any moment, and the
//! [`harness`] that crashes a program on it everywhere; [`Latch`] and [`Trace`], which sit in front of
//! any disk; [`MemoryFile`], a file for what is not to be kept.
//! No other crate of the store touches files, maps or clocks: `clippy.toml` in each refuses it, and
//! `tidy` sees to it that none forgets to.
//!
//! Never: knows what a file means; keeps a cache; starts a thread.
//!
//! # Replacing a file so that no crash can lose both versions
//!
//! ```
//! use disk::{Access, Disk, OsDisk};
//! use std::path::Path;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let disk = OsDisk::open(dir)?;
//! let (file, pending) = disk.create(Path::new("settings.tmp"))?;
//! file.write_at(0, b"dim = 384")?;
//! file.sync_all()?; // the bytes, before a name that matters stands for them
//! pending
//!     .and(disk.rename(Path::new("settings.tmp"), Path::new("settings"))?)
//!     .sync(&disk)?; // the names: without this a crash may bring the old file back
//!
//! let mut bytes = [0; 9];
//! disk.open(Path::new("settings"), Access::Read)?.read_at(0, &mut bytes)?;
//! assert_eq!(&bytes, b"dim = 384");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Forgetting the last step does not compile where unused results are errors:
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! # fn main() -> disk::Result<()> {
//! use disk::{Disk, OsDisk};
//! let disk = OsDisk::open("store")?;
//! disk.rename("settings.tmp".as_ref(), "settings".as_ref())?; // a PendingDirSync is dropped
//! # Ok(())
//! # }
//! ```

mod error;
mod hook;
mod latch;
mod lock;
mod memory;
mod os;
mod owner;
mod pending;
mod priority;
mod region;
mod seam;
mod trace;
mod transfer;

pub mod harness;
pub mod sim;

pub use error::{Error, Holder, Result};
pub use hook::{Call, Effect, Hook, Hooked};
pub use latch::Latch;
pub use lock::{LOCK_NAME, LockGuard, LockKind};
pub use memory::MemoryFile;
pub use os::{OsDisk, OsOptions};
pub use owner::Owner;
pub use pending::PendingDirSync;
pub use priority::run_behind_others;
pub use region::{Borrowed, Region, Tracked, Window};
pub use seam::{Access, Disk, Entry, EntryKind, File, Recovering};
pub use sim::SimDisk;
pub use trace::{Recorded, Trace};
