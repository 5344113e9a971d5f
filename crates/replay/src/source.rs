//! Where differences come from: read more than once, never held whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use futures::stream::{self, BoxStream, StreamExt as _};
use table_diff::Difference;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What two databases differ in.
pub trait Source: Sync {
    /// The tables with differences, as [`table_diff::Table`] displays them.
    fn tables(&self) -> Vec<String>;

    /// The differences of a table, from the first, in the same order each time.
    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>>;
}

/// In memory.
impl Source for BTreeMap<String, Vec<Difference>> {
    fn tables(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>> {
        stream::iter(self.get(table).into_iter().flatten().cloned().map(Ok)).boxed()
    }
}

/// Files with a difference as JSON on each line; those of a table follow each other.
#[derive(Debug, Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<PathBuf>>);

impl Source for Files {
    fn tables(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>> {
        let files = self.0.get(table).into_iter().flatten();
        stream::iter(files.flat_map(|path| {
            // Opened when it is its turn; an error is one line.
            let (lines, failed) = match File::open(path) {
                Ok(file) => (Some(BufReader::new(file).lines()), None),
                Err(error) => (None, Some(Err(error))),
            };
            failed.into_iter().chain(lines.into_iter().flatten()).enumerate().map(move |(number, line)| {
                let place = |error: BoxError| format!("{}, line {}: {error}", path.display(), number + 1);
                let line = line.map_err(|error| place(error.into()))?;
                Ok(serde_json::from_str(&line).map_err(|error| place(error.into()))?)
            })
        }))
        .boxed()
    }
}
