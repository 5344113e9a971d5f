//! One transaction of a writer: rows inserted with what they refer to, own rows changed and deleted, and what came of it.
//!
//! A statement that the server refuses for its values is tried again with others, a bounded number of times. What the transaction did
//! is not what its statements say but what the database shows: every row that it may have changed is read before and
//! at its end, inside of it. So values that the server itself gives, and what triggers do to rows that are referred to, are known.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use rand::RngExt;
use rand::rngs::StdRng;
use table_diff::{Engine, literal};

use crate::facts::Facts;
use crate::ledger::{Change, Effect, Key, Row, Values};
use crate::plan::Plan;
use crate::pool::{OwnRow, Owners, Pool};
use crate::schema::{Column, ForeignKey, TableSchema, Told};
use crate::session::{Meaning, Session, meaning, words};
use crate::values::{draw, is_wide};

/// How often a row is tried with other values.
pub(crate) const TRIES: usize = 40;
/// How many tables deep a row that refers to a row that refers to a row may be.
const DEEPEST: usize = 16;

/// A column's values as SQL, by name; a column that is not named has its default.
type RowSql = BTreeMap<String, String>;

/// Why a transaction, or a statement of it, does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection is of no use any more. Nothing was committed.
    Broken(sqlx::Error),
    /// The server has rolled the transaction back, or takes no writes.
    RolledBack(sqlx::Error),
    /// This statement is not possible. The transaction may go on.
    Refused {
        /// The table that could not be written.
        table: String,
        /// Why.
        reason: String,
        /// It was for a unique key.
        unique: bool,
    },
}

/// A row that is being made, whose rows to refer to come first.
#[derive(Clone)]
struct Frame {
    table: String,
    row: RowSql,
}

/// A transaction that is open.
pub(crate) struct Work<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) plan: &'a Plan,
    pub(crate) random: &'a mut StdRng,
    pub(crate) pool: &'a mut Pool,
    owners: (&'a Owners, usize),
    /// The rows that it may have changed, as they were before; `None` where they were not there.
    touched: BTreeMap<(String, Key), Option<Values>>,
    contents: Vec<(String, Values)>,
    /// It has rows that refer to nothing: it can't be committed.
    spoilt: bool,
    /// What was done to the pool, to be undone.
    inserted: Vec<(String, Key)>,
    removed: Vec<(String, OwnRow)>,
}

impl<'a> Work<'a> {
    /// Begins a transaction of the writer with this number; `owners` knows whose rows are whose.
    pub(crate) async fn begin(
        session: &'a mut Session,
        plan: &'a Plan,
        random: &'a mut StdRng,
        pool: &'a mut Pool,
        owners: (&'a Owners, usize),
    ) -> Result<Self, Stop> {
        let mut work = Self {
            session,
            plan,
            random,
            pool,
            owners,
            touched: BTreeMap::new(),
            contents: Vec::new(),
            spoilt: false,
            inserted: Vec::new(),
            removed: Vec::new(),
        };
        work.session.execute("BEGIN".into()).await.map_err(Stop::Broken)?;
        work.defer().await?;
        Ok(work)
    }

    async fn defer(&mut self) -> Result<(), Stop> {
        if self.plan.deferred.is_empty() {
            return Ok(());
        }
        let sql = format!("SET CONSTRAINTS {} DEFERRED", self.plan.deferred.join(", "));
        self.session.execute(sql).await.map(|_| ()).map_err(Stop::Broken)
    }

    fn engine(&self) -> Engine {
        self.plan.schema.engine
    }

    /// Inserts a row into a table, and first what it has to refer to. `forced` are values that it has to have.
    pub(crate) async fn insert(
        &mut self,
        table: &str,
        forced: &[(String, String)],
    ) -> Result<Option<OwnRow>, Stop> {
        self.insert_below(table.to_owned(), forced.iter().cloned().collect(), Vec::new()).await
    }

    /// Checks now what would be checked at COMMIT.
    pub(crate) async fn check_constraints(&mut self, table: &str) -> Result<(), Stop> {
        if self.engine() == Engine::MySql {
            return Ok(());
        }
        let checked =
            self.session.execute("SAVEPOINT w; SET CONSTRAINTS ALL IMMEDIATE; RELEASE w".into()).await;
        if let Err(error) = checked {
            let refused = self.refused(table, &error, 1);
            self.after(error).await?;
            return Err(refused);
        }
        self.defer().await
    }

    fn insert_below(
        &mut self,
        table: String,
        forced: RowSql,
        stack: Vec<Frame>,
    ) -> BoxFuture<'_, Result<Option<OwnRow>, Stop>> {
        Box::pin(async move {
            let plan = self.plan;
            let refuse = |reason: String| Stop::Refused { table: table.clone(), reason, unique: false };
            let Some(shape) = plan.schema.tables.get(&table) else {
                return Err(refuse("it is not among the tables of this database".into()));
            };
            if let Some(reason) = plan.left_out.get(&table) {
                return Err(refuse(reason.clone()));
            }
            if stack.len() > DEEPEST {
                return Err(refuse("its rows refer to rows that refer to others without end".into()));
            }
            let together =
                plan.together.get(&table).filter(|other| !stack.iter().any(|frame| frame.table == **other));
            if let Some(other) = together.filter(|_| forced.is_empty()) {
                self.insert_below(other.clone(), RowSql::new(), stack).await?;
                return Ok(self.pool.of(&table).last().cloned());
            }
            let mut last = None;
            for tried in 1..=TRIES {
                let before = self.inserted.len();
                let (row, parents) = self.build(shape, &table, &forced, &stack).await?;
                if shape.has_triggers {
                    for (parent, key) in parents {
                        self.touch_with_kin(&parent, &key).await?;
                    }
                }
                match self.put(shape, &table, &row).await? {
                    Ok(own) => return Ok(own),
                    Err(error) => {
                        let of_statement = meaning(&error) == Meaning::Statement;
                        let refused = self.refused(&table, &error, tried);
                        self.after(error).await?;
                        last = Some(refused);
                        // What was made for this row, and refers to it without a check, is of no use without it.
                        if plan.unchecked.contains(&table) && self.inserted.len() > before {
                            self.spoilt = true;
                            break;
                        }
                        if of_statement {
                            break;
                        }
                    }
                }
            }
            Err(last.unwrap_or_else(|| refuse("no row was tried".into())))
        })
    }

