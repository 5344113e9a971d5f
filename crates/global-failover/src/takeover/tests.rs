//! The operation against a fake of one Region, under paused time.

use std::sync::Mutex;

use jiff::Timestamp;
use runbook::aurora::{Snapshot, Tags, tag};
use runbook::error::Kind;
use runbook::fakes::injected;
use runbook::step::Clock;
use runbook::{Context, RecoveryPlan};

use super::*;

const WEST: &str = "sandbox-west";

/// What AWS answers to a request for a snapshot.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Yes,
    /// Not before the look of this number.
    NotBefore(usize),
    Denied,
    Nothing,
    /// It is taken, and AWS shows the state from before for long.
    Unseen,
}

struct Fake {
    says: Says,
    snapshots: Mutex<Vec<(String, Tags)>>,
    asked: Mutex<usize>,
}

impl Fake {
    fn that(says: Says) -> Self {
        Self { says, snapshots: Mutex::default(), asked: Mutex::default() }
    }
}

impl TakeSnapshot for Fake {
    async fn take_snapshot(&self, cluster: &str, name: &str, tags: &Tags) -> Result<Answer, StepError> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        match self.says {
            Says::Denied => return Err(injected(Kind::Denied)),
            Says::Nothing => std::future::pending().await,
            Says::NotBefore(first) if asked < first => {
                return Ok(Answer::Rejected(format!("{cluster} is promoting")));
            }
            _ => {}
        }
        if self.says == Says::Unseen && self.snapshots.lock().unwrap().iter().any(|(taken, _)| taken == name)
        {
            return Ok(Answer::Rejected(format!("{name} already exists")));
        }
        self.snapshots.lock().unwrap().push((name.to_owned(), tags.clone()));
        Ok(Answer::Accepted)
    }
}

impl DescribeSnapshot for Fake {
    async fn describe_snapshot(&self, id: &str) -> Result<Option<Snapshot>, StepError> {
        let snapshots = self.snapshots.lock().unwrap();
        if self.says == Says::Unseen {
            return Ok(None);
        }
        Ok(snapshots.iter().find(|(name, _)| name == id).map(|(name, tags)| Snapshot {
            id: name.clone(),
            arn: String::new(),
            cluster: String::new(),
            status: "creating".into(),
            created: Some(Timestamp::UNIX_EPOCH),
            engine: "aurora-mysql".into(),
            engine_version: String::new(),
            encrypted: false,
            progress: None,
            tags: tags.clone(),
        }))
    }
}

async fn call(fake: &Fake, plan: &RecoveryPlan) -> Outcome<Observed> {
    let context = Context {
        config: aws_config::SdkConfig::builder().build(),
        region: WEST.into(),
        clock: Clock::new(|| Timestamp::UNIX_EPOCH),
        deadline: Timestamp::MAX,
    };
    let since = context.clock.now();
    let run = Run { context: &context, plan, execution: "4105a4fc-f944", target: WEST, since };
    super::run(&run, fake).await
}

#[tokio::test(start_paused = true)]
async fn every_new_primary_has_one_snapshot_that_says_whose_it_is() {
    let (fake, plan) = (Fake::that(Says::Yes), runbook::plan::sample());
    let outcome = call(&fake, &plan).await;
    assert_eq!((outcome.status, outcome.changed.len()), (Status::Done, 2), "{}", outcome.reason);
    let again = call(&fake, &plan).await;
    assert_eq!((again.status, again.changed.len()), (Status::Done, 0));
    let snapshots = fake.snapshots.lock().unwrap();
    let (name, tags) = snapshots.iter().find(|(name, _)| name.contains("orders")).unwrap();
    assert_eq!(name, "causeway-takeover-shop-orders-west-4105a4fcf944");
    assert_eq!(tag(tags, TAKEOVER_TAG), Some("4105a4fc-f944"));
    assert!(tag(tags, CLUSTER_TAG).unwrap().ends_with(":cluster:shop-orders-west"));
}

#[tokio::test(start_paused = true)]
async fn the_failover_goes_on_whatever_aws_says() {
    let plan = runbook::plan::sample();
    for (says, status, reason) in [
        (Says::NotBefore(5), Status::Done, "every new primary"),
        (Says::NotBefore(1000), Status::Refused, "shop-orders-west is promoting"),
        (Says::Denied, Status::Refused, "orders: "),
        (Says::Nothing, Status::Refused, "did not answer in time"),
        // It looks a few times, and does not hurry AWS.
        (Says::Unseen, Status::Refused, "already exists"),
    ] {
        let begun = Instant::now();
        let outcome = call(&Fake::that(says), &plan).await;
        assert_eq!(outcome.status, status, "{}", outcome.reason);
        assert!(outcome.reason.contains(reason), "{}", outcome.reason);
        assert!(begun.elapsed() <= LONGEST, "{reason}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_may_want_none() {
    let mut plan = runbook::plan::sample();
    for database in plan.databases.values_mut() {
        database.reconcile.base = BaseSource::None;
    }
    let fake = Fake::that(Says::Yes);
    assert_eq!(call(&fake, &plan).await.status, Status::NotNeeded);
    assert!(fake.snapshots.lock().unwrap().is_empty());
}
