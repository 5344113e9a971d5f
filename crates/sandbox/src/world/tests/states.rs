//! `docs/aurora-states.md` and the world: each transition of the page occurs here, and none that it does not list.

use std::collections::BTreeSet;

use super::super::Reading;
use super::super::transitions::listed;
use super::*;

fn page() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/aurora-states.md");
    std::fs::read_to_string(page).unwrap()
}

/// Time for anything at all to end.
async fn an_hour() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}

/// A world on servers that fail at what is said.
struct Stage {
    world: Arc<World>,
    servers: Arc<Noted>,
    reading: Reading,
}

impl Stage {
    async fn new(reading: Reading) -> Self {
        let servers = Arc::new(Noted::default());
        let world = shop_on(Arc::clone(&servers) as Arc<dyn Servers>).await;
        world.set_reading(reading);
        Self { world, servers, reading }
    }

    fn fail(&self, call: &'static str) {
        *self.servers.failing.lock().unwrap() = call;
    }

    /// A call that has to be accepted, and time for what it begins.
    async fn done(&self, region: &str, operation: &str, input: Value) {
        call(&self.world, region, operation, input)
            .await
            .unwrap_or_else(|code| panic!("{operation}: {code}"));
        an_hour().await;
    }

    async fn moves(&self, operation: &str, to: &str, region: &str) {
        let mut input = json!({"GlobalClusterIdentifier": "shop-orders", "TargetDbClusterIdentifier": cluster(to, region)});
        let place = if operation == "FailoverGlobalCluster" {
            input["AllowDataLoss"] = json!(true);
            region
        } else if region == EAST {
            WEST
        } else {
            EAST
        };
        self.done(place, operation, input).await;
    }

    async fn detach(&self, name: &str, region: &str) {
        let input =
            json!({"GlobalClusterIdentifier": "shop-orders", "DbClusterIdentifier": cluster(name, region)});
        self.done(region, "RemoveFromGlobalCluster", input).await;
    }
}

/// Failover, switchover, and either that fails; the old primary follows again, or its snapshot fails first.
async fn roles_change(stage: &Stage) {
    stage.moves("SwitchoverGlobalCluster", "shop-orders-west", WEST).await;
    stage.fail("switch_over");
    stage.moves("SwitchoverGlobalCluster", "shop-orders-east", EAST).await;
    stage.fail("promote");
    stage.moves("FailoverGlobalCluster", "shop-orders-east", EAST).await;
    stage.fail("snapshot");
    stage.moves("FailoverGlobalCluster", "shop-orders-east", EAST).await;
    stage.fail("");
    stage.world.rejoin(WEST).await;
    an_hour().await;
}

/// Detached, and global again with a new secondary, which may fail.
async fn taken_apart_and_together(stage: &Stage, fails: bool) {
    stage.fail("promote");
    stage.detach("shop-orders-west", WEST).await;
    stage.fail("");
    stage.detach("shop-orders-west", WEST).await;
    stage.detach("shop-orders-east", EAST).await;
    let global = json!({"GlobalClusterIdentifier": "shop-orders"});
    stage.done(EAST, "DeleteGlobalCluster", global.clone()).await;
    let mut around = global.clone();
    around["SourceDBClusterIdentifier"] = json!(cluster("shop-orders-east", EAST));
    stage.done(EAST, "CreateGlobalCluster", around).await;
    let secondary = |name: &str| {
        json!({"DBClusterIdentifier": name, "GlobalClusterIdentifier": "shop-orders", "Engine": "aurora-mysql",
               "EngineVersion": VERSION})
    };
    stage.fail(if fails { "create_secondary" } else { "" });
    stage.done(WEST, "CreateDBCluster", secondary("again-west")).await;
}

/// The old primary is detached before it follows again.
async fn left_behind(stage: &Stage) {
    stage.fail("snapshot");
    stage.moves("FailoverGlobalCluster", "shop-orders-west", WEST).await;
    stage.fail("");
    stage.detach("shop-orders-east", EAST).await;
}

