//! The step functions in this process: the handlers that are deployed, over the real SDK.
//!
//! Three of them reach databases; with none there, they ask the world in their place ([`Probe`], [`Orders`]), or put rows
//! into a map ([`Back`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use preflight::probe::{Admission, DatabaseTarget, Heartbeat, Write};
use preflight::{AcceptsWrite, SignsIn};
use reconcile::{Compare, Failure, Sides};
use replay::{Place, Replay, Rows};
use row_replay::{Replayed, ReplayedRow};
use runbook::error::Kind;
use runbook::secret::Place as At;
use runbook::step::{Clock, call};
use runbook::{Context, StepError};
use sandbox::WEST;
use sandbox::account::access_key_id;
use sandbox::api::ApiError;
use sandbox::functions::{Functions, Invocation};
use sandbox::permissions::Permissions;
use sandbox::wire::Wire;
use sandbox::wire::connector::sdk_config;
use sandbox::world::World;
use serde_json::{Value, json};
use table_diff::{
    Catalogue, ColumnShape, Counts, Cursor, Difference, DifferenceKind, Differences, KeyRange, Listed,
    Presence, Progress, Rights, Sink, Table, TableShape, ValueKind,
};

use crate::campaign::fleet::Fleet;
use crate::campaign::storm::{self, Storm};
use crate::campaign::tables::Tables;
use crate::faults::{BROKEN, Fault, Faults};
use crate::iam::let_in;

/// How long an invocation lasts at most.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Lost orders in [`Orders`].
pub const LOST: u64 = 4;

/// Runs the handlers.
pub struct Handlers {
    /// The world behind them.
    pub world: Arc<World>,
    /// Its clock.
    pub clock: sandbox::clock::Clock,
    /// Whom IAM vouches for at a database.
    pub permissions: Arc<Permissions>,
    /// Their way to it; set once it is there.
    pub wire: OnceLock<Arc<Wire>>,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// The rows of the new primary that count for a replay: by database and number, each status that was inserted.
    pub rows: Mutex<BTreeMap<(String, u64), Vec<String>>>,
    /// Tables that the user of the databases sees beside the one that is compared.
    pub other_tables: Mutex<Vec<String>>,
    /// The night of a campaign, with its own databases.
    pub night: Option<(Arc<Fleet>, Arc<Storm>)>,
}

impl Handlers {
    async fn answer(&self, region: &str, function: &str, event: Value) -> Invocation {
        let clock = self.clock;
        let caller = access_key_id(region, function);
        let mut config = sdk_config(Arc::clone(self.wire.get().unwrap()), region, &caller);
        let mut skew = jiff::SignedDuration::ZERO;
        if let Some((_, storm)) = &self.night {
            config = storm::config(&config, storm, &caller);
            skew = jiff::SignedDuration::from_secs(storm.skew(region));
        }
        let context = Context {
            config,
            region: region.to_owned(),
            clock: Clock::new(move || clock.now() + skew),
            deadline: clock.now() + skew + TIMEOUT,
        };
        let config = context.config.clone();
        let (probe, orders, back) = (Probe(self, &config), Orders(self), Back(self));
        let tables = self.night.as_ref().map(|(fleet, _)| Tables { handlers: self, fleet });
        let answer: BoxFuture<'_, Result<Value, StepError>> = match function {
            "causeway-preflight" => boxed(|| {
                call(|context, event| preflight::handle_with(context, event, &probe), context, event)
            }),
            "causeway-routing-control" => boxed(|| call(routing_control::handle, context, event)),
            "causeway-global-failover" => boxed(|| call(global_failover::handle, context, event)),
            "causeway-snapshot-restore" => boxed(|| call(snapshot_restore::handle, context, event)),
            "causeway-reconcile" => match &tables {
                Some(tables) => boxed(|| {
                    call(|context, event| reconcile::handle_with(context, event, tables), context, event)
                }),
                None => boxed(|| {
                    call(|context, event| reconcile::handle_with(context, event, &orders), context, event)
                }),
            },
            "causeway-replay" => match &tables {
                Some(tables) => boxed(|| {
                    call(|context, event| replay::handle_with(context, event, tables), context, event)
                }),
                None => boxed(|| {
                    call(|context, event| replay::handle_with(context, event, &back), context, event)
                }),
            },
            "causeway-report" => boxed(|| call(report::handle, context, event)),
            "causeway-region-switch" => boxed(|| call(region_switch::handle, context, event)),
            other => panic!("there is no function {other}"),
        };
        match answer.await {
            Ok(answer) => Invocation::Answer(answer),
            Err(error) => Invocation::FunctionError {
                error_type: format!("{:?}", error.kind()),
                message: error.to_string(),
            },
        }
    }
}

