//! What the SDK asks arrives as JSON; answers and errors come back typed. Each case goes both ways: in process and
//! over TCP.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{Filter, Tag};
use sandbox::wire::connector;
use serde_json::{Value, json};

use crate::scripted::{CALLER, Scripted, Setup, in_process, over_tcp};

/// Runs a case in process and over TCP.
macro_rules! both_ways {
    ($name:ident, $case:ident, $api:expr) => {
        #[tokio::test]
        async fn $name() {
            $case(&in_process($api).await).await;
            $case(&over_tcp($api).await).await;
        }
    };
}

/// The call that arrived must be this one.
fn arrived(setup: &Setup, service: &str, operation: &str, input: &Value) {
    let call = setup.api.only_call();
    assert_eq!((call.principal.as_str(), call.region.as_str()), (CALLER, "sandbox-east"));
    assert_eq!((call.service.as_str(), call.operation.as_str()), (service, operation));
    assert_eq!(call.input, *input);
}

const ARN: &str = "arn:aws:rds:sandbox-east:000000000000:cluster:shop-orders-east";

both_ways!(rds_answers_are_typed, rds_answers, {
    let member = json!({"DBClusterArn": ARN, "IsWriter": true, "Readers": ["r1", "r2"], "SynchronizationStatus": "connected"});
    let snapshot = json!({
        "DBClusterSnapshotIdentifier": "s", "SnapshotCreateTime": "2026-11-25T09:00:00.5Z", "PercentProgress": 100,
        "StorageEncrypted": true, "TagList": [{"Key": "a<b", "Value": "&"}],
    });
    Scripted::default()
        .answering(
            "DescribeGlobalClusters",
            json!({"GlobalClusters": [{
                "GlobalClusterIdentifier": "shop-orders", "Status": "available",
                "GlobalClusterMembers": [member], "FailoverState": {},
            }]}),
        )
        .answering("DescribeDBClusterSnapshots", json!({"DBClusterSnapshots": [snapshot]}))
});

async fn rds_answers(setup: &Setup) {
    let client = aws_sdk_rds::Client::new(&setup.config);
    let answer =
        client.describe_global_clusters().global_cluster_identifier("shop-orders").send().await.unwrap();
    arrived(setup, "rds", "DescribeGlobalClusters", &json!({"GlobalClusterIdentifier": "shop-orders"}));
    let global = &answer.global_clusters()[0];
    assert_eq!(global.status(), Some("available"));
    let member = &global.global_cluster_members()[0];
    assert_eq!((member.db_cluster_arn(), member.is_writer()), (Some(ARN), Some(true)));
    assert_eq!(member.readers(), ["r1", "r2"]);
    assert_eq!(member.synchronization_status().unwrap().as_str(), "connected");
    assert!(global.failover_state().is_some_and(|state| state.status().is_none()));

    let filter = Filter::builder().name("db-cluster-id").values("a").values("b").build();
    let answer = client.describe_db_cluster_snapshots().filters(filter).max_records(20).send().await.unwrap();
    arrived(
        setup,
        "rds",
        "DescribeDBClusterSnapshots",
        &json!({
            "Filters": [{"Name": "db-cluster-id", "Values": ["a", "b"]}], "MaxRecords": 20,
        }),
    );
    let snapshot = &answer.db_cluster_snapshots()[0];
    assert_eq!(snapshot.snapshot_create_time().unwrap().as_secs_f64(), 1_795_597_200.5);
    assert_eq!(snapshot.percent_progress(), Some(100));
    assert_eq!(snapshot.tag_list()[0].key(), Some("a<b"));
    assert_eq!(snapshot.tag_list()[0].value(), Some("&"));
}

both_ways!(rds_errors_are_typed, rds_errors, {
    Scripted::default()
        .failing("DescribeGlobalClusters", "GlobalClusterNotFoundFault", "there is no <shop>")
        .failing("CreateDBInstance", "DBInstanceAlreadyExists", "it is there")
        .failing(
            "FailoverGlobalCluster",
            "AccessDenied",
            "not authorized to perform rds:FailoverGlobalCluster",
        )
});

