//! What the two Regions are like at one moment, as one who stands outside of both sees it.

use futures::future::BoxFuture;

/// Looks at the Regions.
pub trait Look: Send + Sync {
    /// A Region as it is now.
    fn region<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Region>;
}

/// A Region.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Region {
    /// Whether its routing control is on.
    pub traffic: bool,
    /// Whether it is cut off.
    pub cut_off: bool,
    /// Its members of the global databases.
    pub databases: Vec<Database>,
    /// Writes to its carts that have not reached the other Region; `None` where that is not known.
    pub late_carts: Option<usize>,
}

/// A member of a global database.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Name of the database.
    pub name: String,
    /// Whether it takes writes.
    pub writer: bool,
    /// How far it is behind the writer, in seconds, where that is known.
    pub lag: Option<f64>,
}
