//! Values of a type, as SQL, within what is known of them.

use rand::RngExt;
use rand::rngs::StdRng;
use table_diff::{Engine, literal};

use crate::facts::{ColumnFacts, rank};
use crate::pattern::matching;
use crate::schema::{Column, ValueType, mysql_text};

/// A value.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    /// As SQL.
    pub(crate) sql: String,
    /// For comparing it with another one of its type, where it has an order.
    pub(crate) rank: Option<f64>,
}

/// Seconds of 2000-01-01 and 2037-12-31: within what each type of each server can have.
const MOMENTS: (f64, f64) = (946_684_800.0, 2_145_830_400.0);

/// Words that texts are made of.
const WORDS: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "juniper", "kelp",
    "larch", "maple", "north", "ochre", "pine",
];

/// What a text may have that is handled badly somewhere.
const ODD: [&str; 5] = ["O'Hara", "back\\slash", "Zoë – naïve", "\"quoted\"", "100% ☂ 😀"];

/// A value that fits; `None` where there is none that this module can make.
pub(crate) fn draw(
    random: &mut StdRng,
    engine: Engine,
    column: &Column,
    facts: &ColumnFacts,
) -> Option<Drawn> {
    if let Some(allowed) = facts.one_of.as_ref().filter(|allowed| !allowed.is_empty()) {
        let text = &allowed[random.random_range(0..allowed.len())];
        return Some(Drawn { sql: constant(engine, &column.kind, text), rank: rank(text) });
    }
    if column.tells_time().is_some() && facts.bounds(1.0) == (None, None) {
        // The session's zone is UTC.
        let text = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        return Some(Drawn { sql: constant(engine, &column.kind, &text), rank: rank(&text) });
    }
    for _ in 0..20 {
        let drawn = draw_of(random, engine, &column.kind, facts)?;
        let is_refused = facts.none_of.iter().any(|text| drawn.sql == constant(engine, &column.kind, text));
        if !is_refused {
            return Some(drawn);
        }
    }
    None
}

/// Whether values of a type are many enough that two of them never are the same by chance.
pub(crate) fn is_wide(kind: &ValueType) -> bool {
    match kind {
        ValueType::Integer { min, max } => max - min > 1 << 30,
        ValueType::Decimal { digits, .. } => *digits >= 9,
        ValueType::Text { length, .. } | ValueType::Bytes { length, .. } => {
            length.is_none_or(|length| length >= 8)
        }
        ValueType::Float { .. } | ValueType::Timestamp | ValueType::Json | ValueType::Uuid => true,
        ValueType::Bits { length } => *length >= 32,
        _ => false,
    }
}

/// A text that a condition names, as a literal of a type.
fn constant(engine: Engine, kind: &ValueType, text: &str) -> String {
    match (engine, kind) {
        (Engine::MySql, ValueType::Integer { .. } | ValueType::Bits { .. }) if text == "true" => "1".into(),
        (Engine::MySql, ValueType::Integer { .. } | ValueType::Bits { .. }) if text == "false" => "0".into(),
        (_, ValueType::Integer { .. } | ValueType::Decimal { .. } | ValueType::Float { .. })
            if text.parse::<f64>().is_ok() =>
        {
            text.to_owned()
        }
        _ => quoted(engine, text),
    }
}

fn quoted(engine: Engine, text: &str) -> String {
    match engine {
        Engine::MySql => mysql_text(text),
        Engine::Postgres => literal::text(engine, text.as_bytes()),
    }
}

