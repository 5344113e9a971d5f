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
    let characters = if collation.starts_with("utf8mb4_") {
        format!("CAST({column} AS BINARY)")
    } else {
        format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)")
    };
    let plain = || column.clone();
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
        "char" | "varchar" => (Kind::Text, characters, plain(), Native::Text),
        "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum" | "set" => {
            (Kind::Text, characters, plain(), Native::None)
        }
        "binary" | "varbinary" => (Kind::Bytes, plain(), plain(), Native::Bytes),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => (Kind::Bytes, plain(), plain(), Native::None),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" | "vector" => {
            (Kind::Bytes, format!("CAST({column} AS BINARY)"), plain(), Native::None)
        }
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
        collation,
        canonical,
        order,
        native,
    }
}

/// A column of PostgreSQL; `base` is its type's own name, a domain's that of what it is over.
pub(crate) fn postgres_column(name: String, base: &str, type_text: String, collation: String) -> Column {
    let column = format!("t.{}", literal::name(Engine::Postgres, &name));
    let text = format!("({column})::text");
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
        "bytea" => (Kind::Hex, format!("encode({column}, 'hex')"), Native::Bytes),
        _ => (Kind::Other, text, Native::None),
    };
    // As a key, `text` may be what the index is over; as a value it may be long. Hashing needs no care for length here.
    let wide = matches!(base, "json" | "jsonb" | "xml");
    let json = matches!(base, "json" | "jsonb");
    Column { name, type_text, kind, nullable: true, wide, json, collation, canonical, order: column, native }
}
