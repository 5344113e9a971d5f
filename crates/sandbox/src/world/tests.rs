//! The world in paused time, without servers: hours of AWS in milliseconds.

use std::time::Duration;

use super::*;
use crate::databases::NoServers;

async fn shop() -> Arc<World> {
    let urls = [1, 2, 3, 4, 5].map(|n| format!("http://arc-{n}.sandbox"));
    World::shop(Clock::new(1.0), Arc::new(NoServers), &urls).await.unwrap()
}

async fn call(world: &Arc<World>, region: &str, operation: &str, input: Value) -> Result<Value, String> {
    service(world, region, "rds", operation, input).await
}

async fn service(
    world: &Arc<World>,
    region: &str,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, String> {
    let call = Call {
        principal: "SANDBOX".into(),
        region: region.into(),
        service: service.into(),
        operation: operation.into(),
        input,
    };
    world.call(call).await.map_err(|error| match error {
        CallError::Service(error) => error.code,
        CallError::NoAnswer => "NoAnswer".into(),
    })
}

fn cluster(name: &str, region: &str) -> String {
    format!("arn:aws:rds:{region}:{ACCOUNT}:cluster:{name}")
}

async fn orders(world: &Arc<World>) -> Value {
    let input = json!({"GlobalClusterIdentifier": "shop-orders"});
    call(world, WEST, "DescribeGlobalClusters", input).await.unwrap()["GlobalClusters"][0].take()
}

fn writers(global: &Value) -> Vec<&str> {
    let members = global["GlobalClusterMembers"].as_array().unwrap();
    members.iter().filter(|m| m["IsWriter"] == true).map(|m| m["DBClusterArn"].as_str().unwrap()).collect()
}

fn to_west() -> Value {
    json!({"GlobalClusterIdentifier": "shop-orders", "TargetDbClusterIdentifier": cluster("shop-orders-west", WEST), "AllowDataLoss": true})
}

#[tokio::test(start_paused = true)]
async fn a_failover_takes_its_time_and_leaves_the_old_primary_to_be_recovered() {
    let world = shop().await;
    world.isolate(EAST).await;
    assert_eq!(call(&world, EAST, "DescribeDBClusters", json!({})).await.unwrap_err(), "NoAnswer");
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    assert_eq!(orders(&world).await["FailoverState"]["Status"], "pending");
    assert_eq!(
        call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidGlobalClusterStateFault"
    );
    tokio::time::sleep(durations::PENDING + Duration::from_secs(1)).await;
    let global = orders(&world).await;
    assert_eq!(global["FailoverState"]["Status"], "failing-over");
    assert_eq!(writers(&global), [cluster("shop-orders-east", EAST)]);
    tokio::time::sleep(durations::FAILING_OVER).await;
    let global = orders(&world).await;
    assert_eq!(writers(&global), [cluster("shop-orders-west", WEST)]);
    assert!(global.get("FailoverState").is_none());
    assert_eq!(
        call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );

    // Nothing is recovered before the Region is back.
    tokio::time::sleep(durations::SNAPSHOT * 10).await;
    world.rejoin(EAST).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let snapshots = call(&world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    let snapshot = &snapshots["DBClusterSnapshots"][0];
    let name = snapshot["DBClusterSnapshotIdentifier"].as_str().unwrap();
    assert!(name.starts_with("rds:unplanned-global-failover-shop-orders-east-"), "{name}");
    assert_eq!(snapshot["Status"], "creating");
    tokio::time::sleep(durations::SNAPSHOT + durations::RESYNC).await;
    let snapshots = call(&world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    assert_eq!(
        snapshots["DBClusterSnapshots"].as_array().unwrap().len(),
        1,
        "only the database that was failed over"
    );
    assert_eq!(snapshots["DBClusterSnapshots"][0]["Status"], "available");
    let global = orders(&world).await;
    assert!(
        global["GlobalClusterMembers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|m| m["SynchronizationStatus"] == "connected")
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_can_not_be_is_refused_and_changes_nothing() {
    let world = shop().await;
    let with = |key: &str, value: Value| {
        let mut input = to_west();
        input[key] = value;
        input
    };
    for (region, input, code) in [
        (EAST, to_west(), "InvalidParameterValue"),
        (WEST, with("TargetDbClusterIdentifier", json!("shop-orders-west")), "InvalidParameterValue"),
        (WEST, with("AllowDataLoss", json!(false)), "InvalidParameterCombination"),
        (WEST, with("GlobalClusterIdentifier", json!("nothing")), "GlobalClusterNotFoundFault"),
        (WEST, with("TargetDbClusterIdentifier", json!(cluster("other", WEST))), "DBClusterNotFoundFault"),
    ] {
        assert_eq!(
            call(&world, region, "FailoverGlobalCluster", input.clone()).await.unwrap_err(),
            code,
            "{input}"
        );
    }
    world.set_engine_version(&cluster("shop-orders-west", WEST), "8.0.mysql_aurora.3.09.0");
    assert_eq!(
        call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    world.set_engine_version(&cluster("shop-orders-west", WEST), VERSION);
    world.remove_instances(&cluster("shop-orders-west", WEST));
    assert_eq!(
        call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(writers(&orders(&world).await), [cluster("shop-orders-east", EAST)]);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_is_called_where_the_primary_is_and_leaves_no_snapshot() {
    let world = shop().await;
    assert_eq!(
        call(&world, WEST, "SwitchoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidParameterValue"
    );
    call(&world, EAST, "SwitchoverGlobalCluster", to_west()).await.unwrap();
    tokio::time::sleep(durations::PENDING + durations::SWITCHING_OVER + Duration::from_secs(1)).await;
    assert_eq!(writers(&orders(&world).await), [cluster("shop-orders-west", WEST)]);
    tokio::time::sleep(durations::SNAPSHOT * 2).await;
    let snapshots = call(&world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    assert_eq!(snapshots["DBClusterSnapshots"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_copied_restored_and_everything_is_deleted_again() {
    let world = shop().await;
    world.isolate(EAST).await;
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.rejoin(EAST).await;
    tokio::time::sleep(durations::SNAPSHOT + Duration::from_secs(1)).await;
    let snapshots = call(&world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    let source = snapshots["DBClusterSnapshots"][0]["DBClusterSnapshotArn"].clone();
    let copy =
        json!({"SourceDBClusterSnapshotIdentifier": source, "TargetDBClusterSnapshotIdentifier": "kept"});
    call(&world, WEST, "CopyDBClusterSnapshot", copy.clone()).await.unwrap();
    assert_eq!(
        call(&world, WEST, "CopyDBClusterSnapshot", copy).await.unwrap_err(),
        "DBClusterSnapshotAlreadyExistsFault"
    );
    let tags = json!([{"Key": "k", "Value": "v"}]);
    let restore = json!({"DBClusterIdentifier": "again", "SnapshotIdentifier": "kept", "Engine": "aurora-mysql", "EngineVersion": VERSION, "Tags": tags});
    assert_eq!(
        call(&world, WEST, "RestoreDBClusterFromSnapshot", restore.clone()).await.unwrap_err(),
        "InvalidDBClusterSnapshotStateFault"
    );
    tokio::time::sleep(durations::COPY + Duration::from_secs(1)).await;
    call(&world, WEST, "RestoreDBClusterFromSnapshot", restore.clone()).await.unwrap();
    assert_eq!(
        call(&world, WEST, "RestoreDBClusterFromSnapshot", restore).await.unwrap_err(),
        "DBClusterAlreadyExistsFault"
    );
    let instance = json!({"DBInstanceIdentifier": "again-1", "DBClusterIdentifier": "again", "DBInstanceClass": "db.r6g.large", "Engine": "aurora-mysql"});
    call(&world, WEST, "CreateDBInstance", instance).await.unwrap();
    assert_eq!(world.tagged("k"), [cluster("again", WEST)]);
    tokio::time::sleep(durations::RESTORE + durations::INSTANCE).await;
    let described =
        call(&world, WEST, "DescribeDBClusters", json!({"DBClusterIdentifier": "again"})).await.unwrap();
    assert_eq!(described["DBClusters"][0]["Status"], "available");
    assert_eq!(described["DBClusters"][0]["DBClusterMembers"][0]["DBInstanceIdentifier"], "again-1");

    let delete = json!({"DBClusterIdentifier": "again", "SkipFinalSnapshot": true});
    assert_eq!(
        call(&world, WEST, "DeleteDBCluster", delete.clone()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    call(&world, WEST, "DeleteDBInstance", json!({"DBInstanceIdentifier": "again-1"})).await.unwrap();
    tokio::time::sleep(durations::DELETION + Duration::from_secs(1)).await;
    call(&world, WEST, "DeleteDBCluster", delete).await.unwrap();
    tokio::time::sleep(durations::DELETION + Duration::from_secs(1)).await;
    assert_eq!(
        call(&world, WEST, "DescribeDBClusters", json!({"DBClusterIdentifier": "again"})).await.unwrap_err(),
        "DBClusterNotFoundFault"
    );
    assert_eq!(world.tagged("k"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn safety_rules_hold_unless_overridden_and_a_batch_is_all_or_nothing() {
    let world = shop().await;
    let plan = runbook::plan::sample();
    let entries = |changes: &[(&str, &str)]| -> Value {
        let list: Vec<Value> = changes
            .iter()
            .map(|(region, state)| json!({"RoutingControlArn": plan.routing.controls[*region], "RoutingControlState": state}))
            .collect();
        json!({"UpdateRoutingControlStateEntries": list})
    };
    let update = async |input| {
        service(&world, "eu-west-1", "route53-recovery-cluster", "UpdateRoutingControlStates", input).await
    };
    assert_eq!(update(entries(&[(EAST, "Off"), (WEST, "Off")])).await.unwrap_err(), "ConflictException");
    assert_eq!(world.resolve(&[EAST, WEST]).as_deref(), Some(EAST), "nothing of a refused batch is done");
    update(entries(&[(EAST, "Off")])).await.unwrap();
    assert_eq!(world.resolve(&[EAST, WEST]).as_deref(), Some(WEST));
    let rule = world.add_safety_rule(
        "one-region-on",
        arc::Rule::AtLeast { on: 1, asserted: plan.routing.controls.values().cloned().collect() },
    );
    let mut overriding = entries(&[(WEST, "Off")]);
    overriding["SafetyRulesToOverride"] = json!([rule]);
    update(overriding).await.unwrap();
    assert_eq!(world.resolve(&[EAST, WEST]), None);
}

#[tokio::test(start_paused = true)]
async fn an_arc_endpoint_can_be_silent_or_unavailable_and_the_others_answer() {
    let world = shop().await;
    world.arc_endpoint(0, arc::Endpoint::Silent);
    world.arc_endpoint(1, arc::Endpoint::Unavailable);
    let list = async |region: &str| {
        service(&world, region, "route53-recovery-cluster", "ListRoutingControls", json!({})).await
    };
    assert_eq!(list(crate::ARC_REGIONS[0]).await.unwrap_err(), "NoAnswer");
    assert_eq!(list(crate::ARC_REGIONS[1]).await.unwrap_err(), "EndpointTemporarilyUnavailableException");
    assert_eq!(list(crate::ARC_REGIONS[2]).await.unwrap()["RoutingControls"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_lag_measured_before_the_cut_is_what_stays() {
    let world = shop().await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    world.isolate(EAST).await;
    let cut = world.clock.now();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let input = json!({
        "StartTime": (cut - jiff::SignedDuration::from_hours(1)).to_string(),
        "EndTime": world.clock.now().to_string(),
        "MetricDataQueries": [{"Id": "lag", "MetricStat": {"Period": 60, "Stat": "Maximum", "Metric": {
            "Namespace": "AWS/RDS",
            "MetricName": "AuroraGlobalDBRPOLag",
            "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "shop-orders-west"}],
        }}}],
    });
    let answer = service(&world, WEST, "monitoring", "GetMetricData", input).await.unwrap();
    let newest: Timestamp =
        answer["MetricDataResults"][0]["Timestamps"][0].as_str().unwrap().parse().unwrap();
    assert!(newest <= cut, "{newest} is after the cut at {cut}");
    assert_eq!(answer["MetricDataResults"][0]["Values"][0], 200.0);
}
