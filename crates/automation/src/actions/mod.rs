//! The actions, one source file each.
//!
//! An action checks its inputs when a document is read (`check`), and runs on inputs whose references are resolved (`run`).
//! It returns a [`Done`](crate::outcome::Done) or a [`Failure`](crate::outcome::Failure). [`crate::runner`] handles retries, time
//! limits, outputs, the next step, and the steps of a loop.

pub(crate) mod approve;
pub(crate) mod assert_aws_resource_property;
pub(crate) mod branch;
pub(crate) mod execute_automation;
pub(crate) mod execute_aws_api;
pub(crate) mod execute_state_machine;
pub(crate) mod invoke_lambda_function;
pub(crate) mod loop_steps;
pub(crate) mod pause;
pub(crate) mod sleep;
pub(crate) mod update_variable;
pub(crate) mod wait_for_aws_resource_property;

use serde_json::Value;

use crate::fields::Fields;
use crate::outcome::Inputs;
use crate::step::{Action, ReadSteps};
use crate::unsupported::Unsupported;

/// Reads an action by its name and inputs, and reports what is wrong with them. `inner` reads the steps of a loop; `None`
/// inside one.
pub(crate) fn read(
    name: &str,
    inputs: &Inputs,
    inner: Option<ReadSteps>,
    fields: &mut Fields<'_>,
) -> Option<Action> {
    let mut inside = fields.inside("inputs", Value::Object(inputs.clone()))?;
    let action = match name {
        "aws:approve" => {
            approve::check(&mut inside);
            Action::Approve
        }
        "aws:assertAwsResourceProperty" => {
            assert_aws_resource_property::check(&mut inside);
            Action::AssertAwsResourceProperty
        }
        "aws:branch" => Action::Branch(branch::read(&mut inside)),
        "aws:executeAutomation" => {
            execute_automation::check(&mut inside);
            Action::ExecuteAutomation
        }
        "aws:executeAwsApi" => {
            execute_aws_api::check(&mut inside);
            Action::ExecuteAwsApi
        }
        "aws:executeStateMachine" => {
            execute_state_machine::check(&mut inside);
            Action::ExecuteStateMachine
        }
        "aws:invokeLambdaFunction" => {
            invoke_lambda_function::check(&mut inside);
            Action::InvokeLambdaFunction
        }
        "aws:loop" => {
            let Some(read_steps) = inner else {
                inside.problem(
                    "",
                    "a loop inside a loop is not implemented by the local runner; AWS's console does not allow it either",
                );
                return None;
            };
            Action::Loop(Box::new(loop_steps::read(&mut inside, read_steps)))
        }
        "aws:pause" => Action::Pause,
        "aws:sleep" => {
            sleep::check(&mut inside);
            Action::Sleep
        }
        "aws:updateVariable" => {
            update_variable::check(&mut inside);
            Action::UpdateVariable
        }
        "aws:waitForAwsResourceProperty" => {
            wait_for_aws_resource_property::check(&mut inside);
            Action::WaitForAwsResourceProperty
        }
        name if let Some(action) = Unsupported::of(name) => {
            action.check(&mut inside);
            inside.unsupported(
                "",
                format!("`{name}` exists in AWS but is not implemented by the local runner"),
            );
            Action::Unsupported(action)
        }
        unknown => {
            fields.problem("action", format!("there is no action `{unknown}`"));
            return None;
        }
    };
    inside.finish(&format!("{name}'s inputs"));
    Some(action)
}
