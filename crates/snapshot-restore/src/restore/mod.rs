//! `restore`: the old primary of every database of the plan, each on its own way through these stages. At every look
//! everything is observed, and [`decide`] says for each database what comes next.
//!
//! | stage | what is there | what follows |
//! |---|---|---|
//! | `awaiting-snapshot` | no snapshot yet, or one that is being taken | wait: Aurora takes it when the old Region is back |
//! | `copying-snapshot` | Aurora's snapshot | copy it to a manual one in the Region to restore in, wait |
//! | `restoring-cluster` | the kept snapshot | restore a cluster from it, with its engine version, wait |
//! | `creating-instance` | the cluster | add an instance, wait |
//! | `available` | cluster and instance, both available | done, with endpoint and port |
//!
//! # Which snapshot
//! Aurora names it `rds:unplanned-global-failover-<old primary cluster>-<timestamp>`. The old primary is the member in the
//! Region that the last recorded failover left, also where the databases were moved back there since. Another cluster's name may begin with this one's, so the cluster the
//! snapshot was taken of is compared too: a snapshot that a runbook took or copied says it in its tag [`CLUSTER_TAG`], of
//! another RDS does. Where the runbook `rebuild` has renamed the old primary since, AWS does not say whether that is the old
//! name or the new one: both will do. Only snapshots from after the start of the last recorded failover count.
//! Of several the **earliest** that did not fail is taken: Aurora takes it before it rebuilds the old primary as a
//! secondary, so the first holds the last state of the old primary, and a later one may already be of the rebuilt
//! cluster or of another failover.
//!
//! # How the cluster is made
//! As [`RestoreCluster`] says: what it has to have so that it reads its data as the old primary did, and no more, since it lives for
//! one comparison. The parameter group is the plan's `restore.parameterGroup`, or else that of the plan's own cluster in the
//! Region: settings that are fixed when data is written, such as `lower_case_table_names` of MySQL, are the same in all members of
//! a global database, and a group of that name is there. Another engine family, after an upgrade, can't have it: the default one is
//! taken then.
//!
//! # The state at the takeover
//! Beside each old primary the new one is restored as it was when it took over, from the snapshot that the failover asked for (the
//! first with the tag [`TAKEOVER_TAG`] since that began): a comparison with both tells which of them wrote a row. It goes the
//! same way from `restoring-cluster` on. What stands in its way is never a reason to refuse: it is said, and the comparison goes by the
//! rows' times. It is there only in the Region that took over, so that nothing of it is restored when the old primary is restored in the
//! other one.
//!
//! # What stays
//! The copy is named after the snapshot and carries the plan's tag and where it came from ([`SNAPSHOT_TAG`],
//! [`SNAPSHOT_TIME_TAG`]), but not the execution's: it is the evidence and stays after `cleanup`. It costs storage;
//! delete it when the case is closed. A later execution finds and uses it, also when Aurora's own snapshot has expired.
//! When one database has to be refused nothing further is restored, but the snapshots of the others are still copied.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use runbook::aurora;
use runbook::error::Kind;
use runbook::names;
use runbook::plan::{BaseSource, Database, Member};
use runbook::record::FailoverRecord;
use runbook::secret::SignIn;
use runbook::settle::{Call, Verdict, make_all, noted, verdict};
use runbook::watch::{Look, Pace, watch};
use runbook::{Outcome, Status, StepError};

use crate::ReadLastFailover;
use crate::calls::ForRestore;
use crate::run::{LOOK, Run};

mod base;
mod decide;
mod observe;
mod outcome;

pub use base::{choose_base, decide_base};
pub use decide::{Action, Copied, Decision, Seen, Want, choose, choose_kept, decide, old_primary};
pub use outcome::{BaseState, DatabaseState, Observed, Stage};

use observe::Lists;

