//! What a person sees while a rehearsal runs: a line per event with its time, and below it one line that lives.
//!
//! Lines go to standard output, so that a pipe or a file keeps the story; the living line goes to the terminal only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Below what happened, where a line is longer than the terminal is wide.
const INDENT: &str = "                        ";

/// The timeline of one rehearsal. Cheap to clone.
#[derive(Clone)]
pub struct Timeline {
    start: Instant,
    live: ProgressBar,
}

impl Timeline {
    /// Starts the clock.
    pub fn start() -> Self {
        let live = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner:.dim} {wide_msg:.dim}") {
            live.set_style(style);
        }
        live.enable_steady_tick(Duration::from_millis(120));
        Self { start: Instant::now(), live }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A line of the story: `who` did or saw `what`.
    pub fn line(&self, who: &str, what: &str) {
        let seconds = self.elapsed().as_secs_f64();
        let text = format!("{seconds:>7.1} s  {who:<12} {what}");
        if std::io::stdout().is_terminal() {
            let width = textwrap::Options::with_termwidth().subsequent_indent(INDENT);
            self.plain(&textwrap::fill(&text, width));
        } else {
            // A line per event, for those who search a file.
            self.plain(&text);
        }
    }

    /// A line without a time.
    #[expect(clippy::print_stdout, reason = "this is the command's output")]
    pub fn plain(&self, text: &str) {
        self.live.suspend(|| println!("{text}"));
    }

    /// What the living line says.
    pub fn status(&self, text: impl Into<String>) {
        self.live.set_message(text.into());
    }

    /// Ends the living line.
    pub fn end(&self) {
        self.live.finish_and_clear();
    }
}

/// A duration as a person says it: `0.4 s`, `12.3 s`, `2 min 03 s`.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}
