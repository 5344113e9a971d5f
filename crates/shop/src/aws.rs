//! How AWS is called: endpoint, Region and credentials come from the environment, as for every AWS tool.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// How long one try of a call may take, and all of them.
const TRY: Duration = Duration::from_millis(1_500);
const ALL: Duration = Duration::from_secs(4);

/// What every client is made of.
pub async fn sdk_config() -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let times =
        TimeoutConfig::builder().connect_timeout(TRY).operation_attempt_timeout(TRY).operation_timeout(ALL);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(times.build())
        .load()
        .await
}
