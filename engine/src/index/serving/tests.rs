//! What becomes of a slot whose last row has ended, wherever it is by then.

use indexes::{Flat, Memory, Metric};

use super::*;
use crate::CollectionConfig;
use crate::named::About;

fn event(at: u64, what: What) -> Event {
    Event { at: Sequence::new(at).expect("not 0"), slot: Slot(3), what }
}

/// What a graph, say, that took up some of many before one panicked has done: the slot is in the index, and in the tail.
#[test]
fn what_ended_in_both_leaves_both() {
    let mut vectors = Memory::new(2);
    vectors.set(Slot(3), &[1.0, 2.0]).expect("it fits");
    let about = About {
        name: "things".to_owned(),
        config: CollectionConfig::new(2, Metric::L2),
        measure: Metric::L2.into(),
    };
    let index = Box::new(Flat::new(2, Metric::L2));
    let serving =
        Serving::new((index, IndexConfig::Flat), Tail::of(&about), (Origin::New, Begun::default()));
    let mut keeping = serving.keeping();
    serving.note(&mut keeping, event(1, What::Born));
    serving.index.insert(Slot(3), &vectors).expect("it is new");
    serving.note(&mut keeping, event(2, What::Ended));
    assert_eq!(serving.tail.behind(), 0);
    assert_eq!(keeping.leaving(), [(Slot(3), event(2, What::Ended).at)]);
    // Its next vector waits in the tail, and its end there takes nothing back of what is still to be done.
    serving.note(&mut keeping, event(3, What::Born));
    assert_eq!(serving.tail.behind(), 1);
    serving.note(&mut keeping, event(4, What::Ended));
    assert_eq!(serving.tail.behind(), 0);
    assert_eq!(keeping.leaving(), [(Slot(3), event(2, What::Ended).at)]);
    serving.remove_ended(&mut keeping);
    assert!(!serving.index.contains(Slot(3)).expect("whole"));
}