    fn refused(&self, table: &str, error: &sqlx::Error, tried: usize) -> Stop {
        let times = if tried == 1 {
            "the server refuses a row".to_owned()
        } else {
            format!("the server refuses {tried} rows")
        };
        Stop::Refused {
            table: table.to_owned(),
            reason: format!("{times}: {}", words(error)),
            unique: meaning(error) == Meaning::Unique,
        }
    }

    /// After a statement failed: takes it back, or stops where the transaction is gone.
    async fn after(&mut self, error: sqlx::Error) -> Result<(), Stop> {
        match meaning(&error) {
            Meaning::Broken => return Err(Stop::Broken(error)),
            Meaning::RolledBack | Meaning::ReadOnly => return Err(Stop::RolledBack(error)),
            Meaning::Values | Meaning::Unique | Meaning::Statement => {}
        }
        if self.engine() == Engine::Postgres {
            self.session.execute("ROLLBACK TO w; RELEASE w".into()).await.map_err(Stop::Broken)?;
        }
        Ok(())
    }

    /// Runs a statement that can be taken back; the inner error is one of its values.
    async fn guarded(&mut self, sql: &str) -> Result<(u64, u64), sqlx::Error> {
        let sql = match self.engine() {
            Engine::MySql => sql.to_owned(),
            // The count of the statement is not the last one.
            Engine::Postgres => format!("SAVEPOINT w; {sql}"),
        };
        let done = self.session.execute(sql).await?;
        if self.engine() == Engine::Postgres {
            self.session.execute("RELEASE w".into()).await?;
        }
        Ok(done)
    }

    /// The row's values, and which own rows it refers to.
    async fn build(
        &mut self,
        shape: &'a TableSchema,
        table: &str,
        forced: &RowSql,
        stack: &[Frame],
    ) -> Result<(RowSql, Vec<(String, Key)>), Stop> {
        let facts = Facts::choose(self.random, shape.checks.iter().map(|check| &check.condition));
        let mut row = forced.clone();
        let engine = self.engine();
        for name in self.plan.chosen.get(table).into_iter().flatten() {
            if let Some(column) = shape.column(name).filter(|_| !row.contains_key(name))
                && let Some(drawn) = draw(self.random, engine, column, &facts.of(name))
            {
                row.insert(name.clone(), drawn.sql);
            }
        }
        let mut parents = Vec::new();
        let mut keys: Vec<&ForeignKey> = shape.foreign_keys.iter().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
        for key in keys {
            parents.extend(self.refer(shape, table, key, &facts, &mut row, stack).await?);
        }
        self.fill(shape, table, &facts, &mut row)?;
        Ok((row, parents))
    }

