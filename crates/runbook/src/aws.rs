//! The SDK configuration of a step.
//!
//! Endpoints, Region and credentials come from the environment, as for every AWS tool: `AWS_ENDPOINT_URL` points
//! a function at the sandbox. Every call has an end: [`CONNECT`] to connect, [`ATTEMPT`] for each try.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// How long a connection may take: a Region that is cut off often does not refuse but stays silent.
pub const CONNECT: Duration = Duration::from_secs(3);
/// How long one try of a call may take.
pub const ATTEMPT: Duration = Duration::from_secs(10);
/// How often a call is tried.
pub const TRIES: u32 = 3;

/// The configuration of the Region the function runs in.
pub async fn load() -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(timeouts())
        .load()
        .await
}

/// The time limits of every call.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build()
}

/// The same configuration for another Region.
pub fn in_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}
