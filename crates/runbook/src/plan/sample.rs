//! A plan for tests and for the sandbox.

use std::collections::BTreeMap;

use crate::secret::SignIn;

use super::model::{
    ArcEndpoint, Automatic, Database, Engine, Failback, GameDay, Limits, Member, Reconcile, RecoveryPlan,
    Restore, Routing, Signal,
};

/// A valid plan for tests: the shop in `sandbox-east` and `sandbox-west`.
pub fn sample() -> RecoveryPlan {
    let regions = ["sandbox-east".to_owned(), "sandbox-west".to_owned()];
    let by_region =
        |value: &dyn Fn(&String) -> String| regions.iter().map(|r| (r.clone(), value(r))).collect();
    let database = |name: &str| Database {
        engine: Engine::AuroraMysql,
        global_cluster: format!("shop-{name}"),
        database: name.to_owned(),
        members: regions
            .iter()
            .map(|region| {
                let side = region.trim_start_matches("sandbox-");
                let member = Member {
                    cluster_arn: format!("arn:aws:rds:{region}:000000000000:cluster:shop-{name}-{side}"),
                    sign_in: SignIn::Secret(format!("shop/{name}")),
                    replay: None,
                    restore: Restore::default(),
                };
                (region.clone(), member)
            })
            .collect(),
        reconcile: Reconcile::default(),
        report: BTreeMap::new(),
    };
    RecoveryPlan {
        schema: None,
        name: "shop".into(),
        routing: Routing {
            cluster_arn: Some("arn:aws:route53-recovery-control::000000000000:cluster/sandbox".into()),
            endpoints: ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2"]
                .iter()
                .enumerate()
                .map(|(i, region)| ArcEndpoint {
                    region: (*region).into(),
                    url: format!("http://arc-{}.sandbox", i + 1),
                })
                .collect(),
            controls: by_region(&|region| {
                format!(
                    "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/routingcontrol/{region}"
                )
            }),
            safety_rules_to_override: Vec::new(),
        },
        databases: BTreeMap::from([
            ("catalog".into(), database("catalog")),
            ("orders".into(), database("orders")),
        ]),
        limits: Limits::default(),
        failback: Failback::default(),
        automatic: Some(Automatic {
            quorum: 2,
            signals: regions
                .iter()
                .map(|of| {
                    // A canary in each Region, and what the other Region's clients see.
                    let signal = |name: &str, region: &String| Signal {
                        alarm: format!("shop-{}-{name}", of.trim_start_matches("sandbox-")),
                        region: region.clone(),
                    };
                    let canaries = regions.iter().map(|region| signal("canary", region));
                    let other =
                        regions.iter().filter(|region| *region != of).map(|region| signal("errors", region));
                    (of.clone(), canaries.chain(other).collect())
                })
                .collect(),
        }),
        game_day: Some(GameDay { environment: "sandbox".into() }),
        report_buckets: by_region(&|region| format!("causeway-reports-000000000000-{region}")),
        regions,
    }
}