fn draw_of(random: &mut StdRng, engine: Engine, kind: &ValueType, facts: &ColumnFacts) -> Option<Drawn> {
    let unranked = |sql: String| Some(Drawn { sql, rank: None });
    match kind {
        ValueType::Integer { min, max } => Some(integer(random, *min, *max, facts)),
        ValueType::Decimal { digits, scale, unsigned } => {
            Some(decimal(random, *digits, *scale, *unsigned, facts))
        }
        ValueType::Float { unsigned } => {
            let (low, high) = span(facts.bounds(0.001), if *unsigned { 0.0 } else { -1e6 }, 1e6);
            let value = random.random_range(low..=high);
            // Few digits: the server prints a FLOAT with six.
            let value = (value * 1000.0).round() / 1000.0;
            Some(Drawn { sql: format!("{value:?}"), rank: Some(value) })
        }
        ValueType::Boolean => unranked(if random.random_bool(0.5) { "true" } else { "false" }.into()),
        ValueType::Bits { length } => {
            let bits: String =
                (0..*length).map(|_| if random.random_bool(0.5) { '1' } else { '0' }).collect();
            unranked(match engine {
                Engine::MySql => format!("b'{bits}'"),
                Engine::Postgres => format!("B'{bits}'"),
            })
        }
        ValueType::Text { .. } if facts.json.is_some() => json(random, engine, facts),
        ValueType::Text { length, ascii } => {
            let text = text(random, *length, *ascii, facts)?;
            unranked(quoted(engine, &text))
        }
        ValueType::Bytes { length, fixed } => {
            let (low, high) = match length {
                Some(length) if *fixed => (*length, *length),
                limit => lengths(facts, *limit, 24),
            };
            let bytes: Vec<u8> = (0..random.random_range(low..=high)).map(|_| random.random()).collect();
            unranked(match engine {
                Engine::MySql => format!("x'{}'", literal::hex(&bytes)),
                Engine::Postgres => format!("'\\x{}'", literal::hex(&bytes)),
            })
        }
        ValueType::Date | ValueType::Timestamp => moment(random, engine, kind, facts),
        ValueType::Time { zone } => {
            let seconds = random.random_range(0..86_400);
            let offset = if *zone { "+00" } else { "" };
            let time =
                format!("'{:02}:{:02}:{:02}{offset}'", seconds / 3600, seconds / 60 % 60, seconds % 60);
            Some(Drawn { sql: time, rank: Some(f64::from(seconds)) })
        }
        ValueType::Year => {
            let (low, high) = span(facts.bounds(1.0), 1970.0, 2100.0);
            let year = random.random_range(low..=high).round();
            Some(Drawn { sql: format!("{year}"), rank: Some(year) })
        }
        ValueType::Json => json(random, engine, facts),
        ValueType::Uuid => {
            let (high, low): (u64, u64) = (random.random(), random.random());
            let digits = format!("{high:016x}{low:016x}");
            let (a, b, c, d) = (&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20]);
            unranked(format!("'{a}-{b}-4{c}-8{d}-{}'", &digits[20..]))
        }
        ValueType::Enum(labels) => {
            let label = labels.get(random.random_range(0..labels.len().max(1)))?;
            unranked(quoted(engine, label))
        }
        ValueType::Set(members) => {
            let some: Vec<&str> =
                members.iter().filter(|_| random.random_bool(0.5)).map(String::as_str).collect();
            unranked(quoted(engine, &some.join(",")))
        }
        ValueType::Array(element) => {
            let count = random.random_range(0..3);
            let parts =
                (0..count).map(|_| Some(draw_of(random, engine, element, &ColumnFacts::default())?.sql));
            let parts = parts.collect::<Option<Vec<_>>>()?;
            // As a literal the server takes it for any type of element.
            let inside = parts.iter().map(|part| {
                match part.strip_prefix('\'').and_then(|part| part.strip_suffix('\'')) {
                    Some(text) => {
                        format!("\"{}\"", text.replace("''", "'").replace('\\', "\\\\").replace('"', "\\\""))
                    }
                    None => part
                        .strip_prefix("B'")
                        .map_or(part.clone(), |bits| bits.trim_end_matches('\'').to_owned()),
                }
            });
            let array = format!("{{{}}}", inside.collect::<Vec<_>>().join(","));
            unranked(quoted(engine, &array))
        }
        ValueType::Shape(shape, system) => unranked(self::shape(random, shape, *system)?),
        ValueType::Fixed(forms) => {
            let form = forms.get(random.random_range(0..forms.len().max(1)))?;
            unranked(form.replace("{n}", &random.random_range(1..200).to_string()))
        }
        ValueType::Unknown => None,
    }
}

/// The bounds that are known, within those of the type.
fn span((low, high): (Option<f64>, Option<f64>), least: f64, most: f64) -> (f64, f64) {
    let low = low.unwrap_or(least.min(high.unwrap_or(least) - 1000.0).max(least));
    let high = high.unwrap_or(most.max(low));
    if low <= high { (low, high) } else { (low, low) }
}

fn integer(random: &mut StdRng, min: i128, max: i128, facts: &ColumnFacts) -> Drawn {
    let (low, high) = facts.bounds(1.0);
    // A bound is a number that somebody wrote into a condition: its double is exact enough.
    let clamp = |bound: f64| (bound as i128).clamp(min, max);
    let (mut low, mut high) = (low.map(|low| clamp(low.ceil())), high.map(|high| clamp(high.floor())));
    // Positive numbers where both are possible, now and then one that only a wide type has.
    if low.is_none() {
        low = Some(if high.is_some_and(|high| high < 1) { min } else { min.max(1) });
    }
    let low = low.unwrap_or(min);
    if high.is_none() {
        let usual = max.min(2_000_000_000.max(low));
        high = Some(if random.random_bool(0.1) { max } else { usual });
    }
    let high = high.unwrap_or(max).max(low);
    let value = random.random_range(low..=high);
    Drawn { sql: value.to_string(), rank: Some(value as f64) }
}

