//! The smallest store on top of the log: it keeps a place to replay from, and batches that say of
//! themselves which they are.

use std::path::Path;
use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, LogPlace, Sequence, StoreId, Timeline};
use disk::sim::Progress;
use disk::{Access, Disk, SimDisk};
use wal::{Beginning, Body, Ended, Log, Options, Replay};

/// The store the tests write.
pub(crate) const STORE: StoreId = StoreId(*b"a store of tests");

/// Options with files of two pages and parts of a kilobyte, so that a crash image is small and a batch
/// of a few kilobytes goes over the end of a file.
pub(crate) fn options() -> Options {
    Options::new(STORE).file_bytes(8_192, 16_384).part_bytes(1_024)
}

/// How long a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    fn bytes(self) -> usize {
        match self {
            Size::Small => 40,
            Size::Large => 2_500,
        }
    }
}

/// Table and body of a batch: no two have the same, and each tells its number and its length.
pub(crate) fn content(number: u64, size: Size) -> (Vec<u8>, Vec<u8>) {
    let table = [number.to_le_bytes(), (size.bytes() as u64).to_le_bytes()].concat();
    let words = (0_u64..).flat_map(|word| {
        Xxh3::of(&[number.to_le_bytes(), word.to_le_bytes()].concat()).to_le_bytes()
    });
    (table, words.take(size.bytes()).collect())
}

/// What a workload does.
pub(crate) struct Store {
    pub(crate) disk: SimDisk,
    options: Options,
    pub(crate) log: Option<Log>,
    /// The last batch appended.
    pub(crate) last: u64,
}

const PLACE: &str = "place";

impl Store {
    /// Makes a log and notes where it begins.
    pub(crate) fn create(disk: &SimDisk) -> wal::Result<Store> {
        Self::create_with(disk, &options())
    }

    pub(crate) fn create_with(disk: &SimDisk, options: &Options) -> wal::Result<Store> {
        let beginning = Beginning::of_a_new_store(Timeline::new(0xa).unwrap());
        let log = Log::create(Arc::new(disk.clone()), options, &beginning)?;
        keep_place(disk, &log.place())?;
        Ok(Store { disk: disk.clone(), options: options.clone(), log: Some(log), last: 0 })
    }

    /// Opens what is there.
    pub(crate) fn open(disk: &SimDisk) -> wal::Result<Store> {
        Self::open_with(disk, &options())
    }

    pub(crate) fn open_with(disk: &SimDisk, options: &Options) -> wal::Result<Store> {
        let missing = || disk::Error::Missing { path: PLACE.into() };
        let place = kept_place(disk)?.ok_or_else(missing)?;
        let ended = replay(disk, options, &place).map(|(_, ended)| ended)?;
        let last = ended.last().map_or(0, Sequence::get);
        let log = Some(Log::resume(ended, options)?);
        Ok(Store { disk: disk.clone(), options: options.clone(), log, last })
    }

    /// The log; opened again if it was closed.
    pub(crate) fn log(&mut self) -> wal::Result<&mut Log> {
        if self.log.is_none() {
            let reopened = Store::open_with(&self.disk, &self.options)?;
            assert_eq!(reopened.last, self.last, "a log in good order was opened again");
            self.log = reopened.log;
        }
        Ok(self.log.as_mut().unwrap())
    }

    /// Appends the next batch: a step of the workload.
    pub(crate) fn append(&mut self, size: Size) -> wal::Result<u64> {
        let number = self.last + 1;
        let (table, body) = content(number, size);
        let body = Body::new(body, &self.options);
        // What opening makes durable was appended before.
        self.log()?;
        self.disk.begin(number);
        let sequence = self.log()?.append(&table, &body)?;
        assert_eq!(sequence.get(), number);
        self.last = number;
        Ok(number)
    }

    /// Syncs: all steps so far are safe.
    pub(crate) fn sync(&mut self) -> wal::Result<()> {
        self.log()?.sync()?;
        self.disk.acknowledge(self.last);
        Ok(())
    }

    /// Marks: all steps so far are safe.
    pub(crate) fn mark(&mut self) -> wal::Result<()> {
        self.log()?.mark()?;
        self.disk.acknowledge(self.last);
        Ok(())
    }

