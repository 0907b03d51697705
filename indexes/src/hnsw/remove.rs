//! Takes a slot out of the graph: nothing leads to it any more, and who was linked to it is linked to one of its
//! neighbours instead.
//!
//! Who is linked to a slot is found by going through all links of a level.

use super::Hnsw;
use super::beam::Graph;
use super::links::{Level, NONE};
use super::nodes::Nodes;
use crate::codes::CodedQuery;
use crate::lanes::{Instructions, Isa, Work};

impl Hnsw {
    /// Takes a slot out of every level.
    pub(super) fn detach(&mut self, slot: u32) {
        let Graph { ground, levels, entry } = &mut self.graph;
        for upper in &mut *levels {
            // A level has all slots of the one above.
            let Some(node) = upper.node_of(slot) else { break };
            let mended = mended(upper, node, self.nodes.as_ref(), self.instructions);
            mended.iter().for_each(|(node, links)| upper.put(*node, links));
            upper.forget(node);
        }
        let mended = mended(ground, slot, self.nodes.as_ref(), self.instructions);
        mended.iter().for_each(|(node, links)| ground.put(*node, links));
        ground.put(slot, &[]);
        while levels.last().is_some_and(|upper| upper.any().is_none()) {
            levels.pop();
        }
        *entry = match levels.last() {
            Some(upper) => {
                let there = entry.filter(|node| upper.slot::<false>(*node) != NONE);
                there.or_else(|| upper.any())
            }
            None => self.live.iter().next().map(|slot| slot.0),
        };
    }
}

/// The links of all who are linked to a node, without it, and one of its neighbours in its place.
fn mended(
    level: &Level,
    node: u32,
    nodes: Option<&Nodes>,
    instructions: Instructions,
) -> Vec<(u32, Vec<u32>)> {
    let neighbours: Vec<u32> = level.links::<false>(node).collect();
    let linked =
        (0..level.end() as u32).filter(|from| level.links::<false>(*from).any(|to| to == node));
    let mend = |from: u32| {
        let mut links: Vec<u32> = level.links::<false>(from).filter(|to| *to != node).collect();
        let new = |to: &u32| *to != from && !links.contains(to);
        let offered: Vec<u32> = neighbours.iter().copied().filter(new).collect();
        let slots = offered.iter().map(|to| level.slot::<false>(*to)).collect();
        let nearest = match nodes {
            Some(nodes) => {
                instructions.run(NearestOf { nodes, from: level.slot::<false>(from), slots })
            }
            None => Some(0),
        };
        links.extend(nearest.and_then(|at| offered.get(at)));
        (from, links)
    };
    linked.map(mend).collect()
}

/// Finds which of some slots is nearest to another, by codes.
struct NearestOf<'s> {
    nodes: &'s Nodes,
    from: u32,
    slots: Vec<u32>,
}

impl Work for NearestOf<'_> {
    type Answer = Option<usize>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Option<usize> {
        let query = CodedQuery::new(self.nodes.shape(), &self.nodes.decoded(self.from))?;
        let mut nearest = None;
        for (at, slot) in self.slots.into_iter().enumerate() {
            let score = self.nodes.guess::<I, false>(isa, &query, slot);
            if nearest.is_none_or(|(least, _)| score < least) {
                nearest = Some((score, at));
            }
        }
        nearest.map(|(_, at)| at)
    }
}
