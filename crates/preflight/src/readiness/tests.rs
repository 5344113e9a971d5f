use std::collections::{BTreeMap, BTreeSet};

use runbook::arc::State;
use runbook::aurora::{Cluster, GlobalCluster, GlobalMember, Operation};
use runbook::lag::Lag;
use runbook::secret::SignIn;
use runbook::telemetry::{Measured, Metric};
use table_diff::Rights;

use super::connections::{reader, sign_in};
use super::decide::{QUOTAS, decide};
use super::seen::{DatabaseSeen, MemberSeen, ReadinessSeen};
use super::*;
use crate::evidence;
use crate::permissions::Need;
use crate::probe::{Admission, DatabaseTarget};
use crate::rules::{self, Rule};
use crate::world::{Alarm, Details, Quota};

const EAST: &str = "sandbox-east";
const WEST: &str = "sandbox-west";

fn global(name: &str) -> GlobalCluster {
    let plan = runbook::plan::sample();
    let member = |region: &str| GlobalMember {
        cluster_arn: plan.databases[name].members[region].cluster_arn.clone(),
        is_writer: region == EAST,
        synchronization: Some("connected".into()),
    };
    GlobalCluster {
        id: format!("shop-{name}"),
        status: "available".into(),
        members: vec![member(EAST), member(WEST)],
        operation: None,
    }
}

fn member(name: &str, region: &str) -> MemberSeen {
    let arn = runbook::plan::sample().databases[name].members[region].cluster_arn.clone();
    MemberSeen {
        cluster: Ok(Some(Cluster {
            id: arn.rsplit(':').next().unwrap().to_owned(),
            arn,
            status: "available".into(),
            engine: "aurora-mysql".into(),
            engine_version: "8.0.mysql_aurora.3.08.0".into(),
            endpoint: None,
            reader_endpoint: None,
            created: None,
            port: None,
            instances: Vec::new(),
            tags: Vec::new(),
        })),
        instances: Ok(vec![runbook::fakes::instance("one", "available")]),
        details: Ok(Details::default()),
        lag: Ok((region == WEST).then(|| lag(0.5))),
    }
}

fn lag(seconds: f64) -> Lag {
    Lag { seconds, at: "2026-11-25T11:59:00Z".parse().unwrap() }
}

/// The sample plan's signals in a Region.
fn alarms(region: &str) -> BTreeMap<String, Alarm> {
    let automatic = runbook::plan::sample().automatic.unwrap();
    let alarm =
        |name: &&str| ((*name).to_owned(), Alarm::Metric { state: "OK".into(), missing: "missing".into() });
    evidence::names(&automatic, region).iter().map(alarm).collect()
}

fn need() -> Need {
    Need { role: "report", action: "s3:PutObject", resources: vec!["arn:x".into()], context: Vec::new() }
}

