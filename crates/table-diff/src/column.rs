//! A column as the comparison sees it: its kind, its canonical text, and the order that ranges may follow.

use crate::engine::Engine;
use crate::sql::literal;

/// What kind of value a column holds: how it is hashed and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Decimal,
    Float,
    Boolean,
    /// Dates and times.
    Moment,
    Text,
    Bytes,
    /// Bytes that the server writes as hexadecimal digits.
    Hex,
    /// Anything else, by the text that the server writes.
    Other,
}

/// How the server's own order of a column can be used for ranges: the literal that its values are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// Not at all: ranges follow the bytes of the canonical text.
    None,
    Number,
    Text,
    /// PostgreSQL's citext: the text in lower case.
    Folded,
    Bytes,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Type, in the server's words.
    pub(crate) type_text: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    /// Too long to be hashed as it is.
    pub(crate) wide: bool,
    /// JSON: other text may say the same.
    pub(crate) json: bool,
    /// On PostgreSQL the type without the schema that it is in: an extension may be in another one on the other side.
    pub(crate) type_name: String,
    /// Text: what orders it, and on MySQL's family what its bytes mean; empty where it is not known.
    pub(crate) collation: String,
    /// Expression of the canonical text or bytes, over the table alias `t`.
    pub(crate) canonical: String,
    /// Expression of the server's own order.
    pub(crate) order: String,
    pub(crate) native: Native,
}

/// A column of MySQL's family; `base` is its type without its length, in lower case.
pub(crate) fn mysql_column(name: String, base: &str, type_text: String, collation: String) -> Column {
    let column = format!("t.{}", literal::name(Engine::MySql, &name));
    let as_text = |expression: &str| format!("CAST({expression} AS CHAR)");
    let plain = || column.clone();
    let is_long = matches!(base, "tinytext" | "text" | "mediumtext" | "longtext" | "json");
    let (characters, ordered) = characters(&column, &collation, is_long);
    let (kind, canonical, order, native) = match base {
        // ZEROFILL is a matter of display: adding 0 takes it off. BIT becomes its number.
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if !type_text.contains("zerofill") => {
            (Kind::Integer, as_text(&column), plain(), Native::Number)
        }
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" => {
            let number = format!("({column} + 0)");
            (Kind::Integer, as_text(&number), number, Native::Number)
        }
        "year" => (Kind::Integer, as_text(&column), plain(), Native::Number),
        "decimal" if !type_text.contains("zerofill") => {
            (Kind::Decimal, as_text(&column), plain(), Native::Number)
        }
        "decimal" => (Kind::Decimal, as_text(&format!("({column} + 0)")), plain(), Native::Number),
        // Times one, not plus zero: that would turn −0 into 0. FLOAT is widened, for its own text has six digits.
        // A plain DOUBLE as it is: MySQL cuts the text of an expression off after 22 characters, and -2.2250738585072014e-300
        // has one more. A FLOAT that is cut off there still has more digits than it needs.
        "double" if type_text == "double" => (Kind::Float, as_text(&column), plain(), Native::None),
        "float" | "double" => (Kind::Float, as_text(&format!("({column} * 1e0)")), plain(), Native::None),
        "date" | "time" | "datetime" | "timestamp" => (Kind::Moment, as_text(&column), plain(), Native::Text),
        "char" | "varchar" => (Kind::Text, characters, plain(), ordered),
        "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum" | "set" => {
            (Kind::Text, characters, plain(), Native::None)
        }
        "binary" | "varbinary" => (Kind::Bytes, plain(), plain(), Native::Bytes),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => (Kind::Bytes, plain(), plain(), Native::None),
        // Without a cast: MariaDB's gives NULL for what is longer than a packet.
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => {
            (Kind::Bytes, plain(), plain(), Native::None)
        }
        "vector" => (Kind::Bytes, format!("CAST({column} AS BINARY)"), plain(), Native::None),
        _ => (Kind::Other, as_text(&column), plain(), Native::None),
    };
    let wide = matches!(kind, Kind::Text | Kind::Bytes)
        && !matches!(base, "char" | "varchar" | "enum" | "set" | "binary" | "varbinary");
    Column {
        name,
        type_text,
        kind,
        nullable: true,
        wide,
        json: base == "json",
        type_name: String::new(),
        collation,
        canonical,
        order,
        native,
    }
}

/// Collations of character sets whose bytes are those of UTF-8.
pub(crate) const UTF8: [&str; 4] = ["utf8mb4_", "utf8mb3_", "utf8_", "ascii_"];

/// Character sets of MySQL's family in which every byte is a character of its own, and comes back from Unicode as it was:
/// the server's tables, asked for all 256 bytes.
const ONE_TO_ONE: [&str; 12] = [
    "latin1_",
    "latin2_",
    "latin5_",
    "latin7_",
    "cp850_",
    "cp852_",
    "cp866_",
    "koi8r_",
    "koi8u_",
    "keybcs2_",
    "macce_",
    "macroman_",
];

