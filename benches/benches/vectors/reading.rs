//! Times reading in place: one vector here and there beside an index into a `Vec<Vec<f32>>`, and all of them in
//! order beside one plain slice.

use std::path::Path;
use std::sync::Arc;

use base::Slot;
use benches::input::Input;
use benches::rounds::Rounds;
use disk::{Disk, OsDisk};
use segments::{Dedup, Error, Pins, Recovery, VectorStore, View};

use super::{OnFile, Outcome, named, owner};

/// As many sums as keep a processor busy, so that memory is what it waits for.
const LANES: usize = 32;

/// Adds numbers to sums, lane by lane.
#[inline]
fn add_up(sums: &mut [f32; LANES], numbers: &[f32]) {
    let (lanes, _none) = numbers.as_chunks::<LANES>();
    for numbers in lanes {
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
    }
}

/// How a vector is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Slice,
    First,
    All,
}

#[inline]
fn look(vector: &[f32], look: Look) -> f32 {
    match look {
        // Got, and not looked at: what indexing alone costs.
        Look::Slice => std::hint::black_box(vector).len() as f32,
        Look::First => vector.first().copied().unwrap_or_default(),
        Look::All => {
            let mut sums = [0.0; LANES];
            add_up(&mut sums, vector);
            sums.iter().sum()
        }
    }
}

/// What is done with each vector that is got.
const LOOKS: [(&str, Look); 3] =
    [("one slice", Look::Slice), ("one number", Look::First), ("one sum", Look::All)];

/// Runs all of it, in turns.
pub(crate) fn measure(
    input: &Input,
    dir: &Path,
    rounds: usize,
    figures: &mut Rounds,
) -> Outcome<()> {
    let plain: Vec<Vec<f32>> = input.vectors().map(<[f32]>::to_vec).collect();
    let store = VectorStore::new(owner()?.geometry.dim(), Dedup::Exact)?;
    for (at, vector) in input.vectors().enumerate() {
        assert_eq!(store.add(vector)?.0 as usize, at);
    }
    let file = reopened(input, dir)?;
    let views = [("memory", store.view()), ("file", file)];
    for _ in 0..rounds {
        for (what, how) in LOOKS {
            let wanted = figures.time(named(what, "plain"), || {
                let vectors = input.order.iter().filter_map(|at| plain.get(*at));
                vectors.map(|vector| f64::from(look(vector, how))).sum::<f64>()
            });
            for (who, view) in &views {
                let sum = figures.time(named(what, who), || here_and_there(view, input, how))?;
                assert!(sum == wanted, "{who} has other vectors: {sum}, {wanted}");
            }
        }
        let mut wanted = [0.0; LANES];
        figures.time(named("scan", "plain"), || add_up(&mut wanted, &input.flat));
        for (who, view) in &views {
            let sums = figures.time(named("scan", who), || scan(view, input.count()))?;
            assert!(sums == wanted, "{who} has other vectors");
        }
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// A view of the same vectors on a file that was closed and opened again, each of them checked.
fn reopened(input: &Input, dir: &Path) -> Outcome<View> {
    let mut ours = OnFile::create(dir)?;
    ours.add_all(input)?;
    ours.set.sync()?;
    let (base, files) = (Arc::new(ours.set.cut().describe()?), ours.set.files());
    let pins = Pins::new(ours.set.pins().visible());
    drop(ours);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().open(dir)?);
    let recovery = Recovery::begin(disk, owner()?, &files, Dedup::Exact, base)?;
    let set = recovery.finish(Arc::clone(&pins));
    let view = set.view(pins.pin());
    for (slot, vector) in (0..).zip(input.vectors()) {
        assert_eq!(&view.vector(Slot(slot))?[..], vector);
    }
    Ok(view)
}

fn here_and_there(view: &View, input: &Input, how: Look) -> Result<f64, Error> {
    let mut sum = 0.0;
    for at in &input.order {
        sum += f64::from(look(&view.vector(Slot(*at as u32))?, how));
    }
    Ok(sum)
}

fn scan(view: &View, count: usize) -> Result<[f32; LANES], Error> {
    let mut sums = [0.0; LANES];
    for slot in 0..count as u32 {
        add_up(&mut sums, &view.vector(Slot(slot))?);
    }
    Ok(sums)
}