/// Runs the operation within the time of one call.
pub(crate) async fn run<R, C, F>(
    run: &Run<'_>,
    records: &R,
    client: F,
) -> Result<Outcome<Observed>, StepError>
where
    R: ReadLastFailover,
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    let (plan, region) = (run.plan, &run.context.region);
    let bucket = plan.report_bucket(region)?;
    let Some(record) = records.read_last_failover(bucket, &plan.name).await? else {
        let reason = format!(
            "no failover of plan {} is recorded in s3://{bucket}/{}: start the runbook in the Region that took over, after \
             the failover runbook has written its record; without one it is not known which snapshot is the right one",
            plan.name,
            names::keys::last_failover(&plan.name)
        );
        let observed = Observed { since: run.since, databases: BTreeMap::new() };
        return Ok(Outcome::new(Status::Refused, reason, observed));
    };
    watch(
        run.context,
        Pace::every(LOOK),
        Step { run, client, record, notes: BTreeMap::new(), given_up: BTreeMap::new() },
    )
    .await
}

struct Step<'a, F> {
    run: &'a Run<'a>,
    client: F,
    record: FailoverRecord,
    /// What AWS said last when a call was not possible yet, by database.
    notes: BTreeMap<String, String>,
    /// Why the state at the takeover can't be restored, by database.
    given_up: BTreeMap<String, String>,
}

/// What a database's look gave.
struct Place<'a> {
    name: &'a str,
    decision: Decision,
    /// About the state at the takeover; absent where there is nothing to wait for.
    base: Option<Decision>,
    state: DatabaseState,
}

impl<C, F> Look for Step<'_, F>
where
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let run = self.run;
        let lists = Lists::default();
        let looks = run.plan.databases.iter().map(|(name, database)| self.observe(name, database, &lists));
        let places = try_join_all(looks).await?;
        let databases = places.iter().map(|place| (place.name.to_owned(), place.state.clone())).collect();
        let observed = Observed { since: run.since, databases };

        let limit = run.limit();
        let bases = || places.iter().filter_map(|place| Some((place.name, place.base.as_ref()?)));
        let decisions = || places.iter().map(|place| (place.name, &place.decision));
        let has_passed = limit.has_passed(run.context.clock.now());
        let mut of_bases = Vec::new();
        let (status, reason, actions) = match verdict(decisions(), has_passed) {
            Verdict::Done => match verdict(bases(), has_passed) {
                Verdict::Go { open, actions } => {
                    of_bases = actions;
                    let reason = format!("the state at the takeover: {}", self.wordings(&open));
                    (Status::InProgress, reason, Vec::new())
                }
                Verdict::Late(open) => {
                    let open: Vec<&str> = open.into_iter().map(|(name, _)| name).collect();
                    let late =
                        format!("; the state at the takeover was not restored {limit}: {}", open.join(", "));
                    (Status::Done, outcome::done(run, &observed) + &late, Vec::new())
                }
                Verdict::Done | Verdict::Refuse(_) => {
                    (Status::Done, outcome::done(run, &observed), Vec::new())
                }
            },
            Verdict::Refuse(refused) => {
                let reasons: Vec<String> =
                    refused.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
                // Evidence that expires is saved even when the restore can't go on.
                let copies = decisions().filter_map(|(name, decision)| match decision {
                    Decision::Act(action @ Action::Copy(_)) => Some((name, action)),
                    _ => None,
                });
                (Status::Refused, reasons.join("; "), copies.collect())
            }
            Verdict::Late(open) => {
                let reason = format!("not restored {limit}: {}; run the clean-up", self.wordings(&open));
                (Status::Refused, reason, Vec::new())
            }
            Verdict::Go { open, actions } => {
                if let Verdict::Go { actions, .. } = verdict(bases(), has_passed) {
                    of_bases = actions;
                }
                (Status::InProgress, self.wordings(&open), actions)
            }
        };
        self.restore_bases(of_bases, changed).await;
        self.execute(actions, changed).await?;
        Ok(Outcome::new(status, reason, observed))
    }
}

