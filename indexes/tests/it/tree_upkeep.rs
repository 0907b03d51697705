//! What steps do of a KD-tree: few trees, whatever was taken up and removed, a little at a time, and inserts that do nothing of it.

use indexes::{Index, KdTree, KdTreeConfig, Memory, Metric, Query, Slot, TreeFigures};

use crate::given::Kind;
use crate::graph::give_back;
use crate::trees::{agree, empty, flat_of, small, tree_of};

fn figures(tree: &KdTree) -> TreeFigures {
    tree.statistics().tree.expect("it is made of trees")
}

#[test]
fn inserts_append_and_steps_make_trees_of_what_they_appended() {
    let (memory, _) = Kind::Gaussian.set(3, 5_000, 0, 21);
    let tree = empty(3, Metric::L2, small());
    for slot in memory.slots().iter() {
        tree.insert(slot, &memory).expect("it is new");
        assert_eq!((figures(&tree).trees, figures(&tree).buffered), (0, slot.0 as usize + 1));
    }
    assert!(tree.step(&memory, 1).expect("whole").more);
    assert_eq!(give_back(&tree, &memory), []);
    let TreeFigures { trees, buffered, .. } = figures(&tree);
    assert!(trees <= 2 && buffered < 16, "{trees} trees and {buffered} in none");
    assert!(!tree.step(&memory, 1).expect("whole").more);
}

/// As many steps as it takes to look at everything a few times, and none that does much more than it may.
#[test]
fn a_step_does_a_part() {
    let (memory, _) = Kind::Gaussian.set(3, 20_000, 0, 22);
    for effort in [1_000, 10_000] {
        let tree = empty(3, Metric::L2, KdTreeConfig::default().buffer(1_024));
        memory.slots().iter().for_each(|slot| tree.insert(slot, &memory).expect("it is new"));
        let mut steps = 0;
        while tree.step(&memory, effort).expect("whole").more {
            steps += 1;
        }
        // At each of a dozen splits or so each is looked at once.
        let all = steps * effort;
        assert!((4 * 20_000..60 * 20_000).contains(&all), "{steps} steps of {effort}");
    }
}

#[test]
fn there_are_few_trees_while_many_slots_come_and_go() {
    let (mut memory, vectors) = Kind::Clustered.set(2, 3_000, 6_000, 23);
    let tree = tree_of(&memory, Metric::L2, small());
    let (mut most, mut next) = (0, 0);
    for (at, vector) in vectors.iter().enumerate() {
        // The oldest goes, and its slot is taken up again once it is given back.
        assert!(tree.remove(Slot(next)).expect("whole"));
        next = (next + 1) % 3_000;
        let step = tree.step(&memory, 400).expect("whole");
        for slot in step.given_back {
            memory.set(slot, vector).expect("it fits");
            tree.insert(slot, &memory).expect("it was given back");
        }
        most = most.max(figures(&tree).trees);
        if at % 500 == 0 {
            let queries: Vec<_> =
                vectors.iter().skip(at).take(3).map(|it| Query::new(it)).collect();
            let there: Memory = {
                let mut there = memory.clone();
                tree.removed().expect("whole").iter().for_each(|slot| _ = there.unset(slot));
                there
            };
            agree(&tree, &flat_of(&there, Metric::L2), &there, &queries);
        }
    }
    // 64, 256, 1,024, and more.
    assert!(most <= 6, "{most} trees");
}

#[test]
fn a_tree_of_which_much_was_removed_is_built_anew() {
    let (memory, vectors) = Kind::Clustered.set(3, 6_000, 3, 24);
    let tree = tree_of(&memory, Metric::L2, KdTreeConfig::default());
    let before = tree.statistics().bytes;
    for slot in (0..6_000).filter(|slot| slot % 6 != 0) {
        assert!(tree.remove(Slot(slot)).expect("whole"));
    }
    assert_eq!(give_back(&tree, &memory).len(), 5_000);
    assert!(tree.statistics().bytes < before / 2);
    let found = tree.search(&Query::new(&vectors[0]).k(usize::MAX), &memory).expect("found");
    assert_eq!((found.work.looked_at, found.neighbours.len()), (1_000, 1_000));
    (0..6_000).step_by(6).for_each(|slot| assert!(tree.remove(Slot(slot)).expect("whole")));
    give_back(&tree, &memory);
    assert_eq!((figures(&tree).trees, tree.len()), (0, 0));
}

/// Slots are given back though a tree is being built meanwhile, and the one that replaces it has nothing of them.
#[test]
fn what_is_removed_while_a_tree_is_built_is_not_in_it() {
    let (mut memory, vectors) = Kind::Gaussian.set(2, 4_000, 4_000, 25);
    let tree = empty(2, Metric::L2, KdTreeConfig::default().buffer(256));
    memory.slots().iter().for_each(|slot| tree.insert(slot, &memory).expect("it is new"));
    let (mut steps, mut again) = (0, 0);
    loop {
        for slot in (0..40).map(|at| Slot((steps * 53 + at * 7) % 4_000)) {
            _ = tree.remove(slot).expect("whole");
        }
        let step = tree.step(&memory, 300).expect("whole");
        for slot in step.given_back {
            memory.set(slot, &vectors[again % 4_000]).expect("it fits");
            again += 1;
            tree.insert(slot, &memory).expect("it was given back");
        }
        steps += 1;
        if steps % 40 == 0 {
            let mut there = memory.clone();
            tree.removed().expect("whole").iter().for_each(|slot| _ = there.unset(slot));
            let all = Query::new(&vectors[0]).k(usize::MAX);
            agree(&tree, &flat_of(&there, Metric::L2), &there, &[all]);
        }
        if steps == 400 {
            break;
        }
    }
    assert!(again > 1_000);
}