fn tables(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A world in which everything is well.
fn well() -> ReadinessSeen {
    let rights = || Rights { tables: tables(&["CUSTOMER_ORDER", "session"]), ..Rights::default() };
    let database = |name: &str| DatabaseSeen {
        global: Ok(Some(global(name))),
        members: [EAST, WEST].map(|region| (region.to_owned(), member(name, region))).into(),
        secret: Ok(()),
        signed_in: Ok(()),
        rights: Ok(Some(rights())),
        replay_rights: Ok(Some(rights())),
    };
    let quotas = QUOTAS.map(|name| (name.to_owned(), Quota { used: 4, max: 40 }));
    let by_region = |region: &str| region.to_owned();
    ReadinessSeen {
        other_plan: Ok(runbook::plan::sample()),
        databases: ["catalog", "orders"].map(|name| (name.to_owned(), database(name))).into(),
        arc: (1..=5)
            .map(|i| {
                let states = BTreeMap::from([(EAST.to_owned(), State::On), (WEST.to_owned(), State::Off)]);
                (format!("arc-{i}"), Ok(states))
            })
            .collect(),
        rules: Ok(Vec::new()),
        buckets: [EAST, WEST].map(|region| (by_region(region), Ok(None))).into(),
        alarms: [EAST, WEST].map(|region| (by_region(region), Ok(alarms(region)))).into(),
        quotas: [EAST, WEST].map(|region| (by_region(region), Ok(quotas.clone().into()))).into(),
        permissions: Ok(vec![(need(), Ok(Vec::new()))]),
    }
}

fn found(seen: &ReadinessSeen) -> Vec<Finding> {
    decide(seen, &runbook::plan::sample(), WEST)
}

#[test]
fn a_well_world_has_no_finding() {
    assert_eq!(found(&well()), []);
    let mut seen = well();
    let plan = seen.other_plan.as_mut().unwrap();
    plan.regions.reverse();
    plan.routing.endpoints.reverse();
    plan.schema = Some("recovery-plan.schema.json".into());
    assert_eq!(found(&seen), [], "an order that means nothing is no difference");
}

/// Each case spoils one thing of the well world, and is found as just that.
#[test]
fn each_thing_that_is_not_well_is_one_finding() {
    type Spoil = fn(&mut ReadinessSeen);
    fn orders(seen: &mut ReadinessSeen) -> &mut DatabaseSeen {
        seen.databases.get_mut("orders").unwrap()
    }
    fn east(seen: &mut ReadinessSeen) -> &mut MemberSeen {
        orders(seen).members.get_mut(EAST).unwrap()
    }
    fn west(seen: &mut ReadinessSeen) -> &mut MemberSeen {
        orders(seen).members.get_mut(WEST).unwrap()
    }
    fn of(seen: &mut ReadinessSeen) -> &mut GlobalCluster {
        orders(seen).global.as_mut().unwrap().as_mut().unwrap()
    }
    fn cluster(member: &mut MemberSeen) -> &mut Cluster {
        member.cluster.as_mut().unwrap().as_mut().unwrap()
    }
    let cases: Vec<(Check, &str, Spoil)> = vec![
        (Check::Plan, "the plan in sandbox-east is not the one in sandbox-west", |seen| {
            seen.other_plan.as_mut().unwrap().limits.rpo_seconds = 1;
        }),
        (Check::Plan, "no parameter", |seen| seen.other_plan = Err("no parameter".into())),
        (Check::Members, "orders: there is no global cluster shop-orders", |seen| {
            orders(seen).global = Ok(None);
        }),
        (Check::Members, "shop-orders has no member in sandbox-west", |seen| {
            of(seen).members.truncate(1);
        }),
        (
            Check::Members,
            "orders: the member in sandbox-west is arn:aws:rds:sandbox-west:0:cluster:o",
            |seen| {
                of(seen).members[1].cluster_arn = "arn:aws:rds:sandbox-west:0:cluster:o".into();
            },
        ),
        (Check::Roles, "orders: the secondary in sandbox-west is not connected but pending-resync", |seen| {
            of(seen).members[1].synchronization = Some("pending-resync".into());
        }),
        (Check::Roles, "orders: global cluster shop-orders has 2 writers, not one", |seen| {
            of(seen).members[1].is_writer = true;
        }),
        (
            Check::Roles,
            "orders: an operation of global cluster shop-orders is running (failing-over)",
            |seen| {
                of(seen).operation = Some(Operation {
                    status: "failing-over".into(),
                    from: String::new(),
                    to: String::new(),
                    data_loss_allowed: true,
                });
            },
        ),
        (Check::Clusters, "orders: there is no cluster shop-orders-east in sandbox-east", |seen| {
            east(seen).cluster = Ok(None);
        }),
        (Check::Clusters, "orders: cluster shop-orders-west in sandbox-west is upgrading", |seen| {
            cluster(west(seen)).status = "upgrading".into();
        }),
        (Check::Clusters, "is aurora-postgresql, the plan says aurora-mysql", |seen| {
            cluster(west(seen)).engine = "aurora-postgresql".into();
        }),
        (Check::Instances, "cluster shop-orders-east in sandbox-east has no available instance", |seen| {
            east(seen).instances = Ok(Vec::new());
        }),
        (Check::Instances, "cluster shop-orders-west in sandbox-west has no available instance", |seen| {
            west(seen).instances.as_mut().unwrap()[0].status = "rebooting".into();
        }),
        (
            Check::Versions,
            "orders: engine versions 8.0.mysql_aurora.3.08.0 and 8.0.mysql_aurora.3.09.0",
            |seen| {
                cluster(east(seen)).engine_version = "8.0.mysql_aurora.3.09.0".into();
            },
        ),
        (Check::Lag, "the secondary in sandbox-west is 61.0 s behind, beyond 60 s", |seen| {
            west(seen).lag = Ok(Some(lag(61.0)));
        }),
        (
            Check::Lag,
            "how far the secondary in sandbox-west is behind is not known: CloudWatch has no value of the last 10 minutes of \
             AuroraGlobalDBRPOLag or AuroraGlobalDBReplicationLag, by DBClusterIdentifier alone or with SourceRegion \
             sandbox-east",
            |seen| {
                west(seen).lag = Ok(None);
            },
        ),
        (
            Check::Signals,
            "alarm shop-east-canary in sandbox-west can't be a signal: there is no such alarm",
            |seen| {
                seen.alarms.get_mut(WEST).unwrap().as_mut().unwrap().remove("shop-east-canary");
            },
        ),
        (
            Check::Signals,
            "alarm shop-east-canary in sandbox-west can't be a signal: it is a composite alarm",
            |seen| {
                let alarms = seen.alarms.get_mut(WEST).unwrap().as_mut().unwrap();
                alarms.insert("shop-east-canary".into(), Alarm::Composite);
            },
        ),
        (Check::Signals, "alarms of sandbox-east: denied", |seen| {
            seen.alarms.insert(EAST.into(), Err("alarms of sandbox-east: denied".into()));
        }),
        (Check::Endpoints, "the ARC endpoint in arc-3: no answer", |seen| {
            seen.arc.insert("arc-3".into(), Err("no answer".into()));
        }),
        (Check::Routing, "no Region has traffic", |seen| {
            for states in seen.arc.values_mut() {
                states.as_mut().unwrap().insert(EAST.into(), State::Off);
            }
        }),
        (Check::Routing, "whether a safety rule would refuse a failover is not known: silent", |seen| {
            seen.rules = Err("silent".into());
        }),
        (
            Check::Routing,
            "a failover that leaves sandbox-east would be refused by safety rule arn:rule",
            |seen| {
                let controls: BTreeSet<String> =
                    runbook::plan::sample().routing.controls.into_values().collect();
                seen.rules = Ok(vec![Rule {
                    arn: "arn:rule".into(),
                    looks_at: controls.clone(),
                    guards: controls,
                    gates: false,
                    holds: rules::Holds::AtLeast(1),
                    inverted: false,
                }]);
            },
        ),
        (Check::Routing, "the traffic is in sandbox-west alone, and every writer in sandbox-east", |seen| {
            for states in seen.arc.values_mut() {
                states.as_mut().unwrap().extend([(EAST.into(), State::Off), (WEST.into(), State::On)]);
            }
        }),
        (Check::Secrets, "orders: no such secret", |seen| orders(seen).secret = Err("no such secret".into())),
        (Check::Connections, "orders: no way in", |seen| {
            orders(seen).signed_in = Err("orders: no way in".into());
            orders(seen).rights = Ok(None);
        }),
        (Check::Tables, "orders: there is no such database", |seen| {
            orders(seen).rights = Err("orders: there is no such database".into());
        }),
        (Check::Tables, "orders: its user sees no table in orders", |seen| {
            orders(seen).rights = Ok(Some(Rights::default()));
        }),
        (Check::Tables, "orders: its user may read single tables of orders only", |seen| {
            orders(seen).rights.as_mut().unwrap().as_mut().unwrap().hides_others = true;
        }),
        (Check::Tables, "orders: its user may not read session", |seen| {
            orders(seen).rights.as_mut().unwrap().as_mut().unwrap().unreadable = tables(&["session"]);
        }),
        (Check::Tables, "orders: lost rows could not be put back into session: ", |seen| {
            orders(seen).replay_rights.as_mut().unwrap().as_mut().unwrap().uninsertable =
                tables(&["session"]);
        }),
        (Check::Tables, "orders: who replays is not let in", |seen| {
            orders(seen).replay_rights = Err("orders: who replays is not let in".into());
        }),
        (Check::Buckets, "no such bucket", |seen| {
            seen.buckets.insert(EAST.into(), Err("no such bucket".into()));
        }),
        (Check::Snapshots, "set databases.orders.members.sandbox-west.restore.kmsKey", |seen| {
            east(seen).details.as_mut().unwrap().encrypted = true;
        }),
        (Check::Permissions, "the role of report may not s3:PutObject on arn:x", |seen| {
            seen.permissions = Ok(vec![(need(), Ok(vec!["arn:x".into()]))]);
        }),
        (Check::Permissions, "no such role", |seen| {
            seen.permissions = Ok(vec![(need(), Err("no such role".into()))]);
        }),
        (Check::Permissions, "no such parameter", |seen| {
            seen.permissions = Err("no such parameter".into());
        }),
        (
            Check::Quotas,
            "sandbox-east uses 39 of its 40 DBInstances: a reconciliation there needs 2 more",
            |seen| {
                let quotas = seen.quotas.get_mut(EAST).unwrap().as_mut().unwrap();
                quotas.insert("DBInstances".into(), Quota { used: 39, max: 40 });
            },
        ),
    ];
    for (check, expected, spoil) in cases {
        let mut seen = well();
        spoil(&mut seen);
        let findings = found(&seen);
        assert_eq!(findings.len(), 1, "{expected}: {findings:?}");
        assert_eq!(findings[0].check, check, "{expected}");
        assert!(findings[0].text.contains(expected), "{expected} is missing in: {}", findings[0].text);
    }
}

#[test]
fn a_region_that_is_silent_is_one_finding_and_not_one_for_each_question() {
    let mut seen = well();
    let silent = || "sandbox-east did not answer within 8 s".to_owned();
    for database in seen.databases.values_mut() {
        let east = database.members.get_mut(EAST).unwrap();
        east.cluster = Err(silent());
        east.instances = Err(silent());
        east.details = Err(silent());
        east.lag = Err(silent());
    }
    seen.other_plan = Err(silent());
    seen.buckets.insert(EAST.into(), Err(silent()));
    seen.quotas.insert(EAST.into(), Err(silent()));
    assert_eq!(found(&seen), [Finding { check: Check::Plan, text: silent() }]);
}

/// What the plan says of tables, beside what is there.
#[test]
fn a_table_that_the_plan_names_and_that_is_not_there_is_found() {
    let with = |change: &dyn Fn(&mut runbook::plan::Database), rights: Rights| {
        let mut plan = runbook::plan::sample();
        change(plan.databases.get_mut("orders").unwrap());
        let mut seen = well();
        seen.other_plan = Ok(plan.clone());
        let orders = seen.databases.get_mut("orders").unwrap();
        (orders.rights, orders.replay_rights) = (Ok(Some(rights)), Ok(None));
        decide(&seen, &plan, WEST).into_iter().map(|finding| finding.text).collect::<Vec<_>>()
    };
    let some = || Rights { tables: tables(&["a", "b"]), ..Rights::default() };
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let one = |found: Vec<String>, expected: &str| {
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    };
    one(
        with(&|one| one.reconcile.tables = named(&["a", "A"]), some()),
        "databases.orders.reconcile.tables names A, which",
    );
    one(
        with(&|one| one.reconcile.exclude = named(&["a", "c"]), some()),
        "databases.orders.reconcile.exclude names c, which",
    );
    one(
        with(&|one| drop(one.report.insert("d".into(), runbook::plan::ReportTable::default())), some()),
        "databases.orders.report names d, which",
    );
    assert_eq!(with(&|one| one.reconcile.exclude = named(&["a"]), some()), Vec::<String>::new());
    // Whoever names every table knows what is compared.
    let hidden = Rights { hides_others: true, ..some() };
    assert_eq!(with(&|one| one.reconcile.tables = named(&["a", "b"]), hidden), Vec::<String>::new());
    // What is left out need not be read.
    let refused = Rights { unreadable: tables(&["b"]), ..some() };
    assert_eq!(with(&|one| one.reconcile.exclude = named(&["b"]), refused), Vec::<String>::new());
}

#[test]
fn the_metric_has_the_name_of_the_plan() {
    assert_eq!(measured("/causeway/plans/shop", 2), ("shop", Measured::new(Metric::ReadinessFindings, 2.0)));
}

/// Whom nobody is asked to let in is let in; else what the database says is the answer.
#[tokio::test(start_paused = true)]
async fn a_database_that_does_not_let_its_user_in_says_why() {
    struct Door(Option<Result<Admission, &'static str>>);
    impl SignsIn for Door {
        async fn signs_in(&self, _: &DatabaseTarget) -> Result<Admission, StepError> {
            match self.0.clone() {
                Some(Ok(write)) => Ok(write),
                Some(Err(what)) => Err(StepError::new(runbook::error::Kind::Denied, what, "do")),
                None => std::future::pending().await,
            }
        }

        async fn rights(&self, _: &DatabaseTarget) -> Result<Rights, StepError> {
            Ok(Rights::default())
        }
    }
    let plan = runbook::plan::sample();
    let mut members = well().databases.remove("orders").unwrap().members;
    assert_eq!(reader(&plan, "orders", WEST, &members), None, "it has no reader endpoint");
    members.get_mut(WEST).unwrap().details =
        Ok(Details { reader: Some(("db".into(), 3306)), ..Details::default() });
    let target = reader(&plan, "orders", WEST, &members).unwrap();
    let secret = SignIn::Secret("shop/orders".into());
    assert_eq!((target.host.as_str(), target.port, target.sign_in.clone()), ("db", 3306, secret));
    members.get_mut(WEST).unwrap().instances = Ok(Vec::new());
    assert_eq!(reader(&plan, "orders", WEST, &members), None, "no instance is a finding of its own");
    let cases = [
        (Some(Ok(Admission::Granted)), None),
        (
            Some(Ok(Admission::NotYet("db:3306: refused".into()))),
            Some("orders: the database in sandbox-west can't be read: db:3306: refused"),
        ),
        (Some(Err("a wrong password")), Some("a wrong password")),
        (None, Some("sandbox-west did not answer within 15 s")),
    ];
    for (door, expected) in cases {
        assert_eq!(sign_in(&Door(door), &target).await.err().as_deref(), expected);
    }
}
