//! `aws:loop`: runs steps again while a condition holds (do-while), or for each item of a list.
//!
//! At most 100 times. Reaching `MaxIterations` ends the loop as a success. A step inside that fails decides by its own
//! `onFailure` what follows, if it has one; AWS: "the aws:loop action inherits those properties". If it has none, the
//! loop fails and its own `onFailure` decides. Whether AWS reads it so is open: a runbook should write `onFailure` on
//! the steps inside as well as on the loop.

use serde_json::Value;

use crate::condition::Condition;
use crate::fields::Fields;
use crate::outcome::{Failure, Inputs};
use crate::step::{Loop, ReadSteps};
use crate::types::Type;

const MAX_ITERATIONS: usize = 100;

pub(crate) fn read(fields: &mut Fields<'_>, read_steps: ReadSteps) -> Loop {
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
        Some(Value::Array(steps)) if !steps.is_empty() => read_steps(fields, steps),
        Some(other) => {
            fields.problem("Steps", format!("takes a list of steps, not {other}"));
            Vec::new()
        }
        None => Vec::new(),
    };
    let max_iterations = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_ITERATIONS);
    Loop { steps, condition, item_type, max_iterations }
}

/// The items of a for-each loop; `None` for a do-while loop.
pub(crate) fn items(repeat: &Loop, inputs: &Inputs) -> Result<Option<Vec<Value>>, Failure> {
    Ok(match inputs.get("Iterators") {
        None => None,
        Some(Value::Array(items)) if items.len() <= MAX_ITERATIONS => Some(
            items
                .iter()
                .map(|item| {
                    repeat
                        .item_type
                        .convert(item)
                        .ok_or_else(|| format!("{item} is no {}", repeat.item_type.name()))
                })
                .collect::<Result<_, _>>()?,
        ),
        Some(other) => {
            return Err(Failure::new(format!(
                "Iterators takes a list of at most {MAX_ITERATIONS} items, not {other}"
            )));
        }
    })
}
