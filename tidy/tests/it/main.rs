//! Runs every check over the real tree.

use tidy::manifest::Workspace;
use tidy::tree::{self, Text};
use tidy::{
    ceilings, documents, headers, layers, layouts, required, seam, third_party, unsafe_places,
};

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn sources() -> Vec<Text> {
    tree::files(".rs")
}

fn folders(workspace: &Workspace) -> Vec<&str> {
    workspace.crates.iter().map(|found| found.folder.as_str()).collect()
}

#[test]
fn crates_depend_only_downwards() {
    assert_none(&layers::check(&Workspace::read()));
}

#[test]
fn every_package_from_outside_has_a_row_that_says_why() {
    assert_none(&third_party::check(&Workspace::read()));
}

#[test]
fn the_founding_packages_do_their_work() {
    assert_none(&required::check(&Workspace::read(), &sources()));
}

#[test]
fn every_crate_refuses_what_the_seam_hides() {
    let workspace = Workspace::read();
    let complaints =
        seam::check(&folders(&workspace), &tree::file("clippy.toml"), &tree::files("clippy.toml"));
    assert_none(&complaints);
    assert_none(&seam::check_sources(&folders(&workspace), &sources()));
}

#[test]
fn every_file_says_what_it_is() {
    assert_none(&headers::check(&sources()));
}

#[test]
fn files_and_functions_stay_below_their_ceilings() {
    assert_none(&ceilings::check(&sources(), &tree::file("tidy/ratchet.txt")));
}

#[test]
fn unsafe_code_stays_where_it_is_named() {
    assert_none(&unsafe_places::check(&folders(&Workspace::read()), &sources()));
}

#[test]
fn layouts_and_their_document_change_together() {
    assert_none(&layouts::check(&tree::file("FORMAT.md"), &sources()));
}

#[test]
fn documents_name_only_what_is_there() {
    let root = tree::root();
    assert_none(&documents::check(&tree::files(".md"), |path| root.join(path).exists()));
}
