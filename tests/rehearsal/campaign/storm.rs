//! Makes a schedule's faults happen: between the callers and the world, and to the functions at work.
//!
//! A storm lasts from [`Storm::begin`] to [`Storm::calm`]; outside of it every call goes through. The operator looks at the world, and
//! is met by nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::account::OPERATOR;
use sandbox::api::{Api, ApiError, Call, CallError};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::schedule::{Fault, OnCall};
use super::timeline::Timeline;

/// A call that looked, and what it was answered.
type Look = (String, String, String, String);

struct Noted {
    /// Since when it storms.
    since: Option<Instant>,
    /// Calls of the storm so far, by operation; those of all operations under the empty name.
    calls: BTreeMap<String, u64>,
    /// The faults that were felt, by their number.
    felt: BTreeSet<usize>,
    /// Callers whose next answer of S3 is lost.
    lost: Vec<String>,
    /// Latest answers of calls that look.
    looks: BTreeMap<Look, Result<Value, CallError>>,
    /// Answers that are old, and until when they are heard.
    old: BTreeMap<Look, (Instant, Result<Value, CallError>)>,
    /// The states of ARC's controls as an endpoint that is old has them.
    endpoints: BTreeMap<usize, BTreeMap<String, Value>>,
    /// Calls that changed something in RDS or ARC, and took effect.
    changes: Vec<(Instant, Call)>,
}

/// What goes wrong in a schedule.
pub struct Storm {
    faults: Vec<Fault>,
    timeline: Arc<Timeline>,
    noted: Mutex<Noted>,
    /// Tells a function, by its access key id, that it is killed.
    killed: broadcast::Sender<String>,
}

/// Whether an operation changes nothing.
fn looks(operation: &str) -> bool {
    ["Describe", "List", "Get", "Head", "Simulate"].iter().any(|verb| operation.starts_with(verb))
}

impl Storm {
    pub fn new(faults: Vec<Fault>, timeline: Arc<Timeline>) -> Arc<Self> {
        let noted = Noted {
            since: None,
            calls: BTreeMap::new(),
            felt: BTreeSet::new(),
            lost: Vec::new(),
            looks: BTreeMap::new(),
            old: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            changes: Vec::new(),
        };
        Arc::new(Self { faults, timeline, noted: Mutex::new(noted), killed: broadcast::channel(64).0 })
    }

    /// It storms from now on.
    pub fn begin(&self) {
        self.noted.lock().unwrap().since = Some(Instant::now());
    }

    /// It storms no more.
    pub fn calm(&self) {
        let mut noted = self.noted.lock().unwrap();
        noted.since = None;
        noted.old.clear();
        noted.endpoints.clear();
    }

    /// The numbers of the faults that were felt.
    pub fn felt(&self) -> BTreeSet<usize> {
        self.noted.lock().unwrap().felt.clone()
    }

    /// Notes that a fault was felt.
    pub fn feel(&self, number: usize) {
        self.noted.lock().unwrap().felt.insert(number);
    }

    /// What changed something in RDS or ARC since a moment.
    pub fn changes(&self, since: Instant) -> Vec<Call> {
        let noted = self.noted.lock().unwrap();
        noted.changes.iter().filter(|(at, _)| *at >= since).map(|(_, call)| call.clone()).collect()
    }

    /// By how much the clocks of the functions in a Region are wrong.
    pub fn skew(&self, region: &str) -> i64 {
        let mut noted = self.noted.lock().unwrap();
        if noted.since.is_none() {
            return 0;
        }
        let mut all = 0;
        for (number, fault) in self.faults.iter().enumerate() {
            if let Fault::Skew { region: of, seconds } = fault
                && *of == region
            {
                noted.felt.insert(number);
                all += seconds;
            }
        }
        all
    }

