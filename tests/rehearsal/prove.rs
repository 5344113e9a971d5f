//! `causeway stack prove`: what only an account can show, seen in a world that answers either way.

use std::collections::BTreeMap;

use prove::{ASSUMPTIONS, Asked, Verdict};
use sandbox::automation::{Reading, Status};
use sandbox::permissions::Permissions;
use sandbox::world::{self, LagDimensions};
use sandbox::{EAST, WEST};

use crate::stage::{APPROVER, FAST, Stage, template, told};

/// What a Region says, by assumption.
async fn proved(stage: &Stage, region: &str) -> BTreeMap<&'static str, Verdict> {
    let plan = runbook::plan::sample();
    let asked = Asked { plan: &plan, prefix: "causeway", region };
    let answers = prove::prove(&stage.operator_in(region), &asked).await;
    answers.into_iter().map(|(assumption, verdict)| (assumption.id, verdict)).collect()
}

/// Of a verdict: whether the assumption holds, where that was seen.
fn held(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Holds(_) => Some(true),
        Verdict::DoesNotHold(_) => Some(false),
        Verdict::NotYet(_) => None,
    }
}

#[test]
fn the_page_says_of_each_assumption_what_it_is_about() {
    let page = std::fs::read_to_string(rehearsals::root().join("docs/unproven.md")).unwrap();
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    for (assumption, section) in ASSUMPTIONS.iter().zip(&sections) {
        let (id, text) = section.split_once('\n').unwrap();
        assert_eq!(id, assumption.id);
        for part in ["**Believed.** ", "**Either way.** ", "**Settled by** "] {
            assert!(text.contains(part), "{id} lacks {part}");
        }
    }
    assert_eq!(sections.len(), ASSUMPTIONS.len() + 1, "the last is of what no look can see");
}

#[tokio::test(start_paused = true)]
async fn before_anything_ran_only_the_lag_is_seen() {
    for (dimensions, expected) in [
        (LagDimensions::Cluster, true),
        (LagDimensions::ClusterAndSource, true),
        (LagDimensions::Source, false),
    ] {
        let stage = Stage::new(Reading::ALL[0], FAST).await;
        stage.world.set_reading(world::Reading { lag_dimensions: dimensions, ..world::Reading::default() });
        let here = proved(&stage, WEST).await;
        assert_eq!(here.len(), ASSUMPTIONS.len());
        for (id, verdict) in &here {
            let expected = (*id == "lag-dimensions").then_some(expected);
            assert_eq!(held(verdict), expected, "{id}: {verdict:?}");
        }
        // The primary has no lag.
        assert_eq!(held(&proved(&stage, EAST).await["lag-dimensions"]), None);
        // A silent Region is no answer.
        stage.world.isolate(EAST).await;
        let silent = proved(&stage, EAST).await;
        assert!(silent.values().all(|verdict| held(verdict).is_none()), "{silent:?}");
        assert!(format!("{silent:?}").contains("it could not be asked"), "{silent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_look_a_rejected_and_a_recorded_failover_each_is_told() {
    let orders = &runbook::plan::sample().databases["orders"].members[WEST].cluster_arn;
    for (number, reading) in Reading::ALL.into_iter().enumerate() {
        let reading = Reading { refused_approval_ends_execution: number % 2 == 0, ..reading };
        let stage = Stage::new(reading, FAST).await;
        let bridge = stage.follow_events();
        bridge.tick();
        for (region, id) in bridge.started() {
            stage.ended_in(&region, &id).await;
        }
        stage.world.isolate(EAST).await;
        stage.world.forget_lag(orders);
        let id = stage.start("causeway-failover", &[("ImpairedRegion", EAST), ("Approvers", APPROVER)]);
        stage.reject(&id).await;
        stage.ended(&id).await;
        stage.world.set_lag(orders, 800.0);
        let moved = stage.fail_over().await;
        assert_eq!(moved.status, Status::Success, "{}", told(&moved));
        let here = proved(&stage, WEST).await;
        for (id, expected) in [
            ("rules-start-runbooks", Some(true)),
            ("selectors", Some(true)),
            ("json-text", Some(!reading.json_text_is_parsed)),
            ("refused-approval", Some(!reading.refused_approval_ends_execution)),
            ("renamed-snapshots", None),
        ] {
            assert_eq!(held(&here[id]), expected, "{reading:?}: {id}: {:?}", here[id]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_starts_nothing_is_told() {
    let template = template().replace("document/${ReadinessDocument}", "document/another");
    let permissions = Permissions::read(&template, &runbook::plan::sample()).unwrap();
    let stage = Stage::with_roles(Reading::ALL[0], FAST, permissions).await;
    let bridge = stage.follow_events();
    // A look by hand is no sign of the schedule.
    stage.run_in(WEST, "causeway-readiness", &[]).await;
    assert_eq!(held(&proved(&stage, WEST).await["rules-start-runbooks"]), None);
    bridge.tick();
    assert_eq!(held(&proved(&stage, WEST).await["rules-start-runbooks"]), Some(false));
}

#[tokio::test(start_paused = true)]
async fn after_a_rebuild_it_is_told_what_the_snapshot_names() {
    for reading in world::Reading::ALL {
        let stage = crate::rebuild::detached(Reading::ALL[0], crate::rebuild::SLOW).await;
        stage.world.set_reading(reading);
        let rebuilt = crate::rebuild::rebuild(&stage).await;
        assert_eq!(rebuilt.status, Status::Success, "{}", told(&rebuilt));
        let there = proved(&stage, EAST).await;
        let verdict = &there["renamed-snapshots"];
        assert_eq!(held(verdict), Some(!reading.snapshots_follow_a_rename), "{verdict:?}");
    }
}
