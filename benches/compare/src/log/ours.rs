//! Opens arrwDB's log as a contestant.

use std::path::Path;
use std::sync::Arc;

use base::{LogPlace, Sequence, StoreId, Timeline};
use disk::OsDisk;
use wal::{Apply, Beginning, Body, Committer, Level, Log, Options, Purpose, Request};

use super::{Contestant, Failure};

struct Ours {
    options: Options,
    committer: Committer<Nothing>,
}

struct Nothing;

impl Apply for Nothing {
    type Batch = ();
    fn apply(&mut self, _: Sequence, (): (), _: &LogPlace) {}
}

impl Contestant for Ours {
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure> {
        let request = Request {
            body: Body::new(record.to_vec(), &self.options),
            table_bytes_most: 16,
            level: Level::Sync,
            purpose: Purpose::Any,
        };
        let commit = self.committer.commit(request, |_, table| {
            table.extend_from_slice(&thread.to_le_bytes());
            table.extend_from_slice(&key.to_le_bytes());
            Ok::<(), wal::Error>(())
        })?;
        commit.wait()?;
        Ok(())
    }
}

/// Opens it.
pub fn open(dir: &Path) -> Result<Box<dyn Contestant>, Failure> {
    let options = Options::new(StoreId([7; 16]));
    let timeline = Timeline::new(7).ok_or("7 is a timeline")?;
    let disk = Arc::new(OsDisk::open(dir)?);
    let log = Log::create(disk, &options, &Beginning::of_a_new_store(timeline))?;
    let committer = Committer::start(log, Nothing)?;
    Ok(Box::new(Ours { options, committer }))
}
