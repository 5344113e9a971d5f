//! `aws:branch`: goes to the step of the first choice that holds, else to the default, else on.
//!
//! What a reference to an output that is not there does, [`Reading`](crate::Reading) says. Where it fails the branch, it does so
//! whichever choice it stands in: a step's inputs are resolved before the step runs.

use serde_json::Value;

use crate::condition::{Condition, references};
use crate::fields::Fields;
use crate::outcome::{Done, Failure};
use crate::run::Run;
use crate::step::Branch;

pub(crate) fn read(fields: &mut Fields<'_>) -> Branch {
    let mut branch = Branch { choices: Vec::new(), default: fields.text("Default") };
    match fields.require("Choices") {
        Some(Value::Array(choices)) if !choices.is_empty() => {
            for (index, choice) in choices.into_iter().enumerate() {
                let Some(mut inside) = fields.inside(&format!("Choices[{index}]"), choice) else {
                    continue;
                };
                let next = inside.require_text("NextStep");
                let condition = Condition::read(&mut inside);
                inside.finish("a choice");
                branch.choices.extend(condition.zip(next));
            }
        }
        Some(other) => fields.problem("Choices", format!("takes a list of choices, not {other}")),
        None => {}
    }
    branch
}

pub(crate) fn run(branch: &Branch, run: &Run) -> Result<Done, Failure> {
    if run.reading().missing_output_fails_branch {
        let asked = branch.choices.iter().flat_map(|(condition, _)| references(condition));
        for name in asked {
            if run.lookup(&name).is_none() {
                return Err(Failure::new(format!("there is no {name}")));
            }
        }
    }
    for (condition, next) in &branch.choices {
        if condition.holds(&|name| run.lookup(name))? {
            return Ok(Done { next: Some(next.clone()), ..Done::default() });
        }
    }
    Ok(Done { next: branch.default.clone(), ..Done::default() })
}
