//! Images and manifests: what a store is as of some batch, and which of that is the store.
//!
//! Owns: the files under `images/` and `manifests/` of a store. [`ImageWriter`] makes an image, the one file
//! format of all derived state: named sections, summed in chunks. [`Image`] opens one, and [`Section`] reads
//! it, each chunk checked when it is first touched. A [`Manifest`] names the retained points, each an image
//! and a part of the log; [`Manifests`] finds the one that is the store, publishes the next, and removes what
//! no retained point needs.
//!
//! Promises
//!  1. A crash at any point leaves the state published last, or the one that was being published; and all
//!     images that either names, whole.
//!  2. Opening an image takes no longer for more bytes. No byte of it is handed out that was not checked, but to
//!     who asks for [`Unverified`] ones.
//!  3. Damage is an error that names the file and the place, and what is not damaged is served. A store whose
//!     manifests are lost is never taken for a new one.
//!  4. Whatever the bytes on disk, they lead to a value or an error: to no panic, and to no allocation that
//!     the length of the file does not justify.
//!
//! Never: knows of the log or of segments, which only `engine` brings together with this.
//!
//! FORMAT.md sections 5 and 6 have every byte, and the argument why this holds.

mod describe;
mod directory;
#[cfg(test)]
mod document;
mod error;
mod image;
mod lent;
mod manifest;
mod manifests;
mod names;
mod prune;
mod section;
mod states;
mod verify;
mod writer;

pub mod format;

pub use describe::{describe_image, describe_manifest};
pub use directory::list_images;
pub use error::{Error, Result};
pub use image::Image;
pub use lent::{Bytes, Unverified};
pub use manifest::{Branch, ImageRef, IndexImage, Manifest, POINT_NAME_BYTES_MAX, Point};
pub use manifests::Manifests;
pub use names::Name;
pub use section::Section;
pub use verify::{Damage, Harm};
pub use writer::ImageWriter;