/// The UTF-8 of a text of MySQL's family, and whether ranges can follow its own order.
///
/// Of other character sets the server knows no Unicode for some characters and makes a question mark of each, or has one
/// for two of them. Such a text enters by its own bytes, behind one that no UTF-8 has: it is equal to itself only, and so a
/// key stays the only one.
///
/// A long text is neither cast nor cut: MariaDB's CAST gives NULL for what is longer than a packet, CONVERT does not. Where
/// nothing else is left, a text that is too long is a [`UNREADABLE`].
fn characters(column: &str, collation: &str, is_long: bool) -> (String, Native) {
    let begins = |all: &[&str]| all.iter().any(|start| collation.starts_with(start));
    let bytes = |text: String| if is_long { text } else { format!("CAST({text} AS BINARY)") };
    if begins(&UTF8) {
        return (bytes(column.to_owned()), Native::Text);
    }
    let converted = format!("CONVERT({column} USING utf8mb4)");
    // Without a collation nothing more is known: ENUM and SET of a reader's, JSON, which is Unicode.
    if begins(&ONE_TO_ONE) || collation.is_empty() {
        return (bytes(converted), Native::Text);
    }
    let set = collation.split('_').next().unwrap_or_default();
    // Not cast: a conversion to bytes has no limit.
    let own = format!("CONCAT(UNHEX('{OWN_BYTES:02x}'), CONVERT(HEX({column}) USING binary))");
    let own = match is_long {
        true => format!(
            "COALESCE({own}, CONCAT(UNHEX('{OWN_BYTES:02x}{UNREADABLE:02x}'), CONVERT(SHA2({column}, 256) USING binary)))"
        ),
        false => own,
    };
    let back = format!("CONVERT({converted} USING {set}) COLLATE {set}_bin = {column} COLLATE {set}_bin");
    (format!("IF({back}, CONVERT({converted} USING binary), {own})"), Native::None)
}

/// The first byte of a text that has no UTF-8; its own bytes come behind it, in hexadecimal.
pub(crate) const OWN_BYTES: u8 = 0xff;
/// Stands behind it, before a hash, where even those are more than the server can give.
pub(crate) const UNREADABLE: u8 = b'!';

impl Column {
    /// Whether two values that differ may be one key: in case, in accents, in blanks behind them.
    pub(crate) fn folds(&self, engine: Engine) -> bool {
        match (self.native, engine) {
            (Native::Folded, _) => true,
            (Native::Text, Engine::MySql) => self.kind == Kind::Text,
            (Native::Text, Engine::Postgres) => self.collation.contains("\"collisdeterministic\": false"),
            _ => false,
        }
    }

    /// Whether the server could not give this value, so that it was given for another one.
    pub(crate) fn is_unreadable(&self, cell: Option<&[u8]>) -> bool {
        match cell {
            None => !self.nullable,
            Some(cell) => self.kind == Kind::Text && cell.starts_with(&[OWN_BYTES, UNREADABLE]),
        }
    }

    /// Takes a number of MySQL's family in a form that MariaDB and MySQL write in the same way: `k:m`, for m · 2⁴⁰ᵏ with m
    /// from 1 to 2⁴⁰, which is exact. As they are, one writes 0.00001 and the other 1e-5, and MySQL cuts a widened FLOAT off.
    pub(crate) fn scale_float(&mut self) {
        let number = format!("({} * 1e0)", self.order);
        let scale = format!("FLOOR(LOG2(ABS({number})) / 40)");
        // In two steps, for the power of a very small number has no place in a double.
        let half = format!("POW(2, -20 * {scale})");
        self.canonical = format!(
            "IF({number} = 0, CAST({number} AS CHAR), CONCAT(CAST({scale} AS CHAR), ':', CAST({number} * {half} * {half} AS CHAR)))"
        );
    }

    /// Widens PostgreSQL's `real`, to be compared with a `double precision`: its own text is the shortest that reads back as
    /// the same `real`, and 0.1 is another number there.
    pub(crate) fn widen_real(&mut self) {
        self.canonical = format!("({}::float8)::text", self.order);
    }
}

/// The number that [`Column::scale_float`] wrote.
pub(crate) fn scaled_float(text: &str) -> Option<f64> {
    let (scale, number) = text.split_once(':')?;
    let half = 2_f64.powi(scale.parse::<i32>().ok()?.checked_mul(20)?);
    Some(number.parse::<f64>().ok()? * half * half)
}

/// A column of PostgreSQL; `base` is its type's own name, a domain's that of what it is over.
pub(crate) fn postgres_column(name: String, base: &str, type_text: String, collation: String) -> Column {
    let type_name = type_text.clone();
    let column = format!("t.{}", literal::name(Engine::Postgres, &name));
    let text = format!("({column})::text");
    let order = match base {
        "citext" => format!("lower({text}) COLLATE \"C\""),
        _ => column.clone(),
    };
    let (kind, canonical, native) = match base {
        "int2" | "int4" | "int8" => (Kind::Integer, text, Native::Number),
        // NaN and infinity are no literals.
        "numeric" => (Kind::Decimal, text, Native::None),
        "float4" | "float8" => (Kind::Float, text, Native::None),
        "bool" => (Kind::Boolean, text, Native::None),
        "date" | "time" | "timetz" | "timestamp" | "timestamptz" | "uuid" => (
            if base == "uuid" { Kind::Other } else { Kind::Moment },
            text,
            if base == "timetz" { Native::None } else { Native::Text },
        ),
        "text" | "varchar" => (Kind::Text, text, Native::Text),
        "bpchar" | "name" | "json" | "jsonb" | "xml" => (Kind::Text, text, Native::None),
        "citext" => (Kind::Other, text, Native::Folded),
        "bytea" => (Kind::Hex, format!("encode({column}, 'hex')"), Native::Bytes),
        _ => (Kind::Other, text, Native::None),
    };
    // As a key, `text` may be what the index is over; as a value it may be long. Hashing needs no care for length here.
    let wide = matches!(base, "json" | "jsonb" | "xml");
    let json = matches!(base, "json" | "jsonb");
    Column {
        name,
        type_text,
        kind,
        nullable: true,
        wide,
        json,
        type_name,
        collation,
        canonical,
        order,
        native,
    }
}
