//! Reads and writes at an offset, one system call each, on every system the standard library
//! knows; and the few other things it does differently from system to system.

use std::fs;
use std::io;
use std::path::Path;

/// One read; may be short, 0 at the end of the file.
#[cfg(unix)]
pub(crate) fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// One write; may be short.
#[cfg(unix)]
pub(crate) fn write_at(file: &fs::File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

/// One read; may be short, 0 at the end of the file. Moves the handle's cursor, which nothing uses.
#[cfg(windows)]
pub(crate) fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// One write; may be short. Moves the handle's cursor, which nothing uses.
#[cfg(windows)]
pub(crate) fn write_at(file: &fs::File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

/// Makes the names in a directory durable. On Apple's systems the standard library asks for the
/// full flush, through the device's own cache.
#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = fs::File::open(dir)?;
    crate::transfer::uninterrupted(|| dir.sync_all())
}

/// Windows has no call for this; NTFS keeps names in a journal of its own. Not tested.
#[cfg(windows)]
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::metadata(dir).map(drop)
}
