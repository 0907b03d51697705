//! Images of graphs: what was encoded is what is opened, and damage is told.

use indexes::{Error, Hnsw, HnswConfig, Index, Measure, Metric, Query, Slot};

use crate::given::Kind;
use crate::graph::graph_of;

fn image_of(index: &dyn Index) -> Vec<u8> {
    let mut image = Vec::new();
    index.encode(&mut image);
    image
}

#[test]
fn an_image_is_the_graph_again() {
    for dim in [3, 64, 200] {
        let (memory, vectors) = Kind::Clustered.set(dim, 700, 10, 41);
        let mut graph = graph_of(&memory, Metric::Cosine);
        (0..700).step_by(9).for_each(|slot| assert!(graph.remove(Slot(slot))));
        let image = image_of(&graph);
        let mut opened = Hnsw::decode(&image, &Metric::Cosine.into()).expect("its own image");
        assert_eq!(
            (opened.config(), opened.len(), opened.dim()),
            (graph.config(), graph.len(), dim)
        );
        assert_eq!(image_of(&opened), image);
        for vector in &vectors {
            let query = Query::new(vector).k(20);
            let found = opened.search(&query, &memory).expect("found");
            assert_eq!(found, graph.search(&query, &memory).expect("found"));
        }
        opened.insert(Slot(0), &memory).expect("it was removed");
        graph.insert(Slot(0), &memory).expect("it was removed");
        assert_eq!(image_of(&opened), image_of(&graph));
        let generic = indexes::open(&image, &Metric::Cosine.into()).expect("its own image");
        assert_eq!(generic.statistics().kind, "hnsw");
        let other = indexes::open(&image, &Metric::L2.into()).map(drop);
        assert!(matches!(other, Err(Error::Measure { .. })));
    }
    let empty = Hnsw::new(64, Metric::Dot, HnswConfig::default());
    let opened = Hnsw::decode(&image_of(&empty), &Metric::Dot.into()).expect("its own image");
    assert!(opened.is_empty());
}

#[test]
fn every_bit_that_is_flipped_is_told() {
    let (memory, _) = Kind::Gaussian.set(48, 100, 0, 1);
    let graph = graph_of(&memory, Metric::L2);
    let (image, measure) = (image_of(&graph), Measure::from(Metric::L2));
    for byte in 0..image.len() {
        // All bits of the header and the name, one of each other byte.
        for bit in if byte < 192 { 0..8 } else { byte % 8..byte % 8 + 1 } {
            let mut damaged = image.clone();
            if let Some(byte) = damaged.get_mut(byte) {
                *byte ^= 1 << bit;
            }
            let refused = Hnsw::decode(&damaged, &measure).expect_err("damaged");
            let told = matches!(refused, Error::BadImage { .. } | Error::NewerImage { .. });
            assert!(told, "bit {bit} of byte {byte}: {refused:?}");
        }
    }
    for len in (0..image.len()).step_by(97) {
        let cut = image.get(..len).expect("shorter");
        assert!(matches!(indexes::open(cut, &measure).map(drop), Err(Error::BadImage { .. })));
    }
}
