//! Somebody's recovery plan, made one that the sandbox can have: the same names, engines and databases, in the sandbox's account and
//! Regions, which no real ones can be, so that nothing of a drill can reach what the plan is of. Pure.

use std::collections::BTreeMap;

use runbook::RecoveryPlan;
use runbook::plan::{Member, Restore};
use runbook::secret::SignIn;
use sandbox::shop::bucket;
use sandbox::{ACCOUNT, EAST, REGIONS, WEST};
use serde_json::Value;

use crate::Error;

/// What the plan is in the sandbox, and what of it is another there, a line each.
pub fn in_sandbox(plan: &RecoveryPlan) -> Result<(RecoveryPlan, Vec<String>), Error> {
    plan.require_routing("a drill")?;
    let [first, second] = &plan.regions;
    let names = BTreeMap::from([(first.as_str(), EAST), (second.as_str(), WEST)]);
    // The Regions of ARC's endpoints are none of the application's, whatever they are called.
    let endpoints = plan.routing.endpoints.clone();
    let mut value = serde_json::to_value(plan)?;
    rename(&mut value, &names);
    let mut own: RecoveryPlan = serde_json::from_value(value)?;
    own.routing.endpoints = endpoints;
    // The sandbox has a rule of its own, and the drill overrides it.
    own.routing.safety_rules_to_override.clear();
    // Those of the sandbox's stack, which its roles are for.
    own.report_buckets = REGIONS.map(|region| (region.to_owned(), bucket(region))).into();
    // Both Regions are one machine with one clock.
    own.limits.clock_margin_seconds = 0;
    let mut said = vec![format!("{first} of the plan is {EAST} here, {second} is {WEST}")];
    let mut by_secret = false;
    for (name, database) in &mut own.databases {
        // Generated values are nobody's, and the verdict has to tell rows apart.
        database.report.values_mut().for_each(|table| table.personal.clear());
        for member in database.members.values_mut() {
            by_secret |=
                matches!(member.sign_in, SignIn::Iam(_)) || matches!(member.replay, Some(SignIn::Iam(_)));
            settle_in(name, member);
        }
    }
    if by_secret {
        said.push(
            "database users who sign in by IAM have a secret here: the servers of this machine can't ask IAM"
                .into(),
        );
    }
    // What was changed has to be a plan still.
    let own = RecoveryPlan::parse(&serde_json::to_string(&own)?, "the plan in the sandbox")?;
    Ok((own, said))
}

/// Has a member sign in as the sandbox can have it. What a cluster is restored into is not there: networks, keys, groups.
fn settle_in(database: &str, member: &mut Member) {
    let known = |sign_in: &SignIn, what: &str| match sign_in {
        SignIn::Secret(secret) => SignIn::Secret(secret_name(secret).to_owned()),
        SignIn::Iam(user) => SignIn::Secret(format!("drill/{database}/{what}/{user}")),
    };
    member.sign_in = known(&member.sign_in, "user");
    member.replay = member.replay.as_ref().map(|sign_in| known(sign_in, "replay"));
    member.restore = Restore { instance_class: member.restore.instance_class.clone(), ..Restore::default() };
}

/// The name of a secret, of whose ARN the last six characters are the service's.
fn secret_name(secret: &str) -> &str {
    match secret.split_once(":secret:") {
        Some((_, rest)) => rest.rsplit_once('-').map_or(rest, |(name, _)| name),
        None => secret,
    }
}

/// Gives Regions and accounts their other names, where they stand for themselves or are parts of an ARN.
fn rename(value: &mut Value, names: &BTreeMap<&str, &str>) {
    match value {
        Value::String(text) => *text = renamed(text, names),
        Value::Array(all) => all.iter_mut().for_each(|one| rename(one, names)),
        Value::Object(fields) => {
            let all = std::mem::take(fields);
            for (name, mut value) in all {
                // A name of somebody's, such as a database's or a table's, may be that of a Region only by chance.
                rename(&mut value, names);
                fields.insert(names.get(name.as_str()).map_or(name.clone(), |to| (*to).to_owned()), value);
            }
        }
        _ => {}
    }
}

fn renamed(text: &str, names: &BTreeMap<&str, &str>) -> String {
    if let Some(to) = names.get(text) {
        return (*to).to_owned();
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, service, region, account, resource] => {
            let region = names.get(region).copied().unwrap_or(region);
            let account = if account.is_empty() { "" } else { ACCOUNT };
            format!("arn:aws:{service}:{region}:{account}:{resource}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> RecoveryPlan {
        RecoveryPlan::parse(include_str!("../../../../docs/plan.example.json"), "plan.example.json").unwrap()
    }

    #[test]
    fn names_stay_and_regions_and_account_are_the_sandbox_s() {
        let (own, said) = in_sandbox(&example()).unwrap();
        assert_eq!(own.regions, [EAST, WEST]);
        let orders = &own.databases["orders"];
        assert_eq!(orders.global_cluster, "shop-orders");
        assert_eq!(
            orders.members[EAST].cluster_arn,
            "arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-central"
        );
        assert_eq!(own.report_buckets[WEST], "causeway-reports-000000000000-sandbox-west");
        assert!(said[0].contains("eu-central-1 of the plan is sandbox-east"), "{said:?}");
        let text = serde_json::to_string(&own).unwrap();
        assert!(!text.contains("arn:aws:rds:eu-") && !text.contains(":111122223333:"), "{text}");
        // A plan of the sandbox is itself.
        assert_eq!(in_sandbox(&own).unwrap().0, own);
    }

    #[test]
    fn a_plan_without_routing_can_not_be_drilled() {
        let plan = RecoveryPlan { routing: runbook::plan::Routing::default(), ..example() };
        let error = in_sandbox(&plan).unwrap_err().to_string();
        assert!(error.contains("a drill moves traffic"), "{error}");
    }

    #[test]
    fn who_signs_in_by_iam_has_a_secret_and_one_with_an_arn_is_known_by_its_name() {
        let mut plan = example();
        let database = plan.databases.get_mut("orders").unwrap();
        let regions: Vec<String> = database.members.keys().cloned().collect();
        for region in &regions {
            let member = database.members.get_mut(region).unwrap();
            member.sign_in = SignIn::Iam("reader".into());
            member.replay = Some(SignIn::Secret(format!(
                "arn:aws:secretsmanager:{region}:111122223333:secret:shop/replay-AbCdEf"
            )));
        }
        let (own, said) = in_sandbox(&plan).unwrap();
        let member = &own.databases["orders"].members[EAST];
        assert_eq!(member.sign_in, SignIn::Secret("drill/orders/user/reader".into()));
        assert_eq!(member.replay, Some(SignIn::Secret("shop/replay".into())));
        assert!(said[1].contains("can't ask IAM"), "{said:?}");
    }
}
