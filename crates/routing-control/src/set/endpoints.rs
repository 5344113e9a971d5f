//! ARC's data plane: reads and changes states at any of the cluster's endpoints.

use std::collections::BTreeMap;

use aws_sdk_route53recoverycluster::Client;
use aws_sdk_route53recoverycluster::types::UpdateRoutingControlStateEntry;
use runbook::StepError;
use runbook::arc::{Endpoint, ReadStates, State, TryError};
use runbook::error::Kind;

/// Sets routing controls at one endpoint.
pub trait WriteStates {
    /// Sets all of `changes` (by ARN) in one batch. `overrides`: ARNs of safety rules that may be overridden.
    fn write_states(
        &self,
        changes: &BTreeMap<String, State>,
        overrides: &[String],
    ) -> impl Future<Output = Result<(), TryError>> + Send;
}

impl WriteStates for Client {
    async fn write_states(
        &self,
        changes: &BTreeMap<String, State>,
        overrides: &[String],
    ) -> Result<(), TryError> {
        let mut entries = Vec::new();
        for (control, state) in changes {
            let entry = UpdateRoutingControlStateEntry::builder()
                .routing_control_arn(control)
                .routing_control_state((*state).into())
                .build()
                .map_err(|error| {
                    TryError::Fatal(
                        StepError::new(
                            Kind::Failed,
                            "the batch of changes can't be written",
                            "report this line",
                        )
                        .with_source(error),
                    )
                })?;
            entries.push(entry);
        }
        let mut call =
            self.update_routing_control_states().set_update_routing_control_state_entries(Some(entries));
        if !overrides.is_empty() {
            call = call.set_safety_rules_to_override(Some(overrides.to_vec()));
        }
        let what = "setting routing controls";
        call.send().await.map(|_| ()).map_err(|error| TryError::of(what, error))
    }
}

/// Reads the states, by control, at any endpoint; the place of that endpoint with them.
pub(super) async fn read<A: ReadStates>(
    endpoints: &[Endpoint<A>],
    start: usize,
    controls: &[String],
) -> Result<(usize, BTreeMap<String, State>), StepError> {
    let what = "reading routing controls";
    rotate(endpoints, start, what, |api| api.read_states(controls)).await.map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Conflict(message) => {
            StepError::new(Kind::Failed, format!("{what} failed: {message}"), "report this line")
        }
    })
}

/// Why a rotation ended without an answer.
pub(super) enum Stop {
    /// A conflict, with the service's message: no other endpoint is asked.
    Conflict(String),
    /// An error, or every endpoint failed.
    Error(StepError),
}

/// Makes `attempt` at one endpoint after the other, once each, from the one at `start`; returns the answer and the place of
/// the endpoint that gave it.
pub(super) async fn rotate<'a, A, T, F>(
    endpoints: &'a [Endpoint<A>],
    start: usize,
    what: &str,
    attempt: impl Fn(&'a A) -> F,
) -> Result<(usize, T), Stop>
where
    F: Future<Output = Result<T, TryError>>,
{
    let mut failures = Vec::new();
    for turn in 0..endpoints.len() {
        let at = (start + turn) % endpoints.len();
        let endpoint = &endpoints[at];
        match attempt(&endpoint.api).await {
            Ok(answer) => return Ok((at, answer)),
            Err(TryError::NextEndpoint(cause)) => failures.push(format!("{}: {cause}", endpoint.region)),
            Err(TryError::Conflict(message)) => return Err(Stop::Conflict(message)),
            Err(TryError::Fatal(error)) => return Err(Stop::Error(error)),
        }
    }
    Err(Stop::Error(StepError::new(
        Kind::Unreachable,
        format!("{what} failed at every endpoint of the ARC cluster: {}", failures.join("; ")),
        "check that the function can reach the internet and that `routing.endpoints` of the plan are right \
         (operation fill-endpoints writes them), then run the step again",
    )))
}
