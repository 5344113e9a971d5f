//! Numbers of DynamoDB: decimal, exact, with up to 38 significant digits.
//!
//! A number is kept normalised, as coefficient and power of ten, so that two numbers are equal when their values are. It is
//! written without an exponent, as the service writes it. What does not fit is an error: nothing is rounded.

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, Result};

/// The most significant digits.
const DIGITS: u32 = 38;
/// The power of ten of the first digit of the largest and the smallest numbers.
const LARGEST: i32 = 125;
const SMALLEST: i32 = -130;

/// A decimal number: `coefficient` × 10^`exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Without zeros at its end; zero only for the number zero.
    coefficient: u128,
    exponent: i32,
}

impl Number {
    /// Reads a number.
    ///
    /// # Errors
    /// When it is none, has too many digits, or is too large or too small.
    pub fn read(text: &str) -> Result<Self> {
        let none = || {
            let of = if text.is_empty() { String::new() } else { format!(": {text}") };
            Error::validation(format!("The parameter cannot be converted to a numeric value{of}"))
        };
        let (mantissa, power) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], exponent(&text[at + 1..]).ok_or_else(none)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(none());
        }
        let trimmed = digits.trim_start_matches('0').trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Self::from(0));
        }
        if trimmed.len() > DIGITS as usize {
            return Err(Error::validation("Attempting to store more than 38 significant digits in a Number"));
        }
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        let shift = |count: usize| i32::try_from(count).map_err(|_| none());
        let exponent = power.saturating_sub(shift(fraction.len())?).saturating_add(shift(zeros)?);
        Self::normal(negative, trimmed.parse().map_err(|_| none())?, exponent)
    }

    /// The number of these parts, without the zeros at the coefficient's end.
    fn normal(negative: bool, mut coefficient: u128, mut exponent: i32) -> Result<Self> {
        if coefficient == 0 {
            return Ok(Self::from(0));
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        if coefficient.ilog10() >= DIGITS {
            return Err(Error::validation("Attempting to store more than 38 significant digits in a Number"));
        }
        let number = Self { negative, coefficient, exponent };
        if number.magnitude() > LARGEST {
            return Err(Error::validation(
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ));
        }
        if number.magnitude() < SMALLEST {
            return Err(Error::validation(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ));
        }
        Ok(number)
    }

    /// The sum.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn plus(self, other: Self) -> Result<Self> {
        if self.coefficient == 0 || other.coefficient == 0 {
            return Ok(if self.coefficient == 0 { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        // Coefficients end in another digit than zero. So when one does not fit after it was aligned to the other, then the
        // last digit of the sum is not zero either, and the sum has more digits than fit.
        let (Some(one), Some(two)) = (self.aligned(exponent), other.aligned(exponent)) else {
            return Err(Error::validation("Attempting to store more than 38 significant digits in a Number"));
        };
        if self.negative == other.negative {
            let sum = one.checked_add(two).ok_or_else(|| {
                Error::validation("Attempting to store more than 38 significant digits in a Number")
            })?;
            return Self::normal(self.negative, sum, exponent);
        }
        let negative = if one >= two { self.negative } else { other.negative };
        Self::normal(negative, one.abs_diff(two), exponent)
    }

    /// The difference.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn minus(self, other: Self) -> Result<Self> {
        self.plus(Self { negative: !other.negative && other.coefficient != 0, ..other })
    }

    /// About how many bytes it takes: one for two digits, and one.
    pub fn size(self) -> usize {
        if self.coefficient == 0 {
            return 1;
        }
        let digits = self.coefficient.ilog10() as usize + 1;
        digits.div_ceil(2) + 1 + usize::from(self.negative)
    }

    fn aligned(self, exponent: i32) -> Option<u128> {
        let power = u32::try_from(self.exponent - exponent).ok()?;
        self.coefficient.checked_mul(10_u128.checked_pow(power)?)
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i32 {
        self.exponent.saturating_add(i32::try_from(self.coefficient.ilog10()).unwrap_or(i32::MAX))
    }

    fn compare_magnitude(self, other: Self) -> Ordering {
        self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // The same first place: both fit when they are aligned, since each has at most 38 digits.
            let exponent = self.exponent.min(other.exponent);
            self.aligned(exponent).cmp(&other.aligned(exponent))
        })
    }
}

