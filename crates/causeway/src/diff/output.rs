//! The output folder: what is found, and where the comparison stands.
//!
//! | file | what it is |
//! |---|---|
//! | `summary.json` | the [`Summary`]; written last, at once |
//! | `TABLE.jsonl` | a line for each row that differs; of a table that is compared to its end |
//! | `TABLE.jsonl.part` | the same, of a table that is not |
//! | `.state/run.json` | the [`Run`]: what is compared with what |
//! | `.state/TABLE.json` | the [`State`] of a table |
//!
//! # Promises
//! A state counts the bytes of the `.part` file that its cursor covers, and is written when these are on the disk; what
//! is behind them is cut off before a table is resumed. So a run can be killed at any moment, and the next one
//! finds the rest: nothing twice, nothing left out. A folder is worked on by one run at a time. What this module did
//! not write it neither changes nor removes.
//!
//! # What a failure leaves
//! Everything that was found. A table in error keeps its `.part` file and its state, to be resumed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use table_diff::{Cursor, Difference, Listed, Table};
use tokio::time::Instant;

use super::summary::{Status, Summary, TableResult};
use crate::Error;
use crate::files::write;
use crate::text::shell_word;

/// How long found rows may wait for the state that counts them: as much is done again after a kill.
const SAVE: Duration = Duration::from_millis(250);
/// Bytes of a file's name, without its endings; file systems allow 255.
const NAME: usize = 200;

/// What is compared with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Host, port and database.
    pub source: String,
    /// Host, port and database.
    pub target: String,
    /// Tables asked for; none means all.
    pub tables: BTreeSet<String>,
    /// Tables left out.
    pub exclude: BTreeSet<String>,
    /// Columns left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub exclude_columns: BTreeSet<String>,
}

/// What is kept of a run for the next: the request, and the tables as they were listed at the start.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    #[serde(flatten)]
    request: Request,
    /// The tables, in the order of their names.
    pub listed: Vec<Listed>,
}

/// Where a table stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Compared up to the cursor.
    UnderWay { cursor: Cursor, bytes: u64, seconds: f64 },
    /// Compared to its end.
    Done { bytes: u64, result: TableResult },
}

/// The folder of a run.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// `run.json`, locked as long as the run lasts.
    _lock: File,
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Error + 'a {
    move |error| format!("can't {what} {}: {error}", path.display()).into()
}

