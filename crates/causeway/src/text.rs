//! How the command writes durations, and words for a shell.

use std::time::Duration;

/// A duration: `0.4 s`, `12.3 s`, `2 min 03 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

/// A word as a shell reads it.
pub fn shell_word(word: &str) -> String {
    // Only a word with a NUL can't be quoted, and no argument of a process has one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_the_precision_that_matters() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!([40, 12_340, 60_000, 123_400].map(said), ["0.0 s", "12.3 s", "1 min 00 s", "2 min 03 s"]);
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in ["plain", "", "a b", "it's", "$HOME", "a\"b", "out/drill", "naïve", "a\nb", "*"] {
            assert_eq!(shlex::split(&shell_word(word)), Some(vec![word.to_owned()]), "{word}");
        }
        assert_eq!(shell_word("out/drill"), "out/drill");
    }
}
