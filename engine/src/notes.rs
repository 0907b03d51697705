//! Keeps small values by name, which change in the same batch as vectors do: how far an import is, say.
//!
//! Promises
//!  1. A note is found exactly if the batch that set it is: after any crash, too.
//!  2. All of them together stay so small that opening a store can read them.
//!
//! Never: shows a note of a batch that is not visible.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use base::Sequence;

use crate::{Error, Result};

/// The longest name of a note.
pub const NOTE_NAME_BYTES_MAX: usize = 512;
/// The longest note.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// How much all notes of a store take, with their names.
pub const NOTES_BYTES_MAX: usize = 1 << 20;

/// A note that is to be set; an empty one takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) name: Arc<str>,
    pub(crate) value: Arc<[u8]>,
}

impl Note {
    /// Refuses a name that is empty or too long, and a value that is too long.
    pub(crate) fn check(&self) -> Result<()> {
        let (name, value) = (self.name.len(), self.value.len());
        if name == 0 || name > NOTE_NAME_BYTES_MAX || value > NOTE_BYTES_MAX {
            return Err(Error::BadNote { name, value });
        }
        Ok(())
    }

    /// What it takes of the space there is for notes.
    fn bytes(&self) -> usize {
        if self.value.is_empty() { 0 } else { self.name.len() + self.value.len() }
    }
}

/// All notes, by what was decided.
#[derive(Default, Debug)]
pub(crate) struct Notes {
    /// The versions of each that somebody may still see, the oldest first.
    by_name: BTreeMap<Arc<str>, Vec<(Sequence, Note)>>,
    /// Which were taken away and are still there, for who reads before that: the oldest first.
    gone: VecDeque<(Sequence, Arc<str>)>,
    /// What the newest of each take.
    bytes: usize,
}

impl Notes {
    /// Refuses notes that are more, with those there are, than a store keeps.
    pub(crate) fn check_room<'n>(&self, new: impl Iterator<Item = &'n Note>) -> Result<()> {
        let new: HashMap<&str, usize> = new.map(|note| (&*note.name, note.bytes())).collect();
        if new.is_empty() {
            return Ok(());
        }
        let replaced: usize = new.keys().map(|name| self.newest_bytes(name)).sum();
        let bytes = self.bytes.saturating_sub(replaced) + new.values().sum::<usize>();
        if bytes > NOTES_BYTES_MAX { Err(Error::TooManyNotes { bytes }) } else { Ok(()) }
    }

    /// Notes what the batch of this number sets. Nobody reads any more what was visible before the last batch that is.
    pub(crate) fn set(&mut self, at: Sequence, note: Note, visible: Option<Sequence>) {
        self.bytes = self.bytes.saturating_sub(self.newest_bytes(&note.name)) + note.bytes();
        if note.value.is_empty() {
            self.gone.push_back((at, Arc::clone(&note.name)));
        }
        let versions = self.by_name.entry(Arc::clone(&note.name)).or_default();
        let seen = versions.iter().rposition(|(at, _)| Some(*at) <= visible);
        versions.drain(..seen.unwrap_or(0));
        versions.retain(|(before, _)| *before != at);
        versions.push((at, note));
        self.forget_gone(visible);
    }

    /// Forgets what everybody sees to be gone.
    fn forget_gone(&mut self, visible: Option<Sequence>) {
        while self.gone.front().is_some_and(|(at, _)| Some(*at) <= visible) {
            let Some((at, name)) = self.gone.pop_front() else { break };
            let newest = self.by_name.get(&name).and_then(|versions| versions.last());
            if newest.is_some_and(|(set, note)| *set == at && note.value.is_empty()) {
                self.by_name.remove(&name);
            }
        }
    }

    fn newest_bytes(&self, name: &str) -> usize {
        let newest = self.by_name.get(name).and_then(|versions| versions.last());
        newest.map_or(0, |(_, note)| note.bytes())
    }

    /// What is seen under a name by who sees all batches up to this one.
    pub(crate) fn get(&self, name: &str, visible: Option<Sequence>) -> Option<Arc<[u8]>> {
        let versions = self.by_name.get(name)?;
        let (_, note) = versions.iter().rfind(|(at, _)| Some(*at) <= visible)?;
        (!note.value.is_empty()).then(|| Arc::clone(&note.value))
    }

    /// The newest of each, in the order of their names, visible or not.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Note> {
        let newest = self.by_name.values().filter_map(|versions| versions.last());
        newest.map(|(_, note)| note).filter(|note| !note.value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Sequence {
        Sequence::new(number).unwrap()
    }

    fn note(name: &str, value: &[u8]) -> Note {
        Note { name: name.into(), value: value.into() }
    }

    #[test]
    fn a_note_is_seen_from_its_batch_on_and_until_the_next() {
        let mut notes = Notes::default();
        notes.set(at(3), note("a", b"three"), None);
        notes.set(at(5), note("a", b"five"), Some(at(3)));
        notes.set(at(7), note("a", b""), Some(at(4)));
        let seen = |number| notes.get("a", Some(at(number))).map(|it| it.to_vec());
        assert_eq!(notes.get("a", None), None);
        assert_eq!(seen(4).as_deref(), Some(&b"three"[..]));
        assert_eq!(seen(5).as_deref(), Some(&b"five"[..]));
        assert_eq!(seen(7), None, "an empty note is none");
        assert_eq!(notes.newest().count(), 0);
    }

    #[test]
    fn what_nobody_sees_any_more_is_dropped() {
        let mut notes = Notes::default();
        for number in 1..1_000 {
            notes.set(at(number), note("a", b"x"), Some(at(number)).filter(|_| number > 1));
        }
        assert!(notes.by_name["a"].len() <= 2);
    }

    #[test]
    fn what_was_taken_away_is_forgotten_and_what_came_back_is_not() {
        let mut notes = Notes::default();
        for number in 1..1_000 {
            let visible = Sequence::new(number - 1);
            notes.set(at(number), note(&format!("note {number}"), b"x"), visible);
            notes.set(at(number), note(&format!("note {}", number - 1), b""), visible);
        }
        assert!(notes.by_name.len() <= 4, "{}", notes.by_name.len());
        assert_eq!(notes.bytes, "note 999x".len());
        notes.set(at(1_000), note("note 999", b""), Some(at(999)));
        notes.set(at(1_001), note("note 999", b"again"), Some(at(1_000)));
        notes.set(at(1_002), note("other", b"x"), Some(at(1_001)));
        assert_eq!(notes.get("note 999", Some(at(1_001))).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn of_two_in_one_batch_the_last_counts() {
        let mut notes = Notes::default();
        notes.set(at(1), note("a", b"one"), None);
        notes.set(at(1), note("a", b"two"), None);
        assert_eq!(notes.get("a", Some(at(1))).as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn room_counts_what_stays_and_what_is_replaced() {
        let mut notes = Notes::default();
        let half = vec![1; NOTE_BYTES_MAX];
        let names: Vec<String> = (0..16).map(|number| format!("note {number}")).collect();
        for name in &names[..15] {
            notes.set(at(1), note(name, &half), None);
        }
        let one_more = note(&names[15], &half);
        assert!(matches!(
            notes.check_room([&one_more].into_iter()),
            Err(Error::TooManyNotes { bytes }) if bytes > NOTES_BYTES_MAX
        ));
        let (less, gone) = (note(&names[0], b"x"), note(&names[1], b""));
        notes.check_room([&one_more, &less, &gone].into_iter()).unwrap();
    }
}
