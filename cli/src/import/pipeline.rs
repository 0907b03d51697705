//! Writes the rows of a source into a collection: the next batch is made while the ones before it are on their way.
//!
//! Promises
//!  1. Every batch carries the record of how far the import is when it is in.
//!  2. Batches are acknowledged in order, each told as soon as it is, and none that is not.
//!  3. After a failure no further batch is begun, and those on their way are told still.

use std::collections::HashSet;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrwdb::{Collection, Commit, Durability, Store};
use indicatif::ProgressBar;

use crate::failure::{Failure, Result};

use super::{Place, Record, Source};

/// Batches that are queued and not yet acknowledged, at most.
const IN_FLIGHT_MAX: usize = 4;

/// Where rows go, and how.
pub(crate) struct Pipeline<'a> {
    pub(crate) store: &'a Store,
    pub(crate) collection: &'a Collection,
    pub(crate) place: Place,
    pub(crate) batch: usize,
    pub(crate) durability: Durability,
}

/// Who is told of what was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Standard output, after each batch.
    Acks,
    Nobody,
}

/// A batch on its way.
struct Sent {
    commit: Commit,
    rows: u64,
}

/// What came of an import, whole or not.
pub(crate) struct Imported {
    /// Rows that were acknowledged.
    pub(crate) rows: u64,
    pub(crate) ended: Result<()>,
}

impl Pipeline<'_> {
    /// Writes all rows from where the source is on; the record says which that is.
    pub(crate) fn run(
        self,
        source: &mut Source,
        record: Record,
        told: Told,
        bar: &ProgressBar,
    ) -> Imported {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(IN_FLIGHT_MAX);
            let acknowledge = move || acknowledge(&receiver, told, bar);
            let acks = match thread::Builder::new().spawn_scoped(scope, acknowledge) {
                Ok(acks) => acks,
                Err(error) => {
                    let failure = Failure::system("no thread can be started", &error);
                    return Imported { rows: 0, ended: Err(failure) };
                }
            };
            // Takes the sender with it, so that the other side sees the end.
            let fed = self.feed(source, record, sender);
            let mut imported = match acks.join() {
                Ok(imported) => imported,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            // A batch that was not acknowledged came first.
            imported.ended = imported.ended.and(fed);
            imported
        })
    }

    fn feed(self, source: &mut Source, mut record: Record, sender: SyncSender<Sent>) -> Result<()> {
        let (mut vector, mut ahead) = (Vec::new(), None);
        loop {
            let (mut batch, first) = (self.store.batch(), record.done);
            let mut ids = HashSet::new();
            while batch.len() < self.batch {
                let next = ahead.take().map_or_else(|| source.next(&mut vector), |id| Ok(Some(id)));
                let Some(id) = next? else { break };
                // An id is in a batch once; of rows with the same id the last counts.
                if !ids.insert(id.clone()) {
                    ahead = Some(id);
                    break;
                }
                batch.upsert(self.collection, id, &vector);
                record.done += 1;
            }
            let rows = record.done - first;
            if rows == 0 {
                return Ok(());
            }
            self.place.write(&record, &mut batch)?;
            let commit = batch.commit(self.durability).map_err(|error| {
                let last = record.done - 1;
                Failure::from(error).about(format_args!("rows {first} to {last} (from 0)"))
            })?;
            if sender.send(Sent { commit, rows }).is_err() {
                // The other side has failed, and says how.
                return Ok(());
            }
        }
    }
}

/// Waits for one batch after the other.
fn acknowledge(sent: &Receiver<Sent>, told: Told, bar: &ProgressBar) -> Imported {
    let mut acknowledged = 0;
    for Sent { commit, rows } in sent {
        let ended = commit.wait().map_err(Failure::from).and_then(|_| {
            acknowledged += rows;
            bar.inc(rows);
            if told == Told::Acks { tell(acknowledged) } else { Ok(()) }
        });
        if ended.is_err() {
            return Imported { rows: acknowledged, ended };
        }
    }
    Imported { rows: acknowledged, ended: Ok(()) }
}

fn tell(acknowledged: u64) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let told = writeln!(output, "acked {acknowledged}").and_then(|()| output.flush());
    told.map_err(|error| Failure::system("standard output cannot be written", &error))
}
