//! Removed slots on their way out: given back when all are gone who may still read their codes.

use base::Slot;

use crate::codes::Codes;
use crate::shared::{Closed, Moment, Readers};

/// Removed slots that are to be given back when all are gone who may still read them.
#[derive(Debug)]
pub(crate) struct Leaving {
    slots: Vec<Slot>,
    until: Until,
}

/// When that is: behind their codes, or, where there are none, a moment.
#[derive(Debug)]
enum Until {
    Codes(Closed),
    Moment(Moment),
}

impl Leaving {
    /// Lets nobody begin to read these slots, which were removed.
    pub(crate) fn begin(slots: Vec<Slot>, codes: Option<&Codes>, readers: &Readers) -> Self {
        let until = match codes.and_then(Codes::own) {
            Some(rows) => Until::Codes(rows.close(slots.iter().map(|slot| slot.0))),
            None => Until::Moment(readers.moment()),
        };
        Leaving { slots, until }
    }

    /// The slots, once all are gone who might still read them; until then, it stays as it is.
    pub(crate) fn go(self, codes: Option<&Codes>, readers: &Readers) -> Result<Vec<Slot>, Self> {
        let Leaving { slots, until } = self;
        let left = match (until, codes.and_then(Codes::own)) {
            (Until::Codes(closed), Some(rows)) => rows.give_back(closed).map_err(Until::Codes),
            (Until::Moment(moment), _) if !readers.are_gone(moment) => Err(Until::Moment(moment)),
            _ => Ok(()),
        };
        match left {
            Ok(()) => Ok(slots),
            Err(until) => Err(Leaving { slots, until }),
        }
    }
}
