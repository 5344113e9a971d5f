//! `aws:loop`: runs steps again while a condition holds (do-while), or for each item of a list.
//!
//! At most 100 times. Reaching `MaxIterations` ends the loop as a success. A step inside that fails decides by its own
//! `onFailure` what follows, if it has one; AWS: "the aws:loop action inherits those properties". If it has none, the
//! loop fails and its own `onFailure` decides. Whether AWS reads it so is open: a runbook should write `onFailure` on
//! the steps inside as well as on the loop.

use serde_json::Value;

use super::{Done, Failure, Inputs};
use crate::condition::Condition;
use crate::document::{Fields, OnFailure, Step, read_steps};
use crate::execution::{Parent, Status};
use crate::runner::{End, Run};
use crate::types::{Type, text};

const MAX_ITERATIONS: usize = 100;

/// A loop.
#[derive(Debug, Clone)]
pub struct Loop {
    steps: Vec<Step>,
    condition: Option<Condition>,
    item_type: Type,
    max_iterations: usize,
}

impl Loop {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let iterators = fields.take("Iterators");
        let item_type = fields.text("IteratorDataType");
        if let Some(iterators) = &iterators {
            fields.literal("Iterators", iterators, |iterators| match iterators.as_array() {
                Some(items) if items.len() <= MAX_ITERATIONS => Ok(()),
                _ => Err(format!("takes a list of at most {MAX_ITERATIONS} items, not {iterators}")),
            });
        }
        let condition = fields.take("LoopCondition").and_then(|value| {
            let mut inside = fields.inside("LoopCondition", value)?;
            let condition = Condition::read(&mut inside);
            inside.finish("a condition");
            condition
        });
        if iterators.is_some() == condition.is_some() {
            fields.problem("", "needs exactly one of Iterators and LoopCondition");
        }
        let item_type = match item_type.as_deref() {
            None | Some("String") => Type::String,
            Some("Boolean") => Type::Boolean,
            Some("Integer") => Type::Integer,
            Some("StringMap") => Type::StringMap,
            Some(other) => {
                let message = format!("takes Boolean, Integer, String or StringMap, not `{other}`");
                fields.problem("IteratorDataType", message);
                Type::String
            }
        };
        let most = fields.number("MaxIterations", 1, MAX_ITERATIONS as u64);
        let steps = match fields.require("Steps") {
            Some(Value::Array(steps)) if !steps.is_empty() => read_steps(fields, "Steps", steps, true),
            Some(other) => {
                fields.problem("Steps", format!("takes a list of steps, not {other}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let max_iterations = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_ITERATIONS);
        Self { steps, condition, item_type, max_iterations }
    }

    /// The steps inside.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The condition of a do-while loop.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    pub(super) async fn run(&self, run: &mut Run, step: &Step, inputs: &Inputs) -> Result<Done, Failure> {
        let items: Option<Vec<Value>> = match inputs.get("Iterators") {
            None => None,
            Some(Value::Array(items)) if items.len() <= MAX_ITERATIONS => Some(
                items
                    .iter()
                    .map(|item| {
                        self.item_type
                            .convert(item)
                            .ok_or_else(|| format!("{item} is no {}", self.item_type.name()))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Some(other) => {
                return Err(Failure::new(format!(
                    "Iterators takes a list of at most {MAX_ITERATIONS} items, not {other}"
                )));
            }
        };
        let most = items.as_ref().map_or(self.max_iterations, |items| items.len().min(self.max_iterations));
        for iteration in 0..most {
            let item = items.as_ref().and_then(|items| items.get(iteration)).map(text);
            run.set_output(&step.name, "CurrentIteration", Value::from(iteration + 1));
            if let Some(item) = &item {
                run.set_output(&step.name, "CurrentIteratorValue", Value::String(item.clone()));
            }
            let parent = Parent { step: step.name.clone(), iteration: iteration + 1, item };
            match Box::pin(run.steps(&self.steps, Some(&parent))).await {
                End::Finished => {}
                End::Outside(target, status, message) => {
                    let inherited = Some(OnFailure::Step(target));
                    return Err(Failure { inherited, ..Failure::with(status, message) });
                }
                End::Stopped { status: Status::Cancelled, message, on_cancel, .. } => {
                    return Err(Failure { on_cancel, ..Failure::with(Status::Cancelled, message) });
                }
                End::Stopped { status, message, explicit, .. } => {
                    let inherited = explicit.then_some(OnFailure::Abort);
                    return Err(Failure { inherited, ..Failure::with(status, message) });
                }
            }
            if run.is_completing() {
                break;
            }
            if let Some(condition) = &self.condition
                && !condition.holds(&|name| run.lookup(name))?
            {
                break;
            }
        }
        Ok(Done::default())
    }
}
