//! Who does not know the secret gets nothing, at any port and in any protocol.

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scripted::{CALLER, Scripted, over_tcp};

/// The status and the code of an error.
fn refused<T: std::fmt::Debug, E>(answer: Result<T, SdkError<E>>) -> (u16, String)
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let error = answer.unwrap_err();
    let status = error.raw_response().unwrap().status().as_u16();
    (status, error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn what_is_signed_with_another_secret_is_refused() {
    let setup = over_tcp(Scripted::default()).await;
    setup.wire.create_bucket("bucket").unwrap();
    let stranger = |config: &aws_config::SdkConfig| {
        let credentials = Credentials::from_keys(CALLER, "another secret", None);
        config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .build()
    };
    let config = stranger(&setup.config);
    let (query, json) = ("SignatureDoesNotMatch", "InvalidSignatureException");
    let rds = aws_sdk_rds::Client::new(&config).describe_global_clusters().send().await;
    assert_eq!(refused(rds), (403, query.into()));
    let ssm = aws_sdk_ssm::Client::new(&config).get_parameter().name("/plan").send().await;
    assert_eq!(refused(ssm), (403, json.into()));
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&config).describe_alarms().send().await;
    assert_eq!(refused(cloudwatch), (403, json.into()));
    let control = aws_sdk_route53recoverycontrolconfig::Client::new(&config).list_clusters().send().await;
    assert_eq!(refused(control), (403, json.into()));
    let objects = aws_sdk_s3::Client::new(&config);
    assert_eq!(refused(objects.list_objects_v2().bucket("bucket").send().await), (403, query.into()));
    let put = objects.put_object().bucket("bucket").key("key").body(Vec::new().into());
    assert_eq!(refused(put.send().await), (403, query.into()));
    for endpoint in &setup.arc {
        let client = aws_sdk_route53recoverycluster::Client::new(&stranger(endpoint));
        let set = client.get_routing_control_state().routing_control_arn("arn");
        assert_eq!(refused(set.send().await), (403, json.into()));
    }
    assert_eq!(setup.api.calls(), 0);
}

/// As a program sends it that knows no more than the ports, and as a page in a browser has it sent.
#[tokio::test]
async fn what_is_not_signed_or_meant_for_another_host_is_refused() {
    let setup = over_tcp(Scripted::default()).await;
    setup.wire.create_bucket("bucket").unwrap();
    let server = setup.server.as_ref().unwrap();
    for url in std::iter::once(&server.url).chain(&server.arc_urls) {
        let address = url.strip_prefix("http://").unwrap();
        let address: std::net::SocketAddr = address.parse().unwrap();
        assert!(address.ip().is_loopback(), "{url}");
        let ask = async |request: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("{request}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            (answer.split(' ').nth(1).unwrap().to_owned(), answer)
        };
        let target = "x-amz-target: AmazonSSM.GetParameter";
        let s3 = "authorization: AWS4-HMAC-SHA256 Credential=K/20260101/sandbox-east/s3/aws4_request";
        for (request, status) in [
            ("GET /bucket HTTP/1.1\r\nhost: localhost".to_owned(), "403"),
            (format!("GET /bucket HTTP/1.1\r\nhost: localhost\r\n{s3}"), "40"),
            (
                format!(
                    "PUT /bucket/key HTTP/1.1\r\nhost: localhost\r\n{s3}, SignedHeaders=host, Signature=0"
                ),
                "40",
            ),
            (format!("POST / HTTP/1.1\r\nhost: localhost\r\n{target}"), "403"),
            (
                format!("POST / HTTP/1.1\r\nhost: {address}\r\n{target}\r\norigin: https://evil.example.com"),
                "403",
            ),
            (format!("POST / HTTP/1.1\r\nhost: evil.example.com\r\n{target}"), "421"),
            (format!("GET /bucket HTTP/1.1\r\nhost: bucket.evil.example.com\r\n{s3}"), "421"),
        ] {
            let (answered, said) = ask(&request).await;
            // What is signed in a wrong way is 400 or 403, depending on the service.
            assert!(answered.starts_with(status), "{request:?}: {said}");
        }
    }
    assert_eq!(setup.api.calls(), 0);
}
