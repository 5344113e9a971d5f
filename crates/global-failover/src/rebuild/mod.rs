//! `rebuild`: makes global databases again of clusters that were detached, under the names of the plan.
//!
//! For each global database, at every look ([`decide()`]), the first line that fits:
//!
//! | seen | what follows |
//! |---|---|
//! | the global cluster has the writer here and a connected secondary with an instance there | done |
//! | the same, but the secondary has no instance | create one |
//! | the cluster here is a secondary | refuse: it was not detached |
//! | the global cluster has the old primary alone, and there is no snapshot of it | take one |
//! | the same, with a snapshot | remove the old primary from the global cluster |
//! | the old primary is outside, without a snapshot | refuse: this may be the Region that was left |
//! | the global cluster is empty | delete it: its name is needed |
//! | there is no global cluster | create it around the cluster here |
//! | the old primary still has its name | rename it |
//! | nothing has its name | create a secondary that is made as the old primary was |
//!
//! Everything is read from AWS, also which Region was left: so the step may be called again at any moment, by whichever
//! execution, and goes on. **No cluster is deleted.** The old primary may hold writes that nobody has reported: it stays,
//! renamed to [`kept_name`] and out of every global cluster, until a person deletes it. An empty global cluster holds no data
//! ("Deletes a global database cluster. The primary and secondary clusters must already be detached or destroyed first",
//! RDS API reference, `DeleteGlobalCluster`); one with deletion protection is left to a person, too.
//!
//! The snapshot says in its tag [`CLUSTER_TAG`] of which cluster it is: what RDS says of it may change with the name. It is
//! what `snapshot-restore` looks for, so that `reconcile` can be run afterwards. Writes that the old primary
//! takes after it are in the renamed cluster alone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use runbook::aurora::Answer;
use runbook::names::{CLUSTER_TAG, PLAN_TAG, kept_name};
use runbook::plan::Database;
use runbook::settle::{Call, Verdict, make_all, noted, verdict};
use runbook::watch::{Look, Pace, watch};
use runbook::{Outcome, Status, StepError};

use crate::observed::Observed;
use crate::run::Run;

pub mod calls;
mod decide;
#[cfg(test)]
mod fake;
mod observe;
mod outcome;

pub use decide::{Action, Decision, Seen, decide};

use calls::{ForRebuild, NewInstance, NewSecondary};
use observe::Clusters;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Runs the operation within the time of one call.
pub(crate) async fn run<C, F>(run: &Run<'_>, client: F) -> Result<Outcome<Observed>, StepError>
where
    C: ForRebuild,
    F: Fn(&str) -> C,
{
    let clients = [client(run.target), client(run.plan.other_region(run.target))];
    watch(run.context, Pace::every(LOOK), Step { run, clients, notes: BTreeMap::new() }).await
}

struct Step<'a, C> {
    run: &'a Run<'a>,
    /// Of the Region that took over, and of the one that was left.
    clients: [C; 2],
    /// What AWS said last when a call was not possible yet, by the plan's name.
    notes: BTreeMap<String, String>,
}

/// One global database of the plan, with what was seen and decided.
struct Place<'a> {
    /// Its name in the plan; the first, where several databases live in it.
    name: &'a str,
    /// Identifier of the global cluster.
    id: &'a str,
    clusters: Clusters<'a>,
    seen: Seen,
    decision: Decision,
}

