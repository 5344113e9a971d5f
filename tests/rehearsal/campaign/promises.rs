//! The promises, as they are held against every night. `docs/promises.md` says the same to people.
//!
//! Each function is one promise: it looks at what the night left, and says how the promise is broken, if it is.

use std::collections::BTreeSet;

use runbook::names::EXECUTION_TAG;
use runbook::record::MoveOutcome;
use sandbox::automation::{Execution, Status};
use sandbox::world::Message;
use sandbox::{EAST, WEST};
use serde_json::Value;

use super::model::HARMLESS;
use super::night::{Act, Ending, Night};

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub promise: &'static str,
    pub how: String,
}

type Kept = Result<(), Broken>;

fn broken(promise: &'static str, how: impl Into<String>) -> Broken {
    Broken { promise, how: how.into() }
}

fn keep(promise: &'static str, holds: bool, how: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(broken(promise, how())) }
}

/// Never are there two Regions to which customers are sent and that both take writes of one database.
pub fn one_region_takes_writes(night: &Night) -> Kept {
    for (name, database) in &super::plan().databases {
        let takes = |region: &&str| {
            night.stage.world.has_traffic(region)
                && night.fleet.is_primary(&database.members[*region].cluster_arn)
        };
        let both = [EAST, WEST].iter().all(takes);
        keep("one Region takes writes", !both, || {
            format!("{name} takes writes in both Regions, which both have traffic")
        })?;
    }
    Ok(())
}

/// An execution that ended well left what it says.
pub async fn success_left_what_it_says(night: &Night, ending: &Ending) -> Kept {
    const PROMISE: &str = "a success left what it says";
    let Some(execution) = ending.execution.as_ref().filter(|one| one.status == Status::Success) else {
        return Ok(());
    };
    let summary =
        execution.outputs.get("outcome.summary").and_then(|said| said.first()).cloned().unwrap_or_default();
    // Nobody can look into a Region that is dark.
    if night.stage.world.is_isolated(WEST) {
        return Ok(());
    }
    let state = night.stage.state().await;
    let writers = |region: &str| state.writers.values().all(|writer| writer == region);
    let alone = |region: &str| state.traffic == BTreeSet::from([region.to_owned()]);
    let holds = match ending.act {
        Act::Failover => {
            let recorded = Some((MoveOutcome::Succeeded, EAST.to_owned(), WEST.to_owned()));
            writers(WEST) && alone(WEST) && state.last_failover == recorded
        }
        Act::Detach => night.stands_for_itself() && alone(WEST),
        Act::Failback(to) => writers(to) && alone(to) && night.switchovers_to(to).await > 0,
        Act::Rebuild => writers(WEST),
        Act::Reconcile => {
            let files = night.stage.reports(&execution.id).await;
            files.contains("manifest.json") || not_needed(execution)
        }
        Act::Replay => night.stage.reports(&execution.id).await.contains("manifest.json"),
        Act::Readiness => true,
    };
    keep(PROMISE, holds, || format!("{:?} says “{summary}”, and there is {state:?}", ending.act))
}

/// Whether a reconciliation left the work to another one.
fn not_needed(execution: &Execution) -> bool {
    let restore = execution.steps.iter().find(|step| step.name == "restore");
    restore.and_then(|step| step.outputs.get("status")).is_some_and(|status| status == "NotNeeded")
}

/// Subjects of a bad end.
const BAD: [&str; 11] = [
    "FAILED",
    "refused",
    "not approved",
    "not started",
    "CANCELLED",
    "STOPPED",
    "no missing-transaction report",
    "LEFT OVER",
    "NOT verified",
    "record MISSING",
    "can NOT",
];

fn is_bad(message: &Message) -> bool {
    BAD.iter().any(|word| message.subject.contains(word))
}

