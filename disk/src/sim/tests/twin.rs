//! Holds the simulated disk against the real one: the same calls, the same answers, byte for byte.

use super::super::random::Random;
use super::*;
use crate::OsDisk;
use crate::trace::kind_of;

/// Few names, so that calls meet each other.
const NAMES: [&str; 8] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/b"];
const HANDLES: usize = 3;

/// A disk under test, and the files it has open.
struct Side<'a> {
    disk: &'a dyn Disk,
    open: [Option<Arc<dyn File>>; HANDLES],
}

/// One call, with all it needs; both sides are given the same.
#[derive(Clone, Debug)]
enum Step {
    Create { name: usize, handle: usize },
    Open { name: usize, handle: usize, access: Access },
    Close { handle: usize },
    Rename { from: usize, to: usize },
    Remove { name: usize },
    CreateDir { name: usize },
    List { name: usize },
    SyncDir { name: usize },
    Size { handle: usize },
    Read { handle: usize, offset: u64, bytes: usize },
    Write { handle: usize, offset: u64, bytes: Vec<u8> },
    Reserve { handle: usize, size: u64 },
    SetSize { handle: usize, size: u64 },
    SyncData { handle: usize },
    SyncAll { handle: usize },
    Map { handle: usize, size: u64 },
}

fn any_step(random: &mut Random) -> Step {
    let name = random.below(NAMES.len() as u64) as usize;
    let other = random.below(NAMES.len() as u64) as usize;
    let handle = random.below(HANDLES as u64) as usize;
    let offset = random.below(5_000);
    let size = random.below(9_000);
    match random.below(100) {
        0..10 => Step::Create { name, handle },
        10..18 => {
            let access = if random.below(4) == 0 { Access::Read } else { Access::ReadWrite };
            Step::Open { name, handle, access }
        }
        18..22 => Step::Close { handle },
        22..32 => Step::Rename { from: name, to: other },
        32..36 => Step::Remove { name },
        36..42 => Step::CreateDir { name },
        42..46 => Step::List { name },
        46..47 => Step::SyncDir { name },
        47..52 => Step::Size { handle },
        52..66 => Step::Read { handle, offset, bytes: random.below(3_000) as usize },
        66..86 => {
            let letter = b'a' + random.below(26) as u8;
            Step::Write { handle, offset, bytes: vec![letter; random.below(2_000) as usize] }
        }
        86..90 => Step::Reserve { handle, size },
        90..94 => Step::SetSize { handle, size },
        94..95 => Step::SyncData { handle },
        95..96 => Step::SyncAll { handle },
        _ => Step::Map { handle, size: 1 + size },
    }
}

impl Side<'_> {
    /// What a call answers, as text: a value, or the kind of its error.
    fn take(&mut self, step: &Step) -> String {
        let answer = self.answer(step);
        answer.unwrap_or_else(|error| format!("error: {}", kind_of(&error)))
    }

    fn answer(&mut self, step: &Step) -> Result<String> {
        let path = |name: &usize| Path::new(NAMES[*name]);
        let done = || "done".to_owned();
        let of_names =
            |outcome: Result<PendingDirSync>| outcome.map(|it| format!("{:?}", it.dirs()));
        match step {
            Step::Create { name, handle } => {
                let (file, pending) = self.disk.create(path(name))?;
                self.open[*handle] = Some(file);
                Ok(format!("{:?}", pending.dirs()))
            }
            Step::Open { name, handle, access } => {
                self.open[*handle] = Some(self.disk.open(path(name), *access)?);
                Ok(done())
            }
            Step::Close { handle } => {
                self.open[*handle] = None;
                Ok(done())
            }
            Step::Rename { from, to } => of_names(self.disk.rename(path(from), path(to))),
            Step::Remove { name } => of_names(self.disk.remove(path(name))),
            Step::CreateDir { name } => of_names(self.disk.create_dir(path(name))),
            Step::List { name } => Ok(format!("{:?}", self.disk.list(path(name))?)),
            Step::SyncDir { name } => self.disk.sync_dir(path(name)).map(|()| done()),
            Step::Size { handle }
            | Step::Read { handle, .. }
            | Step::Write { handle, .. }
            | Step::Reserve { handle, .. }
            | Step::SetSize { handle, .. }
            | Step::SyncData { handle }
            | Step::SyncAll { handle }
            | Step::Map { handle, .. } => match self.open[*handle].clone() {
                Some(file) => of_file(&*file, step),
                None => Ok("closed".into()),
            },
        }
    }
}

fn of_file(file: &dyn File, step: &Step) -> Result<String> {
    let done = |()| "done".to_owned();
    match step {
        Step::Read { offset, bytes, .. } => {
            let mut buffer = vec![0xee; *bytes];
            file.read_at(*offset, &mut buffer)?;
            Ok(String::from_utf8_lossy(&buffer).into_owned())
        }
        Step::Write { offset, bytes, .. } => file.write_at(*offset, bytes).map(done),
        Step::Reserve { size, .. } => file.reserve(*size).map(done),
        Step::SetSize { size, .. } => file.set_size(*size).map(done),
        Step::SyncData { .. } => file.sync_data().map(done),
        Step::SyncAll { .. } => file.sync_all().map(done),
        Step::Map { size, .. } => {
            let region = file.map(*size)?;
            let bytes = copy(&*region, 0..region.size()).expect("the whole region");
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => file.size().map(|size| size.to_string()),
    }
}

/// Everything on a disk: names, and the bytes behind them.
fn contents(disk: &dyn Disk) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(dir) = waiting.pop() {
        for entry in disk.list(&dir).unwrap() {
            let path = dir.join(&entry.name);
            if entry.kind == crate::EntryKind::Directory {
                lines.push(format!("{}/", path.display()));
                waiting.push(path);
                continue;
            }
            let file = disk.open(&path, Access::Read).unwrap();
            let mut bytes = vec![0; file.size().unwrap() as usize];
            file.read_at(0, &mut bytes).unwrap();
            lines.push(format!("{} {}", path.display(), String::from_utf8_lossy(&bytes)));
        }
    }
    lines
}

/// Runs one script on both; says where they part.
fn compare(seed: u64, steps: usize, real: &OsDisk) -> std::result::Result<(), String> {
    let mut random = Random::new(seed);
    let simulated = SimDisk::new(seed);
    let mut real_side = Side { disk: real, open: [None, None, None] };
    let mut simulated_side = Side { disk: &simulated, open: [None, None, None] };
    for at in 0..steps {
        let step = any_step(&mut random);
        let expected = real_side.take(&step);
        let answered = simulated_side.take(&step);
        if expected != answered {
            return Err(format!("seed {seed}, step {at}: {step:?}: {expected} / {answered}"));
        }
    }
    let (expected, found) = (contents(real), contents(&simulated));
    if expected != found {
        return Err(format!("seed {seed}: left {expected:?} / {found:?}"));
    }
    let killed = SimDisk::from_image(&simulated.contents(), seed);
    if contents(&killed) != found {
        return Err(format!("seed {seed}: what a killed process leaves is not what it saw"));
    }
    Ok(())
}

#[test]
fn both_disks_answer_every_script_alike() {
    for seed in 0..1_000 {
        let dir = tempfile::tempdir().unwrap();
        let real = OsDisk::open(dir.path()).unwrap();
        compare(seed, 200, &real).unwrap_or_else(|difference| panic!("{difference}"));
    }
}
