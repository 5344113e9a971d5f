//! The output of the commands about stacks.

/// Says a line.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub fn say(text: &str) {
    println!("{text}");
}