/// Makes a future where it leaves nothing on the stack of whoever polls it: unoptimised, each of a function's would have a place of
/// its own there.
#[inline(never)]
fn boxed<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    make().boxed()
}

fn killed(error_type: &str) -> Invocation {
    Invocation::FunctionError { error_type: error_type.into(), message: "RequestId: … Error".into() }
}

impl Functions for Handlers {
    fn invoke<'a>(
        &'a self,
        _: &'a str,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        async move {
            if let Some((_, storm)) = &self.night {
                let caller = access_key_id(region, function);
                return Ok(tokio::select! {
                    biased;
                    () = storm.killed(&caller) => killed("Runtime.ExitError"),
                    answer = tokio::time::timeout(TIMEOUT, self.answer(region, function, event)) => {
                        answer.unwrap_or_else(|_| killed("Sandbox.Timedout"))
                    }
                });
            }
            let (fault, lost) = self.faults.invoked();
            let says = self.faults.says(event["operation"].as_str().unwrap_or_default());
            if says == Some(BROKEN) {
                return Ok(killed("Runtime.ExitError"));
            }
            let again = event.clone();
            let answer = match fault {
                Fault::Twice => {
                    self.answer(region, function, again).await;
                    self.answer(region, function, event).await
                }
                Fault::AtOnce => {
                    let both = (self.answer(region, function, again), self.answer(region, function, event));
                    futures::join!(both.0, both.1).1
                }
                _ => tokio::select! {
                    answer = self.answer(region, function, event) => answer,
                    () = self.faults.killed() => killed("Runtime.ExitError"),
                },
            };
            Ok(match (answer, says) {
                _ if lost => killed("Sandbox.Timedout"),
                (Invocation::Answer(mut answer), Some(status)) => {
                    (answer["status"], answer["Payload"]["status"]) = (json!(status), json!(status));
                    Invocation::Answer(answer)
                }
                (answer, _) => answer,
            })
        }
        .boxed()
    }
}

/// What a database says to whom it does not let in.
fn refused(why: String) -> StepError {
    StepError::new(Kind::Denied, why, "sign in otherwise")
}

/// Whether a database accepts a write, as the world knows it.
struct Probe<'a>(&'a Handlers, &'a SdkConfig);

impl Probe<'_> {
    /// Signs in as the function does.
    async fn sign_in(&self, target: &DatabaseTarget) -> Result<(), StepError> {
        if self.0.world.is_isolated(&target.region) {
            return Err(StepError::new(
                Kind::Unreachable,
                format!("{} does not answer", target.host),
                "try again",
            ));
        }
        let place = At { region: &target.region, host: &target.host, port: target.port };
        let signed = target.sign_in.credentials(self.1, place).await?;
        let plan = runbook::plan::sample();
        let cluster = plan.databases[&target.name].members[&target.region].cluster().to_owned();
        let by = (signed.username.as_str(), signed.password.expose());
        let_in(&self.0.world, &self.0.permissions, &cluster, place, by).await.map_err(refused)
    }
}

impl AcceptsWrite for Probe<'_> {
    async fn accepts_write(&self, target: &DatabaseTarget, _: &Heartbeat) -> Result<Write, StepError> {
        self.sign_in(target).await?;
        let plan = runbook::plan::sample();
        let cluster = &plan.databases[&target.name].members[&target.region].cluster_arn;
        Ok(if self.0.world.accepts_writes(cluster) {
            Write::Accepted
        } else {
            Write::NotYet(format!("{cluster} is read-only"))
        })
    }
}

