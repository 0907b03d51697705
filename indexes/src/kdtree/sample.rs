//! Finds out whether a tree is of use, from samples: how much of it a search by its boxes looks at.

use super::KdTree;
use super::kernel::with_kernel;
use super::leaves::point;
use super::seek::{Owned, Seek};
use super::space::{Asked, Space};
use super::tree::{Judged, Tree, Way};
use super::walk::{Look, Where};
use crate::slots::Slots;
use crate::{Memory, Query};

/// So many searches say what others will be like.
const SAMPLES: usize = 24;

/// Of a tree of fewer points nothing is said: whichever way it is searched, it takes no time.
const POINTS_MIN: usize = 2_048;

/// How a tree should be searched.
pub(super) fn judge(index: &KdTree, tree: &Tree) -> Judged {
    let points = tree.points();
    if points < POINTS_MIN {
        return Judged { way: Way::Walk, percent: 0 };
    }
    // More than this need not be known, and would take as long as building.
    let most = points as u64 * u64::from(index.config.scan_from.clamp(1, 99) + 1) / 100;
    let mut seen = 0;
    for sample in 0..SAMPLES {
        let leaf = sample * tree.shape.leaves() / SAMPLES;
        let Some((numbers, ..)) = tree.leaf(leaf) else { continue };
        let vector: Vec<f32> = point(numbers, index.dim, 0).collect();
        let query = Query::new(&vector).budget(most);
        seen += looked_at(index, tree, &query);
    }
    let percent = (100 * seen).div_ceil((points * SAMPLES) as u64).min(100) as u8;
    let way = if percent > index.config.scan_from { Way::Scan } else { Way::Walk };
    Judged { way, percent }
}

/// How many points a search for what is near one of its own looks at, as a vector of L2.
fn looked_at(index: &KdTree, tree: &Tree, query: &Query<'_>) -> u64 {
    let (none, slots) = (Memory::new(index.dim), Slots::new());
    let asked = Asked::new(Space::Plain, query.vector, &none);
    let mut seek = Seek::new(query, asked, (&slots, Owned::Surely));
    let look = Look { seek: &mut seek, place: Where::In(tree) };
    match with_kernel(index.instructions, query.vector, look) {
        Ok(()) => seek.into_nearest().work.looked_at,
        Err(error) => unreachable!("nothing has to be read: {error}"),
    }
}
