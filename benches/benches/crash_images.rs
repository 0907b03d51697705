//! Times the simulated disk: building, checking and dropping the images of a 64 KiB store.
//!
//! `cargo bench -p arrwdb-benches --bench crash_images`. One thread. Checking means taking a disk up
//! from the image and reading every byte of every file through it: all files must be there, at their size.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use disk::sim::{Density, Image, Recording};
use disk::{Access, Disk, SimDisk};

const FILES: usize = 8;
const FILE_BYTES: usize = 8 * 1024;
const IMAGES: u64 = 100_000;

fn name(file: usize) -> PathBuf {
    PathBuf::from(format!("segments/{file}"))
}

/// Eight files of 8 KiB, durable, names and all.
fn store() -> disk::Result<Image> {
    let disk = SimDisk::new(1);
    let mut pending = disk.create_dir(Path::new("segments"))?;
    for at in 0..FILES {
        let (file, more) = disk.create(&name(at))?;
        file.write_at(0, &vec![b'.'; FILE_BYTES])?;
        file.sync_all()?;
        pending = pending.and(more);
    }
    pending.sync(&disk)?;
    Ok(disk.after_power_loss())
}

/// Writes of all sizes to such a store, with a sync now and then.
fn record() -> disk::Result<Recording> {
    let disk = SimDisk::from_image(&store()?, 1);
    for step in 0..2_000_usize {
        let file = disk.open(&name(step * 7 % FILES), Access::ReadWrite)?;
        let size = 1 + step * 389 % 3_000;
        let offset = step * 1_031 % (FILE_BYTES - size);
        file.write_at(offset as u64, &vec![b'a' + (step % 26) as u8; size])?;
        if step % 5 == 4 {
            file.sync_data()?;
        }
    }
    Ok(disk.recording())
}

/// Reads everything on the disk this image makes; returns how many bytes that was.
fn check(image: &Image) -> disk::Result<usize> {
    let disk = SimDisk::from_image(image, 1);
    let mut buffer = vec![0; FILE_BYTES];
    let mut read = 0;
    for at in 0..FILES {
        let file = disk.open(&name(at), Access::Read)?;
        assert_eq!(file.size()?, FILE_BYTES as u64, "a file of another size");
        file.read_at(0, &mut buffer)?;
        read += buffer.len();
    }
    Ok(read)
}

fn main() -> disk::Result<()> {
    let recording = record()?;
    let begun = Instant::now();
    let mut distinct = HashSet::new();
    let mut built = 0_u64;
    'all: for point in recording.crash_points(&Density::default(), 1) {
        for crash in point.images() {
            distinct.insert(crash.image.sum());
            assert_eq!(check(&crash.image)?, FILES * FILE_BYTES);
            built += 1;
            if built == IMAGES {
                break 'all;
            }
        }
    }
    assert_eq!(built, IMAGES, "the workload is too short");
    let seconds = begun.elapsed().as_secs_f64();
    let distinct = distinct.len();
    println!(
        "{built} images of a 64 KiB store built, checked and dropped: {seconds:.2} s on one core"
    );
    println!("{:.0} images a second, {distinct} of them distinct", built as f64 / seconds);
    Ok(())
}
