//! The wire protocols under the real SDK: in process with paused time, and over TCP.
//!
//! Behind the wire stands a scripted service, so that these tests say what travels, not what a world answers.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod arc;
mod protocols;
mod s3;
mod scripted;
mod silence;
mod strangers;

/// Every file beside this one is one of the modules above.
#[test]
fn no_file_is_forgotten() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "{name} is not part of the tests"
        );
    }
}
