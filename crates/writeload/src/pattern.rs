//! Texts that match a regular expression, where it is a simple one.

use rand::RngExt;
use rand::rngs::StdRng;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How often what may be repeated without end is repeated at most, beyond what it has to be.
const MORE: u32 = 6;
/// How many parts of a pattern are written at most: repetitions of repetitions have very many.
const PARTS: usize = 10_000;

/// A text that matches; `None` where the expression is not one that is understood. What it asks for beyond characters and
/// repetitions, such as a word's boundary, is not looked at: the server judges.
pub(crate) fn matching(random: &mut StdRng, pattern: &str) -> Option<String> {
    // Servers of ours know `\Z` and POSIX classes in other words; most patterns have neither.
    let tree = regex_syntax::parse(&pattern.replace("\\Z", "$").replace("\\A", "^")).ok()?;
    let (mut text, mut parts) = (String::new(), PARTS);
    write(random, &tree, &mut text, &mut parts)?;
    Some(text)
}

fn write(random: &mut StdRng, tree: &Hir, text: &mut String, left: &mut usize) -> Option<()> {
    *left = left.checked_sub(1)?;
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(()),
        HirKind::Literal(literal) => {
            text.push_str(std::str::from_utf8(&literal.0).ok()?);
            Some(())
        }
        HirKind::Class(Class::Unicode(class)) => {
            // ASCII where there is some, for a character set may not have more.
            let plain: Vec<char> = class
                .iter()
                .flat_map(|range| range.start()..=range.end().min('~'))
                .filter(|one| (' '..='~').contains(one))
                .take(128)
                .collect();
            let first = class.iter().next().map(regex_syntax::hir::ClassUnicodeRange::start);
            let one = if plain.is_empty() { first? } else { plain[random.random_range(0..plain.len())] };
            text.push(one);
            Some(())
        }
        HirKind::Class(Class::Bytes(_)) => None,
        HirKind::Repetition(repetition) => {
            let more = repetition.min.saturating_add(MORE);
            let most = repetition.max.unwrap_or(more).min(more);
            for _ in 0..random.random_range(repetition.min..=most) {
                write(random, &repetition.sub, text, left)?;
            }
            Some(())
        }
        HirKind::Capture(capture) => write(random, &capture.sub, text, left),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(random, part, text, left)),
        HirKind::Alternation(parts) => {
            let chosen = random.random_range(0..parts.len());
            write(random, &parts[chosen], text, left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rehearsals::strangers::{DEEP, Reader, hold};

    #[test]
    fn any_bytes_as_a_pattern() {
        let reader = Reader::of_text("a pattern", |text| {
            let text = matching(&mut StdRng::seed_from_u64(1), text);
            assert!(text.as_ref().is_none_or(|text| text.len() <= 1 << 20));
            text.is_some()
        });
        let reader = reader.examples([
            r"^[A-Z]{2}-\d{3}(a|bc)?$",
            r"[[:alpha:]_]+@\w*\.(com|net)",
            r"\Ax{0,9}(?i:y)\Z",
        ]);
        for (begin, end) in [("(", ")"), ("(", "){9}"), ("(a|", ")"), ("[", "]")] {
            reader.holds_for(format!("{}a{}", begin.repeat(DEEP), end.repeat(DEEP)));
            reader.holds_for(format!("{}a{}", begin.repeat(40), end.repeat(40)));
        }
        hold(&reader);
    }

    #[test]
    fn a_pattern_of_very_many_characters_is_left_to_the_server() {
        let mut random = StdRng::seed_from_u64(1);
        assert_eq!(matching(&mut random, "((a{1000}){1000}){1000}"), None);
        assert_eq!(matching(&mut random, "((|a){1000}){1000}"), None);
        assert_eq!(matching(&mut random, "a{4294967295}"), None);
    }

    #[test]
    fn a_text_is_as_its_pattern_says() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..20 {
            let code = matching(&mut random, r"^[A-Z]{2}-\d{3}(a|bc)?$").unwrap();
            let bytes = code.as_bytes();
            assert!(
                bytes[0].is_ascii_uppercase() && bytes[1].is_ascii_uppercase() && bytes[2] == b'-',
                "{code}"
            );
            assert!(bytes[3..6].iter().all(u8::is_ascii_digit), "{code}");
            assert!(["", "a", "bc"].contains(&&code[6..]), "{code}");
        }
        assert_eq!(matching(&mut random, r"(?=a)b"), None);
    }
}