impl SignsIn for Probe<'_> {
    async fn signs_in(&self, target: &DatabaseTarget) -> Result<Admission, StepError> {
        self.sign_in(target).await?;
        Ok(Admission::Granted)
    }

    async fn rights(&self, target: &DatabaseTarget) -> Result<Rights, StepError> {
        self.sign_in(target).await?;
        let others = self.0.other_tables.lock().unwrap().clone();
        let tables = others.into_iter().chain(["CUSTOMER_ORDER".to_owned()]).collect();
        Ok(Rights { tables, ..Rights::default() })
    }
}

/// A comparison in which [`LOST`] orders of each database are missing. Each takes so long that one invocation does not
/// find all.
pub struct Orders<'a>(pub &'a Handlers);

/// How long it takes to find one.
const EACH: Duration = Duration::from_secs(35);

impl Compare for Orders<'_> {
    async fn list_tables(&self, sides: &Sides, _: &[String], _: &[String]) -> Result<Vec<Listed>, Failure> {
        for (cluster, target) in
            [(&sides.source_cluster, &sides.source), (&sides.target_cluster, &sides.target)]
        {
            // Reconciliations are restored in the west here, where the new primary is.
            let place = At { region: WEST, host: &target.host, port: target.port };
            let by = (target.user.as_str(), target.password.as_str());
            let let_in = let_in(&self.0.world, &self.0.permissions, cluster, place, by).await;
            let_in.map_err(|why| Failure::Step(refused(why)))?;
        }
        let table = Table { schema: None, name: "CUSTOMER_ORDER".into() };
        Ok(vec![Listed { table, presence: Presence::Both }])
    }

    async fn catalogue(&self, _: &Sides) -> Result<Catalogue, StepError> {
        let column = |name: &str, kind, auto_increment| ColumnShape {
            name: name.into(),
            type_text: String::new(),
            kind,
            nullable: false,
            generated: false,
            auto_increment,
        };
        let shape = TableShape {
            columns: vec![column("ID", ValueKind::Integer, true), column("STATUS", ValueKind::Text, false)],
            primary_key: vec!["ID".into()],
            ..TableShape::default()
        };
        Ok(Catalogue { tables: [("CUSTOMER_ORDER".to_owned(), shape)].into() })
    }

    async fn estimated_rows(&self, _: &Sides) -> Result<BTreeMap<Table, u64>, StepError> {
        Ok([(Table { schema: None, name: "CUSTOMER_ORDER".into() }, 100)].into())
    }

    /// One for each that is lost.
    async fn key_ranges(&self, _: &Sides, _: &Table, _: (u64, usize)) -> Result<Vec<KeyRange>, Failure> {
        let range = |number: u64| {
            let key = |number: u64| (1..LOST).contains(&number).then(|| vec![format!("{number:016x}")]);
            let range = json!({"columns": ["ID"], "low": key(number - 1), "high": key(number)});
            serde_json::from_value(range).unwrap()
        };
        Ok((1..=LOST).map(range).collect())
    }

    async fn check_ranges(&self, _: &Sides, _: &Table, _: &[KeyRange]) -> Result<(), Failure> {
        Ok(())
    }

    async fn compare_table(
        &self,
        sides: &Sides,
        (_, range): (&Table, &KeyRange),
        from: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Progress, Failure> {
        let restored = self.0.world.tagged(runbook::names::EXECUTION_TAG);
        assert!(restored.iter().any(|arn| arn.ends_with(&format!(":cluster:{}", sides.source_cluster))));
        let range = serde_json::to_value(range).unwrap();
        let key = |bound: &str| range[bound][0].as_str().map(|key| u64::from_str_radix(key, 16).unwrap());
        let (low, high) = (key("low").unwrap_or(0), key("high").unwrap_or(LOST));
        let rows = 100 * (high - low) / LOST;
        let done = from.map_or(0, |cursor| cursor.counts.missing);
        for number in low + done + 1..=high {
            tokio::time::sleep(EACH).await;
            let row = json!({"ID": number, "STATUS": "PAID"}).as_object().cloned();
            let difference = Difference {
                kind: DifferenceKind::Missing,
                key: json!({"ID": number}).as_object().cloned().unwrap_or_default(),
                source: row,
                target: None,
                base: None,
            };
            let cursor = cursor(rows, number - low);
            let reached = sink.reached(vec![difference], &cursor).await;
            reached.map_err(|error| Failure::Step(*error.downcast::<StepError>().unwrap()))?;
            if number < high && stop() {
                return Ok(Progress::Interrupted(Some(cursor)));
            }
        }
        Ok(Progress::Finished(table_diff::TableSummary {
            not_compared: Vec::new(),
            counts: cursor(rows, high - low).counts,
            key_columns: vec!["ID".into()],
            notes: Vec::new(),
        }))
    }
}

