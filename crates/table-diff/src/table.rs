//! A table's name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::sql::literal;

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Table {
    /// PostgreSQL's schema; `None` on MySQL, where the database is the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

impl Table {
    pub(crate) fn quoted(&self, engine: Engine) -> String {
        let table = literal::name(engine, &self.name);
        match &self.schema {
            Some(schema) => format!("{}.{table}", literal::name(engine, schema)),
            None => table,
        }
    }
}

/// The name, with PostgreSQL's schema before it unless that is `public`.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.schema.as_deref() {
            None | Some("public") => f.write_str(&self.name),
            Some(schema) => write!(f, "{schema}.{}", self.name),
        }
    }
}
