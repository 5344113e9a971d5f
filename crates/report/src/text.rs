//! Numbers as people read them.

pub use missing_transactions::text::{count, counted, cut, duration, seconds, time};

/// A text as the end of a sentence: with a full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_with_one_full_stop() {
        for (text, expected) in
            [(" it is so ", "it is so."), ("it is so.", "it is so."), ("is it so?", "is it so?")]
        {
            assert_eq!(sentence(text), expected);
        }
    }
}
