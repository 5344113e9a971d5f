//! What only an account can show: assumptions about AWS that no document settles and no emulator knows, each with a read-only
//! look that does. `docs/unproven.md` says of each what the product does under either answer.
//!
//! [`prove`] asks one Region, changes nothing, and answers for each assumption that it holds, does not hold, or can't be seen
//! yet: much shows only once a runbook has run. A look that fails is one that can't be seen, with the reason.
//!
//! Each look reads what there is ([`aws`]) and leaves the verdict to a pure function ([`verdict`]).

pub mod aws;
pub mod verdict;

use aws_config::SdkConfig;
use futures::future::BoxFuture;
use futures::{FutureExt, join};
use runbook::{RecoveryPlan, StepError};

pub use verdict::Verdict;

/// An assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumption {
    /// Its heading in `docs/unproven.md`.
    pub id: &'static str,
    /// What is believed, in one sentence.
    pub believed: &'static str,
}

/// All of them, in the order of the page.
pub const ASSUMPTIONS: [Assumption; 6] = [
    Assumption {
        id: "lag-dimensions",
        believed: "the metrics of the replication lag have DBClusterIdentifier, alone or with SourceRegion, as dimensions",
    },
    Assumption {
        id: "rules-start-runbooks",
        believed: "EventBridge may start a runbook with the permissions that its role has",
    },
    Assumption { id: "selectors", believed: "an output's selector finds a function's answer at $.Payload" },
    Assumption {
        id: "json-text",
        believed: "a text that is JSON stays a text where a function's event takes it",
    },
    Assumption {
        id: "refused-approval",
        believed: "an approval that is rejected, or not answered in time, leads to the step that tells somebody",
    },
    Assumption {
        id: "renamed-snapshots",
        believed: "the snapshots of a cluster that was renamed go on naming it as it was",
    },
];

/// Whom and what to ask about.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The plan.
    pub plan: &'a RecoveryPlan,
    /// What the names of the stack start with.
    pub prefix: &'a str,
    /// The Region of `config`.
    pub region: &'a str,
}

/// Asks one Region about every assumption, all at once.
pub async fn prove(config: &SdkConfig, asked: &Asked<'_>) -> Vec<(Assumption, Verdict)> {
    let clients = aws::Clients::new(config);
    let clusters: Vec<String> = asked
        .plan
        .databases
        .values()
        .filter_map(|database| Some(database.members.get(asked.region)?.cluster().to_owned()))
        .collect();
    let lag = async { Ok(verdict::lag_dimensions(&clients.lag_dimensions(&clusters).await?)) };
    let rules = async {
        let rule = format!("{}-readiness-{}", asked.prefix, asked.plan.name);
        let (looks, failed) =
            join!(clients.executions(asked.prefix, &["readiness"]), clients.has_failed(&rule));
        Ok(verdict::rules_start_runbooks(&looks?, failed?, &rule))
    };
    let selectors = async {
        Ok(verdict::selectors(&clients.executions(asked.prefix, &["readiness", "failover"]).await?))
    };
    let text =
        async { Ok(verdict::json_text(&clients.executions(asked.prefix, &["failover", "failback"]).await?)) };
    let approval = async {
        Ok(verdict::refused_approval(&clients.executions(asked.prefix, &["failover", "replay"]).await?))
    };
    let snapshots = async { Ok(verdict::renamed_snapshots(&clients.renamed(&clusters).await?)) };
    let looks: [BoxFuture<'_, Result<Verdict, StepError>>; ASSUMPTIONS.len()] =
        [lag.boxed(), rules.boxed(), selectors.boxed(), text.boxed(), approval.boxed(), snapshots.boxed()];
    let answers = futures::future::join_all(looks)
        .await
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|error| Verdict::NotYet(not_asked(&error))));
    ASSUMPTIONS.into_iter().zip(answers).collect()
}

/// Why a look failed, in one line.
fn not_asked(error: &StepError) -> String {
    let cause = std::error::Error::source(error);
    format!("it could not be asked: {}", cause.map_or_else(|| error.to_string(), ToString::to_string))
}