impl Folder {
    /// Refuses a folder that already has a comparison.
    pub fn check_unoccupied(path: &Path) -> Result<(), Error> {
        let files = match fs::read_dir(path) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("read the folder", path)(error)),
        };
        let mut found = None;
        for file in files {
            let name = file?.file_name();
            let text = name.to_string_lossy();
            if text == "summary.json" || text.ends_with(".jsonl") || text.ends_with(".jsonl.part") {
                found = Some(name);
            }
        }
        if fs::metadata(run_file(path)).is_ok_and(|known| known.len() > 0) {
            found = Some("a comparison that is not finished".into());
        }
        match found {
            Some(name) => Err(format!(
                "{} already has {}: name another folder, or continue with --resume {}",
                path.display(),
                name.display(),
                shell_word(&path.display().to_string())
            )
            .into()),
            None => Ok(()),
        }
    }

    /// Makes the folder of a new run.
    pub fn create(path: &Path, request: &Request, listed: &[Listed]) -> Result<Self, Error> {
        Self::check_unoccupied(path)?;
        let run = run_file(path);
        fs::create_dir_all(state_folder(path)).map_err(failed("create the folder", path))?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&run)
            .map_err(failed("write", &run))?;
        lock(&file, path)?;
        // Somebody else may have been faster, up to here.
        Self::check_unoccupied(path)?;
        let kept = Run { request: request.clone(), listed: listed.to_vec() };
        let text = serde_json::to_string_pretty(&kept)? + "\n";
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &run))?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// Opens the folder of a run before, which must have been asked the same.
    pub fn resume(path: &Path, request: &Request) -> Result<(Self, Run), Error> {
        let file = run_file(path);
        let mut opened = match File::open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(nothing(path)),
            Err(error) => return Err(failed("read", &file)(error)),
        };
        lock(&opened, path)?;
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(failed("read", &file))?;
        if text.is_empty() {
            return Err(nothing(path));
        }
        let run: Run = parse(&text, &file)?;
        let before = &run.request;
        let addresses = |request: &Request| format!("{} with {}", request.source, request.target);
        if addresses(before) != addresses(request) {
            return Err(format!(
                "{} has a comparison of {}, not of {}",
                path.display(),
                addresses(before),
                addresses(request)
            )
            .into());
        }
        if before != request {
            return Err(format!(
                "{} has a comparison of other tables: give it the same options, {}",
                path.display(),
                before.options_in_words()
            )
            .into());
        }
        Ok((Self { path: path.to_owned(), _lock: opened }, run))
    }

    /// The summary, once there is one.
    pub fn summary(&self) -> Result<Option<Summary>, Error> {
        read(&self.path.join("summary.json"))
    }

    /// Opens a table's files: its result, when it is compared already, or a place to keep what is found.
    pub fn open(&self, table: &Table) -> Result<Opened, Error> {
        let stem = stem(table);
        let file = self.path.join(format!("{stem}.jsonl"));
        let part = self.path.join(format!("{stem}.jsonl.part"));
        let state = self.state_file(&stem);
        let (cursor, bytes, seconds) = match read(&state)? {
            Some(State::Done { bytes, result }) => {
                // The run before may have been killed between the two.
                if bytes > 0 && part.exists() {
                    fs::rename(&part, &file).map_err(failed("rename", &part))?;
                }
                return Ok(Opened::Done(result));
            }
            Some(State::UnderWay { cursor, bytes, seconds }) => (Some(cursor), bytes, seconds),
            None => (None, 0, 0.0),
        };
        let begun = Instant::now();
        let mut kept = Kept { file, part, state, lines: None, bytes, cursor, seconds, begun, saved: begun };
        kept.cut()?;
        Ok(Opened::UnderWay(kept))
    }

    /// Writes the summary. When no table has to be resumed, the tables' states are removed.
    pub fn finish(&self, summary: &Summary, listed: &[Listed]) -> Result<(), Error> {
        write(&self.path.join("summary.json"), summary.json()?.as_bytes())?;
        self.clean(summary, listed)
    }

    /// Removes the tables' states, when no table has to be resumed.
    pub fn clean(&self, summary: &Summary, listed: &[Listed]) -> Result<(), Error> {
        if summary.count(Status::Error) > 0 {
            return Ok(());
        }
        for table in listed {
            let state = self.state_file(&stem(&table.table));
            match fs::remove_file(&state) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed("remove", &state)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn state_file(&self, stem: &str) -> PathBuf {
        state_folder(&self.path).join(format!("{stem}.table.json"))
    }
}

impl Request {
    /// The options that say which tables and columns, each with a name.
    pub fn options(&self) -> Vec<(&'static str, &String)> {
        let all = [
            ("--table", &self.tables),
            ("--exclude", &self.exclude),
            ("--exclude-column", &self.exclude_columns),
        ];
        all.into_iter().flat_map(|(option, names)| names.iter().map(move |name| (option, name))).collect()
    }

    /// The same, in words.
    fn options_in_words(&self) -> String {
        let all = self.options().into_iter().map(|(option, name)| format!("{option} {}", shell_word(name)));
        let all = all.collect::<Vec<_>>();
        if all.is_empty() { "no --table, --exclude or --exclude-column".into() } else { all.join(" ") }
    }
}

fn nothing(path: &Path) -> Error {
    format!("there is no comparison in {} to resume: start one with --output", path.display()).into()
}

fn lock(file: &File, path: &Path) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(format!("another run of this command works in {}", path.display()).into())
        }
        Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

