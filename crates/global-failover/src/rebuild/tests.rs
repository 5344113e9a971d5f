//! The operation against the fake, under paused time.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runbook::Context;
use runbook::error::Kind;
use runbook::fakes::{FAULTS, Fault};
use runbook::step::Clock;

use super::fake::{EAST, Fake, WEST, World, created};
use super::*;

/// A context in the west, an hour after the clusters were made, whose clock moves with tokio's.
fn context() -> Context {
    let (start, origin) = (created() + SignedDuration::from_hours(1), tokio::time::Instant::now());
    Context {
        config: aws_config::SdkConfig::builder().build(),
        region: WEST.into(),
        clock: Clock::new(move || start + SignedDuration::try_from(origin.elapsed()).unwrap()),
        deadline: Timestamp::MAX,
    }
}

async fn call(world: &Arc<Mutex<World>>) -> Result<Outcome<Observed>, StepError> {
    let context = context();
    let run = Run {
        execution: "e",
        context: &context,
        plan: &runbook::plan::sample(),
        target: WEST,
        since: context.clock.now(),
    };
    super::run(&run, |region: &str| Fake { region: region.into(), world: Arc::clone(world) }).await
}

#[tokio::test(start_paused = true)]
async fn global_databases_are_made_again_and_the_old_primaries_are_kept() {
    let world = World::detached();
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{}", outcome.reason);
    assert!(outcome.reason.contains("the old primaries are kept as causeway-detached-shop-catalog-east-"));
    {
        let mut world = world.lock().unwrap();
        let there = world.inventory();
        for expected in [
            "shop-orders: arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west, \
             arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east",
            "sandbox-east causeway-detached-shop-orders-east",
            "sandbox-east shop-orders-east available",
            "snapshot of shop-orders-east",
        ] {
            assert!(there.iter().any(|line| line == expected), "{expected}: {there:#?}");
        }
        let (subnets, tags, class) = world.made(EAST, "shop-orders-east");
        assert_eq!(subnets.as_deref(), Some("sandbox-east-subnets"));
        assert_eq!((tags.len(), class.as_str()), (1, "db.r7g.large"));
        assert_eq!(world.changes.len(), 14, "{:#?}", world.changes);
    }
    let again = call(&world).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn any_call_may_fail_and_the_next_one_ends_in_the_same_state() {
    let clean = World::detached();
    assert_eq!(call(&clean).await.unwrap().status, Status::Done);
    let expected = clean.lock().unwrap().inventory();
    for fault in FAULTS {
        for k in 1.. {
            let world = World::detached();
            world.lock().unwrap().calls.fault = Some((k, fault));
            let first = call(&world).await;
            let hit = world.lock().unwrap().calls.was_hit();
            world.lock().unwrap().calls.fault = None;
            match (fault, &first) {
                (Fault::Fails(Kind::Failed), Ok(_)) if hit => panic!("call {k} failed unseen"),
                (Fault::Fails(Kind::Failed), Err(_)) => {}
                // What may pass is tried again within the call.
                _ => assert_eq!(first.as_ref().unwrap().status, Status::Done, "{fault:?} at {k}"),
            }
            let again = call(&world).await.unwrap();
            assert_eq!(again.status, Status::Done, "{fault:?} at {k}: {}", again.reason);
            let mut world = world.lock().unwrap();
            let mut there = world.inventory();
            // A snapshot whose answer was lost may be there twice; it is evidence, and costs no more than storage.
            there.dedup();
            assert_eq!(there, expected, "{fault:?} at {k}");
            if !hit {
                break;
            }
        }
    }
}

/// One call that fails does not keep those about the other database from being made in the same look.
#[tokio::test(start_paused = true)]
async fn a_call_that_fails_for_one_database_does_not_hold_up_the_other() {
    let undisturbed = World::detached();
    call(&undisturbed).await.unwrap();
    let calls = undisturbed.lock().unwrap().calls.made.clone();
    let first = calls.iter().position(|call| call.ends_with(" snapshot")).unwrap();
    assert!(calls[first + 1].ends_with(" snapshot"), "both are taken in one look: {calls:#?}");
    let world = World::detached();
    world.lock().unwrap().calls.fault = Some((first + 1, Fault::Fails(Kind::Failed)));
    let error = call(&world).await.unwrap_err();
    assert!(error.to_string().contains("orders: taking a snapshot of the old primary"), "{error}");
    assert_eq!(world.lock().unwrap().changes, ["sandbox-east snapshot shop-orders-east"]);
}

#[tokio::test(start_paused = true)]
async fn what_aws_rejects_is_said_and_tried_again_until_the_limit() {
    let world = World::detached();
    world.lock().unwrap().busy = vec!["shop-orders".into()];
    let outcome = call(&world).await.unwrap();
    assert_eq!(outcome.status, Status::InProgress);
    assert!(outcome.reason.contains("(AWS says: shop-orders-east is busy)"), "{}", outcome.reason);
    let context = context();
    let run = Run {
        execution: "e",
        context: &context,
        plan: &runbook::plan::sample(),
        target: WEST,
        since: context.clock.now() - SignedDuration::from_hours(7),
    };
    let late =
        super::run(&run, |region: &str| Fake { region: region.into(), world: Arc::clone(&world) }).await;
    let late = late.unwrap();
    assert_eq!(late.status, Status::Refused);
    assert!(late.reason.contains("(limits.restoreMinutes): orders: "), "{}", late.reason);
    world.lock().unwrap().busy.clear();
    assert_eq!(call(&world).await.unwrap().status, Status::Done);
}
