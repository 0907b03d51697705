//! Finds the nearest by an index, and by what that does not have yet.
//!
//! First what the index does not have is looked at, then the index: what is taken from the one into the other meanwhile is
//! found in both, and not in neither. Either may know slots that the view does not see, of a batch behind it or of rows
//! that ended. There are few of those: so first they are asked for what is nearest whoever sees it, and only where something
//! was found that this view does not see they are asked once more, for what it does.

use std::collections::HashSet;

use base::Slot;
use indexes::{Query, Ties};

use super::{Nearest, Wanted, unreadable};
use crate::index::{Serving, Snapshot, ViewVectors};
use crate::rows::Seen;
use crate::view::CollectionView;
use crate::{Error, Result};

/// What can be asked for the nearest, and told which slots may be seen.
type Ask<'a> = dyn Fn(
        Query<'_>,
        Option<&(dyn Fn(Slot) -> bool + Sync)>,
    ) -> std::result::Result<indexes::Nearest, indexes::Error>
    + 'a;

/// A search under way.
struct Finding<'f> {
    wanted: Wanted,
    query: &'f [f32],
    view: &'f CollectionView,
    nearest: Nearest,
    /// Slots that were found.
    had: HashSet<Slot>,
}

/// Why a search cannot go on.
enum Stopped {
    /// The index cannot be gone by, for what this view sees.
    Index(indexes::Error),
    Error(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Error(error)
    }
}

/// Finds the nearest; nothing, if the index cannot be gone by.
pub(super) fn find(
    wanted: Wanted,
    (view, serving): (&CollectionView, &Serving),
    query: &[f32],
) -> Result<Option<Nearest>> {
    // Another kind may serve until the graph that was chosen is there: it would take that for how far to look itself.
    let chosen = || view.collection.indexing.ef().filter(|_| serving.is_graph());
    let wanted = Wanted { ef: wanted.ef.or_else(chosen), ..wanted };
    let nearest = Nearest::new(wanted);
    let mut finding = Finding { wanted, query, view, nearest, had: HashSet::new() };
    match finding.find(serving) {
        Ok(()) => Ok(Some(finding.nearest)),
        Err(Stopped::Index(error)) => {
            serving.is_broken(&error);
            Ok(None)
        }
        Err(Stopped::Error(error)) => Err(error),
    }
}

impl Finding<'_> {
    /// Looks at a slot that is in no index.
    fn look_at(&mut self, slot: Slot) -> Result<()> {
        let mut known = None;
        let Finding { view, query, nearest, .. } = self;
        view.rows.rows_of(slot, |seen| {
            let distance = match known {
                Some(distance) => distance,
                None => match view.vectors.vector(slot) {
                    Ok(vector) => view.collection.about.measure.distance(query, &vector),
                    Err(source) => return Err(unreadable(view, &seen, source)),
                },
            };
            known = Some(distance);
            nearest.see(view, distance, seen)
        })?;
        if known.is_some() {
            self.had.insert(slot);
        }
        Ok(())
    }

    /// Looks at what the index does not have, and then asks it.
    fn find(&mut self, serving: &Serving) -> std::result::Result<(), Stopped> {
        let vectors = ViewVectors::new(self.view);
        let Snapshot { plain, parts } = serving.tail.snapshot();
        for slot in plain {
            self.look_at(slot)?;
        }
        for part in &parts {
            self.ask(&|query, sees| part.search(query, sees, &vectors))?;
        }
        self.ask(&|query, sees| serving.search(query, sees, &vectors))
    }

    /// Asks for the nearest: once more, if among them are some that the view does not see.
    fn ask(&mut self, ask: &Ask<'_>) -> std::result::Result<(), Stopped> {
        let Wanted { k, within, ef } = self.wanted;
        let mut query = Query::new(self.query).k(k).ties(Ties::Keep);
        query = within.into_iter().fold(query, Query::within);
        query = ef.into_iter().fold(query, Query::ef);
        match ask(query, None) {
            Ok(found) if self.see_all(&found)? || found.neighbours.len() < k => return Ok(()),
            Ok(_) => {}
            // One that ended may be on its way to be given out again.
            Err(error) if self.is_unseen(&error)? => {}
            Err(error) => return Err(self.told(error)),
        }
        let view = self.view;
        // What cannot be read is told when it is read again.
        let sees = move |slot| view.rows.sees(slot).unwrap_or(true);
        match ask(query, Some(&sees)) {
            Ok(found) => Ok(self.see_all(&found).map(drop)?),
            // A graph goes by its way through all it has.
            Err(error) if self.is_unseen(&error)? => Err(Stopped::Index(error)),
            Err(error) => Err(self.told(error)),
        }
    }

    /// Whether what went wrong is that a vector cannot be read which the view does not see.
    fn is_unseen(&self, error: &indexes::Error) -> Result<bool> {
        match error {
            indexes::Error::Unreadable(unreadable) => Ok(!self.view.rows.sees(unreadable.slot)?),
            _ => Ok(false),
        }
    }

    /// Takes the rows of what was found; says whether the view sees all that might be among the nearest.
    fn see_all(&mut self, found: &indexes::Nearest) -> Result<bool> {
        let mut sees_all = true;
        for neighbour in &found.neighbours {
            // Those behind it are not nearer.
            if !self.nearest.wants(neighbour.distance) {
                break;
            }
            if self.had.contains(&neighbour.slot) {
                continue;
            }
            let (view, nearest, mut is_seen) = (self.view, &mut self.nearest, false);
            view.rows.rows_of(neighbour.slot, |seen| {
                is_seen = true;
                nearest.see(view, neighbour.distance, seen)
            })?;
            match is_seen {
                true => _ = self.had.insert(neighbour.slot),
                false => sees_all = false,
            }
        }
        Ok(sees_all)
    }

    /// What went wrong, with the id of a vector that cannot be read.
    fn told(&self, error: indexes::Error) -> Stopped {
        let indexes::Error::Unreadable(indexes::Unreadable { slot, source }) = error else {
            return match error {
                indexes::Error::BadImage { .. } => Stopped::Index(error),
                error => Stopped::Error(error.into()),
            };
        };
        let source = match source.downcast::<segments::Error>() {
            Ok(source) => *source,
            Err(source) => {
                let unreadable = indexes::Unreadable { slot, source };
                return Stopped::Error(indexes::Error::Unreadable(unreadable).into());
            }
        };
        let mut first: Option<Seen> = None;
        let found = self.view.rows.rows_of(slot, |seen| {
            first.get_or_insert(seen);
            Ok(())
        });
        Stopped::Error(match (found, first) {
            (Err(error), _) => error,
            (Ok(()), Some(seen)) => unreadable(self.view, &seen, source),
            (Ok(()), None) => Error::Vectors(source),
        })
    }
}
