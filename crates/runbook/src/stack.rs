//! What `template.yaml` is given for a plan: everything that the stack of a Region has to know and the plan says already,
//! but for the plan itself, whose text is the user's.
//!
//! The deployment and the sandbox derive it in this one place, so that the roles that are rehearsed are those of the
//! deployed stack. What the plan does not say (subnets, who is told, what starts by itself) is a setting of the deployment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::RecoveryPlan;
use crate::plan::Member;
use crate::secret::SignIn;

/// Values of the template's parameters for the stack in `region`, texts or lists of texts.
///
/// A secret that the plan names by its name is given as `…:secret:NAME-??????`: Secrets Manager ends an ARN in six
/// characters of its own ("What's in a secret", AWS Secrets Manager User Guide).
#[must_use]
pub fn parameters(plan: &RecoveryPlan, region: &str) -> BTreeMap<&'static str, Value> {
    let members = || plan.databases.values().flat_map(|database| database.members.iter());
    let (partition, account) = account(plan);
    let secret = |name: &String| match name.starts_with("arn:") {
        true => name.clone(),
        false => format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"),
    };
    let secrets: BTreeSet<String> = members()
        .filter(|(of, _)| *of == region)
        .flat_map(|(_, member)| [Some(&member.sign_in), member.replay.as_ref()])
        .filter_map(|sign_in| match sign_in {
            Some(SignIn::Secret(name)) => Some(secret(name)),
            Some(SignIn::Iam(_)) | None => None,
        })
        .collect();
    // Those who sign in by IAM. The ARN knows a cluster by its resource id, which the plan does not say, and that of a
    // restored one is new each time: any cluster, one user.
    let by_iam = |sign_ins: fn(&Member) -> [Option<&SignIn>; 2]| -> BTreeSet<String> {
        let here = members().filter(|(of, _)| *of == region).flat_map(|(_, member)| sign_ins(member));
        let user = |sign_in: Option<&SignIn>| match sign_in {
            Some(SignIn::Iam(user)) => {
                Some(format!("arn:{partition}:rds-db:{region}:{account}:dbuser:cluster-*/{user}"))
            }
            Some(SignIn::Secret(_)) | None => None,
        };
        here.filter_map(user).collect()
    };
    let globals = plan.databases.values().map(|database| {
        // A global cluster is in no Region.
        format!("arn:{partition}:rds::{account}:global-cluster:{}", database.global_cluster)
    });
    let keys: BTreeSet<&String> = members()
        .filter_map(|(_, member)| member.restore.kms_key.as_ref())
        .filter(|key| key.starts_with("arn:"))
        .collect();
    BTreeMap::from([
        ("PlanName", json!(plan.name)),
        ("GlobalClusterArns", globals.collect()),
        ("ClusterArns", members().map(|(_, member)| member.cluster_arn.clone()).collect()),
        ("SecretArns", json!(secrets)),
        ("DatabaseUserArns", json!(by_iam(|member| [Some(&member.sign_in), member.replay.as_ref()]))),
        ("RestoredDatabaseUserArns", json!(by_iam(|member| [Some(&member.sign_in), None]))),
        ("RoutingControlArns", plan.routing.controls.values().cloned().collect()),
        ("ArcClusterArn", json!(plan.routing.cluster_arn.as_deref().unwrap_or_default())),
        ("KmsKeyArns", json!(keys)),
        ("OtherRegion", json!(plan.other_region(region))),
        ("FailoverAlarmRule", json!(alarm_rule(plan, region))),
    ])
}

/// When a failover to `region` starts by itself: as many alarms there as the plan's quorum tell of the other Region. Without
/// `automatic` in the plan, never.
fn alarm_rule(plan: &RecoveryPlan, region: &str) -> String {
    let Some(automatic) = &plan.automatic else { return "FALSE".to_owned() };
    format!("AT_LEAST({}, ALARM, ({}))", automatic.quorum, alarms(plan, region).join(", "))
}

/// The alarms in `region` that tell of the other Region: those of the rule, which have to be there before it. A composite
/// alarm follows alarms of its own Region only.
#[must_use]
pub fn alarms<'a>(plan: &'a RecoveryPlan, region: &str) -> Vec<&'a str> {
    let signals =
        plan.automatic.iter().filter_map(|automatic| automatic.signals.get(plan.other_region(region)));
    signals.flatten().filter(|signal| signal.region == region).map(|signal| signal.alarm.as_str()).collect()
}

/// Partition and account of the plan's clusters.
#[must_use]
pub fn account(plan: &RecoveryPlan) -> (&str, &str) {
    let arn = plan.databases.values().flat_map(|database| database.members.values()).next();
    let mut parts = arn.map(|member| member.cluster_arn.as_str()).unwrap_or_default().split(':');
    (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_a_region_gets_what_the_plan_says() {
        let text = include_str!("../../../docs/plan.example.json");
        let plan = RecoveryPlan::parse(text, "the example").unwrap();
        let west = parameters(&plan, "eu-west-1");
        assert_eq!(west["OtherRegion"], "eu-central-1");
        assert_eq!(west["ClusterArns"].as_array().unwrap().len(), 2);
        assert!(
            west["GlobalClusterArns"][0]
                .as_str()
                .unwrap()
                .ends_with("::111122223333:global-cluster:shop-orders")
        );
        let secrets = west["SecretArns"].as_array().unwrap();
        assert!(
            secrets.iter().all(|arn| arn.as_str().unwrap().contains(":eu-west-1:111122223333:")),
            "{secrets:?}"
        );
        assert!(
            secrets
                .contains(&json!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/orders-??????"))
        );
        assert_eq!(
            west["FailoverAlarmRule"],
            "AT_LEAST(2, ALARM, (shop-central-canary, shop-central-errors))"
        );
    }
}
