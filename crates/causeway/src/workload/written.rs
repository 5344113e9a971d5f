//! The recovery plan and the deployment's settings of a workload, from what its stacks give: what `make deploy` needs.

use std::path::{Path, PathBuf};

use runbook::RecoveryPlan;
use runbook::plan::ArcEndpoint;
use serde_json::{Value, json};

use super::deploy::Known;
use super::parts::CONTROL;
use super::settings::Settings;
use crate::Error;
use crate::recovery_plan;

/// The plan.
///
/// # Errors
/// Names an output that a stack lacks, or what is wrong with the plan.
pub fn plan(
    settings: &Settings,
    known: &Known<'_>,
    endpoints: &[ArcEndpoint],
) -> Result<RecoveryPlan, Error> {
    let get = |part: &str, region: &str, name: &str| -> Result<String, Error> {
        let found = known.iter().find(|(task, _)| task.part == part && task.region == region);
        let value = found.and_then(|(_, outputs)| outputs.get(name)).cloned();
        value.ok_or_else(|| format!("{region}: the stack {}-{part} gives no {name}", settings.name).into())
    };
    let [first, second] = &settings.regions;
    let member = |database: &str, region: &str| -> Result<Value, Error> {
        Ok(json!({
            "clusterArn": get(database, region, "ClusterArn")?,
            "secret": format!("{}/{database}", settings.name),
            "restore": {
                "subnetGroup": get(database, region, "SubnetGroup")?,
                "securityGroups": [get(database, region, "SecurityGroup")?],
                "kmsKey": get("keys", region, "KeyArn")?,
            },
        }))
    };
    let database = |database: &str| -> Result<Value, Error> {
        Ok(json!({
            "engine": settings.engine,
            "globalCluster": get(database, first, "GlobalCluster")?,
            "database": database,
            "members": {first: member(database, first)?, second: member(database, second)?},
        }))
    };
    // What says that a Region is impaired: its own canary, and, where that is silent, two of the other Region: of its pages, and of the
    // shop's name, which leads to it.
    let signals = |region: &str, other: &str| -> Result<Value, Error> {
        Ok(json!([
            {"alarm": get("eyes", region, "CanaryAlarm")?, "region": region},
            {"alarm": get("eyes", other, "OtherAlarm")?, "region": other},
            {"alarm": get("eyes", other, "GlobalAlarm")?, "region": other},
        ]))
    };
    let control = |name: &str| get("routing", CONTROL, name);
    let cluster = control("ClusterArn")?;
    let account = cluster.split(':').nth(4).unwrap_or_default().to_owned();
    let bucket = |region: &str| format!("causeway-reports-{account}-{region}");
    let plan = json!({
        "name": settings.name,
        "regions": settings.regions,
        "routing": {
            "clusterArn": cluster,
            "endpoints": endpoints,
            "controls": {first: control("FirstControlArn")?, second: control("SecondControlArn")?},
            "safetyRulesToOverride": [control("SafetyRuleArn")?],
        },
        "databases": {"orders": database("orders")?, "catalog": database("catalog")?},
        "automatic": {"quorum": 2, "signals": {first: signals(first, second)?, second: signals(second, first)?}},
        "reportBuckets": {first: bucket(first), second: bucket(second)},
    });
    let mut plan = RecoveryPlan::parse(&plan.to_string(), "the workload's plan")?;
    recovery_plan::describe(&mut plan);
    Ok(plan)
}

/// The settings of the deployment of the runbooks.
pub fn deployment(settings: &Settings, known: &Known<'_>, plan: &Path) -> Value {
    let all = |part: &str, region: &str, name: &str| -> Vec<String> {
        let found = known.iter().find(|(task, _)| task.part == part && task.region == region);
        let value = found.and_then(|(_, outputs)| outputs.get(name));
        value.map(|value| value.split(',').map(str::to_owned).collect()).unwrap_or_default()
    };
    let region = |region: &str| {
        json!({
            "subnets": all("network", region, "PrivateSubnets"),
            "securityGroups": all("services", region, "SecurityGroup"),
        })
    };
    let [first, second] = &settings.regions;
    let keys = [all("keys", first, "KeyArn"), all("keys", second, "KeyArn")].concat();
    let mut settings_of = json!({
        "plan": plan.file_name().unwrap_or_default().to_string_lossy(),
        "regions": {first: region(first), second: region(second)},
        "kmsKeys": keys,
    });
    if let Some(mail) = &settings.mail {
        settings_of["notificationEmail"] = json!(mail);
    }
    settings_of
}

/// Writes a file, unless one is there that says something else: then beside it. Where it is now, and whether it is beside.
///
/// # Errors
/// When it can't be written.
pub fn put(path: &Path, text: &str) -> Result<(PathBuf, bool), Error> {
    let other = std::fs::read_to_string(path).is_ok_and(|there| there != text);
    let place = if other {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        PathBuf::from(name)
    } else {
        path.to_owned()
    };
    std::fs::write(&place, text).map_err(|error| format!("can't write {}: {error}", place.display()))?;
    Ok((place, other))
}
