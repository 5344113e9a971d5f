//! A silence lasts until the caller's own timeout, and a stopped server leaves nobody waiting.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_rds::error::SdkError;

use crate::scripted::{Scripted, in_process, over_tcp};

fn script() -> Scripted {
    Scripted::default().silent("DescribeGlobalClusters").silent("PutObject")
}

#[tokio::test(start_paused = true)]
async fn in_process_the_sdk_gives_up_after_its_tries() {
    let setup = in_process(script()).await;
    let started = tokio::time::Instant::now();
    let error = aws_sdk_rds::Client::new(&setup.config).describe_global_clusters().send().await.unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(setup.api.calls(), 3);
    let (waited, tries) = (started.elapsed(), runbook::aws::ATTEMPT * runbook::aws::TRIES);
    assert!(waited >= tries && waited < tries * 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn s3_is_silent_too() {
    let setup = in_process(script()).await;
    setup.wire.create_bucket("reports").unwrap();
    let client = aws_sdk_s3::Client::new(&setup.config);
    let error =
        client.put_object().bucket("reports").key("a").body(vec![0; 10].into()).send().await.unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(setup.api.calls(), 3);
}

#[tokio::test]
async fn over_tcp_the_client_gives_up() {
    let setup = over_tcp(script()).await;
    let limit = Duration::from_millis(300);
    let config = setup
        .config
        .to_builder()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(limit).build())
        .retry_config(RetryConfig::disabled())
        .build();
    let error = aws_sdk_rds::Client::new(&config).describe_global_clusters().send().await.unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(setup.api.calls(), 1);
}

#[tokio::test]
async fn stopping_the_server_ends_what_is_held() {
    let mut setup = over_tcp(script()).await;
    let config = setup.config.to_builder().retry_config(RetryConfig::disabled()).build();
    let held = tokio::spawn(aws_sdk_rds::Client::new(&config).describe_global_clusters().send());
    while setup.api.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let stopped = setup.server.take().unwrap().stop();
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("the server stops at once");
    assert_eq!(held.await.unwrap().unwrap_err().raw_response().unwrap().status().as_u16(), 503);
    let refused = aws_sdk_rds::Client::new(&config).describe_global_clusters().send().await.unwrap_err();
    assert!(matches!(refused, SdkError::DispatchFailure(_)), "{refused:?}");
}
