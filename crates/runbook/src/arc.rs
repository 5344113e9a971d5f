//! Route 53 ARC's data plane as the steps see it: five Regional endpoints, any of which answers for all.
//!
//! AWS promises that at least three of the five answer at any time, and asks callers to try them in rotation from a
//! random start. The SDK's own retries would stay at one endpoint, so they are off: the caller goes to the next one.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use aws_config::{Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_route53recoverycluster::config::Builder;
use aws_sdk_route53recoverycluster::types::RoutingControlState;
use aws_sdk_route53recoverycluster::{Client, error::SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{Kind, StepError};
use crate::plan::Routing;

/// Where ARC's control plane lives (Route 53 ARC developer guide). A failover must not ask it.
pub const CONTROL_PLANE: &str = "us-west-2";
/// How long a connection to an endpoint may take.
pub const CONNECT: Duration = Duration::from_secs(2);
/// How long one try at an endpoint may take, the connection included.
pub const ATTEMPT: Duration = Duration::from_secs(3);

/// State of a routing control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum State {
    /// Traffic flows.
    On,
    /// It does not.
    Off,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<State> for RoutingControlState {
    fn from(state: State) -> Self {
        match state {
            State::On => Self::On,
            State::Off => Self::Off,
        }
    }
}

/// One endpoint of the ARC cluster.
#[derive(Debug, Clone)]
pub struct Endpoint<A> {
    /// The Region it is in.
    pub region: String,
    /// The client for it.
    pub api: A,
}

/// A client for each endpoint of the plan, in the plan's order.
pub fn endpoints(config: &SdkConfig, routing: &Routing) -> Vec<Endpoint<Client>> {
    let client = |region: &str, url: &str| {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(ATTEMPT)
            .build();
        let config = Builder::from(config)
            .endpoint_url(url)
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Client::from_conf(config)
    };
    routing
        .endpoints
        .iter()
        .map(|endpoint| Endpoint {
            region: endpoint.region.clone(),
            api: client(&endpoint.region, &endpoint.url),
        })
        .collect()
}

/// How a try at one endpoint fails.
#[derive(Debug)]
pub enum TryError {
    /// This endpoint does not answer or can't answer now; another may. The text says why.
    NextEndpoint(String),
    /// `ConflictException`, with the service's message: a safety rule forbids the change, or another change of the
    /// same control is under way; ARC gives both the same code.
    Conflict(String),
    /// No endpoint would answer otherwise: permissions, an unknown control.
    Fatal(StepError),
}

impl TryError {
    /// Sorts an SDK error. `what` names the call, as for [`StepError::aws`].
    pub fn of<E>(what: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let server_side = error.raw_response().is_some_and(|response| response.status().is_server_error());
        let code = error.code().map(str::to_owned);
        let service_error = matches!(error, SdkError::ServiceError(_));
        let construction = matches!(error, SdkError::ConstructionFailure(_));
        let error = StepError::aws(what, error);
        // The cause without the remedy: a line may list five of them.
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        match code.as_deref() {
            _ if construction => Self::Fatal(error),
            _ if !service_error => Self::NextEndpoint(cause),
            Some("ConflictException") => Self::Conflict(cause),
            Some("EndpointTemporarilyUnavailableException" | "InternalServerException") => {
                Self::NextEndpoint(cause)
            }
            Some(code) if code.contains("Throttl") => Self::NextEndpoint(cause),
            _ if server_side => Self::NextEndpoint(cause),
            _ => Self::Fatal(error),
        }
    }

    /// Why, in one line without a remedy.
    pub fn cause(&self) -> String {
        match self {
            Self::NextEndpoint(cause) | Self::Conflict(cause) => cause.clone(),
            Self::Fatal(error) => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        }
    }
}

/// Reads the states of routing controls at one endpoint.
pub trait ReadStates {
    /// The state of each of `controls` (ARNs), all of them or an error.
    fn read_states(
        &self,
        controls: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, State>, TryError>> + Send;
}

impl ReadStates for Client {
    async fn read_states(&self, controls: &[String]) -> Result<BTreeMap<String, State>, TryError> {
        let all = async {
            let mut states = BTreeMap::new();
            for control in controls {
                states.insert(control.clone(), read_state(self, control).await?);
            }
            Ok(states)
        };
        // One limit for the try, however many controls it reads.
        tokio::time::timeout(ATTEMPT, all).await.unwrap_or_else(|_| {
            Err(TryError::NextEndpoint(format!("no answer within {} s", ATTEMPT.as_secs())))
        })
    }
}

async fn read_state(client: &Client, control: &str) -> Result<State, TryError> {
    let what = format!("reading the state of routing control {control}");
    let answer = client
        .get_routing_control_state()
        .routing_control_arn(control)
        .send()
        .await
        .map_err(|error| TryError::of(&what, error))?;
    match answer.routing_control_state() {
        RoutingControlState::On => Ok(State::On),
        RoutingControlState::Off => Ok(State::Off),
        other => Err(TryError::Fatal(StepError::new(
            Kind::Failed,
            format!("{what}: ARC answers {other}, neither On nor Off"),
            "report this line",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_route53recoverycluster::operation::update_routing_control_states::UpdateRoutingControlStatesError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::error::ErrorMetadata;

    fn answered(status: u16, code: &str) -> TryError {
        let meta = ErrorMetadata::builder().code(code).message("its words").build();
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        TryError::of(
            "call",
            SdkError::service_error(UpdateRoutingControlStatesError::generic(meta), response),
        )
    }

    #[test]
    fn an_endpoint_that_can_not_answer_hands_on_and_an_answer_for_all_does_not() {
        let next = [
            answered(503, "EndpointTemporarilyUnavailableException"),
            answered(500, "InternalServerException"),
            answered(429, "ThrottlingException"),
            answered(502, "BadGateway"),
            TryError::of("call", SdkError::<UpdateRoutingControlStatesError, _>::timeout_error("late")),
            TryError::of(
                "call",
                SdkError::<UpdateRoutingControlStatesError, _>::dispatch_failure(ConnectorError::io(
                    "refused".into(),
                )),
            ),
        ];
        for error in next {
            assert!(matches!(error, TryError::NextEndpoint(_)), "{error:?}");
            assert!(!error.cause().is_empty() && !error.cause().contains("To mend it"), "{error:?}");
        }
        let conflict = answered(409, "ConflictException");
        assert!(matches!(conflict, TryError::Conflict(_)), "{conflict:?}");
        assert_eq!(conflict.cause(), "ConflictException: its words");
        let fatal = [
            (answered(403, "AccessDeniedException"), Kind::Denied),
            (answered(404, "ResourceNotFoundException"), Kind::Failed),
            (answered(400, "ValidationException"), Kind::Failed),
            (
                TryError::of(
                    "call",
                    SdkError::<UpdateRoutingControlStatesError, _>::construction_failure("bad"),
                ),
                Kind::Failed,
            ),
        ];
        for (error, kind) in fatal {
            assert!(matches!(&error, TryError::Fatal(error) if error.kind() == kind), "{error:?}");
        }
    }
}
