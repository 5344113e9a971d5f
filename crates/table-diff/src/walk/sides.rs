//! The sides of the table that is compared, and how the comparison of it is named in an error.

use crate::cells::Key;
use crate::options::Options;
use crate::schema::Paired;
use crate::server::Server;
use crate::table::Table;

/// Bytes at most of a key's value that an error shows.
const SHOWN: usize = 40;

/// Both sides of a table, and the limits of its comparison.
pub(crate) struct Sides<'a> {
    pub(crate) source: &'a mut Server,
    pub(crate) target: &'a mut Server,
    pub(crate) base: Option<&'a mut Server>,
    pub(crate) paired: &'a Paired,
    pub(crate) table: &'a Table,
    pub(crate) options: &'a Options,
}

impl Sides<'_> {
    /// What is done, as an error says it: with the key after which it is done.
    pub(crate) fn comparing(&self, low: Option<&Key>) -> String {
        let Some(low) = low.or(self.paired.source.low()) else {
            return format!("comparing table {}", self.table);
        };
        let shown = |value: &Vec<u8>| {
            let start = String::from_utf8_lossy(&value[..value.len().min(SHOWN)]).escape_debug().to_string();
            if value.len() > SHOWN { start + "…" } else { start }
        };
        let columns = self.paired.key_columns.iter().zip(low);
        let key = columns.map(|(name, value)| format!("{name} {}", shown(value))).collect::<Vec<_>>();
        format!("comparing table {} after {}", self.table, key.join(", "))
    }
}
