//! S3: what is put is there, what is not is a typed error, and the world is asked first.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use serde_json::{Value, json};

use crate::scripted::{CALLER, Scripted, Setup, in_process, over_tcp};

const BUCKET: &str = "causeway-reports-sandbox-east";

fn script() -> Scripted {
    let operations = [
        "PutObject",
        "GetObject",
        "HeadObject",
        "ListObjectsV2",
        "DeleteObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ];
    operations.iter().fold(Scripted::default(), |script, operation| script.answering(operation, Value::Null))
}

/// Also with paused time: work on files holds it.
#[tokio::test(start_paused = true)]
async fn objects_in_process() {
    objects(&in_process(script()).await).await;
}

#[tokio::test]
async fn objects_over_tcp() {
    objects(&over_tcp(script()).await).await;
}

/// Whoever reads while others write, or give up writing, gets one of the objects whole, with its own checksum.
#[tokio::test]
async fn an_object_is_replaced_at_once() {
    let setup = in_process(script()).await;
    setup.wire.create_bucket(BUCKET).unwrap();
    let client = aws_sdk_s3::Client::new(&setup.config);
    let body = |number: u8| vec![number; 10_000 * usize::from(number)];
    let put = async |number| {
        let put = client.put_object().bucket(BUCKET).key("k").body(body(number).into());
        put.send().await.unwrap();
    };
    let get = async || {
        let got = client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
        let got = got.body.collect().await.unwrap().into_bytes();
        assert_eq!(got, body(got[0]));
    };
    put(1).await;
    for _ in 0..5 {
        let all = (1..=8).map(async |number| {
            put(number).await;
            get().await;
        });
        futures::future::join_all(all).await;
        get().await;
    }
    // Given up after a while, somewhere.
    for turns in 0..150 {
        let while_it_waits = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = put(1 + turns % 2) => {}
            () = while_it_waits => {}
        }
        get().await;
    }
}

async fn objects(setup: &Setup) {
    setup.wire.create_bucket(BUCKET).unwrap();
    setup.wire.create_bucket(BUCKET).unwrap();
    let client = aws_sdk_s3::Client::new(&setup.config);
    let key = "reports/shop/e 1/ä.json";
    let put = client.put_object().bucket(BUCKET).key(key).content_type("application/json");
    put.body(b"{\"a\":1}".to_vec().into()).send().await.unwrap();
    let call = setup.api.only_call();
    assert_eq!((call.principal.as_str(), call.region.as_str()), (CALLER, "sandbox-east"));
    assert_eq!((call.service.as_str(), call.operation.as_str()), ("s3", "PutObject"));
    assert_eq!(call.input, json!({"Bucket": BUCKET, "Key": key}));

    let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(got.content_type(), Some("application/json"));
    assert_eq!(&got.body.collect().await.unwrap().into_bytes()[..], b"{\"a\":1}");
    let head = client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(head.content_length(), Some(7));

    // As long a key as those of a comparison, of a table whose name has 64 letters.
    let long = format!(
        "reconcile/{}/{}/{}/part-00001-f467c11e.jsonl",
        "p".repeat(16),
        "e".repeat(36),
        "t".repeat(64)
    );
    client.put_object().bucket(BUCKET).key(&long).body(b"x".to_vec().into()).send().await.unwrap();
    client.head_object().bucket(BUCKET).key(&long).send().await.unwrap();
    client.delete_object().bucket(BUCKET).key(&long).send().await.unwrap();

    client.put_object().bucket(BUCKET).key("records/x").send().await.unwrap();
    let list = client.list_objects_v2().bucket(BUCKET).prefix("reports/shop/").send().await.unwrap();
    assert_eq!(list.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), [key]);
    client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();

    let error = client.get_object().bucket(BUCKET).key(key).send().await.unwrap_err().into_service_error();
    assert!(error.is_no_such_key());
    let error = client.head_object().bucket(BUCKET).key(key).send().await.unwrap_err().into_service_error();
    assert!(error.is_not_found());
    let error = client.get_object().bucket("nowhere").key(key).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}

#[tokio::test(start_paused = true)]
async fn large_objects_in_process() {
    large_objects(&in_process(script()).await).await;
}

#[tokio::test]
async fn large_objects_over_tcp() {
    large_objects(&over_tcp(script()).await).await;
}

async fn large_objects(setup: &Setup) {
    setup.wire.create_bucket(BUCKET).unwrap();
    let client = aws_sdk_s3::Client::new(&setup.config);
    let created = client.create_multipart_upload().bucket(BUCKET).key("big").send().await.unwrap();
    let id = created.upload_id().unwrap();
    let mut parts = Vec::new();
    // All parts but the last must have 5 MB.
    for (number, body) in [(1, vec![1; 5 * 1024 * 1024]), (2, vec![2; 3])] {
        let upload = client.upload_part().bucket(BUCKET).key("big").upload_id(id).part_number(number);
        let part = upload.body(body.into()).send().await.unwrap();
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(id);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    complete.multipart_upload(parts).send().await.unwrap();
    let tail = client.get_object().bucket(BUCKET).key("big").range("bytes=5242879-").send().await.unwrap();
    assert_eq!(&tail.body.collect().await.unwrap().into_bytes()[..], [1, 2, 2, 2]);
}

#[tokio::test]
async fn the_world_may_forbid_it() {
    let denied = Scripted::default().failing("PutObject", "AccessDenied", "no s3:PutObject for this role");
    let setup = in_process(denied).await;
    setup.wire.create_bucket(BUCKET).unwrap();
    let client = aws_sdk_s3::Client::new(&setup.config);
    let error = client.put_object().bucket(BUCKET).key("a").send().await.unwrap_err().into_service_error();
    assert_eq!(
        (error.code(), error.message()),
        (Some("AccessDenied"), Some("no s3:PutObject for this role"))
    );
}
