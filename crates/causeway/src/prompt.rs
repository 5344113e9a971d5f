//! What the commands about stacks say to a person, and ask.

use std::io::{IsTerminal, Write};

use crate::Error;

/// Says a line.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Whether somebody can be asked. `yes`: that is not wanted.
///
/// # Errors
/// Without a terminal, where only `--yes` says that it is wanted.
pub fn can_be_asked(yes: bool) -> Result<(), Error> {
    if yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err("there is no terminal to ask for a confirmation: run it with --yes (make: YES=1) to go on; nothing was changed".into())
}

/// Whether somebody agrees, or is not to be asked.
///
/// # Errors
/// When the terminal breaks off.
pub fn agreed(yes: bool, question: &str) -> Result<bool, Error> {
    if yes {
        return Ok(true);
    }
    let mut output = std::io::stdout();
    write!(output, "\n{question} [y/N] ")?;
    output.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let agreed = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if !agreed {
        say("Nothing was changed.");
    }
    Ok(agreed)
}
