//! What a person, or a program, is shown of an execution: lines, colours and a line that moves on a terminal; plain lines into a pipe;
//! one JSON object in a line for programs.

use std::cell::OnceCell;
use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::watch::{Seen, Step};
use crate::prompt::say;
use crate::text::duration;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for a person
    Text,
    /// A JSON object in each line
    Json,
}

/// Where it is shown.
pub struct Screen {
    format: Format,
    /// The width of a terminal that takes colours; `None`: plain lines.
    width: Option<usize>,
    /// The line that moves, once there is something that does.
    moving: OnceCell<ProgressBar>,
}

impl Screen {
    /// Standard output.
    pub fn new(format: Format) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && format == Format::Text;
        Self { format, width: is_terminal.then(textwrap::termwidth), moving: OnceCell::new() }
    }

    /// Whether a program reads it.
    pub fn is_for_a_program(&self) -> bool {
        self.format == Format::Json
    }

    /// A text for a person, as wide as the terminal.
    pub fn line(&self, text: &str) {
        if self.format != Format::Text {
            return;
        }
        let text =
            self.width.map_or_else(|| text.to_owned(), |width| textwrap::fill(text, whole_words(width)));
        self.put(&text);
    }

    fn put(&self, text: &str) {
        match self.moving.get() {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn event(&self, event: &Value) {
        if self.format == Format::Json {
            say(&event.to_string());
        }
    }

    /// It has begun, or is followed.
    pub fn begun(&self, runbook: &str, region: &str, id: &str) {
        self.event(&json!({"event": "started", "runbook": runbook, "region": region, "execution": id}));
        self.line(&format!("{runbook} runs in {region}, execution {id}"));
    }

    /// A step has ended.
    pub fn step(&self, step: &Step, since: Option<Timestamp>) {
        let took = step.started.zip(step.ended).map(|(from, to)| between(from, to));
        self.event(&json!({
            "event": "step", "name": step.name, "status": step.status, "answer": step.answer, "reason": step.reason,
            "seconds": took.map(|took| took.as_secs_f64()),
        }));
        let at = since.zip(step.ended).map(|(from, to)| clock(between(from, to))).unwrap_or_default();
        let word =
            if step.status == "Success" { step.answer.as_deref().unwrap_or("done") } else { &step.status };
        let took = took.map(duration).unwrap_or_default();
        let head = format!("{at:>7}  {:<18}{word:<15}{took:>11}", step.name);
        let reason = step.reason.as_deref().unwrap_or_default();
        if self.format == Format::Text {
            self.put(&self.beside(&head, &head.replacen(word, &paint(word), 1), reason));
        }
    }

    /// A reason beside what it is of, or below it where the terminal is too narrow.
    fn beside(&self, head: &str, painted: &str, reason: &str) -> String {
        let fits = |width: usize| head.chars().count() + 2 + reason.chars().count() <= width;
        match self.width {
            None => format!("{head}  {reason}").trim_end().to_owned(),
            Some(width) if fits(width) => format!("{painted}  {reason}").trim_end().to_owned(),
            Some(width) => {
                let indent = " ".repeat(INDENT);
                let options = whole_words(width).initial_indent(&indent).subsequent_indent(&indent);
                format!("{painted}\n{}", textwrap::fill(reason, options))
            }
        }
    }

    /// What it is at.
    pub fn at_work(&self, seen: &Seen, now: Timestamp) {
        let Some(width) = self.width else { return };
        let bar = self.moving.get_or_init(moving);
        let Some((step, waits)) = seen.at_work() else { return bar.set_message("") };
        bar.enable_steady_tick(Duration::from_millis(200));
        let since = step.started.map(|from| clock(between(from, now))).unwrap_or_default();
        let waits = waits.map(|text| format!(": {text}")).unwrap_or_default();
        let text = format!("{} {since}{waits}", step.name);
        bar.set_message(text.chars().take(width.saturating_sub(4)).collect::<String>());
    }

    /// Nothing moves while a person is asked.
    pub fn hold(&self) {
        if let Some(bar) = self.moving.get() {
            bar.set_message("");
            bar.disable_steady_tick();
        }
    }

    /// It has ended.
    pub fn ended(&self, seen: &Seen) {
        if let Some(bar) = self.moving.get() {
            bar.finish_and_clear();
        }
        let said = seen.summary.as_deref().or(seen.failure.as_deref());
        self.event(&json!({"event": "ended", "status": seen.status, "summary": said}));
        let said = said.unwrap_or("it says nothing; the function's logs do");
        let word = if self.width.is_some() { paint(&seen.status) } else { seen.status.clone() };
        self.line(&format!("{word}: {said}"));
    }
}

/// Lines of this width in which no word is broken: an address stays one.
fn whole_words<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width).break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

/// Columns before a reason that stands below its step.
const INDENT: usize = 9;
/// The line that moves.
const MOVING: &str = "{spinner} {msg}";

fn moving() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template(MOVING) {
        bar.set_style(style);
    }
    bar
}

/// A word in its colour.
fn paint(word: &str) -> String {
    let colour = match word {
        "Done" | "Ready" | "NotNeeded" | "Success" | "done" => 32,
        "InProgress" | "NeedsApproval" | "Waiting" => 33,
        "Refused" | "Failed" | "TimedOut" | "Cancelled" => 31,
        _ => return word.to_owned(),
    };
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return word.to_owned();
    }
    format!("\u{1b}[{colour}m{word}\u{1b}[0m")
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// `0:04`, `1:02:03`.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_clocks_show_them_and_the_moving_line_has_a_style() {
        let said = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([4, 62, 3_723].map(said), ["0:04", "1:02", "1:02:03"]);
        assert!(ProgressStyle::with_template(MOVING).is_ok());
    }
}
