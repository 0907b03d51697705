//! The manifests of a store: finds the one that is the store, and publishes the next.
//!
//! State: open -> stopped (a publication or a removal that leaves in doubt what a crash would bring back),
//! once, for good.
//!
//! Promises
//!  1. The valid manifest with the highest number is the store. If it is damaged, the one before it is, and
//!     [`Manifests::passed_over`] says so. If neither is valid, that is an error, and so are files of a store
//!     without a manifest: never a new store.
//!  2. When [`Manifests::publish`] has returned, every crash leaves that manifest or a later one. When it
//!     failed, one leaves the manifest before, or, if the error is [`Error::Stopped`], either of the two.
//!  3. Opening changes nothing. Nothing is removed before this process has published.
//!  4. No number is used twice.
//!
//! Never: knows what is in an image or in the log.

use std::path::Path;
use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, StoreId};
use disk::{Access, Disk};

use crate::directory::{left_behind, list_images, list_manifests, make_directories};
use crate::format::manifest::{BODY_BYTES_MAX, HEADER_BYTES, Header, decode, encode};
use crate::format::{Invalid, body};
use crate::image::read_at;
use crate::manifest::{ImageRef, Manifest, Point};
use crate::names::{MANIFESTS, Name};
use crate::{Error, Result};

/// The manifests of an open store.
///
/// ```
/// use base::{FileId, LogPlace, Sequence, StoreId, Timeline};
/// use disk::SimDisk;
/// use snapshot::{Branch, ImageWriter, Manifests, Point};
/// use std::sync::Arc;
///
/// let disk = Arc::new(SimDisk::new(1));
/// assert!(Manifests::open(disk.clone())?.is_none());
/// let store = StoreId([7; 16]);
/// let mut manifests = Manifests::create(disk.clone(), store)?;
///
/// // A checkpoint: first the image, then the manifest that names it, then what nobody needs any more goes.
/// let file = manifests.next_file()?;
/// let mut writer = ImageWriter::create(disk.clone(), store, file)?;
/// writer.section("rows")?;
/// let image = writer.finish()?;
/// let timeline = Timeline::new(0xabcd).unwrap();
/// let log = LogPlace { file: FileId(1), offset: 4096, sum: 0, sequence: None };
/// let mut next = manifests.newest().clone();
/// next.timelines = vec![Branch { timeline, first: Sequence::FIRST, parent: None }];
/// next.points = vec![Point { name: None, sequence: None, timeline, image, log, log_end: None }];
/// next.next_file = FileId(file.0 + 1);
/// manifests.publish(next)?;
/// manifests.prune(&[])?;
///
/// // After a crash: what is found is made durable before anything relies on it.
/// let mut manifests = Manifests::open(disk)?.expect("a store");
/// manifests.confirm()?;
/// assert_eq!(manifests.newest().newest().unwrap().image, image);
/// # Ok::<(), snapshot::Error>(())
/// ```
#[derive(Debug)]
pub struct Manifests {
    pub(crate) disk: Arc<dyn Disk>,
    store: StoreId,
    pub(crate) newest: Published,
    /// What the newest was published upon, if it is still there: the one to fall back on.
    pub(crate) previous: Option<Published>,
    /// The highest number that any manifest had, `.new` and damaged ones included.
    highest: u64,
    passed_over: Option<Error>,
    /// Whether the newest is known to be durable: this process published it.
    pub(crate) is_durable: bool,
    pub(crate) stopped: Option<Error>,
}

/// A manifest that is there.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) number: u64,
    /// The sum of all its bytes.
    hash: u128,
    pub(crate) manifest: Manifest,
}

impl Manifests {
    /// Begins a store: makes the directories, and publishes a manifest without points, which stands for a
    /// store that is being made. Only then may other files be made.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a store, or anything that one may have left; otherwise as
    /// [`Manifests::publish`].
    pub fn create(disk: Arc<dyn Disk>, store: StoreId) -> Result<Manifests> {
        if let Some(file) = left_behind(&*disk)? {
            return Err(Error::Exists { path: disk.root().join(file) });
        }
        make_directories(&*disk)?;
        let names = list_manifests(&*disk)?;
        let highest = names.last().map_or(0, |name| name.number());
        // What stands in the place of the one before until the first is there.
        let nothing = Published { number: 0, hash: 0, manifest: Manifest::of_a_new_store() };
        let mut manifests = Manifests {
            disk,
            store,
            newest: nothing,
            previous: None,
            highest,
            passed_over: None,
            is_durable: false,
            stopped: None,
        };
        manifests.publish(Manifest::of_a_new_store())?;
        Ok(manifests)
    }

