//! Texts that match a regular expression, where it is a simple one.

use rand::RngExt;
use rand::rngs::StdRng;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How often what may be repeated without end is repeated at most, beyond what it has to be.
const MORE: u32 = 6;

/// A text that matches; `None` where the expression is not one that is understood. What it asks for beyond characters and
/// repetitions, such as a word's boundary, is not looked at: the server judges.
pub(crate) fn matching(random: &mut StdRng, pattern: &str) -> Option<String> {
    // Servers of ours know `\Z` and POSIX classes in other words; most patterns have neither.
    let tree = regex_syntax::parse(&pattern.replace("\\Z", "$").replace("\\A", "^")).ok()?;
    let mut text = String::new();
    write(random, &tree, &mut text)?;
    Some(text)
}

fn write(random: &mut StdRng, tree: &Hir, text: &mut String) -> Option<()> {
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
            let most = repetition.max.unwrap_or(repetition.min + MORE).min(repetition.min + MORE);
            for _ in 0..random.random_range(repetition.min..=most) {
                write(random, &repetition.sub, text)?;
            }
            Some(())
        }
        HirKind::Capture(capture) => write(random, &capture.sub, text),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(random, part, text)),
        HirKind::Alternation(parts) => {
            let chosen = random.random_range(0..parts.len());
            write(random, &parts[chosen], text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

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
