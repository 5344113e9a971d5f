//! What others have written, and what becomes of it: plans, events, documents, templates, requests, what a comparison has kept, SQL,
//! URLs. See [`rehearsals::strangers`] for what is tried, and `make fuzz`.
//!
//! Every reader has a test whose name begins with `any_bytes_as_`; what was found is a test of its own beside it. Those of what only a
//! crate itself can reach are in that crate.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod requests;
mod sql;
mod stored;
mod written;

use std::path::Path;

/// A file of the workspace.
fn file(path: &str) -> Vec<u8> {
    std::fs::read(rehearsals::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder of the workspace that end in this.
fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        rehearsals::root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path: &std::path::PathBuf| path.to_str().is_some_and(|path| path.ends_with(end)));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no {end}");
    paths.iter().map(|path: &std::path::PathBuf| std::fs::read(Path::new(path)).unwrap()).collect()
}