    /// Looks which manifest is the store; `None` if there is none, nor anything that one may have left.
    /// Changes nothing.
    ///
    /// What it finds may be in the system's cache alone, if the process before did not end well: see
    /// [`Manifests::confirm`].
    ///
    /// # Errors
    /// [`Error::NoManifest`]; [`Error::Split`]; [`Error::Unreadable`] if the newest cannot be read, which is
    /// no reason to fall back; [`Error::Damaged`] if it was written by a newer version.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Option<Manifests>> {
        let names = list_manifests(&*disk)?;
        let is_there = |name: &&Name| matches!(name, Name::Manifest(_));
        let mut numbers = names.iter().rev().filter(is_there).map(|name| name.number());
        let Some(first) = numbers.next() else {
            return match left_behind(&*disk)? {
                None => Ok(None),
                Some(file) => {
                    Err(Error::NoManifest { path: disk.root().into(), evidence: vec![file] })
                }
            };
        };
        let (passed_over, (header, newest)) = match read(&*disk, first) {
            Ok(whole) => (None, whole),
            Err(damaged) if is_damage(&damaged) => match numbers.next() {
                Some(second) => match read(&*disk, second) {
                    Ok(whole) => (Some(damaged), whole),
                    Err(also) if is_damage(&also) => {
                        return Err(none_is_valid(&*disk, &[damaged, also]));
                    }
                    Err(error) => return Err(error),
                },
                None => return Err(none_is_valid(&*disk, &[damaged])),
            },
            Err(error) => return Err(error),
        };
        let previous = read_previous(&*disk, &header)?;
        Ok(Some(Manifests {
            store: header.store,
            newest,
            previous,
            highest: names.last().map_or(0, |name| name.number()),
            passed_over,
            is_durable: false,
            stopped: None,
            disk,
        }))
    }

    /// The store whose manifests they are.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// What the store is.
    pub fn newest(&self) -> &Manifest {
        &self.newest.manifest
    }

    /// The number of the newest manifest.
    pub fn number(&self) -> u64 {
        self.newest.number
    }

    /// What was wrong with the manifest of the highest number, if it had to be passed over: what was
    /// published with it and stands in no log is lost.
    pub fn passed_over(&self) -> Option<&Error> {
        self.passed_over.as_ref()
    }

    /// All points that must still be there: those of the newest manifest, and of the one it was published
    /// upon. No file that one of them needs may be removed.
    pub fn reachable(&self) -> impl Iterator<Item = &Point> {
        let both = self.previous.iter().chain([&self.newest]);
        both.flat_map(|published| &published.manifest.points)
    }

    /// All images that must still be there: those that either of the two names.
    pub fn reachable_images(&self) -> impl Iterator<Item = ImageRef> {
        let both = self.previous.iter().chain([&self.newest]);
        both.flat_map(|published| published.manifest.images())
    }

    /// Reads the two newest manifests again, and says what is wrong with them: the newest one, the one to fall back
    /// on, and one that was passed over when they were opened.
    pub fn verify(&self) -> Vec<Error> {
        let mut found: Vec<Error> = self.passed_over.iter().cloned().collect();
        let header = match read(&*self.disk, self.newest.number) {
            Ok((header, again)) if again.hash == self.newest.hash => header,
            Ok(_) => {
                let path = self.disk.root().join(Name::Manifest(self.newest.number).path());
                found.push(Error::Damaged { path, what: Invalid::Foreign("hash") });
                return found;
            }
            Err(error) => {
                found.push(error);
                return found;
            }
        };
        if header.previous == 0 {
            return found;
        }
        match read(&*self.disk, header.previous) {
            Ok((_, previous)) if previous.hash == header.previous_hash => {}
            Ok(_) => {
                let path = |number| self.disk.root().join(Name::Manifest(number).path());
                let (path, previous) = (path(self.newest.number), path(header.previous));
                found.push(Error::Split { path, previous });
            }
            // The one to fall back on was removed when the one that was passed over was published.
            Err(Error::Disk(disk::Error::Missing { .. })) if self.passed_over.is_some() => {}
            Err(Error::Disk(disk::Error::Missing { path })) => found.push(Error::Missing { path }),
            Err(error) => found.push(error),
        }
        found
    }

    /// A number for a new image: above that of all there were.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn next_file(&self) -> Result<FileId> {
        let listed = list_images(&*self.disk)?.last().map_or(0, |name| name.number());
        Ok(self.newest.manifest.next_file.max(FileId(listed.saturating_add(1))))
    }

    /// Publishes once more what the store is, so that it is durable whatever the process before did or
    /// failed to do: to be called before anything relies on what [`Manifests::open`] found, unless it is
    /// known that the process before closed the store.
    ///
    /// # Errors
    /// As [`Manifests::publish`].
    pub fn confirm(&mut self) -> Result<()> {
        self.publish(self.newest.manifest.clone())
    }

    /// Makes this the state of the store. All images that it names have to be durable, and the log that its
    /// points need.
    ///
    /// # Errors
    /// [`Error::Impossible`] if it could not be read again, or would use numbers of images twice;
    /// [`Error::Disk`] if the disk refused before anything was published, because it is full, say;
    /// [`Error::Stopped`] if it is in doubt which of the two is the store, now or since an earlier call:
    /// only who opens the store again will know.
    pub fn publish(&mut self, next: Manifest) -> Result<()> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        let impossible = |what| Error::Impossible { what };
        next.check().map_err(impossible)?;
        if next.next_file < self.newest.manifest.next_file {
            return Err(impossible(Invalid::Value("next_file")));
        }
        let body = body::encode(&next).filter(|body| body.len() as u64 <= BODY_BYTES_MAX);
        let body = body.ok_or_else(|| impossible(Invalid::Length))?;
        let number =
            self.highest.checked_add(1).ok_or_else(|| impossible(Invalid::Value("number")))?;
        // Also if it fails: what was begun may come back after a crash.
        self.highest = number;
        let header = Header {
            store: self.store,
            number,
            previous: self.newest.number,
            previous_hash: self.newest.hash,
        };
        let bytes = encode(&header, &body);
        self.write(number, &bytes)?;
        let published = Published { number, hash: Xxh3::of_128(&bytes), manifest: next };
        let before = std::mem::replace(&mut self.newest, published);
        self.previous = Some(before).filter(|before| before.number > 0);
        self.is_durable = true;
        Ok(())
    }

    /// Writes a manifest, and gives it its name.
    fn write(&mut self, number: u64, bytes: &[u8]) -> Result<()> {
        let (new, named) = (Name::NewManifest(number).path(), Name::Manifest(number).path());
        let (file, made) = self.disk.create(&new)?;
        let written = file
            // A write that finds no space stops a guarded disk; this is a refusal.
            .reserve(bytes.len() as u64)
            .and_then(|()| file.write_at(0, bytes))
            // First the bytes: the name says that they are there.
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            made.forgo("whether it comes or goes, it counts for nothing");
            self.take_away(&new);
            return Err(error.into());
        }
        let renamed = match self.disk.rename(&new, &named) {
            Ok(renamed) => renamed,
            Err(error) => {
                made.forgo("whether it comes or goes, it counts for nothing");
                if error.is_clean_refusal() {
                    self.take_away(&new);
                    return Err(error.into());
                }
                return Err(self.stop(&named, error));
            }
        };
        let pending = made.and(renamed);
        pending.sync(&*self.disk).map_err(|error| self.stop(&named, error))
    }

    fn take_away(&self, name: &Path) {
        // If it stays, it is removed behind a later publication.
        if let Ok(removed) = self.disk.remove(name) {
            removed.forgo("it counts for nothing should it come back");
        }
    }

    /// Notes that it is in doubt what a crash would bring back: this process changes nothing any more.
    pub(crate) fn stop(&mut self, path: &Path, error: disk::Error) -> Error {
        let path = self.disk.root().join(path);
        let stopped = Error::Stopped { path, first: Arc::new(error) };
        self.stopped = Some(stopped.clone());
        stopped
    }
}