/// Where the comparison of so many orders stands after as many that are lost.
fn cursor(rows: u64, number: u64) -> Cursor {
    let counts =
        Counts { rows_source: rows, rows_target: rows - number, missing: number, ..Counts::default() };
    let cursor = json!({"counts": counts, "keyColumns": ["ID"], "position": {"afterKey": {"key": [format!("{number:016x}")]}}});
    serde_json::from_value(cursor).unwrap()
}

/// A replay into [`Handlers::rows`], a row a transaction. Each takes so long that one invocation does not put all back.
struct Back<'a>(&'a Handlers);

/// How long it takes to put one back.
const EACH_BACK: Duration = Duration::from_secs(50);

impl Replay for Back<'_> {
    async fn replay(
        &self,
        place: &Place,
        rows: Rows<'_, impl Differences>,
        cursor: Option<row_replay::Cursor>,
        sink: &mut impl row_replay::Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<row_replay::Progress, StepError> {
        let cluster = format!("arn:aws:rds:sandbox-west:000000000000:cluster:{}", place.cluster);
        assert!(self.0.world.accepts_writes(&cluster), "{cluster} takes no writes");
        let at = At { region: WEST, host: &place.target.host, port: place.target.port };
        let by = (place.target.user.as_str(), place.target.password.as_str());
        let_in(&self.0.world, &self.0.permissions, &place.cluster, at, by).await.map_err(refused)?;
        let mut cursor = serde_json::to_value(cursor.unwrap_or_default()).unwrap();
        let done = cursor["read"].as_u64().unwrap();
        let mut differences = rows.differences.open("CUSTOMER_ORDER");
        let mut number = 0;
        while let Some(difference) = differences.next().await {
            number += 1;
            if number <= done {
                continue;
            }
            let (key, row) =
                difference.map(|difference| (difference.key, difference.source.unwrap())).unwrap();
            let status = row["STATUS"].as_str().unwrap().to_owned();
            tokio::time::sleep(EACH_BACK).await;
            let id = (place.name.clone(), key["ID"].as_u64().unwrap());
            let there = self.0.rows.lock().unwrap().get(&id).and_then(|there| there.last().cloned());
            let (fate, counted) = match there {
                None => {
                    if !rows.options.dry_run {
                        self.0.rows.lock().unwrap().entry(id).or_default().push(status);
                    }
                    (Replayed::Inserted, "inserted")
                }
                Some(there) if there == status => (Replayed::AlreadyThere, "alreadyThere"),
                Some(there) => {
                    let other = json!({"ID": id.1, "STATUS": there}).as_object().cloned().unwrap();
                    (Replayed::KeyTaken { other }, "keyTaken")
                }
            };
            let counts = &mut cursor["summary"]["tables"]["CUSTOMER_ORDER"];
            if counts.is_null() {
                *counts = serde_json::to_value(row_replay::Counts::default()).unwrap();
            }
            counts[counted] = json!(counts[counted].as_u64().unwrap() + 1);
            (cursor["read"], cursor["table"], cursor["pass"]) =
                (json!(number), json!("CUSTOMER_ORDER"), json!(1));
            let reached: row_replay::Cursor = serde_json::from_value(cursor.clone()).unwrap();
            let fates = vec![ReplayedRow { table: "CUSTOMER_ORDER".into(), key, replayed: fate }];
            let kept = sink.reached(fates, &reached).await;
            kept.map_err(|error| *error.downcast::<StepError>().unwrap())?;
            if stop() {
                return Ok(row_replay::Progress::Interrupted(Box::new(reached)));
            }
        }
        let cursor: row_replay::Cursor = serde_json::from_value(cursor).unwrap();
        Ok(row_replay::Progress::Finished(cursor.summary))
    }
}
