//! `aws:branch`: goes to the step of the first choice that holds, else to the default, else on.

use serde_json::Value;

use super::{Done, Failure};
use crate::condition::{Condition, references};
use crate::document::Fields;
use crate::runner::Run;

/// The choices of a branch.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    choices: Vec<(Condition, String)>,
    default: Option<String>,
}

impl Branch {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut branch = Self { choices: Vec::new(), default: fields.text("Default") };
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

    /// The steps it may go to.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.choices.iter().map(|(_, next)| next.as_str()).chain(self.default.as_deref())
    }

    /// Whether it may go on as any other step does.
    pub fn falls_through(&self) -> bool {
        self.default.is_none()
    }

    /// The names its conditions refer to.
    pub fn references(&self) -> Vec<String> {
        self.choices.iter().flat_map(|(condition, _)| references(condition)).collect()
    }

    pub(super) fn run(&self, run: &Run) -> Result<Done, Failure> {
        for (condition, next) in &self.choices {
            if condition.holds(&|name| run.lookup(name))? {
                return Ok(Done { next: Some(next.clone()), ..Done::default() });
            }
        }
        Ok(Done { next: self.default.clone(), ..Done::default() })
    }
}
