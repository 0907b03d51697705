//! Kills a real process on the real disk, again and again, on one store: what it acknowledged is there, batches are
//! whole, and every answer is right.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrwdb::{Durability, Store};
use base::Sequence;
use disk::harness::watched;

use crate::chance::Chance;
use crate::child::{Ack, Running, Task, task};
use crate::history::{Size, WAVE, live, make_collections};
use crate::report::say;
use crate::store::{Content, look};

const TEST: &str = "killed::a_process_that_is_killed_at_any_time_loses_nothing_it_acknowledged";
const KILLS: u32 = 200;
const SEED: u64 = 11;
const SIZE: Size = Size::Varied;

/// One store and the processes that had it.
struct Lives {
    path: PathBuf,
    chance: Chance,
    /// How many batches are in it, and what is.
    batches: u64,
    content: Content,
    /// The highest number of a batch that was ever seen.
    sequence: Sequence,
    acknowledged: u64,
    /// How often a batch was found that was on its way.
    found_more: u32,
}

/// Does some work that takes a while.
pub(crate) fn spin(rounds: u64) {
    let mut chance = Chance::of(rounds);
    for _ in 0..rounds {
        black_box(chance.below(7));
    }
}

impl Lives {
    fn new(path: PathBuf) -> Lives {
        let store = Store::open(&path).unwrap();
        make_collections(&store).unwrap();
        let (chance, content) = (Chance::of(SEED), Content::default());
        let sequence = store.sequence().unwrap();
        let (batches, acknowledged, found_more) = (0, 0, 0);
        Lives { path, chance, batches, content, sequence, acknowledged, found_more }
    }

    /// A process lives and is killed, and what it left is looked at.
    fn live_and_die(&mut self, round: u32) {
        let (store, batches) = (self.path.clone(), self.batches);
        let mut child = Running::start(TEST, &Task { store, batches, word: String::new() });
        let wanted = self.chance.below(16);
        let mut safe = self.batches;
        for _ in 0..wanted {
            let Some(ack) = child.ack() else { panic!("it ended by itself: {:?}", child.ended()) };
            safe = self.note(ack, safe);
        }
        // One that said nothing yet is just being started.
        let longest = if wanted == 0 { 24 } else { 21 };
        let rounds = 1 << self.chance.below(longest);
        spin(rounds + self.chance.below(rounds));
        child.kill();
        while let Some(ack) = child.ack() {
            safe = self.note(ack, safe);
        }
        let (status, words) = child.ended();
        assert_eq!(status.code(), None, "it ended by itself: {words}");
        self.look(round, safe);
    }

    fn note(&mut self, ack: Ack, safe: u64) -> u64 {
        assert_eq!(ack.batches, safe + 1);
        assert!(ack.sequence > self.sequence, "{ack:?} has the number of another");
        self.sequence = ack.sequence;
        self.acknowledged += 1;
        ack.batches
    }

    /// Everything up to `safe` is there, and perhaps some that were on their way.
    fn look(&mut self, round: u32, safe: u64) {
        let store = Store::open(&self.path).unwrap_or_else(|error| panic!("{round}: {error}"));
        let found = look(&store).unwrap_or_else(|wrong| panic!("{round}: {wrong}"));
        (self.batches..safe).for_each(|batch| SIZE.apply(batch, &mut self.content));
        self.batches = safe;
        while self.content != found {
            assert!(
                self.batches < safe + WAVE,
                "{round}: it is none of the {safe} batches that are safe, or {WAVE} more"
            );
            SIZE.apply(self.batches, &mut self.content);
            self.batches += 1;
        }
        self.found_more += u32::from(self.batches > safe);
        let sequence = store.sequence().unwrap();
        assert!(sequence >= self.sequence, "{round}: {sequence} after {}", self.sequence);
        self.sequence = sequence;
        if round.is_multiple_of(2) {
            store.close().unwrap();
        }
    }
}

#[test]
fn a_process_that_is_killed_at_any_time_loses_nothing_it_acknowledged() {
    if let Some(task) = task(TEST) {
        let options = Store::options().log_file_bytes(16_384, 65_536).checkpoint_bytes(60_000);
        live(&task, options, (SIZE, Durability::Sync));
    }
    let dir = tempfile::tempdir().unwrap();
    let lives = Arc::new(Mutex::new(Lives::new(dir.path().join("store"))));
    for first in (0..KILLS).step_by(20) {
        let lives = Arc::clone(&lives);
        watched(move || {
            let mut lives = lives.lock().unwrap();
            (first..first + 20).for_each(|round| lives.live_and_die(round));
        });
    }
    let Lives { acknowledged, found_more, .. } = &*lives.lock().unwrap();
    say(&format!(
        "killed {KILLS} times (seed {SEED}): {acknowledged} batches acknowledged, none lost; \
         {found_more} times there was one more that was on its way"
    ));
    assert!(*acknowledged > 1_000 && *found_more > 0, "{acknowledged}, {found_more}");
}
