//! The five ARC endpoints and the ARC control plane.

use aws_sdk_route53recoverycluster::error::ProvideErrorMetadata;
use aws_sdk_route53recoverycluster::types::RoutingControlState;
use serde_json::json;

use crate::scripted::{Scripted, Setup, in_process, over_tcp};

const CONTROL: &str =
    "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/routingcontrol/sandbox-east";

fn script() -> Scripted {
    Scripted::default()
        .answering(
            "GetRoutingControlState",
            json!({"RoutingControlArn": CONTROL, "RoutingControlState": "On"}),
        )
        .failing("UpdateRoutingControlStates", "ConflictException", "a safety rule forbids it")
        .answering(
            "DescribeCluster",
            json!({"Cluster": {"ClusterEndpoints": [{"Endpoint": "https://x", "Region": "us-east-1"}]}}),
        )
        .answering("ListRoutingControls", json!({"RoutingControls": [{"RoutingControlArn": CONTROL}]}))
}

async fn endpoints(setup: &Setup) {
    for (config, region) in setup.arc.iter().zip(sandbox::ARC_REGIONS) {
        let client = aws_sdk_route53recoverycluster::Client::new(config);
        let answer = client.get_routing_control_state().routing_control_arn(CONTROL).send().await.unwrap();
        assert_eq!(*answer.routing_control_state(), RoutingControlState::On);
        let call = setup.api.only_call();
        assert_eq!((call.service.as_str(), call.region.as_str()), ("route53-recovery-cluster", region));
        assert_eq!(call.input, json!({"RoutingControlArn": CONTROL}));
    }
    let client = aws_sdk_route53recoverycluster::Client::new(&setup.arc[0]);
    let update =
        client.update_routing_control_states().set_update_routing_control_state_entries(Some(Vec::new()));
    let error = update.send().await.unwrap_err().into_service_error();
    assert!(error.is_conflict_exception());
    assert_eq!(error.message(), Some("a safety rule forbids it"));
    setup.api.only_call();
}

#[tokio::test]
async fn an_endpoint_is_a_region_of_its_own() {
    endpoints(&in_process(script()).await).await;
    endpoints(&over_tcp(script()).await).await;
}

/// As AWS: each endpoint takes only what is signed for its Region, and no other host answers at all.
#[tokio::test]
async fn a_wrong_endpoint_or_region_is_refused() {
    let setup = in_process(script()).await;
    let oregon = setup.arc[0].to_builder().region(aws_config::Region::new("us-west-2")).build();
    for config in [&oregon, &setup.config] {
        let client = aws_sdk_route53recoverycluster::Client::new(config);
        let error = client.get_routing_control_state().routing_control_arn(CONTROL).send().await.unwrap_err();
        assert_eq!(error.into_service_error().code(), Some("InvalidSignatureException"));
    }
    let ssm = aws_sdk_ssm::Client::new(&setup.arc[0]);
    let error = ssm.get_parameter().name("x").send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert_eq!(setup.api.calls(), 0);
}

async fn control_plane(setup: &Setup) {
    let client = aws_sdk_route53recoverycontrolconfig::Client::new(&setup.config);
    let cluster = "arn:aws:route53-recovery-control::000000000000:cluster/sandbox";
    let answer = client.describe_cluster().cluster_arn(cluster).send().await.unwrap();
    assert_eq!(answer.cluster().unwrap().cluster_endpoints()[0].region(), Some("us-east-1"));
    let call = setup.api.only_call();
    assert_eq!(call.service, "route53-recovery-control-config");
    assert_eq!((call.operation.as_str(), call.input), ("DescribeCluster", json!({"ClusterArn": cluster})));

    let panel = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox";
    let answer = client.list_routing_controls().control_panel_arn(panel).max_results(5).send().await.unwrap();
    assert_eq!(answer.routing_controls()[0].routing_control_arn(), Some(CONTROL));
    assert_eq!(setup.api.only_call().input, json!({"MaxResults": 5, "ControlPanelArn": panel}));
}

#[tokio::test]
async fn the_control_plane_answers() {
    control_plane(&in_process(script()).await).await;
    control_plane(&over_tcp(script()).await).await;
}
