//! Looking at the world until something is so, within the time of one call.

use std::time::Duration;

use tokio::time::Instant;

use crate::StepError;
use crate::error::Kind;
use crate::step::{Context, Outcome, Status};

/// How long a call looks before it answers InProgress. An Automation step lasts 300 s at most.
pub const SLICE: Duration = Duration::from_secs(45);
/// Time kept to answer before the invocation is cut off.
const MARGIN: Duration = Duration::from_secs(5);

/// One round of observe, plan, execute.
pub trait Look {
    /// What is seen.
    type Observed;

    /// Looks once and does what can be done now; adds a line to `changed` for each change it made.
    fn look(
        &mut self,
        changed: &mut Vec<String>,
    ) -> impl Future<Output = Result<Outcome<Self::Observed>, StepError>> + Send;
}

/// What to do next for one thing that a look is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<A> {
    /// It is as it should be.
    AlreadyDone,
    /// The next call.
    Act(A),
    /// Nothing to do but look again, and why.
    Wait(String),
    /// It can't be done as things stand.
    Refuse(String),
}

/// Looks every `interval` until the answer is something else than InProgress, or the time of this call is over:
/// [`SLICE`], or less when the invocation's deadline is nearer. The changes become the outcome's `changed`.
///
/// An error of kind [`Kind::Unreachable`] is looked over while there is time: silence is often short, and a call that
/// got no answer may have been heard, which the next look tells.
///
/// # Errors
/// Those of a look, with what was changed before, if anything was.
pub async fn watch<L: Look>(
    context: &Context,
    interval: Duration,
    mut step: L,
) -> Result<Outcome<L::Observed>, StepError> {
    let end = Instant::now() + SLICE.min(context.time_left().saturating_sub(MARGIN));
    let mut changed = Vec::new();
    loop {
        let answer = step.look(&mut changed).await;
        let last = Instant::now() + interval > end;
        match answer {
            Ok(outcome) if outcome.status == Status::InProgress && !last => {}
            Err(error) if error.kind() == Kind::Unreachable && !last => {}
            Ok(outcome) => return Ok(outcome.with_changed(changed)),
            Err(error) if changed.is_empty() => return Err(error),
            Err(error) => {
                return Err(StepError::new(
                    error.kind(),
                    format!("the step failed after this: {}", changed.join(", ")),
                    "run the step again: it goes on from what it finds",
                )
                .with_source(error));
            }
        }
        tokio::time::sleep(interval).await;
    }
}
