//! Opens RocksDB as a contestant: a put with its log synced. Its writers share syncs as ours do.

use std::path::Path;

use rocksdb::{DB, Options, WriteOptions};

use super::{Contestant, Failure};

struct RocksDb(DB);

impl Contestant for RocksDb {
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let key = [thread.to_be_bytes(), key.to_be_bytes()].concat();
        Ok(self.0.put_opt(key, record, &options)?)
    }
}

/// Opens it.
pub fn open(dir: &Path) -> Result<Box<dyn Contestant>, Failure> {
    let mut options = Options::default();
    options.create_if_missing(true);
    Ok(Box::new(RocksDb(DB::open(&options, dir)?)))
}