/// The power of ten behind an `e`.
fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // More than fits is far out of the range, on the side of the sign.
    Some(text.parse().unwrap_or(if text.starts_with('-') { -1_000_000 } else { 1_000_000 }))
}

impl From<u32> for Number {
    fn from(mut value: u32) -> Self {
        let mut exponent = 0;
        while value != 0 && value.is_multiple_of(10) {
            value /= 10;
            exponent += 1;
        }
        Self { negative: false, coefficient: u128::from(value), exponent }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.coefficient, number.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => self.compare_magnitude(*other),
            _ => other.compare_magnitude(*self),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        if self.negative {
            f.write_str("-")?;
        }
        let Ok(behind) = usize::try_from(-self.exponent) else {
            return write!(f, "{digits}{}", "0".repeat(usize::try_from(self.exponent).unwrap_or_default()));
        };
        if behind == 0 {
            return f.write_str(&digits);
        }
        match digits.len().checked_sub(behind) {
            Some(whole) if whole > 0 => write!(f, "{}.{}", &digits[..whole], &digits[whole..]),
            _ => write!(f, "0.{}{digits}", "0".repeat(behind - digits.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Number {
        Number::read(text).unwrap()
    }

    #[test]
    fn a_number_is_written_in_one_way_only() {
        for (text, written) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("0e5", "0"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+1.50e1", "15"),
            ("1e-7", "0.0000001"),
            ("-12.3400", "-12.34"),
            ("1E3", "1000"),
            ("0.001e3", "1"),
        ] {
            assert_eq!(read(text).to_string(), written, "{text}");
            assert_eq!(read(written), read(text));
        }
        let long = "12345678901234567890123456789012345678";
        assert_eq!(read(long).to_string(), long);
        assert_eq!(read("1e125").to_string(), format!("1{}", "0".repeat(125)));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in
            ["", "a", "1a", "-", ".", "1e", "1e+", "0x1", "NaN", "Infinity", "1 ", "--1", "1.2.3", "1_0"]
        {
            let error = Number::read(text).unwrap_err();
            assert!(error.message.contains("cannot be converted to a numeric value"), "{text}: {error}");
        }
        let digits = |text: &str| Number::read(text).unwrap_err().message;
        assert!(digits("123456789012345678901234567890123456789").contains("38 significant"));
        assert!(digits("1e126").contains("overflow"));
        assert!(digits("-10e125").contains("overflow"));
        assert!(digits("1e-131").contains("underflow"));
        assert!(digits("1e99999999999").contains("overflow"));
        assert!(Number::read("9.9999999999999999999999999999999999999E+125").is_ok());
        assert!(Number::read("1e-130").is_ok());
    }

    #[test]
    fn sums_are_exact_or_an_error() {
        let plus = |one: &str, two: &str| read(one).plus(read(two)).map(|sum| sum.to_string());
        assert_eq!(plus("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(plus("-5", "5").unwrap(), "0");
        assert_eq!(
            plus("99999999999999999999999999999999999999", "1").unwrap(),
            format!("1{}", "0".repeat(38))
        );
        assert_eq!(plus("1e38", "-1").unwrap(), "9".repeat(38));
        assert!(plus("1e38", "1").is_err());
        assert!(plus("1e100", "1").is_err());
        assert_eq!(read("3").minus(read("5")).unwrap().to_string(), "-2");
        assert_eq!(read("3").minus(read("0")).unwrap().to_string(), "3");
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let sorted = ["-1e125", "-10", "-9.5", "-1e-130", "0", "1e-130", "0.5", "2", "10", "10.1", "1e125"];
        for pair in sorted.windows(2) {
            assert!(read(pair[0]) < read(pair[1]), "{pair:?}");
        }
        assert!(read(&"9".repeat(38)) < read("1e38"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_counts_as_whole_numbers_do(one in -1_000_000_000_000_i64..1_000_000_000_000, two in -1_000_000_000_000_i64..1_000_000_000_000) {
            let (a, b) = (read(&one.to_string()), read(&two.to_string()));
            prop_assert_eq!(a.plus(b).unwrap().to_string(), (one + two).to_string());
            prop_assert_eq!(a.minus(b).unwrap().to_string(), (one - two).to_string());
            prop_assert_eq!(a.cmp(&b), one.cmp(&two));
        }
    }
}
