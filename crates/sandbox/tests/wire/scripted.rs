//! A service that answers as it is told and remembers what it was asked, and SDK configurations that lead to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::api::{Api, ApiError, Call, CallError};
use sandbox::wire::server::Server;
use sandbox::wire::{Wire, connector};
use serde_json::Value;
use tempfile::TempDir;

pub const CALLER: &str = "SANDBOX.sandbox-east.causeway-preflight";

/// Answers by operation; one that is not scripted is an error.
#[derive(Default)]
pub struct Scripted {
    answers: BTreeMap<&'static str, Result<Value, CallError>>,
    calls: Mutex<Vec<Call>>,
}

impl Scripted {
    pub fn answering(mut self, operation: &'static str, answer: Value) -> Self {
        self.answers.insert(operation, Ok(answer));
        self
    }

    pub fn failing(mut self, operation: &'static str, code: &str, message: &str) -> Self {
        self.answers.insert(operation, Err(ApiError::new(code, message).into()));
        self
    }

    pub fn silent(mut self, operation: &'static str) -> Self {
        self.answers.insert(operation, Err(CallError::NoAnswer));
        self
    }

    /// Takes the one call there was.
    pub fn only_call(&self) -> Call {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    pub fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Api for Scripted {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        let unknown = || Err(ApiError::new("NotScripted", call.operation.clone()).into());
        let answer = self.answers.get(call.operation.as_str()).cloned().unwrap_or_else(unknown);
        self.calls.lock().unwrap().push(call);
        async { answer }.boxed()
    }
}

/// A scripted service behind the wire, reached in process or over TCP.
pub struct Setup {
    pub api: Arc<Scripted>,
    pub config: SdkConfig,
    /// The configuration for each ARC endpoint, in the order of their numbers.
    pub arc: Vec<SdkConfig>,
    pub wire: Arc<Wire>,
    pub server: Option<Server>,
    _folder: TempDir,
}

pub async fn in_process(api: Scripted) -> Setup {
    setup(api, false).await
}

pub async fn over_tcp(api: Scripted) -> Setup {
    setup(api, true).await
}

async fn setup(api: Scripted, tcp: bool) -> Setup {
    let api = Arc::new(api);
    let folder = tempfile::tempdir().unwrap();
    let wire = Arc::new(Wire::new(api.clone(), folder.path()).unwrap());
    let mut config = connector::sdk_config(wire.clone(), sandbox::EAST, CALLER);
    let mut arc_urls: Vec<String> = (1..=5).map(|number| format!("http://arc-{number}.sandbox")).collect();
    let mut server = None;
    if tcp {
        let listeners = sandbox::wire::server::Listeners::bind().await.unwrap();
        let http = aws_smithy_http_client::Builder::new().build_http();
        config = config.to_builder().http_client(http).endpoint_url(&listeners.url).build();
        arc_urls = listeners.arc_urls.to_vec();
        server = Some(listeners.serve(&wire));
    }
    let arc = arc_urls
        .iter()
        .zip(sandbox::ARC_REGIONS)
        .map(|(url, region)| {
            config.to_builder().endpoint_url(url).region(aws_config::Region::new(region)).build()
        })
        .collect();
    Setup { api, config, arc, wire, server, _folder: folder }
}