    /// Gives the columns of a foreign key their values.
    async fn refer(
        &mut self,
        shape: &'a TableSchema,
        table: &str,
        key: &'a ForeignKey,
        facts: &Facts,
        row: &mut RowSql,
        stack: &[Frame],
    ) -> Result<Option<(String, Key)>, Stop> {
        let open: Vec<&String> = key.columns.iter().filter(|name| !row.contains_key(*name)).collect();
        if open.is_empty() || key.columns.iter().any(|name| row.get(name).is_some_and(|sql| sql == "NULL")) {
            return Ok(None);
        }
        let nullable = |name: &&&String| {
            shape.column(name).is_some_and(|column| column.nullable) && facts.of(name).null != Some(false)
        };
        let nulls: Vec<String> = open.iter().filter(nullable).map(|name| (*name).clone()).collect();
        let can_be_null = if key.full { nulls.len() == key.columns.len() } else { !nulls.is_empty() };
        let has_to_be = can_be_null && open.iter().any(|name| facts.of(name).null == Some(true));
        let refer_to_nothing = |row: &mut RowSql| {
            row.extend(nulls.iter().map(|name| (name.clone(), "NULL".to_owned())));
            Ok(None)
        };
        // A row that the server numbers can't be one that is there already.
        let is_numbered = open.iter().any(|name| shape.column(name).is_some_and(|column| column.numbered));
        if has_to_be || can_be_null && is_numbered {
            return refer_to_nothing(row);
        }
        let plan = self.plan;
        let parent = plan.schema.tables.get(&key.parent).filter(|_| !plan.left_out.contains_key(&key.parent));
        let Some(parent) = parent else {
            if can_be_null {
                return refer_to_nothing(row);
            }
            let reason = match plan.left_out.get(&key.parent) {
                Some(reason) => format!("it refers to {}, which is left out: {reason}", key.parent),
                None => {
                    format!("it refers to {}, which is not among the tables of this database", key.parent)
                }
            };
            return Err(Stop::Refused { table: table.to_owned(), reason, unique: false });
        };
        let engine = self.engine();
        let pairs: Vec<(&String, &Column)> = key
            .columns
            .iter()
            .zip(&key.parent_columns)
            .filter_map(|(own, theirs)| Some((own, parent.column(theirs)?)))
            .collect();
        let fits = |own: &&OwnRow| {
            pairs.iter().all(|(name, theirs)| match own.values.get(&theirs.name) {
                Some(Some(text)) => row.get(*name).is_none_or(|sql| *sql == theirs.literal(engine, text)),
                _ => false,
            })
        };
        let candidates: Vec<&OwnRow> = self.pool.of(&key.parent).iter().filter(fits).collect();
        let in_circle = stack.iter().rev().find(|frame| frame.table == key.parent);
        let chosen = if candidates.is_empty() || self.random.random_bool(0.25) {
            None
        } else {
            Some(candidates[self.random.random_range(0..candidates.len())].clone())
        };
        let chosen = match chosen {
            Some(own) => own,
            None if can_be_null
                && (key.parent == table || in_circle.is_some() || self.random.random_bool(0.5)) =>
            {
                return refer_to_nothing(row);
            }
            None if !candidates.is_empty() && (key.parent == table || in_circle.is_some()) => {
                candidates[self.random.random_range(0..candidates.len())].clone()
            }
            // The row itself, or one that is made after it.
            None if key.parent == table || in_circle.is_some() => {
                let theirs = match in_circle {
                    _ if key.parent == table => row.clone(),
                    Some(frame) if key.deferrable || plan.unchecked.contains(table) => frame.row.clone(),
                    _ => RowSql::new(),
                };
                for (own, column) in &pairs {
                    let Some(value) = theirs.get(&column.name) else {
                        let reason = format!(
                            "it refers to {}, which has to be there first and refers to it in turn, and constraint {} can't wait until COMMIT",
                            key.parent, key.name
                        );
                        return Err(Stop::Refused { table: table.to_owned(), reason, unique: false });
                    };
                    row.insert((*own).clone(), value.clone());
                }
                return Ok(None);
            }
            None => {
                let forced: RowSql = pairs
                    .iter()
                    .filter_map(|(own, theirs)| Some((theirs.name.clone(), row.get(*own)?.clone())))
                    .collect();
                let mut stack = stack.to_vec();
                stack.push(Frame { table: table.to_owned(), row: row.clone() });
                match self.insert_below(key.parent.clone(), forced, stack).await {
                    Ok(Some(own)) => own,
                    Ok(None) => {
                        return if can_be_null {
                            refer_to_nothing(row)
                        } else {
                            let reason =
                                format!("it refers to {}, whose rows have no key to be found by", key.parent);
                            Err(Stop::Refused { table: table.to_owned(), reason, unique: false })
                        };
                    }
                    Err(Stop::Refused { .. }) if can_be_null => return refer_to_nothing(row),
                    Err(other) => return Err(other),
                }
            }
        };
        for (own, column) in pairs {
            let Some(Some(text)) = chosen.values.get(&column.name) else {
                let reason = format!("it refers to {} by {}, which is null there", key.parent, column.name);
                return Err(Stop::Refused { table: table.to_owned(), reason, unique: false });
            };
            row.insert(own.clone(), column.literal(engine, text));
        }
        Ok(Some((key.parent.clone(), chosen.key)))
    }

