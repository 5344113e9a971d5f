//! Amounts of money: exact, in hundredths.
//!
//! As JSON an amount is a number: `25`, `26.25`. Whole amounts have no decimals, so that clients that know whole amounts only,
//! as those of the retail store sample, read ours. A double has each amount of up to 13 digits before the point exactly.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// An amount, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(i64);

/// Tax on items, in percent.
const TAX: u16 = 5;

/// The largest amount, a little less than what the databases' `DECIMAL(10,2)` takes.
const MOST: i64 = 9_999_999_999;

impl Money {
    /// An amount in whole units.
    pub const fn whole(units: i32) -> Self {
        Self(units as i64 * 100)
    }

    /// So many times the amount; `None` when that is more than an amount can be.
    pub fn times(self, quantity: u32) -> Option<Self> {
        self.0.checked_mul(quantity.into()).and_then(Self::of)
    }

    /// The sum; `None` when that is more than an amount can be.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::of)
    }

    /// The tax on items of this price.
    pub const fn tax(self) -> Self {
        self.percent(TAX)
    }

    /// A percentage of it, rounded to the next hundredth, halves up.
    const fn percent(self, percent: u16) -> Self {
        Self((self.0 * percent as i64 + 50).div_euclid(100))
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    fn of(hundredths: i64) -> Option<Self> {
        (-MOST..=MOST).contains(&hundredths).then_some(Self(hundredths))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        // Of amounts that `of` has let through: as many as memory holds don't reach the end of 64 bits.
        Self(amounts.map(|amount| amount.0).sum())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount has at most eight digits, and two more after a point")]
pub struct MoneyError;

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = decimals.trim_end_matches('0');
        if units.is_empty()
            || units.len() > 8
            || decimals.len() > 2
            || !is_number(units)
            || !is_number(decimals)
        {
            return Err(MoneyError);
        }
        let hundredths = format!("{units}{decimals:0<2}").parse::<i64>().map_err(|_| MoneyError)?;
        Self::of(sign * hundredths).ok_or(MoneyError)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            return serializer.serialize_i64(self.0 / 100);
        }
        #[expect(clippy::cast_precision_loss, reason = "`of` keeps it below what a double holds exactly")]
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl Visitor<'_> for Amount {
            type Value = Money;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of money, such as 25 or 26.25")
            }

            fn visit_i64<E: Error>(self, units: i64) -> Result<Money, E> {
                units.checked_mul(100).and_then(Money::of).ok_or_else(|| E::custom(MoneyError))
            }

            fn visit_u64<E: Error>(self, units: u64) -> Result<Money, E> {
                self.visit_i64(i64::try_from(units).map_err(|_| E::custom(MoneyError))?)
            }

            fn visit_f64<E: Error>(self, units: f64) -> Result<Money, E> {
                // The shortest text that gives this double is the one that was written.
                units.to_string().parse().map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Money, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_the_same_after_json_and_whole_ones_have_no_decimals() {
        for (text, json) in [
            ("25", "25"),
            ("26.25", "26.25"),
            ("0.1", "0.1"),
            ("99999999.99", "99999999.99"),
            ("-3.07", "-3.07"),
        ] {
            let amount: Money = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&amount).unwrap(), json);
            assert_eq!(serde_json::from_str::<Money>(json).unwrap(), amount);
            assert_eq!(serde_json::from_str::<Money>(&format!("\"{json}\"")).unwrap(), amount);
            assert_eq!(amount.to_string().parse::<Money>().unwrap(), amount);
        }
        assert_eq!("26.5".parse::<Money>().unwrap().to_string(), "26.50");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.234", "1e3", "123456789", "+1", "1.2.3", "--1", "NaN"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Money>("0.125").is_err());
        assert!(serde_json::from_str::<Money>("true").is_err());
    }

    #[test]
    fn sums_and_products_are_exact_and_have_an_end() {
        let ten_cents: Money = "0.10".parse().unwrap();
        assert_eq!(ten_cents.times(3).unwrap(), "0.30".parse().unwrap());
        assert_eq!(std::iter::repeat_n(ten_cents, 1_000).sum::<Money>(), Money::whole(100));
        assert_eq!("10.50".parse::<Money>().unwrap().percent(5).to_string(), "0.53");
        assert_eq!(Money::whole(99_999_999).times(2), None);
        assert_eq!(Money::whole(99_999_999).plus(Money::whole(1)), None);
    }
}