fn state_folder(path: &Path) -> PathBuf {
    path.join(".state")
}

fn run_file(path: &Path) -> PathBuf {
    state_folder(path).join("run.json")
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|error| format!("{} is not what this command writes: {error}", path.display()).into())
}

/// Reads a file; `None` when there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// A table's files.
#[derive(Debug)]
pub enum Opened {
    /// It is compared.
    Done(TableResult),
    /// It is to be compared from the cursor on.
    UnderWay(Kept),
}

/// Keeps what is found of one table.
#[derive(Debug)]
pub struct Kept {
    file: PathBuf,
    part: PathBuf,
    state: PathBuf,
    /// The `.part` file, once there is a line.
    lines: Option<File>,
    bytes: u64,
    cursor: Option<Cursor>,
    /// What the runs before took.
    seconds: f64,
    begun: Instant,
    saved: Instant,
}

impl Kept {
    /// Cuts off what no cursor counts.
    fn cut(&mut self) -> Result<(), Error> {
        let part = &self.part;
        let mut lines = match OpenOptions::new().write(true).open(part) {
            Ok(lines) => lines,
            Err(error) if error.kind() == ErrorKind::NotFound && self.bytes == 0 => return Ok(()),
            Err(error) => return Err(failed("resume", part)(error)),
        };
        let length = lines.metadata().map_err(failed("read", part))?.len();
        if length < self.bytes {
            return Err(format!(
                "{} has {length} bytes, and {} were written: compare into another folder",
                part.display(),
                self.bytes
            )
            .into());
        }
        lines.set_len(self.bytes).map_err(failed("cut", part))?;
        lines.seek(SeekFrom::End(0)).map_err(failed("cut", part))?;
        self.lines = Some(lines);
        Ok(())
    }

