//! Looks at the world until something is so, within the time of one call.

use std::time::Duration;

use tokio::time::Instant;

use crate::StepError;
use crate::error::Kind;
use crate::step::{Context, Outcome, Status};

/// How long a call looks before it answers InProgress. An Automation step lasts 300 s at most.
pub const SLICE: Duration = Duration::from_secs(45);
/// The longest look of a step that says nothing else: some calls at once, each answered within seconds.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// How often a step looks, and how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between the end of a look and the beginning of the next.
    pub interval: Duration,
    /// The longest that one look may take. None is begun that the invocation's deadline would cut off.
    pub longest_look: Duration,
}

impl Pace {
    /// Looks every `interval`, each of which takes 5 s at most.
    pub fn every(interval: Duration) -> Self {
        Self { interval, longest_look: LONGEST_LOOK }
    }
}

/// One round of observe, decide, execute.
pub trait Look {
    /// What a look sees, for the outcome.
    type Observed;

    /// Looks once and does what can be done now; adds a line to `changed` for each change it made.
    fn look(
        &mut self,
        changed: &mut Vec<String>,
    ) -> impl Future<Output = Result<Outcome<Self::Observed>, StepError>> + Send;
}

/// Looks at this pace until the answer is something else than InProgress, or the time of this call is over. The first
/// look is always made; another is begun within [`SLICE`], and early enough to end before the invocation's deadline. The
/// changes become the outcome's `changed`.
///
/// An error of kind [`Kind::Unreachable`] is ignored while there is time for another look: silence is often short, and a
/// call that got no answer may have been carried out, which the next look shows.
///
/// # Errors
/// Those of a look, with what was changed before, if anything was.
pub async fn watch<L: Look>(
    context: &Context,
    pace: Pace,
    mut step: L,
) -> Result<Outcome<L::Observed>, StepError> {
    let end = Instant::now() + SLICE.min(context.time_left().saturating_sub(pace.longest_look));
    let mut changed = Vec::new();
    loop {
        let answer = step.look(&mut changed).await;
        let last = Instant::now() + pace.interval > end;
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
        tokio::time::sleep(pace.interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Clock;
    use aws_config::SdkConfig;
    use jiff::{SignedDuration, Timestamp};

    /// Looks that take a time, and never see the end.
    struct Slow {
        takes: Duration,
        deadline: Instant,
        looks: u32,
    }

    impl Look for &mut Slow {
        type Observed = ();

        async fn look(&mut self, _: &mut Vec<String>) -> Result<Outcome<()>, StepError> {
            tokio::time::sleep(self.takes).await;
            assert!(Instant::now() <= self.deadline, "look {} was cut off", self.looks + 1);
            self.looks += 1;
            Ok(Outcome::new(Status::InProgress, "not yet", ()))
        }
    }

    /// How many looks a call makes that has so long until it is cut off, each as long as a look may take.
    async fn looks(left: Duration, pace: Pace) -> u32 {
        let (start, origin) = (Timestamp::UNIX_EPOCH, Instant::now());
        let context = Context {
            config: SdkConfig::builder().build(),
            region: "sandbox-west".into(),
            clock: Clock::new(move || start + origin.elapsed()),
            deadline: start + SignedDuration::try_from(left).unwrap(),
        };
        let mut step = Slow { takes: pace.longest_look, deadline: origin + left, looks: 0 };
        watch(&context, pace, &mut step).await.unwrap();
        step.looks
    }

    #[tokio::test(start_paused = true)]
    async fn no_look_is_begun_that_the_deadline_would_cut_off() {
        let seconds = Duration::from_secs;
        let pace = Pace { interval: seconds(1), longest_look: seconds(20) };
        assert_eq!(looks(seconds(40), pace).await, 1);
        assert_eq!(looks(seconds(41), pace).await, 2);
        assert_eq!(looks(seconds(300), pace).await, 3, "a look is begun within a slice");
        assert_eq!(looks(seconds(20), Pace::every(seconds(1))).await, 3, "5 s unless said otherwise");
    }
}
