//! Arguments that several commands have, and how values are read that can be wrong by themselves.

use std::path::PathBuf;

use arrwdb::{Id, NAME_BYTES_MAX};
use clap::Args;

use crate::{ids, numbers};

/// The store alone.
#[derive(Args)]
pub(crate) struct StoreArgument {
    /// The directory of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
}

/// A collection of a store.
#[derive(Args)]
pub(crate) struct CollectionArguments {
    /// The directory of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// The collection's name
    #[arg(value_name = "COLLECTION", value_parser = name)]
    pub(crate) collection: String,
}

/// How the answer is written.
#[derive(Args, Clone, Copy)]
pub(crate) struct JsonOption {
    /// Answer in JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ids as [`ids::parse`] reads them.
#[derive(Args)]
pub(crate) struct IdArguments {
    /// Digits are a number; a UUID with its hyphens is that; a JSON string in double quotes is a text ('"123"' is the text
    /// of three digits); anything else is a text as it stands. Put -- before ids that begin with a dash
    #[arg(value_name = "ID", required = true, value_parser = ids::parse)]
    pub(crate) ids: Vec<Id>,
}

/// A name that a collection can have.
pub(crate) fn name(word: &str) -> Result<String, String> {
    if word.is_empty() || word.len() > NAME_BYTES_MAX {
        let bytes = word.len();
        return Err(format!("a collection's name has 1 to {NAME_BYTES_MAX} bytes, not {bytes}"));
    }
    Ok(word.to_owned())
}

/// A vector on the command line.
#[derive(Clone)]
pub(crate) struct Vector(pub(crate) Vec<f32>);

/// A vector as a JSON array of numbers.
pub(crate) fn vector(word: &str) -> Result<Vector, String> {
    let numbers: Vec<f64> = serde_json::from_str(word)
        .map_err(|error| format!("not a JSON array of numbers, like [0.5, 1, -2]: {error}"))?;
    if numbers.is_empty() {
        return Err("a vector has at least one number".to_owned());
    }
    let narrowed = numbers.iter().map(|&number| numbers::narrow(number));
    let narrowed = narrowed.collect::<Option<Vec<f32>>>();
    narrowed.map(Vector).ok_or_else(|| "a number is too large for float32".to_owned())
}

/// A distance.
pub(crate) fn distance(word: &str) -> Result<f32, String> {
    let number: f64 = word.parse().map_err(|_| "not a number".to_owned())?;
    numbers::narrow(number).ok_or_else(|| "not a finite number of 32 bits".to_owned())
}