fn decimal(random: &mut StdRng, digits: u32, scale: u32, unsigned: bool, facts: &ColumnFacts) -> Drawn {
    // Within what an i64 counts, of which a number with more digits has enough.
    let (scale, digits) = (scale.min(6), digits.min(15));
    let unit = 10_f64.powi(i32::try_from(scale).unwrap_or_default());
    let most = 10_f64.powi(i32::try_from(digits.saturating_sub(scale)).unwrap_or_default()) - 1.0 / unit;
    let (low, high) = span(facts.bounds(1.0 / unit), if unsigned { 0.0 } else { -most.min(1e6) }, most);
    let low_units = (low * unit).ceil() as i64;
    let units = random.random_range(low_units..=((high * unit).floor() as i64).max(low_units));
    let value = units as f64 / unit;
    Drawn { sql: format!("{value:.*}", scale as usize), rank: Some(value) }
}

fn lengths(facts: &ColumnFacts, limit: Option<u32>, usual: u32) -> (u32, u32) {
    let limit = limit.unwrap_or(u32::MAX).min(facts.longest.unwrap_or(u32::MAX));
    let low = facts.shortest.unwrap_or(1).min(limit);
    let high = limit.min(usual.max(low));
    (low.max(high.min(8)), high)
}

fn text(random: &mut StdRng, limit: Option<u32>, ascii: bool, facts: &ColumnFacts) -> Option<String> {
    if let Some(pattern) = &facts.pattern {
        let text = matching(random, pattern)?;
        return (text.chars().count() <= limit.unwrap_or(u32::MAX) as usize).then_some(text);
    }
    let (low, high) = lengths(facts, limit, 40);
    let tail: String =
        (0..8).map(|_| char::from_digit(random.random_range(0..36), 36).unwrap_or('0')).collect();
    // The part that differs comes first: an index may be over the first characters only.
    let mut text = format!("{tail} {}", WORDS[random.random_range(0..WORDS.len())]);
    if !ascii && high >= 30 && random.random_bool(0.15) {
        text = format!("{text} {}", ODD[random.random_range(0..ODD.len())]);
    }
    while text.chars().count() < low as usize {
        text.push_str(&tail);
    }
    let cut: String = text.chars().take(high as usize).collect();
    // A blank at the end is cut off by some types.
    Some(if cut.ends_with(' ') { format!("{}x", cut.trim_end()) } else { cut })
}

fn moment(random: &mut StdRng, engine: Engine, kind: &ValueType, facts: &ColumnFacts) -> Option<Drawn> {
    let step = if *kind == ValueType::Date { 86_400.0 } else { 1.0 };
    let (low, high) = span(facts.bounds(step), MOMENTS.0, MOMENTS.1);
    let seconds = random.random_range(low..=high.min(low.max(MOMENTS.1))).round();
    let civil = jiff::Timestamp::from_second(seconds as i64)
        .ok()?
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .datetime();
    let text = match kind {
        ValueType::Date => civil.date().to_string(),
        _ => format!("{} {}", civil.date(), civil.time()),
    };
    // The session's zone is UTC.
    let _ = engine;
    let rank = rank(&text);
    Some(Drawn { sql: format!("'{text}'"), rank })
}

fn json(random: &mut StdRng, engine: Engine, facts: &ColumnFacts) -> Option<Drawn> {
    let number: u32 = random.random();
    let word = WORDS[random.random_range(0..WORDS.len())];
    let text = match facts.json.as_deref() {
        Some("array") => format!("[{number}, \"{word}\"]"),
        Some("string") => format!("\"{word}-{number}\""),
        Some("number" | "integer") => number.to_string(),
        Some("boolean") => "true".into(),
        _ => format!("{{\"{word}\": {number}, \"list\": [1, null, \"é\"]}}"),
    };
    Some(Drawn { sql: quoted(engine, &text), rank: None })
}

fn shape(random: &mut StdRng, shape: &str, system: Option<u32>) -> Option<String> {
    let mut place = || (random.random_range(1..80), random.random_range(1..80));
    let ((a, b), (c, d)) = (place(), place());
    let ring = format!("({a} {b}, {} {b}, {} {}, {a} {b})", a + 1, a + 1, b + 1);
    let text = match shape {
        "point" | "geometry" => format!("POINT({a} {b})"),
        "linestring" => format!("LINESTRING({a} {b}, {} {})", c + 1, d + 2),
        "polygon" => format!("POLYGON({ring})"),
        "multipoint" => format!("MULTIPOINT(({a} {b}), ({c} {d}))"),
        "multilinestring" => format!("MULTILINESTRING(({a} {b}, {} {}))", a + 1, b + 2),
        "multipolygon" => format!("MULTIPOLYGON(({ring}))"),
        "geometrycollection" | "geomcollection" => format!("GEOMETRYCOLLECTION(POINT({a} {b}))"),
        _ => return None,
    };
    Some(match system {
        Some(system) => format!("ST_GeomFromText('{text}', {system})"),
        None => format!("ST_GeomFromText('{text}')"),
    })
}
