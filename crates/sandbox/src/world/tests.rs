//! The world in paused time, without servers: hours of AWS in milliseconds.

use std::sync::Mutex;
use std::time::Duration;

use automation::clock::Clock;
use serde_json::json;
use tokio::time::Instant;

use super::model::name_of;
use super::routing::Endpoint;
use super::*;
use crate::account::{ACCOUNT, EAST, REGIONS, WEST};
use crate::api::CallError;
use crate::databases::{Address, Afterwards, NewDatabase, NoServers, ServerError, Servers};

async fn shop() -> Arc<World> {
    shop_on(Arc::new(NoServers)).await
}

async fn shop_on(servers: Arc<dyn Servers>) -> Arc<World> {
    let urls = [1, 2, 3, 4, 5].map(|n| format!("http://arc-{n}.sandbox"));
    crate::shop::world(Clock::new(1.0), servers, &urls).await.unwrap()
}

/// Notes what is asked of the servers of the orders database, and fails at what a test says.
#[derive(Default)]
struct Noted {
    calls: Mutex<Vec<String>>,
    failing: Mutex<&'static str>,
}

impl Noted {
    fn note(&self, call: &str, of: &[&str]) -> Result<(), ServerError> {
        let names: Vec<&str> = of.iter().map(|arn| name_of(arn)).collect();
        if names.iter().any(|name| name.contains("orders") || name.contains("again") || name.contains("kept"))
        {
            self.calls.lock().unwrap().push(format!("{call} {}", names.join(" ")));
        }
        if *self.failing.lock().unwrap() == call { Err(ServerError("no luck".into())) } else { Ok(()) }
    }

    /// What was asked since the last call of this.
    fn taken(&self) -> Vec<String> {
        // The name of the snapshot ends in the time.
        let short = |call: String| match call.split_once(" rds:") {
            Some((before, _)) => format!("{before} rds:…"),
            None => call,
        };
        std::mem::take(&mut *self.calls.lock().unwrap()).into_iter().map(short).collect()
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ServerError>>;

impl Servers for Noted {
    fn create_primary<'a>(&'a self, c: &'a str, _: NewDatabase<'a>) -> Answer<'a, Address> {
        let result = self.note("create_primary", &[c]).map(|()| address(1));
        async { result }.boxed()
    }
    fn create_secondary<'a>(&'a self, c: &'a str, p: &'a str) -> Answer<'a, Address> {
        let result = self.note("create_secondary", &[c, p]).map(|()| address(2));
        async { result }.boxed()
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        let result = self.note("rename", &[from, to]);
        async { result }.boxed()
    }
    fn promote<'a>(&'a self, c: &'a str) -> Answer<'a, ()> {
        let result = self.note("promote", &[c]);
        async { result }.boxed()
    }
    fn switch_over<'a>(&'a self, old: &'a str, new: &'a str) -> Answer<'a, ()> {
        let result = self.note("switch_over", &[old, new]);
        async { result }.boxed()
    }
    fn cut_link<'a>(&'a self, c: &'a str, cut: bool) -> Answer<'a, ()> {
        let result = self.note(if cut { "cut" } else { "mend" }, &[c]);
        async { result }.boxed()
    }
    fn lag_millis<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<f64>> {
        async { Some(200.0) }.boxed()
    }
    fn snapshot<'a>(&'a self, c: &'a str, s: &'a str, _: Afterwards) -> Answer<'a, Instant> {
        let result = self.note("snapshot", &[c, s]).map(|()| Instant::now());
        async { result }.boxed()
    }
    fn copy_snapshot<'a>(&'a self, s: &'a str, t: &'a str) -> Answer<'a, ()> {
        let result = self.note("copy", &[t, s]);
        async { result }.boxed()
    }
    fn restore<'a>(&'a self, s: &'a str, c: &'a str) -> Answer<'a, Address> {
        let result = self.note("restore", &[c, s]).map(|()| address(3));
        async { result }.boxed()
    }
    fn delete<'a>(&'a self, c: &'a str) -> Answer<'a, ()> {
        let result = self.note("delete", &[c]);
        async { result }.boxed()
    }
    fn delete_snapshot<'a>(&'a self, s: &'a str) -> Answer<'a, ()> {
        let result = self.note("delete_snapshot", &[s]);
        async { result }.boxed()
    }
}

