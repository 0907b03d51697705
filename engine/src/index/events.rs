//! Notes which slots got a vector and which lost their last row, in the order of batches: what an index catches up with.
//!
//! Promises
//!  1. What is behind the floor is complete; what is not is not told as if it were.
//!  2. A cut takes no longer the more there is, and never changes afterwards.
//!
//! Never: knows what an index has; touches a vector.

use std::sync::Arc;

use base::{Sequence, Slot};
use segments::{Ended, Placed};

use crate::format::Outcome;

/// What became of a slot by a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) at: Sequence,
    pub(crate) slot: Slot,
    pub(crate) what: What,
}

/// It has a vector now, or nothing refers to it any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Born,
    Ended,
}

/// What became of the slots of a collection behind some batch.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// All that was cut off before, and is not forgotten.
    sealed: EventsCut,
    open: Vec<Event>,
    /// How many were dropped.
    forgotten: usize,
}

/// The same as it was at some batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventsCut {
    /// All behind this batch are here; none means that all there ever were are.
    pub(crate) floor: Option<Sequence>,
    /// The oldest first.
    parts: Vec<Part>,
}

/// Some of them, but for so many that are forgotten.
#[derive(Clone, Debug)]
struct Part {
    events: Arc<Vec<Event>>,
    forgotten: usize,
}

impl Part {
    fn events(&self) -> &[Event] {
        self.events.get(self.forgotten..).unwrap_or_default()
    }
}

impl Events {
    /// Those of an image, behind its floor.
    pub(crate) fn new(floor: Option<Sequence>, events: Vec<Event>) -> Self {
        let mut begun = Events { open: events, ..Events::default() };
        begun.sealed.floor = floor;
        begun.seal();
        begun
    }

    /// Notes what was decided by the batch of this number.
    pub(crate) fn note(&mut self, at: Sequence, outcome: &Outcome) {
        let (placed, ended) = match *outcome {
            Outcome::Upserted { placed, ended, .. } => (Some(placed), ended),
            Outcome::Removed { ended } => (None, ended),
            Outcome::Updated { .. } | Outcome::Done(_) => (None, None),
        };
        if let Some(Placed::Own(slot)) = placed {
            self.open.push(Event { at, slot, what: What::Born });
        }
        if let Some(ended) = ended.filter(|ended| ended.slot_ended == Ended::Yes) {
            self.open.push(Event { at, slot: ended.slot, what: What::Ended });
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts().map(<[Event]>::len).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &[Event]> {
        self.sealed.parts.iter().map(Part::events).chain([&*self.open])
    }

    /// Those behind a batch and up to another, in order; nothing, if not all of them are here.
    pub(crate) fn between(
        &self,
        after: Option<Sequence>,
        up_to: Option<Sequence>,
    ) -> Option<impl Iterator<Item = Event>> {
        let inside = move |part| inside(part, after, up_to).iter().copied();
        (after >= self.sealed.floor).then(|| self.parts().flat_map(inside))
    }

    /// All behind a batch, in order; nothing, if not all of them are here.
    pub(crate) fn since(&self, after: Option<Sequence>) -> Option<impl Iterator<Item = Event>> {
        self.between(after, Sequence::new(u64::MAX))
    }

    /// How many there are behind a batch, of those that are here.
    fn count_since(&self, after: Option<Sequence>) -> usize {
        self.parts().map(|part| behind(part, after).len()).sum()
    }

    /// Drops those up to a batch.
    pub(crate) fn forget(&mut self, up_to: Option<Sequence>) {
        if up_to <= self.sealed.floor {
            return;
        }
        let before = self.len();
        self.seal();
        self.sealed.floor = up_to;
        for part in &mut self.sealed.parts {
            part.forgotten = part.events.len() - behind(&part.events, up_to).len();
        }
        self.sealed.parts.retain(|part| !part.events().is_empty());
        self.forgotten += before - self.len();
    }

    /// How many of these there were up to a batch.
    pub(crate) fn count_to(&self, at: Option<Sequence>) -> usize {
        self.count() - self.count_since(at)
    }

    /// How many there ever were since the store was opened, and in its image.
    pub(crate) fn count(&self) -> usize {
        self.forgotten + self.len()
    }

    /// What there is now.
    pub(crate) fn cut(&mut self) -> EventsCut {
        self.seal();
        self.sealed.clone()
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            let events = Arc::new(std::mem::take(&mut self.open));
            self.sealed.parts.push(Part { events, forgotten: 0 });
        }
    }
}

impl EventsCut {
    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.parts.iter().flat_map(Part::events)
    }

    /// Those behind a batch and up to another, in order; nothing, if not all of them are here.
    pub(crate) fn between(
        &self,
        after: Option<Sequence>,
        up_to: Option<Sequence>,
    ) -> Option<impl Iterator<Item = Event>> {
        let inside = move |part: &'_ Part| inside(part.events(), after, up_to).to_vec();
        (after >= self.floor).then(|| self.parts.iter().flat_map(inside))
    }
}

/// Those behind a batch.
fn behind(events: &[Event], after: Option<Sequence>) -> &[Event] {
    let first = events.partition_point(|event| Some(event.at) <= after);
    events.get(first..).unwrap_or_default()
}

fn inside(events: &[Event], after: Option<Sequence>, up_to: Option<Sequence>) -> &[Event] {
    let end = events.partition_point(|event| Some(event.at) <= up_to);
    behind(events.get(..end).unwrap_or_default(), after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(at: u64) -> Option<Sequence> {
        Sequence::new(at)
    }

    proptest! {
        #[test]
        fn they_are_as_a_plain_list(steps in prop::collection::vec((0..4_u8, 1..4_u64), 0..60)) {
            let (mut events, mut model) = (Events::default(), Vec::new());
            let (mut at, mut floor) = (1, 0);
            for (what, step) in steps {
                match what {
                    0 => {
                        let cut = events.cut();
                        prop_assert!(cut.iter().eq(&model), "{:?}", cut);
                        prop_assert_eq!(cut.floor, number(floor));
                    }
                    1 => {
                        floor = at.min(floor + step);
                        events.forget(number(floor));
                        model.retain(|event: &Event| event.at.get() > floor);
                    }
                    _ => {
                        at += u64::from(what == 2);
                        let event = Event {
                            at: number(at).unwrap(),
                            slot: Slot(step as u32),
                            what: if step == 1 { What::Ended } else { What::Born },
                        };
                        if at > floor {
                            events.open.push(event);
                            model.push(event);
                        }
                    }
                }
                prop_assert_eq!(events.len(), model.len());
                for (after, up_to) in [(floor, at), (floor, at - 1), (floor + 1, at + 1)] {
                    let found = events.between(number(after), number(up_to)).unwrap();
                    let is_in = |event: &&Event| event.at.get() > after && event.at.get() <= up_to;
                    prop_assert!(found.eq(model.iter().filter(is_in).copied()));
                }
                let too_early = floor > 0 && events.between(number(floor - 1), None).is_some();
                prop_assert!(!too_early);
            }
        }
    }
}
