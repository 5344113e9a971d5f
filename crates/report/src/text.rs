//! Numbers as people read them.

use jiff::Timestamp;

pub use missing_transactions::text::{count, counted, cut, duration, time};

/// A text as the end of a sentence: with a full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

/// Seconds from one time to another.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_times_and_counts_are_as_people_say_them() {
        let cases = [
            (0.44, "0.4 s"),
            (-1.0, "0 s"),
            (9.96, "10 s"),
            (59.6, "1 min"),
            (123.0, "2 min 3 s"),
            (3600.0, "1 h"),
            (11045.0, "3 h 4 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(time("2026-03-01T12:00:05.7Z".parse().unwrap()), "2026-03-01 12:00:05 UTC");
        assert_eq!(
            (count(7), count(1234), count(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(cut("äöü", 2), "äö…");
    }
}
