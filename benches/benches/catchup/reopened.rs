//! (c) Searches before a store is closed, after it was opened, and after the first change.

use std::sync::Arc;
use std::time::Instant;

use arrwdb::{Collection, Id, Store};
use benches::dataset::Dataset;
use benches::rounds::Rounds;
use benches::stores::verdict;

use super::watch::Watch;
use super::{Outcome, Place};

const ROUNDS: usize = 3;

/// How often all queries are asked each time.
const PASSES: usize = 3;

const STATES: [&str; 3] = ["before closing", "opened: mapped", "changed: copied"];

/// The first id of what is far from all else.
const FAR: u64 = u64::MAX / 2;

/// Closes and opens the store some times; hands it back open.
pub(crate) fn measure(
    mut at: (Store, Collection, Arc<Watch>),
    place: &Place,
    data: &Dataset,
) -> Outcome<(Store, Collection, Arc<Watch>)> {
    let mut found = Rounds::default();
    for round in 0..ROUNDS {
        let [before, opened, changed] = STATES;
        ask(&at.1, data, before, &mut found)?;
        at.0.close()?;
        drop(at);
        at = place.open()?;
        ask(&at.1, data, opened, &mut found)?;
        let index = at.1.statistics().index;
        if !index.is_mapped {
            let inserted = index.inserted;
            println!(
                "  (c) it was copied when it was opened: it had to take up {inserted} vectors"
            );
        }
        let far = data.base.iter().take(data.dim).map(|number| number * -50.0 - round as f32);
        at.1.upsert(FAR + round as u64, &far.collect::<Vec<_>>())?;
        at.1.wait_indexed()?;
        assert!(!at.1.statistics().index.is_mapped, "it changed and was not copied");
        ask(&at.1, data, changed, &mut found)?;
    }
    tell(&found);
    Ok(at)
}

/// Notes how many queries a second there are, and how much of the truth they find.
fn ask(docs: &Collection, data: &Dataset, state: &str, found: &mut Rounds) -> Outcome<()> {
    let mut answers = Vec::new();
    for pass in 0..=PASSES {
        let start = Instant::now();
        answers.clear();
        for query in data.queries.chunks_exact(data.dim) {
            let hits = docs.search(query).k(10).run()?;
            let number = |id: &Id| match id {
                Id::Number(number) => u32::try_from(*number).unwrap_or(u32::MAX),
                _ => u32::MAX,
            };
            answers.push(hits.iter().map(|hit| number(&hit.id)).collect());
        }
        // The first pass warms it up.
        if pass > 0 {
            found
                .note(format!("{state} qps"), answers.len() as f64 / start.elapsed().as_secs_f64());
        }
    }
    found.note(format!("{state} recall"), data.recall(&answers, 10));
    Ok(())
}

fn tell(found: &Rounds) {
    println!("  (c) searches one by one, medians of {} passes", ROUNDS * PASSES);
    let of = |state: &str, what: &str| found.median(&format!("{state} {what}")).unwrap_or(f64::NAN);
    let before = of(STATES[0], "qps");
    for state in STATES {
        let (rate, recall) = (of(state, "qps"), of(state, "recall"));
        let slower = before / rate;
        println!(
            "      {state:<16} {rate:>7.0}/s  recall {recall:.4}  {:.3} of before   bar within 10 %: {}",
            1.0 / slower,
            verdict(slower, 1.0 / 0.9)
        );
    }
}
