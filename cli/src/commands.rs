//! The commands: each is a file of its own, with its arguments, its help and what it does.
//!
//! A new one is its file in `commands/`, with a type of its own name that has `run`, and its name in the two lists here.

mod bench;
mod checkpoint;
mod clear;
mod create;
mod demo;
mod drop;
mod get;
mod import;
mod index;
mod inspect;
mod list;
mod log;
mod remove;
mod search;
mod stats;
mod verify;

use clap::Subcommand;

use crate::failure::Result;

/// Makes the enum of all commands, and has the one that was asked for done. Their help stands at their types.
macro_rules! commands {
    ($($module:ident::$Name:ident,)*) => {
        #[derive(Subcommand)]
        pub(crate) enum Command {
            $($Name($module::$Name),)*
        }

        impl Command {
            pub(crate) fn run(self) -> Result<()> {
                match self {
                    $(Command::$Name(command) => command.run(),)*
                }
            }
        }
    };
}

// In the order of the help.
commands! {
    create::Create,
    import::Import,
    index::Index,
    search::Search,
    bench::Bench,
    get::Get,
    remove::Remove,
    clear::Clear,
    drop::Drop,
    list::List,
    stats::Stats,
    verify::Verify,
    checkpoint::Checkpoint,
    inspect::Inspect,
    log::Log,
    demo::Demo,
}