/// Snapshots, copies, a restored cluster with its instance, renamed and deleted, each failing at first.
async fn copied_and_restored(stage: &Stage) {
    let take =
        |name: &str| json!({"DBClusterIdentifier": "shop-orders-east", "DBClusterSnapshotIdentifier": name});
    stage.fail("snapshot");
    stage.done(EAST, "CreateDBClusterSnapshot", take("kept-badly")).await;
    let gone = |name: &str| json!({"DBClusterSnapshotIdentifier": name});
    if !stage.reading.nothing_is_failed {
        stage.done(EAST, "DeleteDBClusterSnapshot", gone("kept-badly")).await;
    }
    stage.fail("");
    stage.done(EAST, "CreateDBClusterSnapshot", take("kept")).await;
    let copy = |name: &str| json!({"SourceDBClusterSnapshotIdentifier": "kept", "TargetDBClusterSnapshotIdentifier": name});
    stage.fail("copy");
    stage.done(EAST, "CopyDBClusterSnapshot", copy("kept-worse")).await;
    stage.fail("");
    call(&stage.world, EAST, "CopyDBClusterSnapshot", copy("kept-not")).await.unwrap();
    stage.done(EAST, "DeleteDBClusterSnapshot", gone("kept-not")).await;
    stage.done(EAST, "CopyDBClusterSnapshot", copy("kept-twice")).await;

    let restore = |name: &str| {
        json!({"DBClusterIdentifier": name, "SnapshotIdentifier": "kept-twice", "Engine": "aurora-mysql",
               "EngineVersion": VERSION})
    };
    stage.fail("restore");
    stage.done(EAST, "RestoreDBClusterFromSnapshot", restore("again-broken")).await;
    stage.fail("");
    let away = |name: &str| json!({"DBClusterIdentifier": name, "SkipFinalSnapshot": true});
    stage.done(EAST, "DeleteDBCluster", away("again-broken")).await;
    stage.done(EAST, "RestoreDBClusterFromSnapshot", restore("again")).await;
    let instance = |name: &str| {
        json!({"DBInstanceIdentifier": name, "DBClusterIdentifier": "again", "DBInstanceClass": "db.r6g.large",
               "Engine": "aurora-mysql"})
    };
    let end = |name: &str| json!({"DBInstanceIdentifier": name, "SkipFinalSnapshot": true});
    stage.done(EAST, "CreateDBInstance", instance("again-1")).await;
    call(&stage.world, EAST, "CreateDBInstance", instance("again-2")).await.unwrap();
    for name in ["again-2", "again-1"] {
        stage.done(EAST, "DeleteDBInstance", end(name)).await;
    }
    stage.done(EAST, "DeleteDBClusterSnapshot", gone("kept-twice")).await;
    let rename = json!({"DBClusterIdentifier": "again", "NewDBClusterIdentifier": "again-old", "ApplyImmediately": true});
    stage.fail("rename");
    stage.done(EAST, "ModifyDBCluster", rename.clone()).await;
    stage.fail("");
    stage.done(EAST, "ModifyDBCluster", rename).await;
    stage.fail("delete");
    stage.done(EAST, "DeleteDBCluster", away("again-old")).await;
    stage.fail("");
    stage.done(EAST, "DeleteDBCluster", away("again-old")).await;
}

#[tokio::test(start_paused = true)]
async fn the_page_and_the_world_have_the_same_transitions() {
    let mut made = BTreeSet::new();
    for reading in Reading::ALL {
        let (first, second, third) =
            (Stage::new(reading).await, Stage::new(reading).await, Stage::new(reading).await);
        roles_change(&first).await;
        taken_apart_and_together(&first, false).await;
        copied_and_restored(&first).await;
        taken_apart_and_together(&second, true).await;
        left_behind(&third).await;
        for stage in [first, second, third] {
            made.extend(stage.world.transitions().iter().map(ToString::to_string));
        }
    }
    let listed = listed(&page());
    let new: Vec<_> = made.difference(&listed).collect();
    let never: Vec<_> = listed.difference(&made).collect();
    assert!(new.is_empty(), "docs/aurora-states.md does not list {new:#?}");
    assert!(never.is_empty(), "docs/aurora-states.md lists what never occurs: {never:#?}");
}