/// Every end was told to somebody, in the right words.
pub fn every_end_was_told(night: &Night, ending: &Ending) -> Kept {
    const PROMISE: &str = "every end was told in the right words";
    let Some(execution) = &ending.execution else { return Ok(()) };
    let messages = night.messages(ending);
    let subjects: Vec<&str> = messages.iter().map(|message| message.subject.as_str()).collect();
    let by_rule =
        messages.iter().any(|message| message.body.contains(&execution.id) && message.subject.is_empty());
    let told =
        |bad: bool| messages.iter().any(|message| !message.subject.is_empty() && is_bad(message) == bad);
    let well = execution.status == Status::Success;
    let holds = match well {
        // Whoever can't be told at any try learns it from the console, and nothing is the worse for it.
        true => {
            let silent = ending.act == Act::Readiness || not_needed(execution) || ending.untold;
            silent || told(false)
        }
        // A look that is cancelled leaves nothing; of one that could tell nobody the alarm on readiness tells.
        false if ending.act == Act::Readiness => {
            told(true) || ending.untold || execution.status == Status::Cancelled
        }
        false => told(true) || by_rule || ending.dark,
    };
    keep(PROMISE, holds, || {
        format!("{:?} ended as {:?}, and the messages were {subjects:?}", ending.act, execution.status)
    })?;
    let contradicts = well && ending.alone && told(true);
    keep(PROMISE, !contradicts, || format!("{:?} ended well, and the messages were {subjects:?}", ending.act))
}

/// What was refused changed nothing.
pub fn what_was_refused_changed_nothing(night: &Night, ending: &Ending) -> Kept {
    let says_so = night.messages(ending).iter().any(|message| message.body.contains("Nothing has changed"));
    if !says_so || !ending.alone {
        return Ok(());
    }
    let changes: Vec<String> = night
        .storm
        .changes(ending.since)
        .iter()
        .map(|call| format!("{} {}", call.operation, call.input))
        .collect();
    keep("what was refused changed nothing", changes.is_empty(), || {
        format!("{:?} changed {changes:?}", ending.act)
    })
}

/// Nothing that was restored is left, or a message names it.
pub fn nothing_restored_is_left(night: &Night, ending: &Ending) -> Kept {
    if ending.act != Act::Reconcile
        || ending.execution.as_ref().is_none_or(|one| one.status == Status::Cancelled)
    {
        return Ok(());
    }
    // Names of what is restored have so much of the execution's id.
    let id = ending.id.replace('-', "");
    let mut left = night.stage.world.tagged(EXECUTION_TAG);
    left.retain(|arn| arn.contains(&id[..12]));
    let named = night
        .messages(ending)
        .iter()
        .any(|message| message.subject.contains("LEFT OVER") || message.subject.is_empty());
    keep("nothing restored is left, or a message names it", left.is_empty() || named || !ending.alone, || {
        format!("{left:?}")
    })
}

/// A report says what the ledger has: every lost write, and none that was not lost.
pub async fn the_report_is_the_ledger(night: &Night, ending: &Ending) -> Result<usize, Broken> {
    const PROMISE: &str = "the report is the ledger";
    let Some(execution) = ending.execution.as_ref().filter(|one| one.status == Status::Success) else {
        return Ok(0);
    };
    if not_needed(execution) {
        return Ok(0);
    }
    let report = night.stage.report(&execution.id, "report.json").await;
    let mut exact = 0;
    for name in super::plan().databases.keys() {
        let Some(loss) = night.loss(name, ending.since) else { continue };
        let base = &report["facts"]["databases"][name]["base"];
        let in_time =
            base["takenAt"].as_str().zip(base["writesFrom"].as_str()).is_some_and(|(taken, from)| {
                let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
                time(taken) <= time(from)
            });
        exact += usize::from(in_time);
        let lists = night.csv(&execution.id, name).await;
        let wrong = |how: String| broken(PROMISE, format!("{name}: {how}"));
        let allowed = loss.allowed();
        for (number, (word, sure)) in &lists {
            let fates = allowed.get(number).cloned().unwrap_or_default();
            let unproved = !in_time
                && (word == "undecided"
                    || !sure.contains("proved by the state")
                        && word == "missing"
                        && loss.may_be_missing(*number));
            if !fates.contains(word.as_str()) && !unproved {
                return Err(wrong(format!(
                    "row {number} is {word} ({sure}) in the report, and {fates:?} in the ledger: {}",
                    loss.told(*number)
                )));
            }
        }
        for (number, fates) in &allowed {
            if !fates.contains(HARMLESS) && !lists.contains_key(number) {
                return Err(wrong(format!(
                    "row {number} is {fates:?} in the ledger, and not in the report: {}",
                    loss.told(*number)
                )));
            }
        }
        let compared =
            report["tables"].as_array().unwrap().iter().filter(|table| table["database"] == name.as_str());
        for table in compared {
            let counted = table["counts"]["missing"].as_u64().unwrap_or_default();
            let listed = lists.values().filter(|(word, _)| word == "missing").count() as u64;
            if counted != listed {
                return Err(wrong(format!(
                    "{counted} rows of {} are counted as missing, and {listed} listed",
                    table["table"]
                )));
            }
        }
    }
    Ok(exact)
}

