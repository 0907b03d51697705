//! Opens fjall as a contestant: an insert, and a sync of its journal.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Contestant, Failure};

struct Fjall {
    database: Database,
    records: Keyspace,
}

impl Contestant for Fjall {
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure> {
        let key = [thread.to_be_bytes(), key.to_be_bytes()].concat();
        self.records.insert(key, record)?;
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}

/// Opens it.
pub fn open(dir: &Path) -> Result<Box<dyn Contestant>, Failure> {
    let database = Database::builder(dir).open()?;
    let records = database.keyspace("records", KeyspaceCreateOptions::default)?;
    Ok(Box::new(Fjall { database, records }))
}
