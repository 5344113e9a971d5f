//! How rows are put back.

/// How rows are put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most rows in a transaction.
    pub transaction_rows: usize,
    /// Most bytes in a transaction's statements, unless a single row has more.
    pub transaction_bytes: usize,
    /// Only read, and report what would happen.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { transaction_rows: 500, transaction_bytes: 1024 * 1024, dry_run: false }
    }
}
