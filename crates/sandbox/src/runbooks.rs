//! Automation in the sandbox's account.

use std::sync::Arc;

use automation::clock::Clock;
use automation::{Automation, Document, Environment, Functions, Reading};

use crate::account::{ACCOUNT, OPERATOR};

/// The Automation service with these documents, by name, the same in both Regions. What is started without naming anybody is
/// started by [`OPERATOR`].
pub fn runbooks(
    clock: Clock,
    functions: Arc<dyn Functions>,
    reading: Reading,
    documents: Vec<(String, Document)>,
) -> Automation {
    let environment =
        Environment { clock, functions, reading, account: ACCOUNT.to_owned(), operator: OPERATOR.to_owned() };
    Automation::new(environment, documents)
}
