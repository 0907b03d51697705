//! Shows what the log of a store holds.

use std::collections::VecDeque;

use arrwdb::Store;
use clap::{Args, Subcommand};

use crate::failure::Result;
use crate::options::StoreArgument;
use crate::output::{self, Output};

/// Shows what the log holds, batch by batch: everything since the checkpoint before the last one
#[derive(Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// All batches
    Dump(Dump),
    /// The last batches
    Tail(Tail),
}

#[derive(Args)]
struct Dump {
    #[command(flatten)]
    at: StoreArgument,
}

#[derive(Args)]
struct Tail {
    #[command(flatten)]
    at: StoreArgument,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    batches: usize,
}

impl Log {
    pub(crate) fn run(self) -> Result<()> {
        let (at, most) = match self.part {
            Part::Dump(Dump { at }) => (at, usize::MAX),
            Part::Tail(Tail { at, batches }) => (at, batches),
        };
        let mut last = VecDeque::new();
        let mut output = Output::begin();
        let mut written = Ok(());
        let read = Store::options().read_log(&at.store, |sequence, lines| {
            let mut text = vec![format!("batch {sequence}")];
            text.extend(lines.iter().map(|line| format!("  {line}")));
            if most == usize::MAX {
                // As it comes: a log may be long.
                if written.is_ok() {
                    written = text.iter().try_for_each(|line| output.line(line));
                }
                return;
            }
            last.push_back(text);
            if last.len() > most {
                last.pop_front();
            }
        });
        // What stands before damage is shown all the same.
        written?;
        last.iter().flatten().try_for_each(|line| output.line(line))?;
        output.finish()?;
        if let Some(cut) = read? {
            output::note(format_args!(
                "behind it a torn write, at offset {} of {}",
                cut.offset,
                cut.path.display()
            ));
        }
        Ok(())
    }
}
