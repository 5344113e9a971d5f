//! Differences that are kept: read more than once, never held whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use futures::stream::{self, BoxStream, StreamExt as _};

use crate::difference::Difference;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What two databases differ in.
pub trait Differences: Sync {
    /// The tables with differences, as [`crate::Table`] displays them.
    fn tables(&self) -> Vec<String>;

    /// The differences of a table, from the first, in the same order each time.
    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>>;
}

/// In memory.
impl Differences for BTreeMap<String, Vec<Difference>> {
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

impl Differences for Files {
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

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn files_follow_each_other_and_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let line = |id: u8| {
            format!(r#"{{"kind":"missing","key":{{"id":{id}}},"source":{{"id":{id}}},"target":null}}"#)
        };
        let paths = [folder.path().join("1"), folder.path().join("2"), folder.path().join("3")];
        std::fs::write(&paths[0], format!("{}\n{}\n", line(1), line(2))).unwrap();
        std::fs::write(&paths[1], format!("{}\n{{", line(3))).unwrap();
        let read = |paths: &[PathBuf]| {
            let files = Files(BTreeMap::from([("t".to_owned(), paths.to_vec())]));
            assert_eq!(files.tables(), ["t"]);
            block_on(files.open("t").collect::<Vec<_>>())
        };
        let rows = read(&paths);
        let ids = rows.iter().map_while(|row| row.as_ref().ok()).map(|row| row.key["id"].as_u64());
        assert_eq!(ids.collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
        let errors =
            rows.iter().filter_map(|row| row.as_ref().err().map(ToString::to_string)).collect::<Vec<_>>();
        assert!(errors[0].contains("2, line 2: EOF"), "{errors:?}");
        assert!(errors[1].contains("3, line 1: No such file"), "{errors:?}");
        assert_eq!(rows.len(), 5);
    }
}
