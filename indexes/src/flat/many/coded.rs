//! Sixteen vectors and all queries, by codes.

use super::{Asked, Common, Sixteen, bits};
use crate::Error;
use crate::codes::{Coarse, CodesInUse, beyond};
use crate::kernels::tiles::{Nibbles, group, spread, whole_products};
use crate::lanes::{Isa, LANES};
use crate::scan::Pays;

/// Upper planes pay for many queries as long as they leave less than one of so many to be looked at more closely: a
/// product of floats takes as long.
const LEFT_OVER: u64 = 6;

/// Queries that are packed together, and the 16 vectors they are multiplied with.
pub(super) struct Coded<'s, const QUERIES: usize> {
    codes: CodesInUse<'s>,
    groups: Vec<Vec<[[i8; 4]; QUERIES]>>,
    tile: Nibbles,
    pays: Pays,
}

impl<'s, const QUERIES: usize> Coded<'s, QUERIES> {
    /// Packs the queries; nothing, if there are no codes, or one of the queries cannot be compared with them.
    pub(super) fn new(common: Common<'s>, all: &[Asked<'_>]) -> Option<Self> {
        let codes = common.on.codes?;
        let dim = codes.dim();
        let fours = |asked: &Asked<'_>| Some(asked.coded.as_ref()?.fours(dim).collect::<Vec<_>>());
        let queries = all.iter().map(fours).collect::<Option<Vec<_>>>()?;
        let groups = queries
            .chunks(QUERIES)
            .map(|queries| {
                let empty = vec![[0; 4]; dim.div_ceil(4)];
                group(std::array::from_fn(|at| queries.get(at).unwrap_or(&empty).as_slice()))
            })
            .collect();
        let tile = vec![[[0; 4]; LANES]; dim.div_ceil(4)];
        Some(Coded { codes, groups, tile, pays: Pays::new(LEFT_OVER) })
    }

    /// Whether codes are asked for the next 16.
    #[inline(always)]
    pub(super) fn next(&mut self) -> bool {
        self.pays.next()
    }

    /// Looks at 16 slots for all queries.
    #[inline(always)]
    pub(super) fn look<I: Isa, const CHECK: bool>(
        &mut self,
        isa: I,
        common: Common<'_>,
        sixteen: Sixteen,
        all: &mut [Asked<'_>],
    ) -> Result<(), Error> {
        let mut coarse = Coarse::UNKNOWN;
        let rows = self.codes.sixteen(sixteen.first as u32);
        for lane in 0..LANES {
            if let Some((upper, beside)) = rows.row::<CHECK>(lane) {
                coarse.put(lane, beside);
                spread(&mut self.tile, lane, upper);
            }
        }
        let (pairs, mut left_over) = (LANES * all.len(), 0);
        for (queries, all) in self.groups.iter().zip(all.chunks_mut(QUERIES)) {
            let sums = whole_products(isa, &self.tile, queries);
            for (asked, sums) in all.iter_mut().zip(sums) {
                let admitted = sixteen.admitted(asked);
                asked.work.looked_at += u64::from(admitted.count_ones());
                // Where there is nothing to go by, nothing is ruled out.
                let left = match (&asked.coded, asked.limit) {
                    (Some(coded), Some(limit)) => {
                        admitted & !beyond(isa, coded.coarse(), &coarse, sums, limit)
                    }
                    _ => admitted,
                };
                if left != 0 {
                    left_over += u64::from(left.count_ones());
                    closer::<I, CHECK>(isa, (common, self.codes), asked, (sixteen.first, left))?;
                }
            }
        }
        self.pays.note(pairs as u64, left_over);
        Ok(())
    }
}

/// Looks at what the upper planes did not rule out.
#[inline(always)]
fn closer<I: Isa, const CHECK: bool>(
    isa: I,
    (common, codes): (Common<'_>, CodesInUse<'_>),
    asked: &mut Asked<'_>,
    (first, left): (usize, u16),
) -> Result<(), Error> {
    for bit in bits(left) {
        let slot = first + bit;
        asked.work.by_code += 1;
        let beyond = match (&asked.coded, asked.limit) {
            (Some(coded), Some(limit)) => {
                codes.is_beyond::<I, CHECK>(isa, coded, slot as u32, limit)
            }
            _ => false,
        };
        if !beyond {
            common.compare(isa, asked, slot)?;
        }
    }
    Ok(())
}
