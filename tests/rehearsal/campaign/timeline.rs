//! What happened in a night, in the order of its time, as a person follows it.

use std::fmt::Write as _;
use std::sync::Mutex;

use tokio::time::Instant;

/// Lines with the seconds since the begin.
pub struct Timeline {
    begin: Instant,
    lines: Mutex<Vec<(f64, String)>>,
    /// Whether each line is told at once, for a night that does not end.
    live: bool,
}

impl Timeline {
    /// Begins now.
    pub fn new() -> Self {
        Self { begin: Instant::now(), lines: Mutex::default(), live: std::env::var_os("TELL").is_some() }
    }

    /// Something happened.
    #[expect(clippy::print_stderr, reason = "only where somebody asks for it")]
    pub fn say(&self, line: impl Into<String>) {
        let (at, line) = (self.begin.elapsed().as_secs_f64(), line.into());
        if self.live {
            eprintln!("{at:>9.1} s  {line}");
        }
        self.lines.lock().unwrap().push((at, line));
    }

    /// Something went wrong on purpose.
    pub fn fault(&self, line: String) {
        self.say(format!("  !! {line}"));
    }

    /// All of it. Lines that follow each other and say the same are one.
    pub fn told(&self) -> String {
        let mut text = String::new();
        let lines = self.lines.lock().unwrap();
        let mut rest = lines.iter().peekable();
        while let Some((at, line)) = rest.next() {
            let mut more = 0;
            while rest.next_if(|(_, next)| next == line).is_some() {
                more += 1;
            }
            let again = if more > 0 { format!(" (and {more} times more)") } else { String::new() };
            let _ = writeln!(text, "{at:>9.1} s  {line}{again}");
        }
        text
    }
}