/// A replay put back what was missing, and nothing else; what was there is as it was, and nothing is there twice.
pub async fn a_replay_only_puts_back(night: &Night, reconciled: &Ending, replayed: &Ending) -> Kept {
    const PROMISE: &str = "a replay only puts back";
    if let Some(wrong) = night.fleet.wrong().first() {
        return Err(broken(PROMISE, wrong.clone()));
    }
    for (name, database) in &super::plan().databases {
        let cluster = &database.members[WEST].cluster_arn;
        let (Some(loss), Some(book)) = (night.loss(name, reconciled.since), night.fleet.open_book(cluster))
        else {
            continue;
        };
        let back: Vec<_> = book.log.iter().filter(|taken| taken.replayed).collect();
        let mut seen = BTreeSet::new();
        for taken in back {
            let (number, text) = &taken.change;
            let was_lost = loss.old(*number) == text.as_ref() && loss.may_be_missing(*number);
            keep(PROMISE, was_lost, || {
                format!("{name}: row {number} was put back as {text:?}, and was {:?}", loss.old(*number))
            })?;
            keep(PROMISE, seen.insert(*number), || format!("{name}: row {number} was put back twice"))?;
        }
        let well = replayed.execution.as_ref().is_some_and(|one| one.status == Status::Success);
        if well {
            let there = night.fleet.rows(cluster).unwrap_or_default();
            for (number, (word, sure)) in night.csv(&reconciled.id, name).await {
                let lost = word == "missing" && !there.contains_key(&number);
                // A customer may have deleted the row that had its number.
                let deleted = book.log.iter().any(|taken| taken.change == (number, None));
                keep(PROMISE, !lost || deleted, || {
                    format!("{name}: row {number}, missing ({sure}), is not back")
                })?;
            }
        }
    }
    Ok(())
}

/// A switchover loses nothing.
pub fn a_switchover_loses_nothing(night: &Night) -> Kept {
    let parted = super::plan().databases.values().find_map(|database| {
        [EAST, WEST].into_iter().find_map(|region| night.fleet.parting(&database.members[region].cluster_arn))
    });
    keep("a switchover loses nothing", parted.is_none(), || format!("{parted:?}"))
}

/// No secret is in a message, an execution, an object or a log.
pub async fn no_secret_is_told(night: &Night) -> Kept {
    let mut secrets = BTreeSet::new();
    for region in [EAST, WEST] {
        for name in ["shop/orders", "shop/catalog"] {
            let secret = night.stage.world.secret(region, name).unwrap_or_default();
            let secret: Value = serde_json::from_str(&secret).unwrap_or_default();
            secrets.extend(secret["password"].as_str().map(str::to_owned));
        }
    }
    let told = night.everything_told().await;
    for (place, text) in told {
        let found = secrets.iter().any(|secret| text.contains(secret.as_str()));
        keep("no secret is told", !found, || format!("a password is in {place}"))?;
    }
    Ok(())
}
