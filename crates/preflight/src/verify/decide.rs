//! The choice: what is missing, and whether to wait for it. Pure.

use jiff::SignedDuration;
use runbook::arc::State;
use runbook::aurora::{Cluster, GlobalCluster, region_of};
use runbook::step::Mode;

use crate::traffic::States;

/// How many looks of a call may see the traffic elsewhere: ARC's endpoints agree after a moment, not at once.
pub const TRAFFIC: u32 = 5;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it is complete.
    Complete,
    /// Look again.
    Wait,
    /// More than the plan's minutes have passed.
    TooLate,
    /// The databases are complete, and the traffic stays elsewhere.
    TrafficElsewhere,
}

/// What to do when this is still missing, `waited` after the beginning. `elsewhere`: how many looks of
/// this call, the last one included, have seen complete databases and the traffic elsewhere.
pub fn decide(
    missing: &[String],
    elsewhere: u32,
    waited: SignedDuration,
    promotion_minutes: u32,
) -> Decision {
    if missing.is_empty() {
        Decision::Complete
    } else if waited > SignedDuration::from_mins(i64::from(promotion_minutes)) {
        Decision::TooLate
    } else if elsewhere >= TRAFFIC {
        Decision::TrafficElsewhere
    } else {
        Decision::Wait
    }
}

/// What is still missing before a write is tried; `None`: nothing.
pub fn topology(
    target: &str,
    target_arn: &str,
    mode: Mode,
    global: &GlobalCluster,
    cluster: &Cluster,
) -> Option<String> {
    let writers: Vec<&str> = global.writers().map(|writer| writer.cluster_arn.as_str()).collect();
    let detached = mode == Mode::Detach && global.member_in(target).is_none();
    if let Some(operation) = global.operation.as_ref().filter(|_| !detached) {
        return Some(format!("an operation of its global cluster runs ({})", operation.status));
    }
    match writers.as_slice() {
        _ if detached => {}
        [] => return Some("it has no writer".into()),
        [one] if *one == target_arn => {}
        [one] if region_of(one) == target => return Some(format!("its writer is {one}, not {target_arn}")),
        [one] => return Some(format!("its writer is in {}", region_of(one))),
        many => {
            let regions: Vec<_> = many.iter().map(|arn| region_of(arn)).collect();
            return Some(format!("it has {} writers, in {}", many.len(), regions.join(" and ")));
        }
    }
    if cluster.status != "available" {
        return Some(format!("cluster {} is {}", cluster.id, cluster.status));
    }
    None
}

/// What is wrong with the traffic, unless it is in the target alone.
pub fn misplaced(states: &States, target: &str, other: &str) -> Option<String> {
    if states.get(target) == Some(&State::On) && states.get(other) == Some(&State::Off) {
        return None;
    }
    let states: Vec<String> = states.iter().map(|(region, state)| format!("{state} in {region}")).collect();
    Some(format!("ARC has the traffic {}", states.join(", ")))
}
