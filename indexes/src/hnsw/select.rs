//! Which neighbours are worth a link: near ones, that lie in different directions.

use base::Slot;

use crate::lanes::Isa;
use crate::{Error, Lent, Measure, Vectors};

/// A slot, and how far it is from the one that looks for neighbours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) distance: f32,
    pub(super) node: u32,
    pub(super) slot: u32,
}

/// Chooses at most so many: the nearest, and then each that is nearer to the one who looks than to any chosen before.
/// So no two links lead the same way. The distances of the chosen ones are those of the measure, and come first.
#[inline(always)]
pub(super) fn select<I: Isa>(
    isa: I,
    (measure, vectors): (&Measure, &dyn Vectors),
    candidates: &mut [Candidate],
    most: usize,
) -> Result<Vec<u32>, Error> {
    candidates.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.slot.cmp(&b.slot)));
    let mut chosen = Vec::with_capacity(most);
    let mut near: Vec<Lent<'_>> = Vec::with_capacity(most);
    for candidate in &*candidates {
        if chosen.len() == most {
            break;
        }
        let vector = vectors.vector(Slot(candidate.slot))?;
        let target = measure.target(isa, &vector);
        let mut apart = true;
        for other in &near {
            if target.distance(isa, other) < candidate.distance {
                apart = false;
                break;
            }
        }
        if apart {
            chosen.push(candidate.node);
            near.push(vector);
        }
    }
    Ok(chosen)
}
