//! A key between two others: a guess at where the middle of a table is. Pure.

use std::cmp::Ordering;

use crate::cells::Key;

/// How the values of a column are ordered, as far as values between them can be made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Number,
    /// By the bytes of the text.
    Text,
    /// The same whatever the case of a letter is.
    Folded,
    Bytes,
}

/// How many bytes behind what two texts share are looked at.
const DIGITS: usize = 8;

/// A key that is about halfway between two others, by the first column in which they differ; `orders`: of each column, where one
/// can be made up. `None` when there is none between them.
pub(crate) fn between(low: &Key, high: &Key, orders: &[Option<Order>]) -> Option<Key> {
    let place = low.iter().zip(high).position(|(low, high)| low != high)?;
    let middle = match orders.get(place).copied().flatten()? {
        Order::Number => number_between(&low[place], &high[place])?,
        Order::Text => text_between(&low[place], &high[place], b'~')?,
        // Without small letters: they are where the capitals are.
        Order::Folded => {
            text_between(&low[place].to_ascii_uppercase(), &high[place].to_ascii_uppercase(), b'_')?
        }
        Order::Bytes => digits_between(&low[place], &high[place], 0..=255)?,
    };
    let mut key = low.clone();
    key[place] = middle;
    Some(key)
}

/// A whole number between two numbers.
fn number_between(low: &[u8], high: &[u8]) -> Option<Vec<u8>> {
    let whole = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok()?;
        text.split('.').next()?.parse::<i128>().ok()
    };
    let (low, high) = (whole(low)?, whole(high)?);
    let middle = low + (high.checked_sub(low)?) / 2;
    (middle != low).then(|| middle.to_string().into_bytes())
}

/// A text between two texts, if they were ordered by their bytes. What they share stays; no byte behind that is above `most`.
fn text_between(low: &[u8], high: &[u8], most: u8) -> Option<Vec<u8>> {
    let middle = digits_between(low, high, b' '..=most)?;
    String::from_utf8(middle).ok().map(String::into_bytes)
}

/// Bytes between two values, with bytes of this range only behind what the values share.
fn digits_between(low: &[u8], high: &[u8], digits: std::ops::RangeInclusive<u8>) -> Option<Vec<u8>> {
    let shared = low.iter().zip(high).take_while(|(low, high)| low == high).count();
    let (least, most) = (*digits.start(), *digits.end());
    let base = u128::from(most - least) + 1;
    let number = |value: &[u8]| {
        (shared..shared + DIGITS).fold(0_u128, |number, place| {
            let digit = value.get(place).copied().unwrap_or(least).clamp(least, most);
            number * base + u128::from(digit - least)
        })
    };
    let (low_number, high_number) = (number(low), number(high));
    let mut rest = u128::midpoint(low_number, high_number);
    if rest.cmp(&low_number.min(high_number)) != Ordering::Greater {
        return None;
    }
    let mut behind = [least; DIGITS];
    for digit in behind.iter_mut().rev() {
        // Below the base, which is 256 at most.
        *digit = least + u8::try_from(rest % base).unwrap_or_default();
        rest /= base;
    }
    Some([&low[..shared], &behind].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[&str]) -> Key {
        parts.iter().map(|part| part.as_bytes().to_vec()).collect()
    }

    #[test]
    fn numbers_have_a_whole_number_between_them() {
        let orders = [Some(Order::Number), Some(Order::Number)];
        for (low, high, middle) in [
            (["1", "9"], ["11", "0"], Some(["6", "9"])),
            (["-10.5", "0"], ["20.25", "0"], Some(["5", "0"])),
            (["3", "1"], ["3", "100"], Some(["3", "50"])),
            (["3", "1"], ["4", "0"], None),
            (["3", "1"], ["3", "1"], None),
            (["0", "0"], ["18446744073709551615", "0"], Some(["9223372036854775807", "0"])),
        ] {
            assert_eq!(between(&key(&low), &key(&high), &orders), middle.map(|middle| key(&middle)));
        }
    }

    #[test]
    fn texts_and_bytes_have_one_too_and_other_types_none() {
        let text = |low: &str, high: &str| {
            let middle = between(&key(&[low]), &key(&[high]), &[Some(Order::Text)])?;
            let middle = String::from_utf8(middle[0].clone()).unwrap();
            assert!(
                (low < middle.as_str()) == (low < high) && (middle.as_str() < high) == (low < high),
                "{middle}"
            );
            Some(middle)
        };
        assert!(text("ORD-000001", "ORD-999999").unwrap().starts_with("ORD-4"));
        assert!(text("", "z").is_some() && text("z", "a").is_some());
        assert_eq!(text("a", "a "), None);
        let folded = between(&key(&["aa1"]), &key(&["ZZ0"]), &[Some(Order::Folded)]).unwrap();
        assert!(folded[0].starts_with(b"N"), "{folded:?}");
        // A character of several bytes that is cut in the middle is no text.
        assert_eq!(between(&key(&["é"]), &key(&["ä"]), &[Some(Order::Text)]), None);
        let bytes = between(&vec![vec![0, 1]], &vec![vec![0, 255]], &[Some(Order::Bytes)]).unwrap();
        assert_eq!(bytes[0][..2], [0, 128]);
        assert_eq!(between(&key(&["2026-01-01"]), &key(&["2026-12-31"]), &[None]), None);
    }
}