async fn rds_errors(setup: &Setup) {
    let client = aws_sdk_rds::Client::new(&setup.config);
    let error = client.describe_global_clusters().send().await.unwrap_err().into_service_error();
    assert!(error.is_global_cluster_not_found_fault());
    assert_eq!(error.message(), Some("there is no <shop>"));
    setup.api.only_call();

    let create =
        client.create_db_instance().db_instance_identifier("i").db_instance_class("db.r6g.large").engine("e");
    let tag = Tag::builder().key("causeway:execution").value("true").build();
    let error = create.tags(tag).publicly_accessible(false).send().await.unwrap_err().into_service_error();
    assert!(error.is_db_instance_already_exists_fault());
    arrived(
        setup,
        "rds",
        "CreateDBInstance",
        &json!({
            "DBInstanceClass": "db.r6g.large", "DBInstanceIdentifier": "i", "Engine": "e", "PubliclyAccessible": false,
            "Tags": [{"Key": "causeway:execution", "Value": "true"}],
        }),
    );

    let failover =
        client.failover_global_cluster().global_cluster_identifier("g").target_db_cluster_identifier(ARN);
    let error = failover.allow_data_loss(true).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AccessDenied"));
    arrived(
        setup,
        "rds",
        "FailoverGlobalCluster",
        &json!({
            "AllowDataLoss": true, "GlobalClusterIdentifier": "g", "TargetDbClusterIdentifier": ARN,
        }),
    );
}

both_ways!(json_services_are_typed, json_services, {
    let execution = json!({
        "AutomationExecutionId": "e", "AutomationExecutionStatus": "Success", "ExecutionStartTime": "2026-11-25T09:00:00.25Z",
        "Outputs": {"step.EndTime": ["2026-11-25T09:00:00Z"]},
    });
    Scripted::default()
        .answering("GetAutomationExecution", json!({"AutomationExecution": execution}))
        .failing("GetParameter", "ParameterNotFound", "no such parameter")
        .answering("GetSecretValue", json!({"Name": "shop/orders", "SecretString": "{}"}))
        .failing("DescribeSecret", "ResourceNotFoundException", "no such secret")
        .answering("AddTagsToResource", Value::Null)
});

async fn json_services(setup: &Setup) {
    let ssm = aws_sdk_ssm::Client::new(&setup.config);
    let answer = ssm.get_automation_execution().automation_execution_id("e").send().await.unwrap();
    arrived(setup, "ssm", "GetAutomationExecution", &json!({"AutomationExecutionId": "e"}));
    let execution = answer.automation_execution().unwrap();
    assert_eq!(execution.execution_start_time().unwrap().as_secs_f64(), 1_795_597_200.25);
    assert_eq!(execution.automation_execution_status().unwrap().as_str(), "Success");
    assert_eq!(execution.outputs().unwrap()["step.EndTime"], ["2026-11-25T09:00:00Z"]);

    let get = ssm.get_parameter().name("/causeway/plans/shop").with_decryption(true);
    let error = get.send().await.unwrap_err().into_service_error();
    assert!(error.is_parameter_not_found());
    assert_eq!(error.message(), Some("no such parameter"));
    arrived(setup, "ssm", "GetParameter", &json!({"Name": "/causeway/plans/shop", "WithDecryption": true}));

    let tags = aws_sdk_ssm::types::Tag::builder().key("k").value("v").build().unwrap();
    let add = ssm.add_tags_to_resource().resource_type("Automation".into()).resource_id("e").tags(tags);
    add.send().await.unwrap();
    arrived(
        setup,
        "ssm",
        "AddTagsToResource",
        &json!({
            "ResourceType": "Automation", "ResourceId": "e", "Tags": [{"Key": "k", "Value": "v"}],
        }),
    );

    let secrets = aws_sdk_secretsmanager::Client::new(&setup.config);
    let secret = secrets.get_secret_value().secret_id("shop/orders").send().await.unwrap();
    arrived(setup, "secretsmanager", "GetSecretValue", &json!({"SecretId": "shop/orders"}));
    assert_eq!(secret.secret_string(), Some("{}"));
    let error = secrets.describe_secret().secret_id("x").send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception());
    setup.api.only_call();
}