    /// Where to go on from.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor.clone()
    }

    /// How long the table takes, of all the runs.
    pub fn seconds(&self) -> f64 {
        self.seconds + self.begun.elapsed().as_secs_f64()
    }

    /// Takes what was found up to a cursor.
    pub fn take(&mut self, found: &[Difference], cursor: &Cursor) -> Result<(), Error> {
        if !found.is_empty() {
            let mut text = Vec::new();
            for difference in found {
                serde_json::to_writer(&mut text, difference)?;
                text.push(b'\n');
            }
            let part = &self.part;
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None => {
                    let created = OpenOptions::new().write(true).create_new(true).open(part);
                    self.lines.insert(created.map_err(failed("create", part))?)
                }
            };
            lines.write_all(&text).map_err(failed("write", part))?;
            self.bytes += text.len() as u64;
        }
        self.cursor = Some(cursor.clone());
        if self.saved.elapsed() >= SAVE {
            self.save()?;
        }
        Ok(())
    }

    /// Writes the state of what was taken.
    pub fn save(&mut self) -> Result<(), Error> {
        let Some(cursor) = self.cursor.clone() else { return Ok(()) };
        self.sync()?;
        let state = State::UnderWay { cursor, bytes: self.bytes, seconds: self.seconds() };
        write(&self.state, &serde_json::to_vec(&state)?)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Ends a table that is compared.
    pub fn end(self, result: &TableResult) -> Result<(), Error> {
        self.sync()?;
        let state = State::Done { bytes: self.bytes, result: result.clone() };
        write(&self.state, &serde_json::to_vec(&state)?)?;
        if self.bytes > 0 {
            fs::rename(&self.part, &self.file).map_err(failed("rename", &self.part))?;
        } else if self.lines.is_some() {
            // Lines that no cursor counted, of a run that was killed, and that were not found again.
            fs::remove_file(&self.part).map_err(failed("remove", &self.part))?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        match &self.lines {
            Some(lines) => lines.sync_data().map_err(failed("write", &self.part)),
            None => Ok(()),
        }
    }
}

/// What stays as it is in a file's name.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');

/// The name of a table's files, without endings. Names are data: one may be `../x`, or long. Two tables of a database
/// have two of them.
fn stem(table: &Table) -> String {
    let encoded = |name: &str| utf8_percent_encode(name, PLAIN).to_string();
    let dotless = |name: &str| encoded(name).replace('.', "%2E");
    let name = match table.schema.as_deref() {
        None => encoded(&table.name),
        // The schema ends at the one dot.
        Some("public") => dotless(&table.name),
        Some(schema) => format!("{}.{}", dotless(schema), dotless(&table.name)),
    };
    let name = match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => name,
    };
    if name.len() <= NAME {
        return name;
    }
    // What names have in common is not at their end, where a cut would be. A `~` is in no other name.
    let digest = Sha256::digest(name.as_bytes());
    let digest = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut start = name.get(..NAME - 33).unwrap_or_default();
    // No half of an encoded byte.
    if let Some(at) = start.rfind('%').filter(|at| at + 3 > start.len()) {
        start = start.get(..at).unwrap_or_default();
    }
    format!("{start}~{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: Option<&str>, name: &str) -> Table {
        Table { schema: schema.map(str::to_owned), name: name.into() }
    }

    #[test]
    fn a_files_name_is_safe_and_its_own_whatever_the_tables_name() {
        for (schema, name, expected) in [
            (None, "orders", "orders"),
            (None, "x/../y", "x%2F..%2Fy"),
            (None, "..", "%2E."),
            (None, ".state", "%2Estate"),
            (None, "a; DROP TABLE b", "a%3B%20DROP%20TABLE%20b"),
            (None, "%2E", "%252E"),
            (None, "a.b", "a.b"),
            (Some("public"), "a.b", "a%2Eb"),
            (Some("a"), "b", "a.b"),
            (Some("a"), "b.c", "a.b%2Ec"),
            (Some("a.b"), "c", "a%2Eb.c"),
        ] {
            assert_eq!(stem(&table(schema, name)), expected);
        }
        let long = ["\u{1f600}".repeat(64), format!("{}x", "\u{1f600}".repeat(63)), "a".repeat(201)];
        let stems = long.map(|name| stem(&table(Some("s"), &name)));
        assert_ne!(stems[0], stems[1]);
        for stem in stems {
            assert!((150..=NAME).contains(&stem.len()), "{stem}");
            let (start, digest) = stem.rsplit_once('~').unwrap();
            assert_eq!(digest.len(), 32);
            assert!(percent_encoding::percent_decode_str(start).decode_utf8_lossy().starts_with("s."));
            assert!(start.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-%".contains(&byte)));
        }
    }

    #[test]
    fn a_folder_belongs_to_one_comparison_and_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder");
        let request = Request {
            source: "a:1/x".into(),
            target: "b:1/x".into(),
            tables: BTreeSet::from(["it's".to_owned()]),
            exclude: BTreeSet::new(),
            exclude_columns: BTreeSet::new(),
        };
        let refused = |result: Result<(Folder, Run), Error>| result.unwrap_err().to_string();
        assert!(refused(Folder::resume(&path, &request)).contains("no comparison in"));
        let made = Folder::create(&path, &request, &[]).unwrap();
        assert!(refused(Folder::resume(&path, &request)).contains("another run"));
        assert!(Folder::check_unoccupied(&path).unwrap_err().to_string().contains("--resume"));
        drop(made);
        assert!(Folder::create(&path, &request, &[]).is_err());
        let other = Request { target: "c:1/x".into(), ..request.clone() };
        assert!(refused(Folder::resume(&path, &other)).contains("a:1/x with b:1/x, not of a:1/x with c:1/x"));
        let other = Request { tables: BTreeSet::new(), ..request.clone() };
        assert!(refused(Folder::resume(&path, &other)).contains(r#"--table "it's""#));
        assert!(Folder::resume(&path, &request).is_ok());
    }
}
