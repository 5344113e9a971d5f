//! The person who holds a game day, at a terminal.

use std::io::Write;

use tokio::sync::oneshot;

use crate::Error;
use crate::timeline::Timeline;

/// What the person answers to a question, without spaces around it. The writes go on meanwhile.
///
/// # Errors
/// When nobody is there any more.
pub async fn answers(timeline: &Timeline, question: &str) -> Result<String, Error> {
    timeline.hide();
    let mut output = std::io::stdout();
    write!(output, "{question}")?;
    output.flush()?;
    let (sender, answer) = oneshot::channel();
    // Nobody waits for this thread at the end.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Whoever asked may have gone.
        let _ = sender.send(read.ok().filter(|length| *length > 0).map(|_| line.trim().to_owned()));
    });
    let answer = answer.await;
    timeline.show();
    answer.ok().flatten().ok_or_else(|| "nobody answers at the terminal any more".into())
}

/// Whether the person says yes.
///
/// # Errors
/// As [`answers`].
pub async fn agrees(timeline: &Timeline, question: &str) -> Result<bool, Error> {
    let answer = answers(timeline, question).await?.to_lowercase();
    Ok(["y", "yes"].contains(&answer.as_str()))
}
