//! The plan's parameter of a Region, which no stack has: `causeway stack deploy` puts it after the stack, whatever its
//! size, and reads before what is there.
//!
//! The file is the truth, but for what `fill-endpoints` wrote in the account: ARC's endpoints that are not the file's, of
//! the same ARC cluster, are not taken back unless somebody says so. A failure leaves the old plan or the new one.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use serde_json::Value;

use super::account::Region;
use crate::Error;

/// What a parameter of the advanced tier holds, in bytes (AWS Systems Manager, "Managing parameter tiers").
pub const LIMIT: usize = 8192;
/// How often the parameter is read back, a second apart.
const READS: u32 = 5;

/// Where a plan is.
pub fn parameter(name: &str) -> String {
    format!("/causeway/plans/{name}")
}

/// The text of the plan that is there.
pub async fn read(region: &Region, name: &str) -> Result<Option<String>, Error> {
    let parameter = parameter(name);
    match region.ssm.get_parameter().name(&parameter).send().await {
        Ok(answer) => Ok(answer.parameter().and_then(|found| found.value()).map(str::to_owned)),
        Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
            Ok(None)
        }
        Err(error) => Err(region.failed(&format!("reading the plan {parameter}"), error)),
    }
}

/// Puts the plan, unless it is there already, and says what it did.
pub async fn put(region: &Region, name: &str, text: &str) -> Result<String, Error> {
    let there = read(region, name).await?;
    let parameter = parameter(name);
    let changes = there.as_deref().map(|there| changes(there, text));
    if changes.as_ref().is_some_and(Vec::is_empty) {
        return Ok(format!("the plan {parameter} is what the file says"));
    }
    region
        .ssm
        .put_parameter()
        .name(&parameter)
        .value(text)
        .description(
            "Recovery plan, see docs/recovery-plan.schema.json. Keep the one in the other Region the same.",
        )
        .r#type(ParameterType::String)
        .tier(ParameterTier::Advanced)
        .overwrite(true)
        .send()
        .await
        .map_err(|error| region.failed(&format!("writing the plan {parameter}"), error))?;
    for round in 1..=READS {
        if read(region, name).await?.as_deref() == Some(text) {
            let changes =
                changes.map_or("new".to_owned(), |changes| format!("changed: {}", listed(&changes)));
            return Ok(format!("the plan {parameter} is written ({changes})"));
        }
        if round < READS {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Err(format!(
        "{}: the plan {parameter} was written but does not read back as written: find out who else writes it, then \
         run the same again",
        region.name
    )
    .into())
}

/// Deletes the plan where it is what the file says, and says what it did. Another one is somebody's work.
pub async fn delete(region: &Region, name: &str, text: &str) -> Result<String, Error> {
    let parameter = parameter(name);
    match read(region, name).await? {
        None => Ok(format!("there is no plan {parameter}")),
        Some(there) if changes(&there, text).is_empty() => {
            let deleted = region.ssm.delete_parameter().name(&parameter).send().await;
            deleted.map_err(|error| region.failed(&format!("deleting the plan {parameter}"), error))?;
            Ok(format!("the plan {parameter} is deleted"))
        }
        Some(there) => Ok(format!(
            "the plan {parameter} stays, since it is not what the file says ({}); without it: aws ssm delete-parameter \
             --region {} --name {parameter}",
            listed(&changes(&there, text)),
            region.name
        )),
    }
}

/// What a deployment would do to the plan that is there.
pub fn preview(there: Option<&str>, text: &str) -> String {
    match there.map(|there| changes(there, text)) {
        None => "the plan would be new".to_owned(),
        Some(changes) if changes.is_empty() => "the plan would stay as it is".to_owned(),
        Some(changes) => format!("the plan would change: {}", listed(&changes)),
    }
}

/// ARC's endpoints of the plan that is there, as JSON to copy, when the file has others for the same ARC cluster.
pub fn other_endpoints(there: &str, text: &str) -> Option<String> {
    let (there, file) = (json(there)?, json(text)?);
    let of = |plan: &Value| -> BTreeSet<String> {
        let endpoints = plan.pointer("/routing/endpoints").and_then(Value::as_array).into_iter().flatten();
        endpoints.map(|endpoint| format!("{} {}", endpoint["region"], endpoint["url"])).collect()
    };
    let cluster = |plan: &Value| plan.pointer("/routing/clusterArn").cloned();
    let found = of(&there);
    if found.is_empty() || found == of(&file) || cluster(&there) != cluster(&file) {
        return None;
    }
    there.pointer("/routing/endpoints").map(Value::to_string)
}

/// Where the two texts differ, as JSON pointers (RFC 6901): the highest that says it.
fn changes(there: &str, text: &str) -> Vec<String> {
    let (Some(one), Some(other)) = (json(there), json(text)) else { return vec!["/".to_owned()] };
    let mut found = Vec::new();
    differences(&one, &other, String::new(), &mut found);
    found
}

fn differences(one: &Value, other: &Value, at: String, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => differences(one, other, at, found),
                    _ => found.push(at),
                }
            }
        }
        (one, other) if one != other => found.push(at),
        _ => {}
    }
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The first few.
fn listed(changes: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = changes.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match changes.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Value {
        serde_json::from_str(include_str!("../../../../docs/plan.example.json")).unwrap()
    }

    #[test]
    fn a_change_is_named_by_its_place_and_the_order_of_keys_is_none() {
        let (there, mut file) = (plan(), plan());
        assert_eq!(
            changes(&there.to_string(), &serde_json::to_string_pretty(&file).unwrap()),
            Vec::<String>::new()
        );
        file["limits"]["rpoSeconds"] = 5.into();
        file["databases"]["a/b"] = file["databases"]["orders"].clone();
        assert_eq!(changes(&there.to_string(), &file.to_string()), ["/databases/a~1b", "/limits/rpoSeconds"]);
        assert_eq!(changes("no JSON", "{}"), ["/"]);
    }

    /// What `fill-endpoints` wrote is of the same cluster. Another cluster's are the file's business.
    #[test]
    fn endpoints_of_the_account_are_found_where_the_file_has_others() {
        let file = plan().to_string();
        assert_eq!(other_endpoints(&file, &file), None);
        let mut there = plan();
        there["routing"]["endpoints"].as_array_mut().unwrap().reverse();
        assert_eq!(other_endpoints(&there.to_string(), &file), None, "their order is no difference");
        there["routing"]["endpoints"][2]["url"] = "https://filled".into();
        assert!(other_endpoints(&there.to_string(), &file).unwrap().contains("https://filled"));
        there["routing"]["clusterArn"] = "arn:aws:route53-recovery-control::1:cluster/other".into();
        assert_eq!(other_endpoints(&there.to_string(), &file), None);
        there = plan();
        there["routing"]["endpoints"] = serde_json::json!([]);
        assert_eq!(other_endpoints(&there.to_string(), &file), None, "there is nothing to lose");
    }
}
