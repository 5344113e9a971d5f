//! The wire as a connector under the real SDK: no sockets, so that tokio's time may be paused.
//!
//! Silence is a future that never ends: the SDK's own timeout has to, and with paused time it does at once. ARC
//! endpoints are the hosts `arc-1.sandbox` to `arc-5.sandbox`, as in [`runbook::plan::sample`]; any other host is the
//! one door for all services.

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;

use super::Wire;
use crate::account::ARC_REGIONS;

/// The endpoint that the SDK is given. An address, so that S3 puts the bucket into the path, and one reserved for
/// documentation (RFC 5737), so that nothing is reached should a client go past the connector.
const NOWHERE: &str = "http://192.0.2.1";

/// SDK configuration of a caller in `region` whose every call ends in `wire`.
///
/// Timeouts and retries are those of a deployed step ([`runbook::aws`]).
pub fn sdk_config(wire: Arc<Wire>, region: &str, access_key_id: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(access_key_id, wire.secret.clone(), None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(NOWHERE)
        .time_source(SystemTimeSource::new())
        .http_client(InProcess { wire })
        .retry_config(RetryConfig::standard().with_max_attempts(runbook::aws::TRIES))
        .timeout_config(runbook::aws::timeouts())
        .build()
}

/// The wire as the SDK's HTTP client.
#[derive(Debug, Clone)]
struct InProcess {
    wire: Arc<Wire>,
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.wire.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (mut parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            // The header that an HTTP client adds, and that S3's signature covers.
            if let Some(host) =
                parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
            {
                parts.headers.entry(HOST).or_insert(host);
            }
            let arc = arc_endpoint(&parts.uri);
            let request = Request::from_parts(parts, body);
            let answer = match arc {
                Some(endpoint) => wire.handle_arc(endpoint, request).await,
                None => wire.handle(request).await,
            };
            match answer {
                Some(response) => HttpResponse::try_from(response.map(SdkBody::from))
                    .map_err(|error| ConnectorError::other(error.into(), None)),
                None => std::future::pending().await,
            }
        })
    }
}

/// The index of the ARC endpoint that a request goes to.
fn arc_endpoint(uri: &Uri) -> Option<usize> {
    let number = uri.host()?.strip_prefix("arc-")?.strip_suffix(".sandbox")?;
    number.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < ARC_REGIONS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_plans_endpoints_are_known() {
        let plan = runbook::plan::sample();
        for (index, endpoint) in plan.routing.endpoints.iter().enumerate() {
            assert_eq!(arc_endpoint(&endpoint.url.parse().unwrap()), Some(index));
            assert_eq!(endpoint.region, ARC_REGIONS[index]);
        }
        assert_eq!(arc_endpoint(&"http://arc-6.sandbox".parse().unwrap()), None);
        assert_eq!(arc_endpoint(&NOWHERE.parse().unwrap()), None);
    }
}
