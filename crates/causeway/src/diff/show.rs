//! What a person sees: a bar while it runs, in a terminal only, and at the end a table. Text goes to where it is asked
//! for by the caller; the bar and what is said beside it go to standard error.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use textwrap::core::display_width;

use super::summary::{Status, Summary, TableResult};
use crate::text::duration;

/// The bar: rows compared of those that there may be.
#[derive(Clone)]
pub struct Bar {
    bar: ProgressBar,
    tables: usize,
    ended: Arc<AtomicUsize>,
}

impl Bar {
    /// None.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), tables: 0, ended: Arc::default() }
    }

    /// A bar for so many tables of `rows` rows together, by an estimate.
    pub fn start(tables: usize, rows: u64) -> Self {
        let bar = ProgressBar::new(rows);
        let template =
            "{spinner:.dim} {wide_bar:.dim} {human_pos} of about {human_len} rows, {rate}, {left}, {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, line: &mut dyn std::fmt::Write| {
                let _ = write!(line, "{}/s", HumanCount(state.per_sec().round() as u64));
            };
            let left = |state: &ProgressState, line: &mut dyn std::fmt::Write| {
                // An estimate that was too low says nothing of the rest.
                let known = state.len().is_some_and(|rows| state.pos() < rows) && state.per_sec() >= 1.0;
                let _ = match known {
                    true => write!(line, "{} left", duration(state.eta())),
                    false => write!(line, "– left"),
                };
            };
            bar.set_style(style.with_key("rate", rate).with_key("left", left));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let shown = Self { bar, tables, ended: Arc::default() };
        shown.say_tables(0);
        shown
    }

    fn say_tables(&self, ended: usize) {
        self.bar.set_message(format!("{ended} of {} tables", self.tables));
    }

    /// A table waits for a server that is busy; until the next rows.
    pub fn waiting(&self, reason: &str) {
        self.bar.set_message(format!("waiting: {reason}"));
    }

    /// More rows are compared.
    pub fn rows(&self, more: u64) {
        self.say_tables(self.ended.load(Ordering::Relaxed));
        self.bar.inc(more);
        self.bar.set_length(self.bar.length().unwrap_or_default().max(self.bar.position()));
    }

    /// Rows that a run before compared: they say nothing of the speed.
    pub fn again(&self, rows: u64) {
        if rows > 0 {
            self.rows(rows);
            self.bar.reset_eta();
        }
    }

    /// A table is at its end: now its rows are known.
    pub fn ended(&self, estimate: u64, rows: u64) {
        let length = self.bar.length().unwrap_or_default() + rows;
        self.bar.set_length(length.saturating_sub(estimate).max(self.bar.position()));
        self.say_tables(self.ended.fetch_add(1, Ordering::Relaxed) + 1);
    }

    /// A line above the bar.
    #[expect(clippy::print_stderr, reason = "this is the command's output")]
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

const HEADS: [&str; 8] =
    ["table", "status", "rows source", "rows target", "missing", "changed", "extra", "seconds"];

