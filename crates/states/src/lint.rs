//! Lists every problem of a definition, for its author.

use std::collections::BTreeSet;

use crate::definition::{Kind, Program};
use crate::members::Problem;
use crate::read::problems;

/// Lists everything that is wrong with a definition or not supported here, and the states that nothing leads to. An empty list
/// means that it can be run.
pub fn check(text: &str) -> Vec<Problem> {
    let (definition, mut found) = problems(text);
    if let Some(definition) = definition {
        unreachable("", &definition.program, &mut found);
    }
    found
}

fn unreachable(place: &str, program: &Program, found: &mut Vec<Problem>) {
    let (mut reached, mut open) = (BTreeSet::new(), vec![program.start_at.as_str()]);
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(program.states.get(name).into_iter().flat_map(|state| state.kind.successors()));
        }
    }
    for (name, state) in &program.states {
        let place = format!("{place}States.{name}");
        if let Kind::Map(map) = &state.kind {
            unreachable(&format!("{place}.ItemProcessor."), &map.program, found);
        }
        if !reached.contains(name.as_str()) {
            let message = "can't be reached: no state leads to it".to_owned();
            found.push(Problem { place, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(states: &Value) -> Vec<String> {
        let definition = json!({"StartAt": "a", "States": states});
        check(&definition.to_string()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn states_that_nothing_leads_to_are_named() {
        let end = json!({"Type": "Succeed"});
        let clean = json!({
            "a": {"Type": "Choice", "Choices": [{"Variable": "$.b", "IsPresent": true, "Next": "b"}], "Default": "c"},
            "b": {"Type": "Wait", "Seconds": 5, "Next": "d"}, "c": end, "d": end,
        });
        assert_eq!(found(&clean), [""; 0]);
        let never = found(&json!({"a": end, "b": {"Type": "Pass", "Next": "c"}, "c": end}));
        let says = [
            "States.b: can't be reached: no state leads to it",
            "States.c: can't be reached: no state leads to it",
        ];
        assert_eq!(never, says);
    }
}