both_ways!(cloudwatch_is_typed, cloudwatch, {
    let result = json!({"Id": "lag", "Timestamps": ["2026-11-25T09:00:00Z"], "Values": [200], "StatusCode": "Complete"});
    Scripted::default().answering("GetMetricData", json!({"MetricDataResults": [result]})).failing(
        "SetAlarmState",
        "ResourceNotFound",
        "no such alarm",
    )
});

async fn cloudwatch(setup: &Setup) {
    let client = aws_sdk_cloudwatch::Client::new(&setup.config);
    let dimension = Dimension::builder().name("DBClusterIdentifier").value("shop-orders-west").build();
    let metric = Metric::builder()
        .namespace("AWS/RDS")
        .metric_name("AuroraGlobalDBRPOLag")
        .dimensions(dimension)
        .build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(stat).return_data(true).build();
    let answer = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from_secs(1_795_597_140))
        .end_time(DateTime::from_secs_f64(1_795_597_200.5))
        .send()
        .await
        .unwrap();
    arrived(
        setup,
        "monitoring",
        "GetMetricData",
        &json!({
            "MetricDataQueries": [{"Id": "lag", "ReturnData": true, "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
                    "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "shop-orders-west"}],
                },
                "Period": 60, "Stat": "Maximum",
            }}],
            "StartTime": "2026-11-25T08:59:00Z", "EndTime": "2026-11-25T09:00:00.5Z",
        }),
    );
    let result = &answer.metric_data_results()[0];
    assert_eq!(
        (result.values(), result.timestamps()),
        (&[200.0][..], &[DateTime::from_secs(1_795_597_200)][..])
    );
    assert_eq!(result.status_code().unwrap().as_str(), "Complete");

    let set = client.set_alarm_state().alarm_name("a").state_reason("r").state_value("ALARM".into());
    let error = set.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found());
    assert_eq!(error.message(), Some("no such alarm"));
    setup.api.only_call();
}

#[tokio::test]
async fn a_request_that_is_not_signed_is_refused() {
    let setup = in_process(Scripted::default()).await;
    let request = http::Request::post("http://sandbox/").header("x-amz-target", "AmazonSSM.GetParameter");
    let answer = setup.wire.handle(request.body("{}".into()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 403);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["__type"], "MissingAuthenticationToken");
    assert_eq!(setup.api.calls(), 0);
}

/// A caller that stops waiting does not stop the call: AWS carries out what it received.
#[tokio::test(start_paused = true)]
async fn a_call_is_carried_out_though_the_caller_went_away() {
    use futures::FutureExt;
    use sandbox::api::{Api, Call, CallError};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Slow(Arc<AtomicBool>);
    impl Api for Slow {
        fn call(&self, _: Call) -> futures::future::BoxFuture<'_, Result<Value, CallError>> {
            async {
                tokio::time::sleep(std::time::Duration::from_secs(60)).await;
                self.0.store(true, Ordering::Relaxed);
                Ok(Value::Null)
            }
            .boxed()
        }
    }
    let done = Arc::new(AtomicBool::new(false));
    let folder = tempfile::tempdir().unwrap();
    let wire = sandbox::wire::Wire::new(Arc::new(Slow(done.clone())), folder.path()).unwrap();
    let config = connector::sdk_config(wire.into(), sandbox::EAST, CALLER);
    let once = config.to_builder().retry_config(aws_config::retry::RetryConfig::disabled()).build();
    let answer = aws_sdk_rds::Client::new(&once).describe_global_clusters().send().await;
    assert!(matches!(answer, Err(aws_sdk_rds::error::SdkError::TimeoutError(_))));
    assert!(!done.load(Ordering::Relaxed));
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(done.load(Ordering::Relaxed));
}