/// The summary as a table, then notes and errors. What is wider than `width` columns is broken, if there is one.
pub fn text(summary: &Summary, width: Option<usize>) -> String {
    let rows: Vec<[String; 8]> = summary.tables.iter().map(cells).collect();
    let widest = |column: usize, most: usize| {
        let widths = rows.iter().map(|row| display_width(&row[column])).filter(|&width| width <= most);
        widths.chain([display_width(HEADS[column])]).max().unwrap_or_default()
    };
    let mut widths: [usize; 8] = std::array::from_fn(|column| widest(column, usize::MAX));
    if let Some(width) = width {
        // A name that would push the numbers over the edge gets a line of its own.
        let others = widths[1..].iter().map(|width| width + 2).sum::<usize>();
        widths[0] = widest(0, width.saturating_sub(others));
    }
    let mut text = format!("{} (source) and {} (target)\n\n", plain(&summary.source), plain(&summary.target));
    let mut line = |cells: &[String; 8]| {
        let mut name = cells[0].as_str();
        if display_width(name) > widths[0] {
            text.push_str(name);
            text.push('\n');
            name = "";
        }
        let mut line = padded(name, widths[0], false);
        for (column, cell) in cells.iter().enumerate().skip(1) {
            line.push_str("  ");
            line.push_str(&padded(cell, widths[column], column > 1));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(&HEADS.map(str::to_owned));
    rows.iter().for_each(&mut line);
    let _ = writeln!(text, "\n{}", verdict(summary));

    let notes = summary.tables.iter().flat_map(|table| {
        let error = table.error.iter().map(|error| format!("error: {error}"));
        error
            .chain(table.notes.iter().cloned())
            .map(|note| format!("{}: {}", plain(&table.table), plain(&note)))
    });
    for (number, note) in notes.enumerate() {
        text.push_str(if number == 0 { "\nnotes\n" } else { "" });
        text.push_str(&wrapped(&note, width));
        text.push('\n');
    }
    text
}

fn cells(table: &TableResult) -> [String; 8] {
    let count =
        |count: Option<u64>| count.map_or_else(|| "–".to_owned(), |count| HumanCount(count).to_string());
    [
        plain(&table.table),
        table.status.words().to_owned(),
        count(table.rows_source),
        count(table.rows_target),
        count(table.missing),
        count(table.changed),
        count(table.extra),
        format!("{:.1}", table.seconds),
    ]
}

/// How many tables came out how, in one line.
fn verdict(summary: &Summary) -> String {
    let all = summary.tables.len();
    let mut text = format!("{all} table{}:", if all == 1 { "" } else { "s" });
    let mut separator = " ";
    for status in [
        Status::Alike,
        Status::AlikeNotAllCompared,
        Status::Different,
        Status::SourceOnly,
        Status::TargetOnly,
        Status::Error,
    ] {
        let count = summary.count(status);
        if count > 0 {
            let words = match status {
                // It has a comma of its own.
                Status::AlikeNotAllCompared => "alike but not all compared",
                Status::SourceOnly => "in the source only",
                Status::TargetOnly => "in the target only",
                Status::Error => "in error",
                other => other.words(),
            };
            let _ = write!(text, "{separator}{count} {words}");
            separator = ", ";
        }
    }
    text
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(display_width(text)));
    if right { space + text } else { text.to_owned() + &space }
}

fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return format!("  {text}") };
    let options = textwrap::Options::new(width)
        .initial_indent("  ")
        .subsequent_indent("    ")
        // Names and addresses stay whole, to be copied.
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

/// A name as it can be printed: it is data, and may hold what a terminal acts on.
pub fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut plain, character| {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use table_diff::{Counts, Listed, Presence, Table, TableSummary};

    #[test]
    fn the_table_is_aligned_and_names_are_only_names() {
        let compared = |name: &str, rows: u64, changed: u64, notes: &[&str]| {
            let counts = Counts { rows_source: rows, rows_target: rows, changed, ..Counts::default() };
            let notes = notes.iter().map(|&note| note.to_owned()).collect::<Vec<_>>();
            let not_compared = notes.clone();
            let summary = TableSummary { counts, key_columns: vec!["id".into()], notes, not_compared };
            TableResult::compared(name.into(), summary, 1.3)
        };
        let listed =
            Listed { table: Table { schema: None, name: "old".into() }, presence: Presence::SourceOnly };
        let long = "a name that is too long for the column that names have here";
        let summary = Summary {
            tables: vec![
                compared("orders", 1_234_567, 0, &["column \"a\" is on the source only: not compared"]),
                compared("語\u{1b}[2J", 5, 1234, &[]),
                TableResult::not_compared(&listed).unwrap(),
                compared(long, 5, 0, &[]),
                TableResult::failed("x".into(), "no".into(), None, 0.0),
            ],
            source: "a:1/d".into(),
            target: "b:1/d".into(),
        };
        let expected = "\
a:1/d (source) and b:1/d (target)

table        status                   rows source  rows target  missing  changed  extra  seconds
orders       alike, not all compared    1,234,567    1,234,567        0        0      0      1.3
語\\u{1b}[2J  different                          5            5        0    1,234      0      1.3
old          source only                        –            –        –        –      –      0.0
a name that is too long for the column that names have here
             alike                              5            5        0        0      0      1.3
x            error                              –            –        –        –      –      0.0

5 tables: 1 alike, 1 alike but not all compared, 1 different, 1 in the source only, 1 in error

notes
  orders: column \"a\" is on the source only: not compared
  old: the target does not have it, or does not let this user see it
  x: error: no
";
        assert_eq!(text(&summary, Some(103)), expected);
    }
}
