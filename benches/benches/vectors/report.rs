//! Prints what was measured, and holds it against what was asked for.

use benches::rounds::Rounds;

use super::{DIM, named};

/// What was asked for, and what was found.
pub(crate) struct Verdict {
    count: usize,
    what: &'static str,
    who: &'static str,
    found: f64,
    wanted: Wanted,
    published: Option<&'static str>,
    milliseconds: f64,
}

/// Ratios that were asked for: of speed, or of time.
#[derive(Clone, Copy)]
enum Wanted {
    /// So many times as fast as the other.
    Faster(f64),
    /// At most so many times the time of the other.
    Within(f64),
    /// At least so much of the other's bandwidth.
    Share(f64),
}

/// What was published of the old structure, for 10,000 vectors of 384 numbers, in milliseconds.
const PUBLISHED: [(&str, &str); 5] = [
    ("add", "11.7"),
    ("duplicates", "0.5"),
    ("get", "0.3"),
    ("get many", "8.9"),
    ("remove", "1.3"),
];

/// Whom each is compared with, what is asked, and of whom.
const TARGETS: [(&str, &str, &str, Wanted); 14] = [
    ("add", "memory", "twin", Wanted::Faster(2.0)),
    ("duplicates", "memory", "twin", Wanted::Faster(2.0)),
    ("remove", "memory", "twin", Wanted::Faster(2.0)),
    ("add", "file", "twin", Wanted::Faster(1.0)),
    ("duplicates", "file", "twin", Wanted::Faster(1.0)),
    ("remove", "file", "twin", Wanted::Faster(1.0)),
    ("one slice", "memory", "plain", Wanted::Within(2.0)),
    ("one slice", "file", "plain", Wanted::Within(2.0)),
    ("one number", "memory", "plain", Wanted::Within(2.0)),
    ("one number", "file", "plain", Wanted::Within(2.0)),
    ("one sum", "memory", "plain", Wanted::Within(2.0)),
    ("one sum", "file", "plain", Wanted::Within(2.0)),
    ("scan", "memory", "plain", Wanted::Share(0.8)),
    ("scan", "file", "plain", Wanted::Share(0.8)),
];

/// Prints all figures, each beside that of the twin or of plain memory.
pub(crate) fn figures(figures: &Rounds) {
    for name in figures.names() {
        let Some([median, least, most]) = figures.summary(name) else { continue };
        print!("{name:<34} {median:>10.3}  ({least:.3} to {most:.3})");
        let what = name.split(" | ").next().unwrap_or_default();
        let what = what.split(',').next().unwrap_or_default();
        for other in ["twin", "plain"] {
            if let Some(other_median) = figures.median(&named(what, other)) {
                print!("   {:.2} x {other}", other_median / median);
            }
        }
        println!();
    }
}

/// Holds the figures for so many vectors against what was asked for.
pub(crate) fn verdicts(count: usize, figures: &Rounds) -> Vec<Verdict> {
    let median = |what: &str, who: &str| figures.median(&named(what, who));
    let judge = |(what, who, other, wanted): &(&'static str, &'static str, &str, Wanted)| {
        let (ours, theirs) = (median(what, who)?, median(what, other)?);
        let found = if let Wanted::Within(_) = wanted { ours / theirs } else { theirs / ours };
        let published =
            PUBLISHED.iter().find(|(it, _)| it == what).map(|(_, published)| *published);
        let (what, who, wanted) = (*what, *who, *wanted);
        Some(Verdict { count, what, who, found, wanted, published, milliseconds: ours })
    };
    TARGETS.iter().filter_map(judge).collect()
}

/// Prints the verdicts.
pub(crate) fn table(verdicts: &[Verdict]) {
    println!(
        "\nvectors  what        ours     found     asked for            ours, ms  published for 10k"
    );
    for Verdict { count, what, who, found, wanted, published, milliseconds } in verdicts {
        let (asked, is_met) = match wanted {
            Wanted::Faster(times) => (format!(">= {times} x the twin"), found >= times),
            Wanted::Within(times) => (format!("<= {times} x the time"), found <= times),
            Wanted::Share(share) => (format!(">= {:.0} % of plain", share * 100.0), found >= share),
        };
        let bytes = *count as f64 * f64::from(DIM) * 4.0;
        let note = match wanted {
            Wanted::Share(_) => format!("{:.1} GB/s", bytes / milliseconds / 1e6),
            _ => published.map(|it| format!("{it} ms")).unwrap_or_default(),
        };
        let met = if is_met { "met" } else { "MISSED" };
        println!(
            "{count:>7}  {what:<11} {who:<7} {found:>6.2}  {met:<7} {asked:<19} {milliseconds:>10.3}  {note}"
        );
    }
}