/// Reads the manifest of this number.
fn read(disk: &dyn Disk, number: u64) -> Result<(Header, Published)> {
    let file = disk.open(&Name::Manifest(number).path(), Access::Read)?;
    let damaged = |what| Error::Damaged { path: file.path().to_path_buf(), what };
    let size = file.size()?;
    if size > HEADER_BYTES as u64 + BODY_BYTES_MAX {
        return Err(damaged(Invalid::Length));
    }
    let mut bytes = vec![0; size as usize];
    read_at(&*file, 0, &mut bytes)?;
    let (header, body) = decode(&bytes).map_err(damaged)?;
    if header.number != number {
        return Err(damaged(Invalid::Foreign("number")));
    }
    let manifest = body::decode(body).map_err(damaged)?;
    Ok((header, Published { number, hash: Xxh3::of_128(&bytes), manifest }))
}

/// The manifest that this one was published upon, if it is there and whole.
fn read_previous(disk: &dyn Disk, newest: &Header) -> Result<Option<Published>> {
    if newest.previous == 0 {
        return Ok(None);
    }
    match read(disk, newest.previous) {
        Ok((header, previous)) => {
            if header.store == newest.store && previous.hash == newest.previous_hash {
                return Ok(Some(previous));
            }
            let path = |number| disk.root().join(Name::Manifest(number).path());
            Err(Error::Split { path: path(newest.number), previous: path(newest.previous) })
        }
        // It was there to fall back on, and there is no need to: it does without until the next publication,
        // before which nothing is removed.
        Err(Error::Disk(disk::Error::Missing { .. }) | Error::Unreadable { .. }) => Ok(None),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a manifest is not what was written, and can be passed over. One that cannot be read may be read
/// the next time, and one of a newer version is whole.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Damaged { what, .. } if !matches!(what, Invalid::Newer { .. }))
}

fn none_is_valid(disk: &dyn Disk, damaged: &[Error]) -> Error {
    let evidence = damaged.iter().map(Error::to_string).collect();
    Error::NoManifest { path: disk.root().join(MANIFESTS), evidence }
}
