//! Golden transcripts: what a person sees of each runbook, its steps with their answers and the messages it sends, with
//! what differs from one execution to the next redacted. One text for each rehearsal in `golden/`; a change to it is to be
//! read like a change to the code. `UPDATE_GOLDEN=1 cargo test -p rehearsals --test rehearsal golden` writes them again.

use std::path::Path;

use regex::{Captures, Regex};
use sandbox::automation::{Execution, Reading, Status};
use sandbox::world::Message;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::failback::{after_a_failover, well};
use crate::stage::{APPROVER, FAST, SLOW, Stage};

/// Compares an execution and its messages with the text under this name.
fn compare(name: &str, execution: &Execution, messages: &[Message]) {
    let found = redacted(&transcript(execution, messages));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("rehearsal/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} is not golden/{name}.txt; when it is meant to change, write it with UPDATE_GOLDEN=1.\n{found}"
    );
}

/// A line for each step: its name, its answer or how it ended, its reason. Steps that only wait for one another are there
/// once, however often they ran.
fn transcript(execution: &Execution, messages: &[Message]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for step in &execution.steps {
        let of = |name: &str| step.outputs.get(name).and_then(Value::as_str).unwrap_or_default();
        let answer = match (of("status"), step.status) {
            ("", Status::Success) => "",
            ("", status) => status.name(),
            (answer, _) => answer,
        };
        // How it ended is a sentence of its own.
        let said = of(if step.name == "outcome" { "summary" } else { "reason" });
        let line = format!("{:<18} {answer:<10} {said}", step.name);
        let line = line.trim_end().to_owned();
        if !lines.iter().rev().take(3).any(|earlier| *earlier == line) {
            lines.push(line);
        }
    }
    let mut text = format!("{}\n\n{}\n\n", execution.document, lines.join("\n"));
    text += &format!("ended as {}\n", execution.status.name());
    for message in messages {
        text += &format!("\n{}\n", message.subject);
        for line in message.body.lines() {
            text += &format!("    {line}\n");
        }
    }
    text
}

