//! What a sweep leaves behind: all that is there can be come to, and all that was removed is given back.

use std::collections::BTreeSet;

use crate::given::{Kind, Random};
use crate::hnsw::links::NONE;
use crate::hnsw::{Hnsw, HnswConfig};
use crate::slots::slots_of;
use crate::{Error, Index, Lent, Memory, Metric, Pool, Slot, SlotSet, Unreadable, Vectors};

fn graph_of(memory: &Memory, m: usize) -> Hnsw {
    let config = HnswConfig::default().m(m).ef_construction(20);
    let graph = Hnsw::new(memory.dim(), Metric::L2, config);
    graph.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true).expect("they fit");
    graph
}

/// The slots that no links of the ground lead to from where searches begin.
fn lost(graph: &Hnsw) -> Vec<Slot> {
    let body = graph.body();
    let entry = body.graph.entry().expect("there are some");
    let levels = (1..=entry.level).rev().filter_map(|level| body.graph.level(level));
    let begin = levels.fold(entry.node, |node, level| level.below::<false>(node));
    let (mut left, mut seen) = (vec![begin], BTreeSet::from([begin]));
    while let Some(node) = left.pop() {
        let next = body.graph.ground().links::<false>(node);
        left.extend(next.filter(|next| seen.insert(*next)));
    }
    let word = |at: usize| slots_of(at, body.slots.word::<false>(at));
    let live = (0..body.slots.words()).flat_map(word);
    live.filter(|slot| !seen.contains(&slot.0)).collect()
}

/// Steps until nothing is due; answers with what was given back, and how often something went wrong.
fn sweep(graph: &Hnsw, vectors: &dyn Vectors, effort: usize) -> (SlotSet, usize) {
    let (mut given_back, mut failed) = (SlotSet::new(), 0);
    for _ in 0..1_000_000 {
        match graph.step(vectors, effort) {
            Ok(step) => {
                given_back.extend(step.given_back);
                if !step.more {
                    return (given_back, failed);
                }
            }
            Err(Error::Unreadable(_)) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("it never ends")
}

/// No link leads to a slot that is not taken, from whatever level, and every node above the ground is of one that is.
fn check_links(graph: &Hnsw) {
    let body = graph.body();
    let lives = body.slots.own().expect("it lies in no image");
    let is_taken = |slot: u32| slot == NONE || lives.taken.contains(Slot(slot));
    for level in (0..=body.graph.height()).filter_map(|level| body.graph.level(level)) {
        for node in 0..level.end() as u32 {
            let slot = level.slot::<false>(node);
            let is_of_ground = level.below::<false>(node) == NONE;
            assert!(is_of_ground || is_taken(slot), "node {node} is of slot {slot}");
            for next in level.links::<false>(node) {
                let to = level.slot::<false>(next);
                assert!(to != NONE && lives.taken.contains(Slot(to)), "{node} leads to {to}");
                assert!(lives.taken.contains(Slot(slot)), "{slot} is not there, and has links");
            }
        }
    }
}

#[test]
fn a_graph_that_lives_keeps_no_links_or_nodes_of_what_is_gone() {
    for dim in [8, 64] {
        let (memory, _) = Kind::Clustered.set(dim, 1_500, 0, 84);
        let graph = graph_of(&memory, 6);
        let ends = || {
            let body = graph.body();
            let levels = (1..=body.graph.height()).rev();
            let levels = levels.filter_map(|level| body.graph.level(level));
            levels.map(|level| level.end()).sum::<usize>()
        };
        let (before, mut random) = (ends(), Random(85));
        for round in 0..20 {
            let gone = memory.slots().iter().filter(|_| random.below(4) == 0);
            let gone: SlotSet = gone.filter(|slot| graph.remove(*slot).expect("whole")).collect();
            let (given_back, failed) = sweep(&graph, &memory, 100);
            assert!(failed == 0 && given_back.iter().eq(gone.iter()), "round {round}");
            check_links(&graph);
            assert_eq!(lost(&graph), []);
            let probe = graph.statistics().probe.expect("it was swept");
            assert_eq!(probe.looked_for, graph.len().div_ceil(graph.len().div_ceil(64).max(32)));
            assert!(probe.found <= probe.looked_for && probe.found * 10 >= probe.looked_for * 9);
            graph.insert_all(&given_back, &memory, &Pool::here(), &mut |_| true).expect("free");
            check_links(&graph);
        }
        assert!(
            ends() <= before * 2,
            "{} nodes above the ground, where there were {before}",
            ends()
        );
    }
}

#[test]
fn behind_a_sweep_every_slot_can_be_come_to() {
    for (m, removed) in [(2, 2), (2, 3), (4, 2), (4, 10)] {
        let (memory, _) = Kind::Clustered.set(64, 2_000, 0, 81);
        let graph = graph_of(&memory, m);
        let (mut before, mut random) = (usize::MAX, Random(83));
        for round in 0..4 {
            let live = |slot: &Slot| graph.contains(*slot).expect("whole");
            let some: Vec<_> = memory.slots().iter().filter(live).collect();
            let gone = some.iter().filter(|_| random.below(removed) == 0);
            gone.for_each(|slot| assert!(graph.remove(*slot).expect("whole")));
            sweep(&graph, &memory, 50);
            assert_eq!(lost(&graph), [], "{m}, one in {removed}, round {round}");
            assert!(graph.len() < before);
            before = graph.len();
        }
    }
}

/// Vectors of which some cannot be read.
struct Torn<'m>(&'m Memory);

impl Vectors for Torn<'_> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable> {
        if slot.0.is_multiple_of(11) {
            Err(Unreadable::not_there(slot))
        } else {
            self.0.vector(slot)
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_and_holds_up_nothing() {
    for (dim, m) in [(8, 8), (64, 8), (64, 2), (8, 2)] {
        let (memory, _) = Kind::Clustered.set(dim, 1_000, 0, 82);
        let graph = graph_of(&memory, m);
        let gone: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 3 == 0).collect();
        gone.iter().for_each(|slot| assert!(graph.remove(slot).expect("whole")));
        let (given_back, failed) = sweep(&graph, &Torn(&memory), 100);
        assert_eq!(given_back.iter().collect::<Vec<_>>(), gone.iter().collect::<Vec<_>>());
        assert!(failed > 0 && graph.statistics().removed == 0);
        assert!(graph.statistics().probe.is_some());
        assert_eq!(lost(&graph), [], "what can be read, and what cannot");
        check_links(&graph);
    }
}
