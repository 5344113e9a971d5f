//! `set`: sets routing controls by ARC's data plane.
//!
//! ```text
//! what is asked for makes no sense ────────────────────────────────────▶ Refused
//! read the states ─▶ as asked ─────────────────────────────────────────▶ Done, nothing changed
//!        │ not yet
//!        ▼
//! one batch with the changes ─▶ conflict ─▶ read and send once more ─▶ conflict ─▶ Refused
//!        │ accepted
//!        ▼
//! read the states, up to 5 times, a second apart ─▶ as asked ─▶ Done
//!        │ never so
//!        ▼
//!      error
//! ```
//!
//! Each arrow tries the endpoints in rotation, from a random one at first and from the one that answered last after
//! that, [`runbook::arc::ATTEMPT`] for each. After an endpoint that is silent, unavailable or throttles, the next one is tried.
//!
//! Promises: it answers Done only for states that were read back after the change. All changes are in one batch, which
//! ARC applies whole or not at all. A safety rule is overridden only when the event names it, or the plan does and the
//! event is a step of a failover. Calling again is safe: the states are read first, and what is as it should be is left
//! alone.
//!
//! A failure leaves behind: nothing when the change was refused or no endpoint took it; otherwise possibly the change
//! itself, unconfirmed: the error says so, and a further call finds out.

use std::collections::BTreeMap;
use std::time::Duration;

use runbook::arc::{Endpoint, ReadStates, State};
use runbook::error::Kind;
use runbook::{Outcome, StepError};

mod decide;
mod endpoints;
mod outcome;
mod wanted;

pub use endpoints::WriteStates;
use outcome::Changes;
pub use outcome::{SetObserved, not_understood};
pub use wanted::WantedStates;

use decide::{Decision, decide};
use endpoints::{Stop, read, rotate};

/// Time between two reads: the endpoints agree after a moment, not at once.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the states are read back after a change.
const READS: u32 = 5;

/// Sets the wanted states, trying `endpoints` in rotation from the one at `start`. See the module's page.
///
/// # Errors
/// [`Kind::Unreachable`] when no endpoint answers, with each endpoint's failure; [`Kind::Denied`] without permission;
/// [`Kind::Failed`] when ARC accepted the change but is not seen to have made it.
pub async fn set<A: ReadStates + WriteStates>(
    endpoints: &[Endpoint<A>],
    start: usize,
    wanted: &WantedStates,
) -> Result<Outcome<SetObserved>, StepError> {
    let controls = wanted.controls();
    let (mut at, mut seen) = read(endpoints, start, &controls).await?;
    let before = wanted.by_region(&seen);
    let mut conflicts = 0;
    loop {
        let changes = match decide(wanted, &seen) {
            Decision::AlreadyDone => {
                let endpoint = &endpoints[at].region;
                return Ok(outcome::done(observed(wanted, &seen, endpoint), endpoint, Changes::default()));
            }
            Decision::Act(changes) => changes,
        };
        let answer = rotate(endpoints, at, "setting routing controls", |api| {
            api.write_states(&changes, &wanted.safety_rules_to_override)
        });
        match answer.await {
            Ok((taken_by, ())) => {
                let changed = outcome::changes(wanted, &before);
                return read_back(endpoints, taken_by, wanted, changed).await;
            }
            // It may be another change under way, so it is worth a second look; a safety rule answers the same again.
            Err(Stop::Conflict(_)) if conflicts == 0 => {
                conflicts += 1;
                tokio::time::sleep(PAUSE).await;
                (at, seen) = read(endpoints, at, &controls).await?;
            }
            Err(Stop::Conflict(message)) => {
                let observed = observed(wanted, &seen, &endpoints[at].region);
                return Ok(outcome::refused(observed, wanted, &message));
            }
            Err(Stop::Error(error)) => return Err(error),
        }
    }
}

/// Reads the states until they are as wanted, [`READS`] times at most. The endpoint at `taken_by` accepted the change.
async fn read_back<A: ReadStates>(
    endpoints: &[Endpoint<A>],
    taken_by: usize,
    wanted: &WantedStates,
    changed: Changes,
) -> Result<Outcome<SetObserved>, StepError> {
    let controls = wanted.controls();
    let region = &endpoints[taken_by].region;
    let (mut at, mut seen) = (taken_by, BTreeMap::new());
    for round in 1..=READS {
        (at, seen) = read(endpoints, at, &controls).await.map_err(|error| {
            StepError::new(
                error.kind(),
                format!(
                    "the endpoint in {region} accepted the change of routing controls, but it can't be read back"
                ),
                "run the step again: it reads the state before it changes anything",
            )
            .with_source(error)
        })?;
        if decide(wanted, &seen) == Decision::AlreadyDone {
            let endpoint = &endpoints[at].region;
            return Ok(outcome::done(observed(wanted, &seen, endpoint), endpoint, changed));
        }
        if round < READS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(StepError::new(
        Kind::Failed,
        format!(
            "the endpoint in {region} accepted the change of routing controls, but {READS} reads later they are {}, \
             not {}",
            outcome::line(&wanted.by_region(&seen)),
            outcome::line(&wanted.wanted()),
        ),
        "find out who else sets them, then run the step again",
    ))
}

/// The states as they were read from the endpoint in this Region.
fn observed(wanted: &WantedStates, seen: &BTreeMap<String, State>, endpoint: &str) -> SetObserved {
    SetObserved { states: wanted.by_region(seen), endpoint: Some(endpoint.to_owned()), turned: String::new() }
}

#[cfg(test)]
mod tests;