fn address(port: u16) -> Address {
    Address { host: "127.0.0.1".into(), port }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Time for every operation to end, and for nothing that begins after it.
async fn operation() {
    tokio::time::sleep(durations::PENDING + durations::FAILING_OVER + Duration::from_secs(1)).await;
}

fn synchronization(global: &Value) -> Vec<&str> {
    let members = global["GlobalClusterMembers"].as_array().unwrap();
    members.iter().map(|member| member["SynchronizationStatus"].as_str().unwrap()).collect()
}

fn event_ids(world: &World) -> Vec<&'static str> {
    world.rds_events().iter().filter(|event| !event.id.is_empty()).map(|event| event.id).collect()
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
        // Without it it is a switchover, which the primary's Region has to be asked for.
        (WEST, with("AllowDataLoss", json!(false)), "InvalidParameterValue"),
        (WEST, with("AllowDataLoss", json!("true")), "InvalidParameterValue"),
        (WEST, with("Switchover", json!(true)), "InvalidParameterCombination"),
        (WEST, with("TargetDbClusterIdentifier", json!("")), "MissingParameter"),
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
    let early = call(&world, WEST, "CreateDBInstance", instance.clone()).await.unwrap_err();
    assert_eq!(early, "InvalidDBClusterStateFault", "its cluster is not restored yet");
    assert_eq!(world.tagged("k"), [cluster("again", WEST)]);
    assert_eq!(
        call(
            &world,
            WEST,
            "DeleteDBCluster",
            json!({"DBClusterIdentifier": "again", "SkipFinalSnapshot": true})
        )
        .await
        .unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    tokio::time::sleep(durations::RESTORE + Duration::from_secs(1)).await;
    call(&world, WEST, "CreateDBInstance", instance).await.unwrap();
    tokio::time::sleep(durations::INSTANCE + Duration::from_secs(1)).await;
    let one = json!({"DBInstanceIdentifier": "again-1"});
    let late = call(&world, WEST, "DescribeDBInstances", one).await.unwrap();
    assert_eq!(late["DBInstances"][0]["DBInstanceStatus"], "available");
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
        routing::Rule::AtLeast { on: 1, asserted: plan.routing.controls.values().cloned().collect() },
    );
    let mut overriding = entries(&[(WEST, "Off")]);
    overriding["SafetyRulesToOverride"] = json!([rule]);
    update(overriding).await.unwrap();
    assert_eq!(world.resolve(&[EAST, WEST]), None);
}

#[tokio::test(start_paused = true)]
async fn an_arc_endpoint_can_be_silent_or_unavailable_and_the_others_answer() {
    let world = shop().await;
    world.arc_endpoint(0, Endpoint::Silent);
    world.arc_endpoint(1, Endpoint::Unavailable);
    let list = async |region: &str| {
        service(&world, region, "route53-recovery-cluster", "ListRoutingControls", json!({})).await
    };
    assert_eq!(list(crate::account::ARC_REGIONS[0]).await.unwrap_err(), "NoAnswer");
    assert_eq!(
        list(crate::account::ARC_REGIONS[1]).await.unwrap_err(),
        "EndpointTemporarilyUnavailableException"
    );
    assert_eq!(
        list(crate::account::ARC_REGIONS[2]).await.unwrap()["RoutingControls"].as_array().unwrap().len(),
        2
    );
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
    let newest: jiff::Timestamp =
        answer["MetricDataResults"][0]["Timestamps"][0].as_str().unwrap().parse().unwrap();
    assert!(newest <= cut, "{newest} is after the cut at {cut}");
    assert_eq!(answer["MetricDataResults"][0]["Values"][0], 200.0);
}

