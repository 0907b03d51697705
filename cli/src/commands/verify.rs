//! Reads everything in a store again and says what is damaged, without changing anything.

use std::path::Path;

use arrwdb::report::{Problem, TornEnd, Verification};
use arrwdb::{Error, Store};
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::options::{JsonOption, StoreArgument};
use crate::output::{self, Output};
use crate::progress;

/// Reads everything again and says what is damaged; exit code 0 sound, 1 damaged, 2 not checked
///
/// Changes nothing, and does not open the store for writing: a store that cannot be opened is checked as well, and one
/// whose process died. Nobody may have it open.
#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    at: StoreArgument,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
    sound: bool,
    problems: Vec<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    torn_end: Option<Torn<'a>>,
}

/// Where the log ends in something that was being written.
#[derive(Serialize)]
struct Torn<'a> {
    file: std::borrow::Cow<'a, str>,
    offset: u64,
    in_doubt: bool,
}

impl<'a> Torn<'a> {
    fn of(cut: &'a TornEnd) -> Self {
        let file = cut.path.to_string_lossy();
        Torn { file, offset: cut.offset, in_doubt: cut.is_in_doubt }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    file: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    what: &'a str,
    affects: &'a str,
}

impl<'a> Told<'a> {
    fn of(problem: &'a Problem) -> Self {
        let Problem { file, offset, what, affects, .. } = problem;
        Told { file: file.to_string_lossy(), offset: *offset, what, affects }
    }
}

impl Verify {
    pub(crate) fn run(self) -> Result<()> {
        let path = &self.at.store;
        let bar = progress::bytes("checking");
        let tell = |read, of| {
            bar.set_length(of);
            bar.set_position(read);
        };
        let found = Store::options().verify(path, tell).map_err(|error| not_checked(path, error));
        bar.finish_and_clear();
        let found = found?;
        found.torn_end.iter().filter(|cut| !cut.is_in_doubt).for_each(tell_torn);
        match (self.tell(&found).map_err(Failure::not_run), found.problems.len()) {
            (told, 0) => told,
            (_, 1) => Err(Failure::refused(format!("{}: one thing is damaged", path.display()))),
            (_, many) => {
                Err(Failure::refused(format!("{}: {many} things are damaged", path.display())))
            }
        }
    }

    fn tell(&self, found: &Verification) -> Result<()> {
        let mut output = Output::begin();
        if self.format.json {
            let problems = found.problems.iter().map(Told::of).collect();
            let torn_end = found.torn_end.as_ref().map(Torn::of);
            output.json(&Answer { sound: found.is_sound(), problems, torn_end })?;
        } else if found.is_sound() {
            output.line(format_args!("sound: {} bytes were read and checked", found.bytes))?;
        } else {
            found.problems.iter().try_for_each(|problem| output.line(problem))?;
        }
        output.finish()
    }
}

/// A check that was not made is no damage: another exit code.
fn not_checked(path: &Path, error: Error) -> Failure {
    let failure = match error {
        Error::NoStore { .. } | Error::Disk(disk::Error::Missing { .. }) => {
            Failure::refused("there is no store")
        }
        error => error.into(),
    };
    failure.about(format_args!("{} was not checked", path.display())).not_run()
}

fn tell_torn(cut: &TornEnd) {
    output::note(format_args!(
        "the log ends in a torn write at offset {} of {}, to be cut off when the store is opened; nothing that was \
         acknowledged is lost",
        cut.offset,
        cut.path.display()
    ));
}
