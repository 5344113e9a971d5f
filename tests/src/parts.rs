//! Parts of the machine that a test may lack, such as MySQL or a browser.
//!
//! A test without its part is skipped, and says so. A skipped test is not a passed one: where `REQUIRE` names the part
//! (`REQUIRE=mysql,postgres,browser`) it fails. `make test` sets that to what its set-up installed, and lists at the end what was
//! skipped, from the file that `SKIPPED` names: cargo keeps what a passing test says to itself.

use std::io::Write as _;

/// Tells that a test, or a part of it, is not run for want of `part`, as `tests/setup.sh` names it.
///
/// # Panics
/// When the part is required.
pub fn missing(part: &str, why: &str) {
    let required = std::env::var("REQUIRE").unwrap_or_default();
    assert!(
        !is_among(&required, part),
        "{part} is required (REQUIRE={required}): {why}; `tests/setup.sh {part}` installs it"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED for want of {part}: {test}: {why}; `tests/setup.sh {part}` installs it\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("SKIPPED") {
        let file = std::fs::File::options().create(true).append(true).open(&path);
        // A list that can't be written must not make a skipped test look like a passed one.
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        assert!(written.is_ok(), "{}: {written:?}", path.display());
    }
}

fn is_among(required: &str, part: &str) -> bool {
    required.split([',', ' ']).any(|one| one == part)
}

#[cfg(test)]
mod tests {
    use super::is_among;

    #[test]
    fn a_part_is_required_by_its_whole_name() {
        for (required, expected) in [
            ("mysql,postgres", true),
            ("postgres mysql", true),
            ("mysql8", false),
            ("my,sql", false),
            ("", false),
        ] {
            assert_eq!(is_among(required, "mysql"), expected, "{required}");
        }
    }
}
