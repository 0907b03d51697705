//! What a tree is made of: every point once, in a leaf and within boxes; the same whoever builds it.

use super::*;
use crate::given::{KINDS, Kind, Random};
use crate::kdtree::leaves::point;

fn points(kind: Kind, dim: usize, count: usize) -> Points {
    let (mut random, mut shared) = (Random(count as u64), Random(3));
    let mut points = Points::new(dim);
    for owner in 0..count as u32 {
        points.push(kind.vector(dim, &mut random, &mut shared).into_iter(), owner);
    }
    points
}

/// All that is in a tree, as bits.
fn all_of(tree: &Tree) -> (Vec<u8>, Vec<(usize, u32)>, Vec<u8>) {
    let Tree { shape, boxes, leaves, .. } = tree;
    let nodes = (0..shape.nodes()).flat_map(|at| boxes.row(at).to_vec()).collect();
    let mut owners = Vec::new();
    tree.each_point(0..shape.leaves(), |at, _, owner| owners.push((at, owner)));
    let rows = (0..shape.leaves()).flat_map(|at| leaves.numbers.row(at).to_vec()).collect();
    (nodes, owners, rows)
}

#[test]
fn every_point_is_in_one_leaf_and_within_the_boxes_above_it() {
    for kind in KINDS {
        for (dim, count) in [(1, 40), (2, 700), (3, 3_000), (8, 1), (20, 300)] {
            let given = points(kind, dim, count);
            let rows = given.rows.clone();
            let tree = Build::new(given, 16).finish(&Pool::here());
            let mut seen = vec![0; count];
            tree.each_point(0..tree.shape.leaves(), |at, (numbers, lane), owner| {
                let row = &rows[owner as usize * (dim + 1)..][..dim];
                let bits = point(numbers, dim, lane).map(f32::to_bits);
                assert!(bits.eq(row.iter().copied()), "{kind:?} {at}");
                seen[owner as usize] += 1;
                let (mut child, numbers) = (tree.shape.place(at).0, row);
                for level in (0..tree.shape.levels()).rev() {
                    let fan = if level == 0 { tree.shape.fan() } else { LANES };
                    let node = tree.boxes.row(tree.shape.level(level).start + child / fan);
                    let bounds = node.as_chunks::<4>().0;
                    for (axis, bits) in numbers.iter().enumerate() {
                        let bound = |end: usize| {
                            let at = (2 * axis + end) * LANES + child % fan;
                            f32::from_le_bytes(bounds[at])
                        };
                        let number = f32::from_bits(*bits);
                        assert!((bound(0)..=bound(1)).contains(&number), "{kind:?} {at}");
                    }
                    child /= fan;
                }
            });
            assert!(seen.iter().all(|count| *count == 1), "{kind:?} {dim}");
        }
    }
}

#[test]
fn a_tree_is_the_same_on_any_number_of_threads_and_in_parts() {
    for (kind, dim, count) in
        [(Kind::Gaussian, 3, 30_000), (Kind::Ties, 2, 20_000), (Kind::Same, 4, 5_000)]
    {
        let expected = all_of(&Build::new(points(kind, dim, count), 32).finish(&Pool::here()));
        for threads in [2, 3] {
            let pool = Pool::new(threads.try_into().expect("not 0")).expect("threads");
            let tree = Build::new(points(kind, dim, count), 32).finish(&pool);
            assert!(all_of(&tree) == expected, "{kind:?} on {threads}");
        }
        let mut build = Build::new(points(kind, dim, count), 32);
        let mut parts = 0;
        while build.advance().is_some() {
            parts += 1;
        }
        assert!(all_of(&build.into_tree()) == expected, "{kind:?} in parts");
        assert!(parts > 1 || count <= AT_ONCE);
    }
}