impl<C, F> Step<'_, F>
where
    C: ForRestore,
    F: Fn(&str) -> C + Send + Sync,
{
    /// Looks at everything there is for one database, and decides.
    async fn observe<'p>(
        &self,
        name: &'p str,
        database: &Database,
        lists: &Lists,
    ) -> Result<Place<'p>, StepError> {
        let run = self.run;
        let (here, there) = (&run.context.region, &run.restore_region);
        let mut state = DatabaseState { region: there.clone(), ..DatabaseState::default() };
        let global = (self.client)(here).describe_global_cluster(&database.global_cluster).await?;
        let global =
            global.ok_or_else(|| aurora::missing("global cluster", &database.global_cluster, here))?;
        let (old_primary, is_writer_again) = match old_primary(&global, &self.record.from_region) {
            Ok(found) => found,
            Err(decision) => return Ok(Place { name, decision: *decision, base: None, state }),
        };
        state.old_primary = Some(old_primary.clone());
        let want = Want {
            plan: run.plan.name.clone(),
            database: name.to_owned(),
            execution: run.execution.to_owned(),
            old_primary,
            is_writer_again,
            region: there.clone(),
            how: database.members.get(there).map(|member| member.restore.clone()).unwrap_or_default(),
            member: database.members.get(there).map(Member::cluster).unwrap_or_default().to_owned(),
            iam: database.members.values().any(|member| matches!(member.sign_in(), SignIn::Iam(_))),
            what: Copied::OldPrimary,
        };
        let clients = [(self.client)(want.old_region()), (self.client)(&want.region)];
        let seen = observe::see(clients.each_ref(), &want, self.record.started_at, lists).await?;
        let decision = decide(&want, &seen);
        outcome::fill(&mut state, &seen, &decision);
        let base = match database.reconcile.base {
            BaseSource::None => None,
            BaseSource::Snapshot => self.observe_base(&want, database, &mut state, lists).await?,
        };
        Ok(Place { name, decision, base, state })
    }

    /// Looks at the state at the takeover, and decides; `None` where there is nothing to wait for.
    async fn observe_base(
        &self,
        want: &Want,
        database: &Database,
        state: &mut DatabaseState,
        lists: &Lists,
    ) -> Result<Option<Decision>, StepError> {
        let here = &self.run.context.region;
        let want = Want { what: Copied::Base, ..want.clone() };
        let member = database.members.get(here).map(|member| member.cluster_arn.as_str());
        let (seen, decision) = match member {
            Some(new_primary) if want.region == *here => {
                let client = (self.client)(here);
                let failover = self.record.started_at;
                let seen = observe::see_base(&client, &want, new_primary, failover, lists).await?;
                let decision = match self.given_up.get(&want.database) {
                    Some(reason) => Err(reason.clone()),
                    None => decide_base(&want, &seen),
                };
                (seen, decision)
            }
            _ => {
                let reason = format!("it is in {here}, and the old primary is restored in {}", want.region);
                (Seen::default(), Err(reason))
            }
        };
        state.base = Some(BaseState::of(&seen, &decision));
        Ok(decision.ok())
    }

    /// Makes the calls that were decided about the states at the takeover. One that fails for good is given up.
    async fn restore_bases(&mut self, actions: Vec<(&str, &Action)>, changed: &mut Vec<String>) {
        for (name, action) in actions {
            let mut alone = Vec::new();
            let done = self.execute(vec![(name, action)], &mut alone).await;
            changed.append(&mut alone);
            match done {
                Err(error) if error.kind() != Kind::Unreachable => {
                    self.given_up.insert(name.to_owned(), error.to_string());
                }
                _ => {}
            }
        }
    }

    /// Makes the calls that were decided.
    async fn execute(
        &mut self,
        actions: Vec<(&str, &Action)>,
        changed: &mut Vec<String>,
    ) -> Result<(), StepError> {
        let client = &(self.client)(&self.run.restore_region);
        let call = |(name, action)| Call {
            name,
            change: outcome::change(action),
            call: async move {
                match action {
                    Action::Copy(copy) => client.copy_snapshot(copy).await,
                    Action::Restore(restore) => client.restore_cluster(restore).await,
                    Action::Create(create) => client.create_instance(create).await,
                }
            },
        };
        let answers = make_all(actions.into_iter().map(call).collect(), changed).await;
        self.notes = answers.rejected.iter().map(|(name, note)| ((*name).to_owned(), note.clone())).collect();
        answers.result()
    }

    /// Where the databases stand that are not done.
    fn wordings(&self, open: &[(&str, &Decision)]) -> String {
        let wording = |(name, decision): &(&str, &Decision)| {
            format!("{name}: {}", noted(outcome::wording(decision), self.notes.get(*name)))
        };
        open.iter().map(wording).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests;
