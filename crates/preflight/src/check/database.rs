//! What a check finds in one database whose writer is not in the target Region yet.

use runbook::RecoveryPlan;
use runbook::aurora::region_of;
use runbook::plan::{BeyondRpo, Engine};
use runbook::step::Mode;

use super::findings::Findings;
use super::seen::{DatabaseSeen, MoveAsked};
use crate::world::{available, no_lag};

/// Finds what stands against moving the database.
pub(super) fn find(
    name: &str,
    database: &DatabaseSeen,
    asked: &MoveAsked,
    plan: &RecoveryPlan,
    findings: &mut Findings,
) {
    running_operation(name, database, asked, findings);
    membership(name, database, asked, findings);
    target_cluster(name, database, asked, findings);
    other_cluster(name, database, asked, findings);
    lag(name, database, asked, plan, findings);
}

fn running_operation(name: &str, database: &DatabaseSeen, asked: &MoveAsked, findings: &mut Findings) {
    if let Some(operation) = &database.global.operation {
        let what = if operation.data_loss_allowed { "failover" } else { "switchover" };
        let text = format!(
            "{name}: a {what} from {} to {} is already running ({})",
            region_of(&operation.from),
            region_of(&operation.to),
            operation.status
        );
        // AWS decides whether a cluster can leave in the middle of it; a person, whether it is stuck.
        if asked.mode == Mode::Detach {
            findings.doubt(format!("{text}: approve if it is stuck"));
        } else {
            findings.refuse(text);
        }
    }
    if database.global.writers().count() > 1 {
        findings.refuse(format!("{name}: global cluster {} has more than one writer", database.global.id));
    }
}

/// Is the target the member of the plan, and does it follow the primary?
fn membership(name: &str, database: &DatabaseSeen, asked: &MoveAsked, findings: &mut Findings) {
    let target = asked.target;
    let Some(member) = database.global.member_in(target) else {
        return findings.refuse(format!(
            "{name}: global cluster {} has no member in {target}; of a cluster that was detached, the runbook rebuild \
             makes one again",
            database.global.id
        ));
    };
    if member.cluster_arn != database.target_arn {
        return findings.refuse(format!(
            "{name}: the member in {target} is {}, the plan says {}",
            member.cluster_arn, database.target_arn
        ));
    }
    match member.synchronization.as_deref() {
        Some("pending-resync") => {
            let text = format!("{name}: the cluster in {target} waits for its resynchronisation");
            match asked.mode {
                Mode::Failover => findings.note(text),
                Mode::Switchover => findings.doubt(text),
                Mode::Detach => findings.refuse(format!("{text}: it can't stand for itself")),
            }
        }
        state if asked.mode.is_planned() && state != Some("connected") => {
            let state = state.unwrap_or("not known");
            findings.doubt(format!(
                "{name}: the state of the cluster in {target} is {state}, and a switchover needs it connected"
            ));
        }
        _ => {}
    }
}

/// Is the target's cluster there, with an instance that can become the writer?
fn target_cluster(name: &str, database: &DatabaseSeen, asked: &MoveAsked, findings: &mut Findings) {
    let target = asked.target;
    let Some(cluster) = &database.target else {
        return findings.refuse(format!("{name}: there is no cluster {} in {target}", database.target_arn));
    };
    if cluster.status != "available" {
        findings.doubt(format!("{name}: cluster {} in {target} is {}", cluster.id, cluster.status));
    }
    if database.instances.is_empty() {
        findings.refuse(format!("{name}: cluster {} in {target} has no instance: add one first", cluster.id));
    } else if available(&database.instances) == 0 {
        let states = database.instances.iter().map(|one| format!("{} is {}", one.id, one.status));
        findings.refuse(format!(
            "{name}: no instance of cluster {} in {target} is available: {}",
            cluster.id,
            states.collect::<Vec<_>>().join(", ")
        ));
    }
}

/// Is the cluster that is left as it should be, with the same engine version?
fn other_cluster(name: &str, database: &DatabaseSeen, asked: &MoveAsked, findings: &mut Findings) {
    let other = match &database.other {
        Ok(Some(other)) => other,
        unseen => {
            let why = unseen.as_ref().err().map_or("there is no such cluster", String::as_str);
            let text = format!("{name}: the engine version in {} is not known: {why}", asked.other);
            // Aurora compares the versions itself before it promotes.
            return if asked.mode.is_planned() { findings.doubt(text) } else { findings.note(text) };
        }
    };
    if asked.mode.is_planned() && other.status != "available" {
        findings.doubt(format!("{name}: cluster {} in {} is {}", other.id, asked.other, other.status));
    }
    let target_version = database.target.as_ref().map(|target| target.engine_version.as_str());
    match target_version {
        Some(here) if here != other.engine_version => {
            engine_versions(name, database.engine, here, &other.engine_version, asked, findings);
        }
        _ if asked.mode == Mode::Detach && database.global.operation.is_none() => findings.doubt(format!(
            "{name}: nothing is seen that stands against a managed failover, which keeps the replication: start the \
             runbook with Mode failover, or approve to detach all the same"
        )),
        _ => {}
    }
}

/// The versions in the target Region (`here`) and in the other (`there`) differ.
fn engine_versions(
    name: &str,
    engine: Engine,
    here: &str,
    there: &str,
    asked: &MoveAsked,
    findings: &mut Findings,
) {
    let text = format!("{name}: engine version {there} in {}, {here} in {}", asked.other, asked.target);
    if asked.mode == Mode::Detach {
        findings.note(text);
    } else if without_patch(engine, here) == without_patch(engine, there) {
        findings.doubt(format!("{text}: some versions need the same patch level"));
    } else {
        let way_out =
            if asked.mode.is_planned() { "" } else { ", or start the runbook failover with Mode detach" };
        findings
            .refuse(format!("{text}: a managed {} needs the same; upgrade one{way_out}", asked.mode.noun()));
    }
}

/// The version up to its minor part: `8.0.mysql_aurora.3.08` of `8.0.mysql_aurora.3.08.0`, `15.4` of `15.4.1`.
pub(super) fn without_patch(engine: Engine, version: &str) -> String {
    let parts = match engine {
        Engine::AuroraMysql => 5,
        Engine::AuroraPostgresql => 2,
    };
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

/// How much would be lost?
fn lag(name: &str, database: &DatabaseSeen, asked: &MoveAsked, plan: &RecoveryPlan, findings: &mut Findings) {
    let (limit, setting) = match asked.mode {
        Mode::Failover | Mode::Detach => (plan.limits.rpo_seconds, "limits.rpoSeconds"),
        Mode::Switchover => (plan.failback.lag_seconds, "failback.lagSeconds"),
    };
    let lost = match &database.lag {
        Ok(Some(lag)) if lag.seconds <= f64::from(limit) => return,
        Ok(Some(lag)) => {
            let seconds = lag.seconds;
            format!("{name}: replication lag {seconds:.1} s is beyond the limit of {limit} s (`{setting}`)")
        }
        Ok(None) => format!("{name}: replication lag is not known: {}", no_lag(asked.other)),
        Err(error) => format!("{name}: replication lag is not known: {error}"),
    };
    if asked.mode == Mode::Failover && plan.limits.beyond_rpo == BeyondRpo::GoOn {
        findings.note(format!("{lost}; it goes on all the same (`limits.beyondRpo`)"));
    } else {
        findings.doubt(lost);
    }
}