    /// Gives the other columns their values.
    fn fill(
        &mut self,
        shape: &TableSchema,
        table: &str,
        facts: &Facts,
        row: &mut RowSql,
    ) -> Result<(), Stop> {
        let engine = self.engine();
        let compared: BTreeSet<&String> =
            facts.less.iter().chain(&facts.equal).flat_map(|(one, other)| [one, other]).collect();
        let mut ranks: BTreeMap<String, f64> = BTreeMap::new();
        for column in &shape.columns {
            if row.contains_key(&column.name) || column.generated || column.numbered {
                continue;
            }
            // What the row is found by is given to it.
            let is_key = match &shape.key {
                Some(key) => key.contains(&column.name),
                None => column.is_comparable(),
            };
            let known = facts.of(&column.name);
            let is_free = known.null.is_none()
                && !facts.columns.contains_key(&column.name)
                && !compared.contains(&column.name);
            if column.nullable
                && (known.null == Some(true) || known.null.is_none() && self.random.random_bool(0.15))
            {
                row.insert(column.name.clone(), "NULL".into());
                continue;
            }
            if column.has_default && !column.nullable && is_free && !is_key && self.random.random_bool(0.25) {
                continue;
            }
            match draw(self.random, engine, column, &known) {
                Some(drawn) => {
                    ranks.extend(drawn.rank.map(|rank| (column.name.clone(), rank)));
                    row.insert(column.name.clone(), drawn.sql);
                }
                None if column.nullable && known.null != Some(false) => {
                    row.insert(column.name.clone(), "NULL".into());
                }
                None if column.has_default => {}
                None => {
                    let reason = format!(
                        "no value is known for its column {} of type {}",
                        column.name, column.type_text
                    );
                    return Err(Stop::Refused { table: table.to_owned(), reason, unique: false });
                }
            }
        }
        order(facts, &mut ranks, row);
        Ok(())
    }

    /// Inserts a row, and reads it. The inner error is one of its values.
    async fn put(
        &mut self,
        shape: &'a TableSchema,
        table: &str,
        row: &RowSql,
    ) -> Result<Result<Option<OwnRow>, sqlx::Error>, Stop> {
        let engine = self.engine();
        let sql = insert_statement(engine, shape, row);
        let refuse = |reason: &str| Stop::Refused {
            table: table.to_owned(),
            reason: reason.to_owned(),
            unique: false,
        };
        let mut conditions: Vec<(String, String)> = Vec::new();
        match (engine, &shape.key) {
            (Engine::Postgres, Some(key)) => {
                let columns = key.iter().filter_map(|name| shape.column(name));
                let readings: Vec<String> = columns.map(|column| column.reading(engine)).collect();
                let sql = format!("SAVEPOINT w; {sql} RETURNING {}; RELEASE w", readings.join(", "));
                let returned = match self.session.query(sql).await {
                    Ok(rows) => rows,
                    Err(error) => return Ok(Err(error)),
                };
                let Some(values) = returned.into_iter().next() else {
                    return Err(refuse(
                        "the database does not keep a row that is inserted (a trigger or a rule?)",
                    ));
                };
                for (name, text) in key.iter().zip(values) {
                    let (Some(column), Some(text)) = (shape.column(name), text) else { continue };
                    conditions.push((name.clone(), column.literal(engine, &text)));
                }
            }
            (_, key) => {
                let is_unchecked = self.plan.unchecked.contains(table);
                if is_unchecked {
                    self.session.execute("SET SESSION foreign_key_checks = 0".into()).await.map_err(gone)?;
                }
                let done = self.guarded(&sql).await;
                if is_unchecked && done.as_ref().err().is_none_or(|error| meaning(error) != Meaning::Broken) {
                    self.session.execute("SET SESSION foreign_key_checks = 1".into()).await.map_err(gone)?;
                }
                let (_, number) = match done {
                    Ok(done) => done,
                    Err(error) => return Ok(Err(error)),
                };
                for name in key.iter().flatten() {
                    let sql = match (row.get(name), shape.column(name)) {
                        (Some(sql), _) => sql.clone(),
                        (None, Some(column)) if column.numbered => number.to_string(),
                        _ => return Err(refuse("the key of a row that is inserted can't be known")),
                    };
                    conditions.push((name.clone(), sql));
                }
            }
        }
        let Some(key) = &shape.key else {
            let content = self.content(shape, row).await?;
            let content =
                content.ok_or_else(|| refuse("a row that was inserted is not found again by its values"))?;
            self.contents.push((table.to_owned(), content));
            return Ok(Ok(None));
        };
        let values = self.read(shape, &conditions, "").await?;
        let values = values.ok_or_else(|| refuse("a row that was inserted is not found again by its key"))?;
        let key: Key =
            key.iter().filter_map(|name| Some((name.clone(), values.get(name)?.clone()?))).collect();
        self.touched.entry((table.to_owned(), key.clone())).or_insert(None);
        let own = OwnRow { key, values };
        self.owners.0.take(self.owners.1, table, &own.key);
        self.inserted.push((table.to_owned(), own.key.clone()));
        self.pool.put(table, own.clone());
        Ok(Ok(Some(own)))
    }

