//! Opens redb as a contestant: a transaction of one insert, of its default durability.

use std::path::Path;

use redb::{Database, TableDefinition};

use super::{Contestant, Failure};

const RECORDS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("records");

struct Redb(Database);

impl Contestant for Redb {
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(RECORDS)?.insert((thread, key), record)?;
        Ok(transaction.commit()?)
    }
}

/// Opens it.
pub fn open(dir: &Path) -> Result<Box<dyn Contestant>, Failure> {
    Ok(Box::new(Redb(Database::create(dir.join("redb"))?)))
}
