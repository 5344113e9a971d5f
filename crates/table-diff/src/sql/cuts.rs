//! The statements by which it is found where to cut a table: the server's own estimates, and a few of its rows.

use super::statements::Statements;
use crate::cells::Key;
use crate::column::{Kind, Native};
use crate::engine::Engine;
use crate::error::Error;
use crate::walk::between::Order;

impl Statements {
    /// The server's plans for reading each of these ranges by the key's index: on MySQL's family its `rows`, on PostgreSQL, of one
    /// range only, its JSON's `Plan Rows` are about how many rows a range has.
    pub(crate) fn plan(&self, ranges: &[(Option<&Key>, Option<&Key>)]) -> Result<String, Error> {
        let (explain, from) = match self.engine {
            // MySQL 9 gives a tree without the word.
            Engine::MySql if !self.dialect.mariadb => ("EXPLAIN FORMAT=TRADITIONAL", self.indexed()),
            Engine::MySql => ("EXPLAIN", self.indexed()),
            Engine::Postgres => ("EXPLAIN (FORMAT JSON)", self.from.clone()),
        };
        let selects = ranges
            .iter()
            .map(|(low, high)| Ok(format!("SELECT 1 FROM {from} WHERE {}", self.range(*low, *high)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(format!("{explain} {}", selects.join(" UNION ALL ")))
    }

    /// The table's last key.
    pub(crate) fn last(&self) -> Result<String, Error> {
        let order = self.key.iter().map(|part| format!("{} DESC", part.order)).collect::<Vec<_>>();
        let (keys, range) = (self.key_select(), self.range(None, None)?);
        Ok(format!("SELECT {keys} FROM {} WHERE {range} ORDER BY {} LIMIT 1", self.from, order.join(", ")))
    }

    /// The keys of the rows in some of the table's pages, in order: on PostgreSQL, so many percent of them. The same each time.
    pub(crate) fn sample(&self, percent: f64) -> String {
        let order = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>().join(", ");
        format!(
            "SELECT {} FROM {} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) ORDER BY {order}",
            self.key_select(),
            self.from
        )
    }

    /// For each of the key's columns how its values are ordered; `None` where none can be made up.
    pub(crate) fn orders(&self) -> Vec<Option<Order>> {
        let order = |native, kind, by_bytes| match (native, kind) {
            (Native::Number, _) => Some(Order::Number),
            (Native::Text, Kind::Text) if by_bytes => Some(Order::Text),
            (Native::Text, Kind::Text) => Some(Order::Folded),
            (Native::Bytes, _) => Some(Order::Bytes),
            _ => None,
        };
        self.key.iter().map(|part| order(part.native, part.kind, part.by_bytes)).collect()
    }

    /// Whether [`Self::compare`] puts keys in the server's own order.
    pub(crate) fn knows_order(&self) -> bool {
        self.key.iter().all(|part| matches!(part.native, Native::Number | Native::Bytes))
    }
}