    /// Reads a row.
    async fn read(
        &mut self,
        shape: &TableSchema,
        conditions: &[(String, String)],
        lock: &str,
    ) -> Result<Option<Values>, Stop> {
        let engine = self.engine();
        let columns: Vec<&Column> = shape.columns.iter().filter(|column| !column.generated).collect();
        let readings: Vec<String> = columns.iter().map(|column| column.reading(engine)).collect();
        let conditions =
            conditions.iter().map(|(name, sql)| format!("{} = {sql}", literal::name(engine, name)));
        let sql = format!(
            "SELECT {} FROM {} WHERE {}{lock}",
            readings.join(", "),
            shape.quoted_only(engine),
            conditions.collect::<Vec<_>>().join(" AND ")
        );
        let rows = self.session.query(sql).await.map_err(gone)?;
        let values =
            |row: Vec<Option<String>>| columns.iter().map(|column| column.name.clone()).zip(row).collect();
        Ok(rows.into_iter().next().map(values))
    }

    /// What a row without a key is recognised by: its comparable columns, as the server prints them.
    async fn content(&mut self, shape: &TableSchema, row: &RowSql) -> Result<Option<Values>, Stop> {
        let engine = self.engine();
        let columns: Vec<&Column> =
            shape.columns.iter().filter(|column| column.is_comparable() && !column.generated).collect();
        let readings: Vec<String> = columns.iter().map(|column| column.reading(engine)).collect();
        let same = |column: &&Column| {
            let name = literal::name(engine, &column.name);
            let sql = row.get(&column.name)?;
            Some(match engine {
                Engine::MySql => format!("{name} <=> {sql}"),
                Engine::Postgres => format!("{name} IS NOT DISTINCT FROM {sql}"),
            })
        };
        let conditions: Vec<String> = columns.iter().filter_map(same).collect();
        if conditions.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT {} FROM {} WHERE {} LIMIT 1",
            readings.join(", "),
            shape.quoted_only(engine),
            conditions.join(" AND ")
        );
        let rows = self.session.query(sql).await.map_err(gone)?;
        Ok(rows
            .into_iter()
            .next()
            .map(|row| columns.iter().map(|column| column.name.clone()).zip(row).collect()))
    }

    /// Reads a row that the transaction may change, the first time that it may. `None` where it is not there.
    async fn touch(&mut self, table: &str, key: &Key) -> Result<Option<Values>, Stop> {
        let name = (table.to_owned(), key.clone());
        if let Some(before) = self.touched.get(&name) {
            let inserted =
                || self.pool.of(table).iter().find(|own| own.key == *key).map(|own| own.values.clone());
            return Ok(before.clone().or_else(inserted));
        }
        let plan = self.plan;
        let Some(shape) = plan.schema.tables.get(table) else { return Ok(None) };
        let before = self.read(shape, &by_key(self.engine(), shape, key), " FOR UPDATE").await?;
        if before.is_some() {
            self.touched.insert(name, before.clone());
        } else {
            // It is gone: it is not used any more.
            self.pool.leave(&plan.schema, table, key);
        }
        Ok(before)
    }

    /// As [`Self::touch`], with all rows that it refers to, as far as they are the writer's own: a trigger may change them.
    fn touch_with_kin<'b>(
        &'b mut self,
        table: &'b str,
        key: &'b Key,
    ) -> BoxFuture<'b, Result<Option<Values>, Stop>> {
        Box::pin(async move {
            let is_known = self.touched.contains_key(&(table.to_owned(), key.clone()));
            let values = self.touch(table, key).await?;
            let plan = self.plan;
            let (Some(found), Some(shape), false) = (&values, plan.schema.tables.get(table), is_known) else {
                return Ok(values);
            };
            let parents = self.pool.parents(shape, found);
            let parents: Vec<(String, Key)> =
                parents.into_iter().map(|(table, own)| (table.to_owned(), own.key.clone())).collect();
            for (parent, key) in parents {
                self.touch_with_kin(&parent, &key).await?;
            }
            Ok(values)
        })
    }

    /// Changes some columns of an own row; whether there was one to change.
    pub(crate) async fn update(&mut self, table: &str) -> Result<bool, Stop> {
        let plan = self.plan;
        let Some(shape) = plan.schema.tables.get(table) else { return Ok(false) };
        let Some(own) = self.any_own(table) else { return Ok(false) };
        let columns = plan.changeable(table);
        if columns.is_empty() {
            return Ok(false);
        }
        let Some(before) = self.touch(table, &own.key).await? else { return Ok(false) };
        if shape.has_triggers {
            self.touch_with_kin(table, &own.key).await?;
            let near = self.pool.parents(shape, &before).into_iter().chain(self.pool.children(
                &plan.schema,
                table,
                &before,
            ));
            let near: Vec<(String, Key)> =
                near.map(|(table, own)| (table.to_owned(), own.key.clone())).collect();
            for (table, key) in near {
                self.touch_with_kin(&table, &key).await?;
            }
        }
        let engine = self.engine();
        let (mut tried, mut last) = (0, None);
        while tried < TRIES / 2 {
            tried += 1;
            let facts = Facts::choose(self.random, shape.checks.iter().map(|check| &check.condition));
            let new = self.changes(shape, &columns, &facts);
            if new.is_empty() {
                return Ok(false);
            }
            let sets = new.iter().map(|(name, sql)| format!("{} = {sql}", literal::name(engine, name)));
            let sql = format!(
                "UPDATE {} SET {} WHERE {}",
                shape.quoted_only(engine),
                sets.collect::<Vec<_>>().join(", "),
                where_key(engine, shape, &own.key)
            );
            match self.guarded(&sql).await {
                Ok(_) => return Ok(true),
                Err(error) => {
                    let refused = self.refused(table, &error, tried);
                    self.after(error).await?;
                    last = Some(refused);
                }
            }
        }
        last.map_or(Ok(false), Err)
    }

    /// New values for one to three columns, among them one whose values never are the same by chance, where there is one.
    fn changes(&mut self, shape: &TableSchema, columns: &[&Column], facts: &Facts) -> RowSql {
        let engine = self.engine();
        let wide: Vec<&&Column> = columns.iter().filter(|column| is_wide(&column.kind)).collect();
        let mut chosen: BTreeSet<&str> = BTreeSet::new();
        if !wide.is_empty() {
            chosen.insert(&wide[self.random.random_range(0..wide.len())].name);
        }
        for _ in 0..self.random.random_range(1..3) {
            chosen.insert(&columns[self.random.random_range(0..columns.len())].name);
        }
        // As an application does: a row says when it was written last, and goes on saying when it was created.
        let of = |told| columns.iter().filter(move |column| column.tells_time() == Some(told));
        chosen.extend(of(Told::LastWrite).map(|column| column.name.as_str()));
        for column in of(Told::Creation) {
            chosen.remove(column.name.as_str());
        }
        for (one, other) in facts.less.iter().chain(&facts.equal) {
            if chosen.contains(one.as_str()) || chosen.contains(other.as_str()) {
                chosen.extend([one.as_str(), other.as_str()]);
            }
        }
        let (mut row, mut ranks) = (RowSql::new(), BTreeMap::new());
        for column in columns.iter().filter(|column| chosen.contains(column.name.as_str())) {
            let known = facts.of(&column.name);
            let null = column.nullable
                && known.null != Some(false)
                && (known.null == Some(true) || self.random.random_bool(0.05));
            let drawn = if null { None } else { draw(self.random, engine, column, &known) };
            match drawn {
                Some(drawn) => {
                    ranks.extend(drawn.rank.map(|rank| (column.name.clone(), rank)));
                    row.insert(column.name.clone(), drawn.sql);
                }
                None if null => {
                    row.insert(column.name.clone(), "NULL".into());
                }
                None => {}
            }
        }
        let _ = shape;
        order(facts, &mut ranks, &mut row);
        row
    }

    /// Deletes an own row that no own row refers to; whether there was one.
    pub(crate) async fn delete(&mut self, table: &str) -> Result<bool, Stop> {
        let plan = self.plan;
        let Some(shape) = plan.schema.tables.get(table) else { return Ok(false) };
        let Some(own) = self.any_own(table) else { return Ok(false) };
        if !self.pool.children(&plan.schema, table, &own.values).is_empty() {
            return Ok(false);
        }
        // A row that this transaction inserted stays.
        if self.inserted.iter().any(|(of, key)| of == table && *key == own.key) {
            return Ok(false);
        }
        if self.touch(table, &own.key).await?.is_none() || self.has_children(table, &own.values).await? {
            return Ok(false);
        }
        if shape.has_triggers {
            self.touch_with_kin(table, &own.key).await?;
            let near = self.pool.parents(shape, &own.values);
            let near: Vec<(String, Key)> =
                near.into_iter().map(|(table, own)| (table.to_owned(), own.key.clone())).collect();
            for (table, key) in near {
                self.touch_with_kin(&table, &key).await?;
            }
        }
        let engine = self.engine();
        let sql =
            format!("DELETE FROM {} WHERE {}", shape.quoted_only(engine), where_key(engine, shape, &own.key));
        if let Err(error) = self.guarded(&sql).await {
            let refused = self.refused(table, &error, 1);
            self.after(error).await?;
            return Err(refused);
        }
        self.pool.remove(table, &own.key);
        self.removed.push((table.to_owned(), own));
        Ok(true)
    }

    /// Whether a row of the database refers to this one, also one that is not the writer's own any more: it was deleted where
    /// the server does not know of it. What is deleted with its parent would be in no ledger.
    async fn has_children(&mut self, table: &str, values: &Values) -> Result<bool, Stop> {
        let (engine, plan) = (self.engine(), self.plan);
        let Some(shape) = plan.schema.tables.get(table) else { return Ok(false) };
        let refers = |(child, key): (&TableSchema, &ForeignKey)| {
            let pairs = key.columns.iter().zip(&key.parent_columns).map(|(own, theirs)| {
                let text = values.get(theirs)?.as_ref()?;
                let sql = shape.column(theirs)?.literal(engine, text);
                Some(format!("{} = {sql}", literal::name(engine, own)))
            });
            let condition = pairs.collect::<Option<Vec<_>>>()?.join(" AND ");
            Some(format!("EXISTS (SELECT 1 FROM {} WHERE {condition})", child.quoted(engine)))
        };
        let keys = plan
            .schema
            .tables
            .values()
            .flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
        let asked: Vec<String> = keys.filter(|(_, key)| key.parent == table).filter_map(refers).collect();
        if asked.is_empty() {
            return Ok(false);
        }
        let sql = format!("SELECT CASE WHEN {} THEN 'yes' ELSE 'no' END", asked.join(" OR "));
        let rows = self.session.query(sql).await.map_err(gone)?;
        Ok(rows.first().and_then(|row| row.first()?.as_deref()) == Some("yes"))
    }

    fn any_own(&mut self, table: &str) -> Option<OwnRow> {
        let rows = self.pool.of(table);
        (!rows.is_empty()).then(|| rows[self.random.random_range(0..rows.len())].clone())
    }

    /// What the transaction did, just before its COMMIT. The pool is as the database is then. Nothing, where it can't be
    /// committed.
    pub(crate) async fn effects(&mut self) -> Result<Vec<Effect>, Stop> {
        if self.spoilt {
            return Ok(Vec::new());
        }
        if self.engine() == Engine::Postgres {
            let checked = self.session.execute("SET CONSTRAINTS ALL IMMEDIATE".into()).await;
            checked.map_err(|error| {
                if meaning(&error) == Meaning::Broken { Stop::Broken(error) } else { Stop::RolledBack(error) }
            })?;
        }
        let plan = self.plan;
        let mut effects = Vec::new();
        for ((table, key), before) in self.touched.clone() {
            let Some(shape) = plan.schema.tables.get(&table) else { continue };
            let after = self.read(shape, &by_key(self.engine(), shape, &key), "").await?;
            let change = match (before, after) {
                (None, None) => continue,
                (None, Some(after)) => {
                    self.pool.put(&table, OwnRow { key: key.clone(), values: after.clone() });
                    Change::Insert(after)
                }
                (Some(before), None) => {
                    if self.pool.of(&table).iter().any(|own| own.key == key) {
                        self.pool.remove(&table, &key);
                        self.removed.push((table.clone(), OwnRow { key: key.clone(), values: before }));
                    }
                    Change::Delete
                }
                (Some(before), Some(after)) => {
                    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
                    let changed: Values =
                        changed.map(|(name, value)| (name.clone(), value.clone())).collect();
                    if changed.is_empty() {
                        continue;
                    }
                    self.removed.push((table.clone(), OwnRow { key: key.clone(), values: before }));
                    self.pool.put(&table, OwnRow { key: key.clone(), values: after });
                    Change::Update(changed)
                }
            };
            effects.push(Effect { table, row: Row::Key(key), change });
        }
        effects.extend(self.contents.iter().map(|(table, content)| Effect {
            table: table.clone(),
            row: Row::Content(content.clone()),
            change: Change::Insert(Values::new()),
        }));
        Ok(effects)
    }

    /// Sends COMMIT.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.session.execute("COMMIT".into()).await.map(|_| ())
    }

    /// Makes the pool what it was, and sends ROLLBACK, where the connection is not broken.
    pub(crate) async fn roll_back(mut self, is_broken: bool) -> Result<(), sqlx::Error> {
        self.restore();
        if is_broken {
            return Ok(());
        }
        self.session.execute("ROLLBACK".into()).await.map(|_| ())
    }

    /// Makes the pool what it was before the transaction.
    pub(crate) fn restore(&mut self) {
        for (table, key) in self.inserted.drain(..) {
            self.pool.remove(&table, &key);
        }
        for (table, own) in self.removed.drain(..) {
            self.pool.put(&table, own);
        }
    }

    /// Leaves alone from now on every row that the transaction touched: it is not known what became of them.
    pub(crate) fn leave_alone(&mut self) {
        for (table, key) in self.touched.keys() {
            self.pool.leave(&self.plan.schema, table, key);
        }
    }
}

