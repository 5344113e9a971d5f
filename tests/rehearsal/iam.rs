//! A plan that signs in to its databases by IAM: no function reads a secret, and each shows a token.

use std::sync::Arc;

use jiff::Timestamp;
use runbook::secret::Place;
use sandbox::automation::{Reading, Status};
use sandbox::databases::token;
use sandbox::permissions::Permissions;
use sandbox::world::World;
use sandbox::{EAST, REGIONS, WEST};
use serde_json::{Value, json};

use crate::stage::{FAST, Stage, told};

const READER: &str = "causeway";
const WRITER: &str = "causeway_replay";

/// Lets somebody in as Aurora does: where IAM database authentication is on, with a token of a role that may.
pub async fn let_in(
    world: &Arc<World>,
    permissions: &Permissions,
    cluster: &str,
    place: Place<'_>,
    (user, password): (&str, &str),
) -> Result<(), String> {
    let arn = format!("arn:aws:rds:{}:000000000000:cluster:{cluster}", place.region);
    if !world.has_iam(&arn) {
        let known = ["shop/orders", "shop/catalog"].map(|name| world.secret(place.region, name));
        let credentials = json!({"username": user, "password": password});
        let right = known
            .iter()
            .flatten()
            .any(|secret| serde_json::from_str::<Value>(secret).is_ok_and(|secret| secret == credentials));
        return if right { Ok(()) } else { Err(format!("{cluster} knows no such user and password")) };
    }
    // The SDK signs with the machine's time, whatever the world's is.
    let key = token::signer(password, user, place, Timestamp::now()).await;
    let key = key.map_err(|why| format!("{cluster} does not let {user} in: {why}"))?;
    permissions.may_connect(&key, place.region, cluster, user).map_err(|error| error.message)
}

/// Makes a plan sign in by IAM.
fn by_iam(plan: &mut Value) {
    for database in ["orders", "catalog"] {
        for region in REGIONS {
            let member = &mut plan["databases"][database]["members"][region];
            member.as_object_mut().unwrap().remove("secret");
            member["iamUser"] = json!(READER);
            member["replayIamUser"] = json!(WRITER);
        }
    }
}

/// The shop, with databases that sign in by IAM.
async fn stage() -> Stage {
    let template = std::fs::read_to_string(rehearsals::root().join("template.yaml")).unwrap();
    let mut plan = serde_json::to_value(runbook::plan::sample()).unwrap();
    by_iam(&mut plan);
    let plan = runbook::RecoveryPlan::parse(&plan.to_string(), "the rehearsal").unwrap();
    let stage = Stage::with_roles(Reading::ALL[0], FAST, Permissions::read(&template, &plan).unwrap()).await;
    stage.change_plan(by_iam).await;
    for member in plan.databases.values().flat_map(|database| database.members.values()) {
        stage.world.set_iam(&member.cluster_arn, true);
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn the_whole_story_is_told_with_tokens_and_without_a_secret() {
    let stage = stage().await;
    for region in REGIONS {
        let ready = stage.run_in(region, "causeway-readiness", &[]).await;
        assert_eq!(ready.status, Status::Success, "{:?} {}", ready.outputs, told(&ready));
    }
    stage.world.isolate(EAST).await;
    let moved = stage.fail_over().await;
    assert_eq!(moved.status, Status::Success, "{}", told(&moved));
    stage.world.rejoin(EAST).await;
    let reconciled = stage.reconcile().await;
    assert_eq!(reconciled.status, Status::Success, "{}", told(&reconciled));
    let replayed = stage.replay().await;
    assert_eq!(replayed.status, Status::Success, "{}", told(&replayed));
    let secrets = stage.faults.calls().into_iter().filter(|called| called.operation == "GetSecretValue");
    assert_eq!(secrets.count(), 0);
    // What is left over of the permissions to sign in; a failback would use those of the east.
    let unused = stage.permissions.unused();
    let unused: Vec<_> = unused.iter().filter(|one| one.action == "rds-db:connect").collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[tokio::test(start_paused = true)]
async fn readiness_finds_a_member_without_iam_and_a_role_that_may_not_connect() {
    let off = stage().await;
    off.world.set_iam("arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west", false);
    // The roles of a plan with secrets.
    let unasked = Stage::new(Reading::ALL[0], FAST).await;
    unasked.change_plan(by_iam).await;
    for cluster in ["orders", "catalog"] {
        for (region, side) in [(EAST, "east"), (WEST, "west")] {
            let arn = format!("arn:aws:rds:{region}:000000000000:cluster:shop-{cluster}-{side}");
            unasked.world.set_iam(&arn, true);
        }
    }
    for (stage, expected) in [
        (&off, vec!["orders: cluster shop-orders-west in sandbox-west has no IAM database authentication"]),
        (&unasked, vec!["not authorized to perform: rds-db:connect", "reconcile"]),
    ] {
        let execution = stage.run_in(WEST, "causeway-readiness", &[]).await;
        assert_eq!(execution.status, Status::Failed);
        let told = format!("{:?} {}", execution.outputs, told(&execution));
        for part in expected {
            assert!(told.contains(part), "{part} is missing in: {told}");
        }
    }
}
