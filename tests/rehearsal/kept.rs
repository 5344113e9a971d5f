//! Databases whose storage keys of the account encrypt.

use sandbox::automation::{Reading, Status};
use sandbox::permissions::Permissions;
use sandbox::{EAST, REGIONS, WEST};
use serde_json::{Value, json};

use crate::stage::{BRISK, Stage, template, told};

/// The key of the account in a Region.
fn key(region: &str) -> String {
    format!("arn:aws:kms:{region}:000000000000:key/shop")
}

fn with_keys(plan: &mut Value) {
    for region in REGIONS {
        plan["databases"]["orders"]["members"][region]["restore"]["kmsKey"] = json!(key(region));
    }
}

fn cluster(region: &str) -> String {
    runbook::plan::sample().databases["orders"].members[region].cluster_arn.clone()
}

/// A stage on which keys of the account encrypt orders, and the engine versions differ; the plan and the stack know the keys.
async fn stage() -> Stage {
    let mut plan = serde_json::to_value(runbook::plan::sample()).unwrap();
    with_keys(&mut plan);
    let plan = runbook::RecoveryPlan::parse(&plan.to_string(), "the rehearsal").unwrap();
    let stage =
        Stage::with_roles(Reading::ALL[0], BRISK, Permissions::read(&template(), &plan).unwrap()).await;
    stage.change_plan(with_keys).await;
    for region in REGIONS {
        stage.world.set_customer_key(&cluster(region), &key(region));
    }
    stage.world.set_engine_version(&cluster(EAST), "8.0.mysql_aurora.3.07.0");
    stage
}

/// Detaches in the west and rebuilds the east.
async fn rebuild(stage: &Stage) {
    stage.world.isolate(EAST).await;
    let detached = crate::detach::detach(stage).await;
    assert_eq!(detached.status, Status::Success, "{}", told(&detached));
    stage.world.rejoin(EAST).await;
    let rebuilt = crate::rebuild::rebuild(stage).await;
    assert_eq!(rebuilt.status, Status::Success, "{}", told(&rebuilt));
}

/// RDS uses a key of the account in the caller's name: for the copy of a snapshot, for a restore, and for a secondary.
#[tokio::test(start_paused = true)]
async fn storage_that_a_key_of_the_account_encrypts_is_rebuilt_and_restored() {
    let stage = stage().await;
    rebuild(&stage).await;
    let reconciled = stage.reconcile().await;
    assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
    let of = |role: &str| ["GlobalFailoverRole", "SnapshotRestoreRole"].contains(&role);
    let unused: Vec<String> = stage
        .permissions
        .unused()
        .iter()
        .filter(|one| of(&one.role) && one.action.starts_with("kms:"))
        .map(ToString::to_string)
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// A key that the settings do not name is found on a quiet day, for each role that RDS would use it for.
#[tokio::test(start_paused = true)]
async fn a_key_that_the_stack_does_not_know_is_found() {
    let look = async |stage: &Stage| {
        let execution = stage.run_in(WEST, "causeway-readiness", &[]).await;
        (execution.status, execution.outputs["readiness.reason"][0].clone())
    };
    let known = stage().await;
    known.world.set_engine_version(&cluster(EAST), sandbox::world::VERSION);
    let (status, reason) = look(&known).await;
    assert_eq!(status, Status::Success, "{reason}");
    known.world.set_customer_key(&cluster(EAST), "arn:aws:kms:sandbox-east:000000000000:key/other");
    let (status, reason) = look(&known).await;
    assert_eq!(status, Status::Failed);
    for role in ["global-failover", "snapshot-restore"] {
        for action in ["kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"] {
            let denied = format!(
                "the role of {role} may not {action} on arn:aws:kms:sandbox-east:000000000000:key/other"
            );
            assert!(reason.contains(&denied), "{denied} is missing in: {reason}");
        }
    }
}
