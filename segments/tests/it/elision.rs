//! Skips every sync of the making and the writing of segments in turn: each one is missed by some crash.

use disk::harness::{Config, elide_syncs};
use disk::sim::Density;

use crate::store::{Step, record, recover};

#[test]
fn every_sync_is_missed() {
    let steps = [Step::Grow, Step::Put, Step::Grow, Step::Put, Step::Grow, Step::Put];
    let config = Config { density: Density::thin(), ..Config::default() };
    let elisions =
        elide_syncs(&config, &record(&steps), |disk, progress| recover(disk, progress, &steps));
    let elisions = elisions.unwrap();
    let sites: Vec<_> = elisions.iter().map(|elision| elision.site.as_str()).collect();
    let expected =
        ["sync-all vectors/#.new", "sync-data vectors/#.seg", "sync-dir .", "sync-dir vectors"];
    assert_eq!(sites, expected);
    for elision in elisions {
        let calls = if elision.site == "sync-dir ." { 1 } else { 3 };
        assert_eq!(elision.missed, vec![true; calls], "{}", elision.site);
        assert!(elision.missed_together);
    }
}
