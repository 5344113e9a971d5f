//! The output of the commands about stacks.

/// Says a line.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub(super) fn say(text: &str) {
    println!("{text}");
}
