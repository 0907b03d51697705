//! Prints the curves, and the tables of what they say: ours, and how many times a peer's that is.
//!
//! Promises: a recall that was never reached is named so, and no rate is made up for it.

use super::contestant::{Built, Work};
use super::curve::{Read, Summary};
use super::{EF_CONSTRUCTION, Entry, K, M, Setting};

/// Of what everything is built.
pub fn setting(setting: &Setting) {
    let (count, dim, metric) = (setting.data.count(), setting.data.dim, setting.metric);
    println!("{count} x {dim}, {metric}, k = {K}, M = {M}, ef_construction = {EF_CONSTRUCTION}");
    let (threads, instructions) = (setting.threads, indexes::instructions());
    println!("built on {threads} threads, searched on one; ours by {instructions}\n");
}

/// What was measured of each, by `ef`.
pub fn curves(entries: &[Entry], rounds: usize) {
    println!("\nqueries a second, median of {rounds} rounds (least to most)");
    for entry in entries {
        println!("\n{}", entry.built.name);
        entry.curve.summaries().for_each(point);
        if entry.at_once.summaries().next().is_some() {
            println!("\n{}, many at once", entry.built.name);
            entry.at_once.summaries().for_each(point);
        }
    }
}

fn point(summary: Summary) {
    let Summary { ef, recall, rates: [median, least, most], work } = summary;
    let range = format!("({least:.1} to {most:.1})");
    let work = work.map(|Work { looked_at, by_code, in_full }| {
        format!("a query: {looked_at:.0} looked at, {by_code:.0} by code, {in_full:.0} in full")
    });
    let work = work.unwrap_or_default();
    let line = format!("  ef {ef:>3}  recall {recall:.4}  {median:>9.1} {range:<24} {work}");
    println!("{}", line.trim_end());
}

/// Queries a second at the same recall.
pub fn at_recall(entries: &[Entry], recall: f64) {
    println!("\nqueries a second at recall@{K} {recall}");
    let ours = entries.iter().find(|it| it.is_ours).and_then(|it| it.curve.at(recall));
    for entry in entries {
        let name = &entry.built.name;
        let Some(Read { rate, between: [from, to] }) = entry.curve.at(recall) else {
            println!("  {name:<44} not reached");
            continue;
        };
        let between = if from == to { format!("ef {to}") } else { format!("ef {from} to {to}") };
        let times = ours.filter(|_| !entry.is_ours).map(|it| it.rate / rate);
        let times = times.map(|times| format!("ours / it: {times:.2}")).unwrap_or_default();
        let line = format!("  {name:<44} {rate:>9.1}  {between:<14}  {times}");
        println!("{}", line.trim_end());
    }
    let peers = entries.iter().filter(|it| !it.is_ours);
    let rates = peers.filter_map(|it| Some((&it.built.name, it.curve.at(recall)?.rate)));
    let best = rates.max_by(|one, other| one.1.total_cmp(&other.1));
    if let (Some(ours), Some((name, rate))) = (ours, best) {
        println!("  ours / best peer of this run: {:.2} ({name})", ours.rate / rate);
    }
}

/// What building took.
pub fn building(entries: &[Entry]) {
    println!("\nbuilding: seconds, and by what the process grew, its copy of the vectors included");
    let ours = entries.iter().find(|it| it.is_ours).map(|it| it.built.seconds);
    for Entry { is_ours, built: Built { name, seconds, bytes, .. }, .. } in entries {
        let bytes = bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
        let times = ours.filter(|_| !is_ours).map(|ours| ours / seconds);
        let times = times.map(|times| format!("ours / its time: {times:.2}")).unwrap_or_default();
        let line = format!("  {name:<44} {seconds:>8.2} s {bytes:>10}  {times}");
        println!("{}", line.trim_end());
    }
}