/// The text without ids, times, durations, and the ARC endpoint that happened to answer.
fn redacted(text: &str) -> String {
    let replace =
        |text: &str, pattern: &str, by: &str| Regex::new(pattern).unwrap().replace_all(text, by).into_owned();
    let text = replace(text, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<execution>");
    let text = replace(&text, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>");
    let text = replace(&text, r"\d{4}(-\d\d){5}", "<time>");
    let text = replace(&text, r"(causeway-(?:detached|rebuilt)-[a-z-]+-)\d{14}", "${1}<time>");
    let text = replace(&text, r"read from ARC in [a-z0-9-]+", "read from ARC in <endpoint>");
    // A budget or a limit is the plan's; any other duration is this execution's.
    let duration =
        Regex::new(r"(budget |limit of |beyond )?(\d+ h )?(\d+ min )?\d+(\.\d)? (s|min|h)\b").unwrap();
    let keep = |found: &Captures<'_>| {
        if found.get(1).is_some() { found[0].to_owned() } else { "<duration>".to_owned() }
    };
    duration.replace_all(&text, keep).into_owned()
}

/// Runs a rehearsal under every reading: none of them is to be seen.
async fn under_every_reading(name: &str, rehearsal: impl AsyncFn(Reading) -> (Stage, Execution, usize)) {
    for reading in Reading::ALL {
        let (stage, execution, known) = rehearsal(reading).await;
        compare(name, &execution, &stage.messages(known));
    }
}

#[tokio::test(start_paused = true)]
async fn failover() {
    under_every_reading("failover", async |reading| {
        let stage = Stage::new(reading, SLOW).await;
        stage.world.isolate(EAST).await;
        let execution = stage.fail_over().await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failover_refused() {
    under_every_reading("failover-refused", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        stage.world.isolate(EAST).await;
        stage.world.remove_instances(&runbook::plan::sample().databases["orders"].members[WEST].cluster_arn);
        let execution = stage.fail_over().await;
        (stage, execution, 0)
    })
    .await;
}

/// By the alarm, with nobody there.
#[tokio::test(start_paused = true)]
async fn automatic_failover() {
    under_every_reading("automatic-failover", async |reading| {
        let stage = Stage::new(reading, SLOW).await;
        stage.world.isolate(EAST).await;
        let bridge = stage.follow_events();
        stage.alarm();
        let execution = stage.ended(&stage.started(&bridge, 1).await[0]).await;
        (stage, execution, 0)
    })
    .await;
}

/// The alarm comes late: the other Region looks well again.
#[tokio::test(start_paused = true)]
async fn automatic_failover_refused() {
    under_every_reading("automatic-failover-refused", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        let bridge = stage.follow_events();
        bridge.deliver(WEST, &stage.world.alarm_event(WEST, "causeway-impaired-shop", "ALARM", "OK"));
        let execution = stage.ended(&stage.started(&bridge, 1).await[0]).await;
        (stage, execution, 0)
    })
    .await;
}

/// The same alarm twice: what becomes of the second.
#[tokio::test(start_paused = true)]
async fn automatic_failover_twice() {
    under_every_reading("automatic-failover-twice", async |reading| {
        let stage = Stage::new(reading, SLOW).await;
        stage.world.isolate(EAST).await;
        let bridge = stage.follow_events();
        stage.alarm();
        stage.started(&bridge, 1).await;
        // The first is at the promotion.
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        bridge.deliver(WEST, &stage.world.alarm_event(WEST, "causeway-impaired-shop", "ALARM", "OK"));
        let second = stage.ended(&stage.started(&bridge, 2).await[1]).await;
        (stage, second, 0)
    })
    .await;
}

/// More would be lost than the plan allows; somebody says no.
#[tokio::test(start_paused = true)]
async fn automatic_failover_rejected() {
    under_every_reading("automatic-failover-rejected", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        stage.world.isolate(EAST).await;
        stage.world.set_lag(&runbook::plan::sample().databases["orders"].members[WEST].cluster_arn, 90_000.0);
        let bridge = stage.follow_events();
        stage.alarm();
        let id = stage.started(&bridge, 1).await.remove(0);
        stage.reject(&id).await;
        let execution = stage.ended(&id).await;
        (stage, execution, 0)
    })
    .await;
}

/// By the snapshots of two databases: the execution that compares.
#[tokio::test(start_paused = true)]
async fn automatic_reconcile() {
    under_every_reading("automatic-reconcile", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        stage.world.isolate(EAST).await;
        assert_eq!(stage.fail_over().await.status, Status::Success);
        let known = stage.world.messages().len();
        let bridge = stage.follow_events();
        stage.world.rejoin(EAST).await;
        let ids = stage.started(&bridge, 2).await;
        let (one, two) = (stage.ended(&ids[0]).await, stage.ended(&ids[1]).await);
        let execution = if one.steps.len() > two.steps.len() { one } else { two };
        (stage, execution, known)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failover_detached() {
    under_every_reading("failover-detached", async |reading| {
        let stage = crate::detach::impaired(reading, 1.0).await;
        let execution = crate::detach::detach(&stage).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rebuild() {
    under_every_reading("rebuild", async |reading| {
        let stage = crate::rebuild::detached(reading, crate::rebuild::SLOW).await;
        let before = stage.messages(0).len();
        let execution = crate::rebuild::rebuild(&stage).await;
        (stage, execution, before)
    })
    .await;
}

/// Asked for where nothing is seen that stands against a managed failover: a person has to agree, and does not.
#[tokio::test(start_paused = true)]
async fn failover_detached_needlessly() {
    under_every_reading("failover-detached-needlessly", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        let parameters = [("ImpairedRegion", EAST), ("Mode", "detach"), ("Approvers", APPROVER)];
        let id = stage.start("causeway-failover", &parameters);
        stage.reject(&id).await;
        let execution = stage.ended(&id).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failback() {
    for strategy in ["databases-first", "traffic-first"] {
        under_every_reading(&format!("failback-{strategy}"), async |reading| {
            let stage = well(reading, 1.0, WEST, strategy).await;
            let execution = stage.switch_over(WEST).await;
            (stage, execution, 0)
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn failback_refused() {
    under_every_reading("failback-refused", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        stage.world.set_lag(&runbook::plan::sample().databases["orders"].members[WEST].cluster_arn, 30_000.0);
        let execution = stage.switch_over(WEST).await;
        (stage, execution, 0)
    })
    .await;
}

/// Half-way: the databases are here, and ARC refuses the traffic.
#[tokio::test(start_paused = true)]
async fn failback_failed() {
    under_every_reading("failback-failed", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        let controls = runbook::plan::sample().routing.controls;
        let [target, gating] = [WEST, EAST].map(|region| vec![controls[region].clone()]);
        // A gate that is shut: the other Region has no traffic, and this one's may not change without it.
        stage.world.add_safety_rule("gate", sandbox::world::routing::Rule::Gate { gating, target });
        stage.world.set_routing_control(&controls[EAST], false);
        let execution = stage.switch_over(WEST).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn reconcile() {
    under_every_reading("reconcile", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        after_a_failover(&stage).await;
        let known = stage.world.messages().len();
        let execution = stage.reconcile().await;
        (stage, execution, known)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn reconcile_distributed() {
    under_every_reading("reconcile-distributed", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        after_a_failover(&stage).await;
        crate::ranges::distribute(&stage, 2).await;
        let known = stage.world.messages().len();
        let execution = stage.reconcile().await;
        (stage, execution, known)
    })
    .await;
}

/// One lost row's key is another row's by now.
#[tokio::test(start_paused = true)]
async fn replay() {
    under_every_reading("replay", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        after_a_failover(&stage).await;
        assert_eq!(stage.reconcile().await.status, Status::Success);
        stage.rows().insert(("orders".into(), 1), vec!["somebody else's".into()]);
        let known = stage.world.messages().len();
        let execution = stage.replay().await;
        (stage, execution, known)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn replay_rejected() {
    under_every_reading("replay-rejected", async |reading| {
        let stage = well(reading, FAST, WEST, "databases-first").await;
        after_a_failover(&stage).await;
        assert_eq!(stage.reconcile().await.status, Status::Success);
        let known = stage.world.messages().len();
        let id = stage.start_replay();
        stage.reject(&id).await;
        let execution = stage.ended(&id).await;
        (stage, execution, known)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn routing() {
    under_every_reading("routing", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        let execution = stage.run_in(WEST, "causeway-routing", &[("TurnOff", EAST)]).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn routing_refused() {
    under_every_reading("routing-refused", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        stage.world.set_routing_control(&runbook::plan::sample().routing.controls[WEST], false);
        let execution = stage.run_in(WEST, "causeway-routing", &[("TurnOff", EAST)]).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn readiness() {
    under_every_reading("readiness", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        let execution = stage.run_in(WEST, "causeway-readiness", &[]).await;
        (stage, execution, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn readiness_with_findings() {
    under_every_reading("readiness-findings", async |reading| {
        let stage = Stage::new(reading, FAST).await;
        let orders = &runbook::plan::sample().databases["orders"];
        stage.world.set_engine_version(&orders.members[EAST].cluster_arn, "8.0.mysql_aurora.3.09.0");
        stage.world.remove_instances(&orders.members[WEST].cluster_arn);
        stage.change_plan_in(EAST, |plan| plan["limits"]["rpoSeconds"] = json!(30)).await;
        let execution = stage.run_in(WEST, "causeway-readiness", &[]).await;
        (stage, execution, 0)
    })
    .await;
}
