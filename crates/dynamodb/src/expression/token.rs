//! The words of an expression, with their places in it.

/// What kind of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare word: an attribute, a keyword or a function.
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    /// A whole number, as between brackets.
    Digits,
    /// An operator or a sign of punctuation.
    Sign,
    /// The end of the expression.
    End,
    /// What is no word of an expression.
    Unknown,
}

/// A word, and where it stands: from `start` to `end`, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// All words of an expression, and its end.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = source[start..].chars().next() {
        let rest = &source[start..];
        let run = |from: usize| {
            rest[from..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .map_or(rest.len(), |to| from + to)
        };
        let (kind, length) = match first {
            ' ' | '\t' | '\r' | '\n' => {
                start += 1;
                continue;
            }
            'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, run(0)),
            '0'..='9' => (Kind::Digits, rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            '#' if run(1) > 1 => (Kind::Name, run(1)),
            ':' if run(1) > 1 => (Kind::Value, run(1)),
            _ if ["<>", "<=", ">="].iter().any(|two| rest.starts_with(two)) => (Kind::Sign, 2),
            '(' | ')' | '[' | ']' | '.' | ',' | '=' | '<' | '>' | '+' | '-' => (Kind::Sign, 1),
            _ => (Kind::Unknown, first.len_utf8()),
        };
        tokens.push(Token { kind, start, end: start + length });
        start += length;
    }
    tokens.push(Token { kind: Kind::End, start: source.len(), end: source.len() });
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_signs_and_placeholders_are_told_apart() {
        let source = "a.#b[10]<>:c AND é #";
        let all: Vec<(Kind, &str)> =
            tokens(source).iter().map(|token| (token.kind, &source[token.start..token.end])).collect();
        assert_eq!(
            all,
            [
                (Kind::Word, "a"),
                (Kind::Sign, "."),
                (Kind::Name, "#b"),
                (Kind::Sign, "["),
                (Kind::Digits, "10"),
                (Kind::Sign, "]"),
                (Kind::Sign, "<>"),
                (Kind::Value, ":c"),
                (Kind::Word, "AND"),
                (Kind::Unknown, "é"),
                (Kind::Unknown, "#"),
                (Kind::End, ""),
            ]
        );
    }
}
