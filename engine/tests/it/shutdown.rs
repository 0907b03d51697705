//! Shuts a file system down as a power failure would: nothing that it holds back reaches the device any more.
#![expect(unsafe_code, reason = "no safe call shuts a file system down")]

use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::ioctl::{Setter, ioctl, opcode};

/// `FS_IOC_SHUTDOWN` of Linux: ext4, f2fs and xfs have it.
const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
/// Not even the journal is written out.
const NO_LOG_FLUSH: u32 = 2;

/// Shuts the file system down that is mounted here. It can be unmounted after that, and nothing else.
pub(crate) fn shut_down(mount_point: &Path) -> rustix::io::Result<()> {
    let directory = open(mount_point, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    // SAFETY: the kernel reads one u32 for this call, by the pointer that it is given, and keeps nothing; this type is
    // for calls that do so.
    let call = unsafe { Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH) };
    // SAFETY: the call is described rightly, as above, and a directory is what it is for; a file system that does not
    // know it refuses it.
    unsafe { ioctl(directory, call) }
}
