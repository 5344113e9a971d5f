//! What we believe of AWS, held against references that nobody here wrote. `docs/witnesses.md` has a section for each, and
//! the differences that stay, with their reasons.
//!
//! - [`documents`]: runbooks, and other Automation documents, against AWS's JSON schema of them
//! - [`iam`]: roles and needed permissions against the Service Authorization Reference
//! - [`shapes`]: answers and errors against botocore's service models
//! - [`world`]: the sandbox that Python's clients call for both
//! - [`shared_calls`]: what the sandbox shares with emulators
//! - [`workload`]: the roles of the example application, against the reference, too
//! - [`state_machines`]: how a state machine runs, in the sandbox and in an emulator

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod documents;
mod iam;
mod shapes;
mod shared_calls;
mod state_machines;
mod workload;
mod world;

use std::path::PathBuf;

use rehearsals::root;

/// The Python of the tests' own environment.
fn python() -> PathBuf {
    rehearsals::python().unwrap()
}

/// A section that no test reads would hold nothing.
#[test]
fn every_section_of_the_page_names_the_test_that_holds_it() {
    let page = std::fs::read_to_string(root().join("docs/witnesses.md")).unwrap();
    let sections = rehearsals::witnesses::sections(&page);
    assert!(!sections.is_empty());
    for (name, text) in sections {
        let test = text.split_once("Held by `").and_then(|(_, rest)| rest.split_once('`'));
        let (test, _) = test.unwrap_or_else(|| panic!("{name}: say \"Held by `tests/….rs`\""));
        let source =
            std::fs::read_to_string(root().join(test)).unwrap_or_else(|error| panic!("{test}: {error}"));
        let reads = source.contains("witnesses") && source.contains(&format!("\"{name}\""));
        assert!(reads, "{test} does not read the section {name}");
    }
}
