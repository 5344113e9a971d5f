//! What a person sees while a rehearsal runs: a line per event with its time, and below it one line that lives.
//!
//! Lines go to standard output, so that a pipe or a file keeps the story; the living line goes to the terminal only.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Closed when the reader of the lines has gone, as `head` does.
static UNREAD: Semaphore = Semaphore::const_new(0);

/// Returns when nobody reads the lines any more.
pub async fn unread() {
    // There are no permits: it returns when it is closed.
    let _ = UNREAD.acquire().await;
}

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
        self.wrapped(24, &format!("{seconds:>7.1} s  {who:<12} {what}"));
    }

    /// A line without a time; what a terminal has no room for continues below, `indent` columns in.
    pub fn wrapped(&self, indent: usize, text: &str) {
        if !std::io::stdout().is_terminal() {
            // A line per event, for those who search a file.
            return self.plain(text);
        }
        let indent = " ".repeat(indent);
        let width = textwrap::Options::with_termwidth()
            .subsequent_indent(&indent)
            // Names and addresses stay whole, to be copied.
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(false);
        self.plain(&textwrap::fill(text, width));
    }

    /// A line without a time, as it is.
    pub fn plain(&self, text: &str) {
        let written = self.live.suspend(|| writeln!(std::io::stdout(), "{text}"));
        // What a full disk does not take is lost; the rehearsal continues, and its end has an exit status.
        if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            UNREAD.close();
        }
    }

    /// What the living line says.
    pub fn status(&self, text: impl Into<String>) {
        self.live.set_message(text.into());
    }

    /// Takes the living line away, while a person types.
    pub fn hide(&self) {
        self.live.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Shows it again.
    pub fn show(&self) {
        self.live.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// Ends the living line.
    pub fn end(&self) {
        self.live.finish_and_clear();
    }
}
