//! Opens SQLite as a contestant: an insert in WAL mode with synchronous=FULL, a connection a thread.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::{Contestant, Failure, THREADS};

struct Sqlite(Vec<Mutex<Connection>>);

impl Contestant for Sqlite {
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure> {
        let connection = self.0.get(thread as usize).ok_or("a connection for each thread")?;
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut insert = connection.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3)")?;
        insert.execute((thread as i64, key as i64, record))?;
        Ok(())
    }
}

/// Opens it.
pub fn open(dir: &Path) -> Result<Box<dyn Contestant>, Failure> {
    let most = THREADS.iter().max().copied().unwrap_or(1);
    let connect = |_| -> Result<Mutex<Connection>, Failure> {
        let connection = Connection::open(dir.join("sqlite"))?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS records (thread, key, record, PRIMARY KEY (thread, key)) \
             WITHOUT ROWID",
        )?;
        Ok(Mutex::new(connection))
    };
    let connections: Result<Vec<_>, _> = (0..most).map(connect).collect();
    Ok(Box::new(Sqlite(connections?)))
}
