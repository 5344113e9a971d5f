//! What the sandbox answers against botocore's service models: `calls.py` calls every operation that it knows, `shapes.py`
//! holds the answers, and the tables of the wire, against the models.

use std::collections::BTreeSet;

use rehearsals::witnesses;

use crate::world::found;

#[test]
fn everything_that_the_sandbox_answers_is_in_the_models_of_botocore() {
    let found = found();
    let unseen: BTreeSet<_> = found.known.difference(&found.answered).collect();
    assert!(
        unseen.is_empty(),
        "the sandbox knows these, and calls.py never gets an answer of them: {unseen:?}"
    );
    assert!(found.known.len() > 50, "{:?}", found.known);
    witnesses::hold("Shapes", found.differences.iter().cloned())
        .unwrap_or_else(|differs| panic!("{differs}"));
}
