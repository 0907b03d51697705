//! Skips every sync of publications in turn: each one is missed by some crash.

use disk::harness::{Config, elide_syncs};
use disk::sim::Density;

use crate::store::{Step, record, recover};

#[test]
fn every_sync_is_missed() {
    let steps = [
        Step::Create,
        Step::Checkpoint,
        Step::Snapshot,
        Step::Prune,
        Step::Checkpoint,
        Step::Prune,
        Step::Drop,
        Step::Checkpoint,
        Step::Prune,
    ];
    let config = Config { density: Density::thin(), ..Config::default() };
    let elisions =
        elide_syncs(&config, &record(&steps), |disk, progress| recover(disk, progress, &steps));
    let elisions = elisions.unwrap();
    let sites: Vec<_> =
        elisions.iter().map(|elision| (elision.site.as_str(), elision.missed.len())).collect();
    let expected = [
        ("sync-all images/#.new", 3),
        ("sync-all manifests/#.new", 6),
        ("sync-dir .", 1),
        // Three names, and the one image that nobody needs any more at the end.
        ("sync-dir images", 4),
        // Six names, and three times a manifest that is not needed any more.
        ("sync-dir manifests", 9),
    ];
    assert_eq!(sites, expected);
    for elision in elisions {
        assert!(!elision.missed.contains(&false) && elision.missed_together, "{elision:?}");
    }
}
