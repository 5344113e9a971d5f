//! What executions run in.

use std::sync::Arc;

use crate::clock::Clock;
use crate::ports::Functions;
use crate::reading::Reading;

/// What executions run in: the same for all documents and Regions.
#[derive(Clone)]
pub struct Environment {
    /// The time, and what modelled durations are divided by.
    pub clock: Clock,
    /// The functions that `aws:invokeLambdaFunction` invokes.
    pub functions: Arc<dyn Functions>,
    /// How to read what AWS leaves open.
    pub reading: Reading,
    /// Number of the account, 12 digits.
    pub account: String,
    /// Access key id of whoever starts a document where no other is named.
    pub operator: String,
}
