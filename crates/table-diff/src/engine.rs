//! What a server speaks, and which of the two it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// MySQL, MariaDB, Aurora MySQL.
    MySql,
    /// PostgreSQL, Aurora PostgreSQL.
    Postgres,
}

/// How a server differs from others of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// MariaDB: a binary separator is enough to make `CONCAT_WS` join bytes, and a statement's time is limited in words of
    /// its own.
    pub(crate) mariadb: bool,
    /// It has `MD5`, which MySQL 9.6 moved to a component of its own.
    pub(crate) md5: bool,
    /// When an index is one that no statement may name, in words about a row of `information_schema.STATISTICS`.
    pub(crate) hidden_index: &'static str,
    /// A table has one name, in whatever case it is written (`lower_case_table_names`).
    pub(crate) folds_tables: bool,
    /// How many bytes a statement may have.
    pub(crate) longest: usize,
    /// It hashes values to 64 bits: PostgreSQL, since release 11.
    pub(crate) hashes: bool,
}

/// Which of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// What is compared with.
    Source,
    /// What is compared.
    Target,
    /// What both come from, see [`crate::Base`].
    Base,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Base => "base",
        })
    }
}
