//! The servers of a comparison.

use crate::server::Server;

/// The copies of a database that are compared.
#[derive(Debug)]
pub struct Copies<'a> {
    /// What is compared with.
    pub source: &'a mut Server,
    /// What is compared.
    pub target: &'a mut Server,
    /// What both come from: nobody writes to it any more. Only the rows that differ are looked up in it, see [`crate::Base`].
    pub base: Option<&'a mut Server>,
}