/// An error of a statement that only reads.
fn gone(error: sqlx::Error) -> Stop {
    match meaning(&error) {
        Meaning::Broken => Stop::Broken(error),
        _ => Stop::RolledBack(error),
    }
}

/// Exchanges values until those that have to be less are.
fn order(facts: &Facts, ranks: &mut BTreeMap<String, f64>, row: &mut RowSql) {
    for (less, more) in &facts.less {
        let (Some(one), Some(other)) = (ranks.get(less).copied(), ranks.get(more).copied()) else { continue };
        if one > other
            && let (Some(first), Some(second)) = (row.get(less).cloned(), row.get(more).cloned())
        {
            row.insert(less.clone(), second);
            row.insert(more.clone(), first);
            ranks.insert(less.clone(), other);
            ranks.insert(more.clone(), one);
        }
    }
    for (one, other) in &facts.equal {
        if let Some(value) = row.get(one).cloned() {
            row.insert(other.clone(), value);
        }
    }
}

fn insert_statement(engine: Engine, shape: &TableSchema, row: &RowSql) -> String {
    let table = shape.quoted(engine);
    if row.is_empty() {
        return match engine {
            Engine::MySql => format!("INSERT INTO {table} () VALUES ()"),
            Engine::Postgres => format!("INSERT INTO {table} DEFAULT VALUES"),
        };
    }
    let names: Vec<String> = row.keys().map(|name| literal::name(engine, name)).collect();
    let values: Vec<&str> = row.values().map(String::as_str).collect();
    let always = row.keys().any(|name| shape.column(name).is_some_and(|column| column.always_numbered));
    let overriding = if always { " OVERRIDING SYSTEM VALUE" } else { "" };
    format!("INSERT INTO {table} ({}){overriding} VALUES ({})", names.join(", "), values.join(", "))
}

/// The columns of a key, with their values as SQL.
fn by_key(engine: Engine, shape: &TableSchema, key: &Key) -> Vec<(String, String)> {
    let one =
        |(name, text): (&String, &String)| Some((name.clone(), shape.column(name)?.literal(engine, text)));
    key.iter().filter_map(one).collect()
}

/// A condition that only the row of this key meets.
pub(crate) fn where_key(engine: Engine, shape: &TableSchema, key: &Key) -> String {
    let parts = by_key(engine, shape, key);
    let parts = parts.iter().map(|(name, sql)| format!("{} = {sql}", literal::name(engine, name)));
    parts.collect::<Vec<_>>().join(" AND ")
}
