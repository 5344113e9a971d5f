//! How a plan is read: from a text, from the parameter of a Region.

use super::model::RecoveryPlan;
use crate::error::{Kind, StepError};
use crate::step::Context;

impl RecoveryPlan {
    /// Reads and validates the plan in `text`; `origin` names where it came from, for errors.
    ///
    /// # Errors
    /// [`Kind::BadPlan`] with every problem found, in one line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, StepError> {
        let bad = |what: String| StepError::new(Kind::BadPlan, what, "correct the plan");
        let mut json = serde_json::Deserializer::from_str(text);
        let plan: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!(" at `{path}`") };
            bad(format!("the plan in {origin} is not valid{place}: {}", plainly(error.inner())))
        })?;
        json.end().map_err(|error| bad(format!("the plan in {origin} is not valid: {}", plainly(&error))))?;
        let problems = plan.problems();
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(bad(format!("the plan in {origin} is not valid: {}", problems.join("; "))))
        }
    }

    /// Fetches the plan from the SSM parameter `parameter` in the function's own Region, and checks that this
    /// Region is one of the plan's.
    ///
    /// # Errors
    /// When the parameter can't be read, is no valid plan, or is another Region's.
    pub async fn load(context: &Context, parameter: &str) -> Result<Self, StepError> {
        let text = Self::text(context, parameter).await?;
        let plan = Self::parse(&text, &format!("SSM parameter {parameter}"))?;
        plan.require_region(&context.region, "the function's Region")?;
        Ok(plan)
    }

    /// Fetches the text of the SSM parameter `parameter` in the function's own Region, valid plan or not.
    ///
    /// # Errors
    /// When the parameter can't be read.
    pub async fn text(context: &Context, parameter: &str) -> Result<String, StepError> {
        let answer = aws_sdk_ssm::Client::new(&context.config)
            .get_parameter()
            .name(parameter)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| {
                let missing = error.as_service_error().is_some_and(
                    aws_sdk_ssm::operation::get_parameter::GetParameterError::is_parameter_not_found,
                );
                if missing {
                    StepError::new(
                        Kind::BadPlan,
                        format!("there is no SSM parameter {parameter} in {}", context.region),
                        "name the parameter that holds the plan in this Region; it must exist in both Regions",
                    )
                } else {
                    let what = format!("reading the plan from SSM parameter {parameter} in {}", context.region);
                    match StepError::aws(what, error) {
                        // A role may read the plan of its own stack: another name is denied, whether it is there or not.
                        error if error.kind() == Kind::Denied => error.with_remedy(
                            "is this the name of the plan's parameter? This function may read the plan of its stack only",
                        ),
                        error => error,
                    }
                }
            })?;
        Ok(answer.parameter().and_then(aws_sdk_ssm::types::Parameter::value).unwrap_or_default().to_owned())
    }
}

/// What the JSON reader says, without the names of Rust's types.
fn plainly(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let Some((before, after)) = said.split_once("expected ") else { return said };
    // What was expected is followed by the place: ` at line 3 column 7`.
    let end = after.rfind(" at line ").unwrap_or(after.len());
    let (expected, place) = after.split_at(end);
    let expected = match expected {
        "u32" | "usize" => "a whole number, 0 or more",
        "a sequence" => "a list",
        "a map" => "an object",
        "an array of length 2" => "a list of two",
        "a string" => "a text",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{before}expected {expected}{place}")
}