    /// Syncs, notes the place behind all batches, and takes away what lies before it.
    pub(crate) fn prune(&mut self) -> wal::Result<()> {
        self.sync()?;
        let place = self.log()?.place();
        keep_place(&self.disk, &place)?;
        self.log()?.prune(&place, 0)?;
        Ok(())
    }

    /// Closes the log.
    pub(crate) fn close(&mut self) -> wal::Result<()> {
        self.log()?;
        let closed = self.log.take().map(Log::close);
        closed.unwrap()?;
        self.disk.acknowledge(self.last);
        Ok(())
    }

    /// Lets go of the log without closing it, as a process that dies does, and opens it again.
    pub(crate) fn reopen(&mut self) -> wal::Result<()> {
        if let Some(mut log) = self.log.take() {
            log.write()?;
        }
        self.log()?;
        // What was replayed is served: it has to stay.
        self.disk.acknowledge(self.last);
        Ok(())
    }
}

/// Replays from a place, and checks that every batch is one of ours, in order; the number of the last.
pub(crate) fn replay(
    disk: &SimDisk,
    options: &Options,
    place: &LogPlace,
) -> wal::Result<(u64, Ended)> {
    replay_known(disk, options, place, None)
}

pub(crate) fn replay_known(
    disk: &SimDisk,
    options: &Options,
    place: &LogPlace,
    known: Option<LogPlace>,
) -> wal::Result<(u64, Ended)> {
    let mut replay = Replay::begin(Arc::new(disk.clone()), options, place, known)?;
    let mut last = place.sequence.map_or(0, Sequence::get);
    while let Some(batch) = replay.next()? {
        last += 1;
        assert_eq!(batch.sequence.get(), last);
        let size = if batch.body.len() < 100 { Size::Small } else { Size::Large };
        let (table, body) = content(last, size);
        assert!(batch.table == table && batch.body == body, "batch {last} is another");
    }
    Ok((last, replay.finish()?))
}

/// Recovers what a crash left: which batches are found, all of them in order, and whether that is
/// right. For the harness.
pub(crate) fn recover(disk: &SimDisk, progress: Progress) -> Result<u64, String> {
    let Some(place) = kept_place(disk).map_err(|error| error.to_string())? else {
        return if progress.begun == 0 { Ok(0) } else { Err("there is no log".into()) };
    };
    let (last, ended) = replay(disk, &options(), &place).map_err(|error| error.to_string())?;
    let log = Log::resume(ended, &options()).map_err(|error| error.to_string())?;
    assert_eq!(log.last().map_or(0, Sequence::get), last);
    if (progress.acknowledged..=progress.begun).contains(&last) {
        return Ok(last);
    }
    Err(format!("{last} batches were found, at {progress:?}"))
}

/// Writes the place as a manifest is written: anew, synced, renamed, synced.
pub(crate) fn keep_place(disk: &SimDisk, place: &LogPlace) -> disk::Result<()> {
    let (path, new) = (Path::new(PLACE), Path::new("place.new"));
    if let Ok(pending) = disk.remove(new) {
        pending.forgo("it is made anew at once");
    }
    let words = [place.file.0, place.offset, u64::from(place.sum)];
    let sequence = place.sequence.map_or(0, Sequence::get);
    let bytes: Vec<u8> = words.into_iter().chain([sequence]).flat_map(u64::to_le_bytes).collect();
    let (file, pending) = disk.create(new)?;
    file.write_at(0, &bytes)?;
    file.sync_all()?;
    pending.and(disk.rename(new, path)?).sync(disk)
}

/// Reads the place; `None` if none was ever kept.
pub(crate) fn kept_place(disk: &SimDisk) -> disk::Result<Option<LogPlace>> {
    let file = match disk.open(Path::new(PLACE), Access::Read) {
        Err(disk::Error::Missing { .. }) => return Ok(None),
        file => file?,
    };
    let mut bytes = [0; 32];
    file.read_at(0, &mut bytes)?;
    let word = |at: usize| u64::from_le_bytes(*bytes[at * 8..].first_chunk().unwrap());
    Ok(Some(LogPlace {
        file: FileId(word(0)),
        offset: word(1),
        sum: word(2) as u32,
        sequence: Sequence::new(word(3)),
    }))
}