    /// Comes back when the function with this access key id is killed.
    pub async fn killed(&self, caller: &str) {
        let mut killed = self.killed.subscribe();
        loop {
            match killed.recv().await {
                Ok(name) if name == caller => return,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Whether the answer that S3 has just given to a caller is lost.
    pub fn loses(&self, caller: &str) -> bool {
        let mut noted = self.noted.lock().unwrap();
        let found = noted.lost.iter().position(|name| name == caller);
        found.map(|index| noted.lost.remove(index)).is_some()
    }

    /// What happens to a call, if it storms and something does.
    fn meets(&self, call: &Call) -> Option<OnCall> {
        let mut noted = self.noted.lock().unwrap();
        noted.since?;
        let mut count = |name: &str| {
            let number = noted.calls.entry(name.to_owned()).or_default();
            *number += 1;
            *number - 1
        };
        let (of_this, of_all) = (count(&call.operation), count(""));
        let mut met = None;
        for (number, fault) in self.faults.iter().enumerate() {
            let Fault::Calls { operation, nth, times, what } = fault else { continue };
            let at = match operation {
                Some(name) if *name == call.operation => of_this,
                Some(_) => continue,
                None => of_all,
            };
            if (*nth..nth + times).contains(&at) && met.is_none() {
                met = Some(*what);
                noted.felt.insert(number);
                drop(noted);
                self.timeline.fault(format!("{what:?}: {} of {}", call.operation, call.principal));
                return met;
            }
        }
        met
    }

    /// An answer that is old, where the storm has it so.
    fn old(&self, look: &Look) -> Option<Result<Value, CallError>> {
        let mut noted = self.noted.lock().unwrap();
        let (until, answer) = noted.old.get(look)?.clone();
        if until <= Instant::now() {
            noted.old.remove(look);
            return None;
        }
        Some(answer)
    }

    /// Something is about to change in RDS: what was seen before may be seen for a while.
    fn ages(&self) {
        let mut noted = self.noted.lock().unwrap();
        if noted.since.is_none() {
            return;
        }
        for (number, fault) in self.faults.iter().enumerate() {
            if let Fault::Stale { seconds } = fault {
                noted.felt.insert(number);
                let until = Instant::now() + Duration::from_secs(*seconds);
                let looks = noted.looks.clone();
                for (look, answer) in looks {
                    noted.old.entry(look).or_insert((until, answer));
                }
            }
        }
    }

    /// The state that an endpoint of ARC has of a control, where it is old.
    fn endpoint(&self, call: &Call, answer: &Value) -> Option<Value> {
        let index = sandbox::account::ARC_REGIONS.iter().position(|region| *region == call.region)?;
        let mut noted = self.noted.lock().unwrap();
        let since = noted.since?.elapsed().as_secs();
        for (number, fault) in self.faults.iter().enumerate() {
            if let Fault::EndpointOld { endpoint, from, seconds } = fault
                && *endpoint == index
                && (*from..from + seconds).contains(&since)
            {
                noted.felt.insert(number);
                let control = call.input["RoutingControlArn"].as_str().unwrap_or("all").to_owned();
                let known = noted.endpoints.entry(index).or_default();
                return Some(known.entry(control).or_insert_with(|| answer.clone()).clone());
            }
        }
        None
    }
}

/// The world in a storm.
pub struct Stormy {
    pub api: Arc<dyn Api>,
    pub storm: Arc<Storm>,
}

fn fails() -> CallError {
    ApiError::with_status(500, "InternalFailure", "We encountered an internal error.").into()
}

impl Stormy {
    /// Lets a call through.
    async fn through(&self, call: Call) -> Result<Value, CallError> {
        let (storm, describes) = (&self.storm, call.service == "rds" && looks(&call.operation));
        let look =
            (call.region.clone(), call.service.clone(), call.operation.clone(), call.input.to_string());
        if describes && let Some(answer) = storm.old(&look) {
            return answer;
        }
        let changes =
            !looks(&call.operation) && ["rds", "route53-recovery-cluster"].contains(&call.service.as_str());
        if changes && call.service == "rds" {
            storm.ages();
        }
        let (arc, asked) = (call.service == "route53-recovery-cluster", call.clone());
        let answer = self.api.call(call).await;
        if describes {
            storm.noted.lock().unwrap().looks.insert(look, answer.clone());
        }
        if changes && answer.is_ok() {
            storm.noted.lock().unwrap().changes.push((Instant::now(), asked.clone()));
        }
        match answer {
            Ok(answer) if arc && !changes => Ok(storm.endpoint(&asked, &answer).unwrap_or(answer)),
            answer => answer,
        }
    }

    async fn answer(&self, call: Call) -> Result<Value, CallError> {
        // The operator looks at the world: that is no part of the night.
        if call.principal == OPERATOR {
            return self.api.call(call).await;
        }
        let (caller, s3) = (call.principal.clone(), call.service == "s3");
        let kill = || {
            // Nobody hears it where Automation itself makes the call.
            let _ = self.storm.killed.send(caller.clone());
        };
        match self.storm.meets(&call) {
            None => self.through(call).await,
            Some(OnCall::Fails) => Err(fails()),
            Some(OnCall::Throttled) if s3 => Err(ApiError::with_status(503, "SlowDown", "Please reduce your request rate.").into()),
            Some(OnCall::Throttled) => Err(ApiError::new("ThrottlingException", "Rate exceeded").into()),
            Some(OnCall::Silent) => Err(CallError::NoAnswer),
            Some(OnCall::LostRace) => Err(ApiError::with_status(
                409,
                "ConditionalRequestConflict",
                "The conditional request cannot succeed due to a conflicting operation against this resource.",
            )
            .into()),
            Some(OnCall::Late(seconds)) => {
                let answer = self.through(call).await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                answer
            }
            Some(OnCall::Twice) => {
                // What S3 is asked is done by its library, once the world lets it; the caller asks again by itself.
                let _first = self.through(call.clone()).await;
                self.through(call).await
            }
            Some(OnCall::AnswerLost) => {
                let answer = self.through(call).await;
                if s3 {
                    self.storm.noted.lock().unwrap().lost.push(caller.clone());
                    return answer;
                }
                Err(CallError::NoAnswer)
            }
            Some(OnCall::KilledBefore) => {
                kill();
                Err(CallError::NoAnswer)
            }
            Some(OnCall::KilledAfter) => {
                let answer = self.through(call).await;
                if s3 {
                    // The object is written after this answer.
                    let (killed, caller) = (self.storm.killed.clone(), caller.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        let _ = killed.send(caller);
                    });
                    return answer;
                }
                kill();
                answer
            }
        }
    }
}

impl Api for Stormy {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        self.answer(call).boxed()
    }
}

/// The configuration of a function whose answers from S3 may be lost.
pub fn config(config: &SdkConfig, storm: &Arc<Storm>, caller: &str) -> SdkConfig {
    let inner = config.http_client().unwrap();
    let losing = Losing { inner, storm: Arc::clone(storm), caller: caller.to_owned() };
    config.to_builder().http_client(losing).build()
}

/// An HTTP client whose caller does not hear every answer.
#[derive(Clone)]
struct Losing {
    inner: SharedHttpClient,
    storm: Arc<Storm>,
    caller: String,
}

impl std::fmt::Debug for Losing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Losing").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl HttpClient for Losing {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        parts: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(LosingConnector { inner, losing: self.clone() })
    }
}

#[derive(Debug)]
struct LosingConnector {
    inner: SharedHttpConnector,
    losing: Losing,
}

impl HttpConnector for LosingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, losing) = (self.inner.call(request), self.losing.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            if losing.storm.loses(&losing.caller) {
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}