#[tokio::test(start_paused = true)]
async fn servers_are_told_at_the_right_moment_and_in_the_right_order() {
    let servers = Arc::new(Noted::default());
    let world = shop_on(servers.clone()).await;
    servers.taken();
    world.isolate(EAST).await;
    assert_eq!(servers.taken(), ["cut shop-orders-west"]);
    world.isolate(EAST).await;
    assert_eq!(servers.taken(), Vec::<String>::new(), "cut already");
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    seconds(80).await;
    assert_eq!(servers.taken(), Vec::<String>::new(), "not before its time");
    operation().await;
    assert_eq!(servers.taken(), ["promote shop-orders-west"]);
    assert_eq!(synchronization(&orders(&world).await), ["pending-resync", "connected"]);
    // The other Region goes, too: nothing can be rebuilt, and there is no link that could be cut.
    world.isolate(WEST).await;
    world.rejoin(EAST).await;
    seconds(10_000).await;
    assert_eq!(servers.taken(), Vec::<String>::new());
    world.rejoin(WEST).await;
    seconds(1).await;
    // Rebuilt at once, so that the old primary takes no write after its snapshot.
    assert_eq!(
        servers.taken(),
        ["snapshot shop-orders-east rds:…", "create_secondary shop-orders-east shop-orders-west"]
    );
    assert_eq!(synchronization(&orders(&world).await), ["pending-resync", "connected"]);
    // What waits to be rebuilt can't take over.
    let back = json!({"GlobalClusterIdentifier": "shop-orders", "TargetDbClusterIdentifier": cluster("shop-orders-east", EAST)});
    assert_eq!(
        call(&world, WEST, "SwitchoverGlobalCluster", back.clone()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    tokio::time::sleep(durations::SNAPSHOT + durations::RESYNC).await;
    assert_eq!(synchronization(&orders(&world).await), ["connected", "connected"]);
    assert_eq!(
        event_ids(&world),
        [
            "RDS-EVENT-0238",
            "RDS-EVENT-0397",
            "RDS-EVENT-0168",
            "RDS-EVENT-0169",
            "RDS-EVENT-0240",
            "RDS-EVENT-0241"
        ]
    );
    // And back, without loss.
    call(&world, WEST, "SwitchoverGlobalCluster", back).await.unwrap();
    operation().await;
    assert_eq!(servers.taken(), ["switch_over shop-orders-west shop-orders-east"]);
    assert_eq!(writers(&orders(&world).await), [cluster("shop-orders-east", EAST)]);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_was_not_left_is_mended_and_nothing_else() {
    let servers = Arc::new(Noted::default());
    let world = shop_on(servers.clone()).await;
    servers.taken();
    // Also the one without the primary: nothing is replicated into it.
    world.isolate(WEST).await;
    assert_eq!(
        call(&world, EAST, "SwitchoverGlobalCluster", to_west()).await.unwrap_err(),
        "InvalidDBClusterStateFault"
    );
    world.rejoin(WEST).await;
    seconds(10_000).await;
    assert_eq!(servers.taken(), ["cut shop-orders-west", "mend shop-orders-west"]);
    assert_eq!(synchronization(&orders(&world).await), ["connected", "connected"]);
    // A switchover whose link goes is given up, with everything as before.
    call(&world, EAST, "SwitchoverGlobalCluster", to_west()).await.unwrap();
    seconds(20).await;
    world.isolate(EAST).await;
    operation().await;
    assert_eq!(writers(&orders(&world).await), [cluster("shop-orders-east", EAST)]);
    assert!(orders(&world).await.get("FailoverState").is_none());
    assert_eq!(event_ids(&world), ["RDS-EVENT-0181", "RDS-EVENT-0187"]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_away_from_a_region_that_is_there_recovers_the_old_primary_at_once() {
    let servers = Arc::new(Noted::default());
    let world = shop_on(servers.clone()).await;
    servers.taken();
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    operation().await;
    assert_eq!(
        servers.taken(),
        [
            "promote shop-orders-west",
            "snapshot shop-orders-east rds:…",
            "create_secondary shop-orders-east shop-orders-west"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_leaves_the_state_as_it_was_with_an_event_that_says_why() {
    let servers = Arc::new(Noted::default());
    let world = shop_on(servers.clone()).await;
    world.isolate(EAST).await;
    *servers.failing.lock().unwrap() = "promote";
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    operation().await;
    let global = orders(&world).await;
    assert_eq!(writers(&global), [cluster("shop-orders-east", EAST)]);
    assert!(global.get("FailoverState").is_none());
    let event = world.rds_events().pop().unwrap();
    assert_eq!(event.id, "RDS-EVENT-0239");
    assert!(event.message.contains("no luck"), "{}", event.message);

    // A snapshot that fails keeps the old primary's data; the next return of a Region tries again.
    *servers.failing.lock().unwrap() = "snapshot";
    call(&world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    operation().await;
    servers.taken();
    world.rejoin(EAST).await;
    seconds(10_000).await;
    assert_eq!(servers.taken(), ["snapshot shop-orders-east rds:…"]);
    assert_eq!(synchronization(&orders(&world).await), ["pending-resync", "connected"]);
    *servers.failing.lock().unwrap() = "";
    world.rejoin(EAST).await;
    seconds(10_000).await;
    assert_eq!(synchronization(&orders(&world).await), ["connected", "connected"]);

    // A restore that fails leaves a cluster to be deleted.
    let snapshots = call(&world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    let all = snapshots["DBClusterSnapshots"].as_array().unwrap();
    let good = all.iter().find(|one| one["Status"] == "available").unwrap();
    *servers.failing.lock().unwrap() = "restore";
    let restore = json!({"DBClusterIdentifier": "again", "SnapshotIdentifier": good["DBClusterSnapshotIdentifier"], "Engine": "aurora-mysql"});
    call(&world, EAST, "RestoreDBClusterFromSnapshot", restore).await.unwrap();
    tokio::time::sleep(durations::RESTORE + Duration::from_secs(1)).await;
    let one = json!({"DBClusterIdentifier": "again"});
    let described = call(&world, EAST, "DescribeDBClusters", one.clone()).await.unwrap();
    assert_eq!(described["DBClusters"][0]["Status"], "failed");
    assert_ne!(
        described["DBClusters"][0]["EngineVersion"], VERSION,
        "a version that is not named is the Region's"
    );
    let delete = json!({"DBClusterIdentifier": "again", "SkipFinalSnapshot": true});
    call(&world, EAST, "DeleteDBCluster", delete).await.unwrap();
    tokio::time::sleep(durations::DELETION + Duration::from_secs(1)).await;
    assert_eq!(call(&world, EAST, "DescribeDBClusters", one).await.unwrap_err(), "DBClusterNotFoundFault");
}

#[tokio::test(start_paused = true)]
async fn an_operation_can_be_held_and_of_two_requests_one_is_accepted() {
    let world = shop().await;
    world.hold_operations(true);
    let both = tokio::join!(
        call(&world, WEST, "FailoverGlobalCluster", to_west()),
        call(&world, WEST, "FailoverGlobalCluster", to_west())
    );
    assert_eq!([both.0, both.1].iter().filter(|answer| answer.is_ok()).count(), 1);
    seconds(10_000).await;
    assert_eq!(orders(&world).await["FailoverState"]["Status"], "failing-over");
    world.hold_operations(false);
    seconds(1).await;
    assert_eq!(writers(&orders(&world).await), [cluster("shop-orders-west", WEST)]);
}

#[tokio::test(start_paused = true)]
async fn a_secondary_is_detached_and_takes_writes_of_its_own() {
    let servers = Arc::new(Noted::default());
    let world = shop_on(servers.clone()).await;
    servers.taken();
    let [west, east] = [cluster("shop-orders-west", WEST), cluster("shop-orders-east", EAST)];
    let remove = |arn: &str| json!({"GlobalClusterIdentifier": "shop-orders", "DbClusterIdentifier": arn});
    assert_eq!(
        call(&world, EAST, "RemoveFromGlobalCluster", remove(&east)).await.unwrap_err(),
        "InvalidGlobalClusterStateFault"
    );
    call(&world, WEST, "RemoveFromGlobalCluster", remove(&west)).await.unwrap();
    assert!(!world.accepts_writes(&west));
    tokio::time::sleep(durations::DETACH + Duration::from_secs(1)).await;
    assert_eq!(servers.taken(), ["promote shop-orders-west"]);
    assert!(world.accepts_writes(&west));
    assert_eq!(orders(&world).await["GlobalClusterMembers"].as_array().unwrap().len(), 1);
    // Nothing links it to its former primary any more.
    world.isolate(EAST).await;
    assert_eq!(servers.taken(), Vec::<String>::new());
}

/// The snapshot of the orders' old primary, available in the east, its database running in the west.
async fn with_snapshot(world: &Arc<World>) -> Value {
    call(world, WEST, "FailoverGlobalCluster", to_west()).await.unwrap();
    operation().await;
    tokio::time::sleep(durations::SNAPSHOT + durations::RESYNC).await;
    let snapshots = call(world, EAST, "DescribeDBClusterSnapshots", json!({})).await.unwrap();
    snapshots["DBClusterSnapshots"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn what_a_restore_could_get_wrong_is_refused_as_rds_does() {
    let world = shop().await;
    let snapshot = with_snapshot(&world).await;
    assert_eq!(snapshot["SnapshotType"], "automated");
    let (arn, name) = (&snapshot["DBClusterSnapshotArn"], &snapshot["DBClusterSnapshotIdentifier"]);
    let copy = |source: &Value, target: &str| json!({"SourceDBClusterSnapshotIdentifier": source, "TargetDBClusterSnapshotIdentifier": target});
    let with = |mut input: Value, key: &str, value: Value| {
        input[key] = value;
        input
    };
    let restore = json!({"DBClusterIdentifier": "again", "SnapshotIdentifier": name, "Engine": "aurora-mysql", "EngineVersion": VERSION});
    let instance = json!({"DBInstanceIdentifier": "one", "DBClusterIdentifier": "shop-orders-east", "DBInstanceClass": "db.r6g.large", "Engine": "aurora-mysql"});
    let long = "x".repeat(64);
    for (region, operation, input, code) in [
        (WEST, "CopyDBClusterSnapshot", copy(name, "kept"), "DBClusterSnapshotNotFoundFault"),
        (WEST, "CopyDBClusterSnapshot", copy(arn, "kept--twice"), "InvalidParameterValue"),
        (WEST, "CopyDBClusterSnapshot", copy(arn, "rds:kept"), "InvalidParameterValue"),
        (WEST, "CopyDBClusterSnapshot", copy(arn, &long), "InvalidParameterValue"),
        (
            WEST,
            "CopyDBClusterSnapshot",
            with(copy(arn, "kept"), "KmsKeyId", json!("alias/key")),
            "InvalidParameterCombination",
        ),
        (
            WEST,
            "CopyDBClusterSnapshot",
            json!({"SourceDBClusterSnapshotIdentifier": arn}),
            "MissingParameter",
        ),
        (
            EAST,
            "DeleteDBClusterSnapshot",
            json!({"DBClusterSnapshotIdentifier": name}),
            "InvalidDBClusterSnapshotStateFault",
        ),
        (
            WEST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "SnapshotIdentifier", arn.clone()),
            "DBClusterSnapshotNotFoundFault",
        ),
        (
            EAST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "DBClusterIdentifier", json!("1st")),
            "InvalidParameterValue",
        ),
        (
            EAST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "DBClusterIdentifier", json!("shop-orders-east")),
            "DBClusterAlreadyExistsFault",
        ),
        (
            EAST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "Engine", json!("aurora-postgresql")),
            "InvalidParameterCombination",
        ),
        (
            EAST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "EngineVersion", json!("8.0.mysql_aurora.3.04.0")),
            "InvalidParameterCombination",
        ),
        (
            EAST,
            "RestoreDBClusterFromSnapshot",
            with(restore.clone(), "Engine", Value::Null),
            "MissingParameter",
        ),
        (
            EAST,
            "CreateDBInstance",
            with(instance.clone(), "DBInstanceClass", json!("r6g.large")),
            "InvalidParameterValue",
        ),
        (
            EAST,
            "CreateDBInstance",
            with(instance.clone(), "DBInstanceClass", json!("db.serverless")),
            "InvalidDBClusterStateFault",
        ),
        (
            EAST,
            "CreateDBInstance",
            with(instance.clone(), "DBClusterIdentifier", json!("nothing")),
            "DBClusterNotFoundFault",
        ),
        (
            EAST,
            "CreateDBInstance",
            with(instance, "DBInstanceIdentifier", json!("shop-orders-east-1")),
            "DBInstanceAlreadyExists",
        ),
        (
            EAST,
            "DeleteDBCluster",
            json!({"DBClusterIdentifier": "shop-orders-east"}),
            "InvalidParameterCombination",
        ),
        (EAST, "DeleteDBInstance", json!({"DBInstanceIdentifier": "nothing"}), "DBInstanceNotFound"),
        (
            EAST,
            "DescribeDBClusterSnapshots",
            json!({"DBClusterSnapshotIdentifier": "nothing"}),
            "DBClusterSnapshotNotFoundFault",
        ),
        (EAST, "DescribeDBClusters", json!({"MaxRecords": 5}), "InvalidParameterValue"),
        (
            EAST,
            "DescribeDBClusters",
            json!({"DBClusterIdentifier": cluster("shop-orders-west", WEST)}),
            "DBClusterNotFoundFault",
        ),
        (
            EAST,
            "DescribeDBInstances",
            json!({"Filters": [{"Name": "cluster", "Values": ["x"]}]}),
            "InvalidParameterValue",
        ),
        (EAST, "RebootDBCluster", json!({}), "UnknownOperationException"),
    ] {
        let error = call(&world, region, operation, input.clone()).await.unwrap_err();
        assert_eq!(error, code, "{operation} in {region}: {input}");
    }
    // None of it changed anything.
    assert_eq!(
        call(&world, WEST, "DescribeDBClusterSnapshots", json!({})).await.unwrap()["DBClusterSnapshots"],
        json!([])
    );
    assert_eq!(
        call(&world, EAST, "DescribeDBClusters", json!({})).await.unwrap()["DBClusters"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_snapshot_crosses_regions_only_with_a_key_there() {
    let world = shop().await;
    world.set_encrypted(&cluster("shop-orders-east", EAST), true);
    let snapshot = with_snapshot(&world).await;
    assert_eq!(snapshot["StorageEncrypted"], true);
    let copy = |key: Value| json!({"SourceDBClusterSnapshotIdentifier": snapshot["DBClusterSnapshotArn"], "TargetDBClusterSnapshotIdentifier": "kept", "KmsKeyId": key});
    let key = |region: &str| json!(format!("arn:aws:kms:{region}:{ACCOUNT}:key/1"));
    for (key, code) in [(Value::Null, "InvalidParameterCombination"), (key(EAST), "KMSKeyNotAccessibleFault")]
    {
        assert_eq!(call(&world, WEST, "CopyDBClusterSnapshot", copy(key)).await.unwrap_err(), code);
    }
    call(&world, WEST, "CopyDBClusterSnapshot", copy(key(WEST))).await.unwrap();
    tokio::time::sleep(durations::COPY / 2 + Duration::from_secs(1)).await;
    let one = json!({"DBClusterSnapshotIdentifier": "kept"});
    let described = call(&world, WEST, "DescribeDBClusterSnapshots", one.clone()).await.unwrap();
    assert_eq!(described["DBClusterSnapshots"][0]["Status"], "copying");
    assert_eq!(described["DBClusterSnapshots"][0]["PercentProgress"], 50);
    // To delete it now is to cancel the copy.
    call(&world, WEST, "DeleteDBClusterSnapshot", one.clone()).await.unwrap();
    tokio::time::sleep(durations::COPY).await;
    assert_eq!(
        call(&world, WEST, "DescribeDBClusterSnapshots", one).await.unwrap_err(),
        "DBClusterSnapshotNotFoundFault"
    );
}

#[tokio::test(start_paused = true)]
async fn long_lists_come_in_pages_and_filters_choose() {
    let world = shop().await;
    let snapshot = with_snapshot(&world).await;
    for number in 0..45 {
        let copy = json!({"SourceDBClusterSnapshotIdentifier": snapshot["DBClusterSnapshotArn"], "TargetDBClusterSnapshotIdentifier": format!("kept-{number}")});
        call(&world, EAST, "CopyDBClusterSnapshot", copy).await.unwrap();
    }
    let mut input = json!({"DBClusterIdentifier": "shop-orders-east", "MaxRecords": 20});
    let mut sizes = Vec::new();
    loop {
        let answer = call(&world, EAST, "DescribeDBClusterSnapshots", input.clone()).await.unwrap();
        sizes.push(answer["DBClusterSnapshots"].as_array().unwrap().len());
        match answer.get("Marker") {
            Some(marker) => input["Marker"] = marker.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [20, 20, 6]);
    let count = async |input: Value| {
        let answer = call(&world, EAST, "DescribeDBClusterSnapshots", input).await.unwrap();
        answer["DBClusterSnapshots"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({"SnapshotType": "automated"})).await, 1);
    assert_eq!(count(json!({"DBClusterIdentifier": "shop-catalog-east"})).await, 0);
    let filter = json!([{"Name": "db-cluster-snapshot-id", "Values": ["kept-7", "kept-8"]}]);
    assert_eq!(count(json!({"Filters": filter})).await, 2);
    let region = |name: &str| json!({"Filters": [{"Name": "region", "Values": [name]}]});
    for (name, found) in [(EAST, 2), ("us-east-1", 0)] {
        let answer = call(&world, EAST, "DescribeGlobalClusters", region(name)).await.unwrap();
        assert_eq!(answer["GlobalClusters"].as_array().unwrap().len(), found);
    }
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story_of_the_last_hour() {
    let world = shop().await;
    with_snapshot(&world).await;
    let events = async |input: Value| {
        let answer = call(&world, EAST, "DescribeEvents", input).await.unwrap();
        let texts = answer["Events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Message"].as_str().unwrap()[..14].to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(
        events(json!({"SourceType": "db-cluster-snapshot"})).await,
        ["RDS-EVENT-0168", "RDS-EVENT-0169"]
    );
    assert_eq!(
        events(json!({"EventCategories": ["global failover"]})).await,
        ["RDS-EVENT-0240", "RDS-EVENT-0241"]
    );
    seconds(7_200).await;
    assert_eq!(events(json!({})).await, Vec::<String>::new());
    assert_eq!(events(json!({"Duration": 1_440})).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_listed_and_found() {
    let world = shop().await;
    let arn = cluster("shop-orders-east", EAST);
    let input =
        |arn: &str| json!({"ResourceName": arn, "Tags": [{"Key": "causeway:execution", "Value": "x"}]});
    call(&world, EAST, "AddTagsToResource", input(&arn)).await.unwrap();
    assert_eq!(
        call(&world, EAST, "ListTagsForResource", input(&arn)).await.unwrap()["TagList"],
        input("")["Tags"]
    );
    assert_eq!(world.tagged("causeway:execution"), std::slice::from_ref(&arn));
    for (region, arn, code) in [
        (WEST, arn.as_str(), "InvalidParameterValue"),
        (EAST, "shop-orders-east", "InvalidParameterValue"),
        (EAST, &cluster("nothing", EAST), "DBClusterNotFoundFault"),
    ] {
        assert_eq!(call(&world, region, "AddTagsToResource", input(arn)).await.unwrap_err(), code, "{arn}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_safety_rule_holds() {
    let world = shop().await;
    let plan = runbook::plan::sample();
    let [east, west] = [EAST, WEST].map(|region| plan.routing.controls[region].clone());
    let set = async |arn: &str, state: &str, overridden: &[&str]| {
        let input = json!({"RoutingControlArn": arn, "RoutingControlState": state, "SafetyRulesToOverride": overridden});
        service(&world, "us-east-1", "route53-recovery-cluster", "UpdateRoutingControlState", input).await
    };
    set(&west, "Off", &[]).await.unwrap();
    let one = world.add_safety_rule(
        "at-most-one",
        routing::Rule::AtMost { on: 1, asserted: vec![east.clone(), west.clone()] },
    );
    assert_eq!(set(&west, "On", &[]).await.unwrap_err(), "ConflictException");
    assert_eq!(set(&west, "On", &["arn:nothing"]).await.unwrap_err(), "ResourceNotFoundException");
    set(&west, "On", &[&one]).await.unwrap();
    // Now the rule is broken, but says nothing where none of its controls changes.
    set(&west, "On", &[]).await.unwrap();
    let master = format!("{east}-master");
    world.set_routing_control(&master, false);
    let gate = world.add_safety_rule(
        "gate",
        routing::Rule::Gate { gating: vec![master.clone()], target: vec![east.clone()] },
    );
    assert_eq!(set(&east, "Off", &[]).await.unwrap_err(), "ConflictException");
    assert_eq!(
        set(&east, "Off", &[&one]).await.unwrap_err(),
        "ConflictException",
        "the gate is not overridden"
    );
    let both = json!({"UpdateRoutingControlStateEntries": [
        {"RoutingControlArn": master, "RoutingControlState": "On"},
        {"RoutingControlArn": east, "RoutingControlState": "Off"},
    ]});
    let answer =
        service(&world, "us-east-1", "route53-recovery-cluster", "UpdateRoutingControlStates", both).await;
    assert_eq!(answer.unwrap_err(), "ConflictException", "a batch can't open its own gate");
    set(&master, "On", &[]).await.unwrap();
    set(&east, "Off", &[]).await.unwrap();
    assert!(!world.routing_control_on(&east) && world.routing_control_on(&west));
    for (arn, state, code) in [
        ("arn:nothing", "On", "ResourceNotFoundException"),
        (&east, "on", "ValidationException"),
        ("", "On", "ValidationException"),
    ] {
        assert_eq!(set(arn, state, &[]).await.unwrap_err(), code, "{arn} {state}");
    }
    let twice = json!({"RoutingControlArn": east, "RoutingControlState": "Off"});
    let batch = json!({"UpdateRoutingControlStateEntries": [twice, twice]});
    let answer =
        service(&world, "us-east-1", "route53-recovery-cluster", "UpdateRoutingControlStates", batch).await;
    assert_eq!(answer.unwrap_err(), "ValidationException");
    let panel =
        json!({"ControlPanelArn": "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox"});
    let rules = service(&world, "us-west-2", "route53-recovery-control-config", "ListSafetyRules", panel)
        .await
        .unwrap();
    let inverted = &rules["SafetyRules"][0]["ASSERTION"];
    assert_eq!(
        (&inverted["SafetyRuleArn"], &inverted["RuleConfig"]["Inverted"]),
        (&json!(one), &json!(true))
    );
    assert_eq!(rules["SafetyRules"][1]["GATING"]["SafetyRuleArn"], gate);
}

#[tokio::test(start_paused = true)]
async fn arc_needs_neither_region_and_tells_its_endpoints() {
    let world = shop().await;
    world.isolate(EAST).await;
    world.isolate(WEST).await;
    let arn = json!({"ClusterArn": "arn:aws:route53-recovery-control::000000000000:cluster/sandbox"});
    let answer = service(&world, "us-west-2", "route53-recovery-control-config", "DescribeCluster", arn)
        .await
        .unwrap();
    assert_eq!(
        answer["Cluster"]["ClusterEndpoints"][4],
        json!({"Endpoint": "http://arc-5.sandbox", "Region": "ap-southeast-2"})
    );
    let plan = runbook::plan::sample();
    let east = json!({"RoutingControlArn": plan.routing.controls[EAST]});
    let state = service(&world, "ap-southeast-2", "route53-recovery-cluster", "GetRoutingControlState", east)
        .await
        .unwrap();
    assert_eq!(state["RoutingControlState"], "On");
    for name in ["rds", "ssm", "kms", "sns", "sts", "secretsmanager", "monitoring", "s3"] {
        assert_eq!(
            service(&world, WEST, name, "Anything", json!({})).await.unwrap_err(),
            "NoAnswer",
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_secrets_topics_and_identity_are_there_in_both_regions() {
    let world = shop().await;
    for region in REGIONS {
        let ask = async |name: &str, operation: &str, input: Value| {
            service(&world, region, name, operation, input).await
        };
        let plan = ask("ssm", "GetParameter", json!({"Name": "/causeway/plans/shop"})).await.unwrap();
        let text = plan["Parameter"]["Value"].as_str().unwrap();
        assert!(text.len() <= 4_096, "{} bytes do not fit a standard parameter", text.len());
        let parsed = runbook::RecoveryPlan::parse(text, "test").unwrap();
        assert_eq!(parsed.routing.endpoints[2].url, "http://arc-3.sandbox");
        let by_arn = ask("ssm", "GetParameter", json!({"Name": plan["Parameter"]["ARN"]})).await.unwrap();
        assert_eq!(by_arn, plan);
        let many =
            ask("ssm", "GetParameters", json!({"Names": ["/causeway/plans/shop", "/none"]})).await.unwrap();
        assert_eq!(many["InvalidParameters"], json!(["/none"]));
        let put = |value: &str| json!({"Name": "/p", "Value": value, "Type": "String"});
        assert_eq!(ask("ssm", "PutParameter", put("a")).await.unwrap()["Version"], 1);
        assert_eq!(ask("ssm", "PutParameter", put("b")).await.unwrap_err(), "ParameterAlreadyExists");
        let mut over = put("b");
        over["Overwrite"] = json!(true);
        assert_eq!(ask("ssm", "PutParameter", over).await.unwrap()["Version"], 2);
        assert_eq!(
            ask("ssm", "PutParameter", put(&"x".repeat(4_097))).await.unwrap_err(),
            "ValidationException"
        );
        assert_eq!(
            ask("ssm", "GetParameter", json!({"Name": "/none"})).await.unwrap_err(),
            "ParameterNotFound"
        );
        assert_eq!(ask("ssm", "GetParameter", json!({})).await.unwrap_err(), "ValidationException");

        let secret =
            ask("secretsmanager", "GetSecretValue", json!({"SecretId": "shop/orders"})).await.unwrap();
        let by_arn =
            ask("secretsmanager", "GetSecretValue", json!({"SecretId": secret["ARN"]})).await.unwrap();
        assert_eq!(by_arn, secret);
        assert_eq!(
            ask("secretsmanager", "GetSecretValue", json!({"SecretId": "none"})).await.unwrap_err(),
            "ResourceNotFoundException"
        );
        let other = secret["ARN"].as_str().unwrap().replace(region, "us-east-1");
        assert_eq!(
            ask("secretsmanager", "GetSecretValue", json!({"SecretId": other})).await.unwrap_err(),
            "ResourceNotFoundException"
        );

        let manager = async |key: &str| {
            let described = ask("kms", "DescribeKey", json!({"KeyId": key})).await?;
            Ok(described["KeyMetadata"]["KeyManager"].as_str().unwrap().to_owned())
        };
        let own = format!("arn:aws:kms:{region}:{ACCOUNT}:key/own");
        assert_eq!(manager("alias/aws/rds").await, Ok("AWS".to_owned()));
        assert_eq!(manager(&own).await, Err("NotFoundException".to_owned()));
        let side = if region == EAST { "shop-orders-east" } else { "shop-orders-west" };
        world.set_customer_key(&cluster(side, region), &own);
        assert_eq!(manager("own").await, Ok("CUSTOMER".to_owned()));

        let topic = format!("arn:aws:sns:{region}:{ACCOUNT}:causeway-notifications");
        let publish = |topic: &str| json!({"TopicArn": topic, "Subject": "s", "Message": region});
        ask("sns", "Publish", publish(&topic)).await.unwrap();
        assert_eq!(
            world.messages().pop().unwrap(),
            Message { topic: topic.clone(), subject: "s".into(), body: region.into() }
        );
        assert_eq!(
            ask("sns", "Publish", publish(&topic.replace("causeway", "other"))).await.unwrap_err(),
            "NotFound"
        );
        let elsewhere = topic.replace(region, if region == EAST { WEST } else { EAST });
        assert_eq!(ask("sns", "Publish", publish(&elsewhere)).await.unwrap_err(), "InvalidParameter");

        assert_eq!(ask("sts", "GetCallerIdentity", json!({})).await.unwrap()["Account"], ACCOUNT);
        assert_eq!(
            ask("ec2", "DescribeInstances", json!({})).await.unwrap_err(),
            "UnknownOperationException"
        );
    }
    let secret = |region: &str| world.secret(region, "shop/orders").unwrap();
    assert_eq!(secret(EAST), secret(WEST));
    assert_ne!(secret(EAST), world.secret(EAST, "shop/catalog").unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_is_given_stays_and_is_counted_by_the_minute() {
    let world = shop().await;
    let west = cluster("shop-orders-west", WEST);
    let lag = async |region: &str| {
        let now = world.clock.now();
        let input = json!({
            "Namespace": "AWS/RDS",
            "MetricName": "AuroraGlobalDBReplicationLag",
            "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "shop-orders-west"}],
            "StartTime": (now - jiff::SignedDuration::from_mins(10)).to_string(),
            "EndTime": now.to_string(),
            "Period": 300,
            "Statistics": ["Maximum", "SampleCount"],
        });
        service(&world, region, "monitoring", "GetMetricStatistics", input).await.unwrap()["Datapoints"]
            .take()
    };
    world.set_lag(&west, 90_000.0);
    seconds(600).await;
    let points = lag(WEST).await;
    let points = points.as_array().unwrap();
    assert!(!points.is_empty() && points.len() <= 2, "{points:?}");
    assert!(points.iter().all(|point| point["Maximum"] == 90_000.0), "{points:?}");
    assert!(points.iter().any(|point| point["SampleCount"] == 5.0), "{points:?}");
    assert_eq!(lag(EAST).await, json!([]), "it is published in the secondary's Region");
    world.forget_lag(&west);
    seconds(600).await;
    assert_eq!(lag(WEST).await, json!([]));
}

mod fis;
mod states;
