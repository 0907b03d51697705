//! Runs the real `arrwdb` with right and wrong words and looks at what it says and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_arrwdb")).args(arguments).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_is_shown_when_asked_for_and_when_nothing_is() {
    for arguments in [&[][..], &["--help"], &["-h"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(said(&output.stdout).contains("Usage: arrwdb"), "{arguments:?}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = run(&["--version"]);
    assert_eq!(said(&output.stdout), concat!("arrwdb ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn unknown_words_are_wrong_usage_and_never_pretended_to_work() {
    for arguments in [&["create", "store", "docs"][..], &["--help", "me"], &["--frob"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(said(&output.stdout), "", "{arguments:?}");
        let error = said(&output.stderr);
        assert!(error.contains(&arguments.join(" ")) && error.contains("--help"), "{error}");
    }
}
