//! Names the files of images and of manifests, and reads what names mean.
//!
//! `images/<file id>.img` is an image, `manifests/<number>.man` a manifest; `.new` is one of either in the
//! making, which counts for nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base::FileId;

/// The directory of the images, in the store's.
pub(crate) const IMAGES: &str = "images";
/// The directory of the manifests, in the store's.
pub(crate) const MANIFESTS: &str = "manifests";

/// What a name in one of the two directories stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// An image.
    Image(FileId),
    /// An image in the making.
    NewImage(FileId),
    /// The manifest of this number.
    Manifest(u64),
    /// A manifest in the making.
    NewManifest(u64),
}

impl Name {
    /// Its path in the store's directory.
    pub fn path(self) -> PathBuf {
        let (directory, number, ending) = match self {
            Name::Image(file) => (IMAGES, file.0, "img"),
            Name::NewImage(file) => (IMAGES, file.0, "new"),
            Name::Manifest(number) => (MANIFESTS, number, "man"),
            Name::NewManifest(number) => (MANIFESTS, number, "new"),
        };
        Path::new(directory).join(format!("{}.{ending}", FileId(number)))
    }

    /// The number in the name.
    pub const fn number(self) -> u64 {
        match self {
            Name::Image(file) | Name::NewImage(file) => file.0,
            Name::Manifest(number) | Name::NewManifest(number) => number,
        }
    }

    /// What a name in the directory of the images stands for; `None` if it is not one of ours.
    pub(crate) fn of_image(name: &OsStr) -> Option<Name> {
        match numbered(name)? {
            (number, "img") => Some(Name::Image(FileId(number))),
            (number, "new") => Some(Name::NewImage(FileId(number))),
            _ => None,
        }
    }

    /// What a name in the directory of the manifests stands for; `None` if it is not one of ours.
    pub(crate) fn of_manifest(name: &OsStr) -> Option<Name> {
        match numbered(name)? {
            (number, "man") => Some(Name::Manifest(number)),
            (number, "new") => Some(Name::NewManifest(number)),
            _ => None,
        }
    }
}

/// The number and the ending of a name that a store gives to files, of whatever kind.
pub(crate) fn numbered(name: &OsStr) -> Option<(u64, &str)> {
    let (digits, ending) = name.to_str()?.split_once('.')?;
    let number: u64 = digits.parse().ok()?;
    // Only the one way of writing a number: two names never mean the same file.
    (number != 0 && FileId(number).to_string() == digits).then_some((number, ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for number in [1, 7, u64::MAX] {
            let of_images = [Name::Image(FileId(number)), Name::NewImage(FileId(number))];
            for name in of_images {
                assert_eq!(Name::of_image(name.path().file_name().unwrap()), Some(name));
                assert_eq!(name.number(), number);
            }
            for name in [Name::Manifest(number), Name::NewManifest(number)] {
                assert_eq!(Name::of_manifest(name.path().file_name().unwrap()), Some(name));
                assert_eq!(name.number(), number);
            }
        }
        assert_eq!(Name::Image(FileId(7)).path(), Path::new("images/00000000000000000007.img"));
        assert_eq!(Name::NewManifest(7).path(), Path::new("manifests/00000000000000000007.new"));
    }

    #[test]
    fn other_names_are_not_ours() {
        let names = [
            "7.img",
            "00000000000000000000.img",
            "00000000000000000007.wal",
            "00000000000000000007",
            "+0000000000000000007.img",
            "99999999999999999999.man",
            "LOCK",
        ];
        for name in names.map(OsStr::new) {
            assert_eq!(Name::of_image(name).or(Name::of_manifest(name)), None, "{name:?}");
        }
    }
}
