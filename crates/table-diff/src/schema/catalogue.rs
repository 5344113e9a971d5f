//! What a database says of its tables, as data: what a reader of differences needs to know which rows belong together,
//! and to write a row back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The tables of a database, by the name that [`crate::Table`] displays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// By name.
    pub tables: BTreeMap<String, TableShape>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableShape {
    /// Its columns, in their order.
    pub columns: Vec<ColumnShape>,
    /// The primary key's columns, in its order; empty without one.
    pub primary_key: Vec<String>,
    /// Every other unique index over whole columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uniques: Vec<Vec<String>>,
    /// What its rows belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// Its type, in the server's words.
    pub type_text: String,
    /// What its values are in a [`crate::Difference`].
    pub kind: ValueKind,
    /// Whether NULL is possible.
    pub nullable: bool,
    /// Whether the server computes it: it can't be inserted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generated: bool,
    /// Whether the server numbers it by itself: the same number may be another row on the other side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_increment: bool,
}

/// What a value is, and so how it is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueKind {
    /// A whole number; also MySQL's `BIT` and `YEAR`.
    Integer,
    /// An exact number.
    Decimal,
    /// A binary floating-point number.
    Float,
    /// PostgreSQL's `boolean`.
    Boolean,
    /// A date, a time, or both; UTC where it is an instant.
    Moment,
    /// Text; also `ENUM` and `SET`.
    Text,
    /// JSON, as text.
    Json,
    /// Bytes.
    Bytes,
    /// A shape, as the server's own bytes.
    Spatial,
    /// Anything else, as the text that the server writes and reads.
    Other,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The columns of the row that belongs.
    pub columns: Vec<String>,
    /// The table it belongs to.
    pub parent: String,
    /// That table's columns, in the same order.
    pub parent_columns: Vec<String>,
}
