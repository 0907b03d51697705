//! Which neighbours are worth a link: near ones, that lie in different directions.
//!
//! By codes, where there are codes (`between.rs`): only where they leave open which of two distances is the shorter are
//! vectors read. Reading those of all candidates would take longer than finding them.

use base::Slot;

use super::between::{Glance, Planes, Unpacked};
use crate::codes::CodesInUse;
use crate::lanes::{Isa, Work};
use crate::{Error, Lent, Measure, Vectors};

/// A slot, and how far it is from the one that looks for neighbours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Candidate {
    /// The distance, or half of its square as codes say it is: whatever the chooser compares it with.
    pub(super) far: f32,
    pub(super) node: u32,
    pub(super) slot: u32,
}

/// Knows those that are chosen already.
pub(super) trait Chooser {
    /// Counts a slot as one of them, wherever it is.
    fn keep<I: Isa>(&mut self, isa: I, slot: u32) -> Result<(), Error>;

    /// Whether a candidate is nearer to any of them than to the one who looks; else it is one of them from now on.
    fn is_any_nearer<I: Isa>(&mut self, isa: I, candidate: &Candidate) -> Result<bool, Error>;
}

/// Chooses at most so many: the nearest, and then each that is nearer to the one who looks than to any chosen before.
/// So no two links lead the same way.
pub(super) struct Select<C> {
    pub(super) chooser: C,
    pub(super) candidates: Vec<Candidate>,
    pub(super) most: usize,
}

impl<C: Chooser> Work for Select<C> {
    type Answer = Result<Vec<u32>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Select { mut chooser, mut candidates, most } = self;
        candidates.sort_unstable_by(|a, b| a.far.total_cmp(&b.far).then(a.slot.cmp(&b.slot)));
        let mut chosen = Vec::with_capacity(most);
        for candidate in &candidates {
            if chosen.len() == most {
                break;
            }
            if !chooser.is_any_nearer(isa, candidate)? {
                chosen.push(candidate.node);
            }
        }
        Ok(chosen)
    }
}

/// What vectors are compared with in full.
#[derive(Clone, Copy)]
pub(super) struct Full<'s> {
    pub(super) measure: &'s Measure,
    pub(super) vectors: &'s dyn Vectors,
}

impl<'s> Full<'s> {
    /// How far two slots are from each other.
    #[inline(always)]
    pub(super) fn distance<I: Isa>(&self, isa: I, one: u32, other: u32) -> Result<f32, Error> {
        let one = self.vectors.vector(Slot(one))?;
        let other = self.vectors.vector(Slot(other))?;
        Ok(self.measure.target(isa, &one).distance(isa, &other))
    }
}

/// By distances.
pub(super) struct ChosenInFull<'s> {
    full: Full<'s>,
    chosen: Vec<Lent<'s>>,
}

impl<'s> ChosenInFull<'s> {
    pub(super) fn new(full: Full<'s>) -> Self {
        ChosenInFull { full, chosen: Vec::new() }
    }
}

impl Chooser for ChosenInFull<'_> {
    #[inline(always)]
    fn keep<I: Isa>(&mut self, _: I, slot: u32) -> Result<(), Error> {
        self.chosen.push(self.full.vectors.vector(Slot(slot))?);
        Ok(())
    }

    #[inline(always)]
    fn is_any_nearer<I: Isa>(&mut self, isa: I, candidate: &Candidate) -> Result<bool, Error> {
        let vector = self.full.vectors.vector(Slot(candidate.slot))?;
        let target = self.full.measure.target(isa, &vector);
        for other in &self.chosen {
            if target.distance(isa, other) < candidate.far {
                return Ok(true);
            }
        }
        self.chosen.push(vector);
        Ok(false)
    }
}

/// By codes.
pub(super) struct ChosenByCode<'s> {
    codes: CodesInUse<'s>,
    full: Full<'s>,
    /// The slot of the one who looks.
    looks: u32,
    slots: Vec<u32>,
    chosen: Vec<Unpacked>,
    /// Of which of them it is not clear whether they are nearer.
    doubtful: Vec<usize>,
}

impl<'s> ChosenByCode<'s> {
    pub(super) fn new(codes: CodesInUse<'s>, full: Full<'s>, looks: u32) -> Self {
        let (slots, chosen, doubtful) = (Vec::new(), Vec::new(), Vec::new());
        ChosenByCode { codes, full, looks, slots, chosen, doubtful }
    }

    /// Whether any of them is nearer by its code; leaves those of which that cannot be said in `doubtful`.
    #[inline(always)]
    fn seems_nearer<I: Isa>(&mut self, isa: I, planes: &Planes<'_>, far: f32) -> bool {
        self.doubtful.clear();
        for (at, one) in self.chosen.iter().enumerate() {
            match self.codes.nearer_at_a_glance(isa, one, planes, far) {
                Glance::Nearer => return true,
                Glance::Farther => {}
                Glance::Doubtful => self.doubtful.push(at),
            }
        }
        let mut kept = 0;
        for at in 0..self.doubtful.len() {
            let doubtful = self.doubtful.get(at).copied().unwrap_or_default();
            let Some(one) = self.chosen.get(doubtful) else { continue };
            match self.codes.nearer(isa, one, planes, far) {
                Glance::Nearer => return true,
                Glance::Farther => {}
                Glance::Doubtful => {
                    if let Some(place) = self.doubtful.get_mut(kept) {
                        *place = doubtful;
                    }
                    kept += 1;
                }
            }
        }
        self.doubtful.truncate(kept);
        false
    }

    /// Whether any of the doubtful ones is nearer.
    #[inline(always)]
    fn is_nearer<I: Isa>(&self, isa: I, candidate: u32) -> Result<bool, Error> {
        let far = self.full.distance(isa, candidate, self.looks)?;
        for at in &self.doubtful {
            let Some(slot) = self.slots.get(*at) else { continue };
            if self.full.distance(isa, candidate, *slot)? < far {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Chooser for ChosenByCode<'_> {
    #[inline(always)]
    fn keep<I: Isa>(&mut self, isa: I, slot: u32) -> Result<(), Error> {
        if let Some(planes) = self.codes.planes(isa, slot) {
            self.slots.push(slot);
            self.chosen.push(planes.unpacked(self.codes.dim()));
        }
        Ok(())
    }

    #[inline(always)]
    fn is_any_nearer<I: Isa>(&mut self, isa: I, candidate: &Candidate) -> Result<bool, Error> {
        let Some(planes) = self.codes.planes(isa, candidate.slot) else { return Ok(true) };
        if self.seems_nearer(isa, &planes, candidate.far) {
            return Ok(true);
        }
        if !self.doubtful.is_empty() && self.is_nearer(isa, candidate.slot)? {
            return Ok(true);
        }
        self.slots.push(candidate.slot);
        self.chosen.push(planes.unpacked(self.codes.dim()));
        Ok(false)
    }
}
