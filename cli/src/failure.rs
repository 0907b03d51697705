//! Says why a command was not done, in one sentence, and which exit code that is.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What every command returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

impl Failure {
    /// Refused, or failed: the store, a file or the disk is not as it would have to be.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Failure { sentence: sentence.into(), code: 1 }
    }

    /// Wrong usage that the parser of the arguments cannot see by itself.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Failure { sentence: sentence.into(), code: 2 }
    }

    /// An error of the operating system, with what was being done.
    pub(crate) fn system(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Failure::refused(format!("{doing}: {error}"))
    }

    /// The same, said to be about something.
    pub(crate) fn about(self, what: impl fmt::Display) -> Self {
        Failure { sentence: format!("{what}: {}", self.sentence), ..self }
    }

    /// The same, of a check that could not be made: that is another code than "damaged".
    pub(crate) fn not_run(self) -> Self {
        Failure { code: 2, ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What the store says, with the cause that its messages leave to `source()`.
impl From<arrwdb::Error> for Failure {
    fn from(error: arrwdb::Error) -> Self {
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let said = cause.to_string();
            if !sentence.contains(&said) {
                sentence = format!("{sentence}: {said}");
            }
            source = cause.source();
        }
        Failure::refused(sentence)
    }
}