impl<C: ForRebuild> Look for Step<'_, C> {
    type Observed = Observed;

    async fn look(&mut self, changed: &mut Vec<String>) -> Result<Outcome<Observed>, StepError> {
        let run = self.run;
        let mut databases = BTreeMap::<&str, (&str, &Database)>::new();
        for (name, database) in &run.plan.databases {
            databases.entry(&database.global_cluster).or_insert((name, database));
        }
        let looks = databases.values().map(|(name, database)| self.observe(name, database));
        let places = try_join_all(looks).await?;
        let states = places.iter().map(|place| (place.name.to_owned(), outcome::state(&place.seen)));
        let observed = Observed { since: run.since, databases: states.collect() };

        let limit = run.limit(run.plan.limits.restore_minutes, "limits.restoreMinutes");
        let decided = places.iter().map(|place| (place.name, &place.decision));
        let (status, reason) = match verdict(decided, limit.has_passed(run.context.clock.now())) {
            Verdict::Done => (Status::Done, self.done(&places)),
            Verdict::Refuse(refused) => {
                let reasons = refused.iter().map(|(name, reason)| {
                    format!("{name}: {}", noted((*reason).to_owned(), self.notes.get(*name)))
                });
                (Status::Refused, reasons.collect::<Vec<_>>().join("; "))
            }
            Verdict::Late(open) => {
                (Status::Refused, format!("not rebuilt {limit}: {}", self.wordings(&open)))
            }
            Verdict::Go { open, .. } => {
                let reason = self.wordings(&open);
                self.execute(&places, changed).await?;
                (Status::InProgress, reason)
            }
        };
        Ok(Outcome::new(status, reason, observed))
    }
}

impl<C: ForRebuild> Step<'_, C> {
    async fn observe<'p>(&self, name: &'p str, database: &'p Database) -> Result<Place<'p>, StepError> {
        let (target, id) = (self.run.target, database.global_cluster.as_str());
        let clusters = Clusters::of(self.run.plan, database, target)?;
        let seen = observe::observe(self.clients.each_ref(), target, id, clusters).await?;
        let decision = decide(&seen, id, clusters.there, clusters.class);
        Ok(Place { name, id, clusters, seen, decision })
    }

    /// Makes the calls that were decided.
    async fn execute(&mut self, places: &[Place<'_>], changed: &mut Vec<String>) -> Result<(), StepError> {
        let calls = places.iter().filter_map(|place| match &place.decision {
            Decision::Act(action) => Some(Call {
                name: place.name,
                change: format!("{}: {}", place.name, outcome::change(action)),
                call: self.call(place, action),
            }),
            _ => None,
        });
        let answers = make_all(calls.collect(), changed).await;
        for name in &answers.accepted {
            self.notes.remove(*name);
        }
        self.notes.extend(answers.rejected.iter().map(|(name, note)| ((*name).to_owned(), note.clone())));
        answers.result()
    }

    /// Makes one call.
    async fn call(&self, place: &Place<'_>, action: &Action) -> Result<Answer, StepError> {
        let [here, there] = &self.clients;
        let (id, old, primary) = (place.id, place.clusters.there, &place.seen.here.cluster);
        match action {
            Action::Snapshot => {
                let tags = vec![
                    (PLAN_TAG.to_owned(), self.run.plan.name.clone()),
                    (CLUSTER_TAG.to_owned(), place.clusters.there_arn.to_owned()),
                ];
                there.take_snapshot(old, &kept_name(old, self.run.context.clock.now()), &tags).await
            }
            Action::Remove(arn) => there.remove_from_global_cluster(id, arn).await,
            Action::DeleteGlobal => here.delete_global_cluster(id).await,
            Action::CreateGlobal => here.create_global_cluster(id, &primary.arn).await,
            Action::Rename(name) => there.rename_cluster(old, name).await,
            Action::CreateSecondary(like) => {
                let new = NewSecondary {
                    id: old,
                    global_cluster: id,
                    engine: &primary.engine,
                    // A secondary has its primary's version.
                    version: &primary.engine_version,
                    like,
                };
                there.create_secondary(new).await
            }
            Action::CreateInstance(like) => {
                there.create_instance(NewInstance { cluster: old, engine: &primary.engine, like }).await
            }
        }
    }

    /// That every database is a global one again, and under which names the old primaries are kept.
    fn done(&self, places: &[Place<'_>]) -> String {
        let (target, other) = (self.run.target, self.run.plan.other_region(self.run.target));
        let mut reason =
            format!("every global database has its writer in {target} and a secondary in {other}");
        let kept = places.iter().filter_map(|place| Some(place.seen.kept.as_ref()?.cluster.id.as_str()));
        let kept: Vec<&str> = kept.collect();
        if !kept.is_empty() {
            reason += &format!("; the old primaries are kept as {}", kept.join(", "));
        }
        reason
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
