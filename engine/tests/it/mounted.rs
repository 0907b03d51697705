//! An ext4 file system in a file, mounted by itself: it can lose its power, and vanishes after the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// It is there until this is dropped, whatever happens to the test.
pub(crate) struct Mounted {
    dir: TempDir,
}

/// Runs a command to its end; what it said, if it failed.
fn run(program: &str, arguments: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}

impl Mounted {
    /// Makes one and mounts it; or says why that cannot be done here.
    pub(crate) fn new() -> Result<Mounted, String> {
        let mounted = Mounted { dir: tempfile::tempdir().unwrap() };
        let (image, point) = (mounted.image(), mounted.point());
        run("mkdir", &[&point])?;
        run("truncate", &["-s".as_ref(), "256M".as_ref(), &image])?;
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &image])?;
        mounted.mount()?;
        Ok(mounted)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o".as_ref(), "loop".as_ref(), &self.image(), &self.point()])
    }

    /// Mounts it again, as after a start of the machine: what it holds of its files in memory is gone.
    pub(crate) fn mount_again(&self) {
        // A process that was killed may be about to let go of its files.
        let unmounted = (0..1_000).any(|_| run("umount", &[&self.point()]).is_ok());
        assert!(unmounted, "{:?}", run("umount", &[&self.point()]));
        self.mount().unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A test that failed may have files open; and what was never mounted is not unmounted.
        let _unmounted = run("umount", &[&self.point()])
            .or_else(|_| run("umount", &["-l".as_ref(), &self.point()]));
    }
}
