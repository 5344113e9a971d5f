//! Times of rows: which columns hold them, what they say, and what the failover's record makes of them.
//!
//! A time is a value like any other. It says when a row was written only where every write sets it, and only as exactly
//! as two clocks agree. There are two kinds of columns: one with the time of the last write
//! (*changed*), one with the time of the creation (*created*). The second says nothing of updates.
//!
//! A column is the plan's, or the first of the table's that has one of these names (case and underscores aside), is a
//! date with a time of day, and is not computed by the server:
//!
//! - changed: [`CHANGED`], in that order;
//! - created: [`CREATED`], in that order.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use table_diff::{ColumnShape, TableShape, ValueKind};

use crate::Error;
use crate::facts::{Facts, TableHints};

/// Names of a column with the time of the last write, the best first.
pub const CHANGED: [&str; 16] = [
    "updatedat",
    "modifiedat",
    "changedat",
    "lastupdatedat",
    "lastmodifiedat",
    "lastupdated",
    "lastmodified",
    "lastchanged",
    "lastupdate",
    "updatedon",
    "modifiedon",
    "updatetime",
    "updatedtime",
    "modifiedtime",
    "updated",
    "modified",
];

/// Names of a column with the time of the creation, the best first.
pub const CREATED: [&str; 10] = [
    "createdat",
    "insertedat",
    "addedat",
    "createdon",
    "createtime",
    "createdtime",
    "creationtime",
    "datecreated",
    "created",
    "inserted",
];

/// A column with times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeColumn {
    /// Its name.
    pub name: String,
    /// Whether the plan names it; else it was found by its name and type.
    pub named_by_plan: bool,
    /// Whether its type carries no time zone; its values are then taken as UTC.
    pub without_time_zone: bool,
}

/// The columns with the times of a table's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeColumns {
    /// The time of the last write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<TimeColumn>,
    /// The time of the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<TimeColumn>,
}

impl TimeColumns {
    /// The columns of `table`.
    ///
    /// # Errors
    /// [`Error::TimeColumn`] when the plan names one that is not there, or is no date with a time of day.
    pub fn choose(table: &str, shape: &TableShape, hints: &TableHints) -> Result<Self, Error> {
        let choose = |named: Option<&str>, names: &[&str]| match named {
            Some("") => Ok::<_, Error>(None),
            Some(name) => {
                let column = shape.columns.iter().find(|column| column.name == name).filter(|c| is_time(c));
                let column = column
                    .ok_or_else(|| Error::TimeColumn { table: table.to_owned(), column: name.to_owned() })?;
                Ok(Some(time_column(column, true)))
            }
            None => Ok(names.iter().find_map(|name| {
                let fits = |column: &&ColumnShape| {
                    plain(&column.name) == *name && is_time(column) && !column.generated
                };
                shape.columns.iter().find(fits).map(|column| time_column(column, false))
            })),
        };
        Ok(Self {
            changed: choose(hints.changed_at.as_deref(), &CHANGED)?,
            created: choose(hints.created_at.as_deref(), &CREATED)?,
        })
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// A date with a time of day. `DATE` says too little, `TIME` and `YEAR` nothing.
fn is_time(column: &ColumnShape) -> bool {
    let base = column.type_text.to_lowercase();
    column.kind == ValueKind::Moment && (base.starts_with("datetime") || base.starts_with("timestamp"))
}

fn time_column(column: &ColumnShape, named_by_plan: bool) -> TimeColumn {
    let base = column.type_text.to_lowercase();
    TimeColumn {
        name: column.name.clone(),
        named_by_plan,
        without_time_zone: base.starts_with("datetime") || base.contains("without time zone"),
    }
}

/// A time as the comparison writes it: `2026-11-25 10:00:00.123456`, with or without `+00`. `None` for anything else,
/// among it `0000-00-00 00:00:00` and `infinity`.
pub fn parse(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let text = ["+00:00", "+00", "Z"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text);
    // Shorter is a date alone.
    if text.len() < 19 {
        return None;
    }
    let time: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// The times of one version of a row. `None`: there is none, or it can't be right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Of the creation.
    pub created: Option<Timestamp>,
    /// Of the last write.
    pub changed: Option<Timestamp>,
    /// Whether one was there that can't be right.
    pub implausible: bool,
}

impl Times {
    /// The times in `row`, none of which can be after `end`.
    pub fn of(columns: &TimeColumns, row: Option<&Map<String, Value>>, end: Option<Timestamp>) -> Self {
        let mut implausible = false;
        let mut read = |column: &Option<TimeColumn>| {
            let value = row?.get(&column.as_ref()?.name).filter(|value| !value.is_null())?;
            let time = parse(value).filter(|time| end.is_none_or(|end| *time <= end));
            implausible |= time.is_none();
            time
        };
        let (created, changed) = (read(&columns.created), read(&columns.changed));
        Self { created, changed, implausible }
    }

    /// The last write, as far as the times say.
    pub fn last(&self) -> Option<Timestamp> {
        self.changed.max(self.created)
    }
}

/// What the time of a version in the old primary says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Old {
    /// There is no time.
    None,
    /// Too near, or nothing is known.
    Unknown,
    /// It was on the new primary before the failover.
    CameAcross,
    /// It never was on the new primary.
    NeverCame,
}

/// What the time of a version in the new primary says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum New {
    /// There is no time.
    None,
    /// Too near, or nothing is known.
    Unknown,
    /// The old primary wrote it, before the failover.
    CameAcross,
    /// The new primary wrote it, after the failover.
    WrittenThere,
}

/// Whether the base has writes of the new primary's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TakeoverState {
    /// It was taken before the first of them.
    InTime,
    /// It may have some, made from then on where that is known.
    Late(Option<Timestamp>),
    /// Nothing is known of it.
    #[default]
    Unknown,
}

/// The bounds that the failover's record sets for the rows of one database; the margin for clocks is in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Old versions up to here came across.
    came_until: Option<Timestamp>,
    /// Old versions after this never came.
    never_after: Option<Timestamp>,
    /// New versions before this came from the old primary.
    came_before: Option<Timestamp>,
    /// New versions after this were written by the new primary.
    written_after: Option<Timestamp>,
    /// No old version is later.
    pub old_end: Option<Timestamp>,
    /// No new version is later.
    pub new_end: Option<Timestamp>,
    /// What is known of the state at the takeover.
    pub takeover: TakeoverState,
}

impl Bounds {
    /// The bounds for `database`.
    ///
    /// - What the old primary wrote after the moment at which every database was seen in its new place never came. Nobody
    ///   knows when replication really stopped.
    /// - What the new primary holds from before the start of the failover came across, for it took no write of its own.
    /// - What it holds from after that moment **and** the start is its own.
    /// - What the old primary wrote before `replicated_until` came across.
    /// - The state at the takeover is in time when its snapshot was taken before the first write that the new primary may have
    ///   taken: both are AWS's own times, so no margin is needed.
    pub fn of(facts: &Facts, database: &str) -> Self {
        let margin = facts.clock_margin_seconds.max(0.0);
        let margin = SignedDuration::try_from_secs_f64(margin).unwrap_or_default();
        let known = facts.databases.get(database);
        let later = |time: Option<Timestamp>| time.and_then(|time| time.checked_add(margin).ok());
        let earlier = |time: Timestamp| time.checked_sub(margin).ok();

        let takeover = match known.and_then(|known| known.base.as_ref()) {
            None => TakeoverState::Unknown,
            Some(base) => match (base.taken_at, base.writes_from) {
                (Some(taken), Some(writes)) if taken <= writes => TakeoverState::InTime,
                _ => TakeoverState::Late(
                    facts.failover.as_ref().and_then(|failover| earlier(failover.started_at)),
                ),
            },
        };
        let (mut never_after, mut came_before, mut written_after) = (None, None, None);
        if let Some(failover) = &facts.failover {
            never_after = later(failover.ended_at);
            written_after = later(failover.ended_at.map(|ended| ended.max(failover.started_at)));
            came_before = earlier(failover.started_at);
        }
        Self {
            came_until: known.and_then(|known| known.replicated_until).and_then(earlier),
            never_after,
            came_before,
            written_after,
            old_end: later(known.and_then(|known| known.snapshot_at)),
            new_end: later(facts.compared_at),
            takeover,
        }
    }

    /// Up to when what the old primary wrote is known to have come across.
    pub fn came_until(&self) -> Option<Timestamp> {
        self.came_until
    }

    /// Whether nothing at all is known.
    pub fn are_unknown(&self) -> bool {
        self.never_after.is_none() && self.came_before.is_none() && self.came_until.is_none()
    }

    /// What a time in the old primary says.
    pub fn of_old(&self, time: Option<Timestamp>) -> Old {
        let Some(time) = time else { return Old::None };
        let came = self.came_until.is_some_and(|until| time <= until);
        let never = self.never_after.is_some_and(|after| time > after);
        match (came, never) {
            (true, false) => Old::CameAcross,
            (false, true) => Old::NeverCame,
            _ => Old::Unknown,
        }
    }

    /// What a time in the new primary says.
    pub fn of_new(&self, time: Option<Timestamp>) -> New {
        let Some(time) = time else { return New::None };
        let came = self.came_before.is_some_and(|before| time < before);
        let written = self.written_after.is_some_and(|after| time > after);
        match (came, written) {
            (true, false) => New::CameAcross,
            (false, true) => New::WrittenThere,
            _ => New::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{DatabaseFacts, Failover};
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-25T{text}Z").parse().unwrap()
    }

    fn column(name: &str, type_text: &str, kind: ValueKind) -> ColumnShape {
        ColumnShape {
            name: name.into(),
            type_text: type_text.into(),
            kind,
            nullable: false,
            generated: false,
            auto_increment: false,
        }
    }

    #[test]
    fn a_time_column_is_found_by_name_and_type_in_a_known_order() {
        let moment = ValueKind::Moment;
        let computed = ColumnShape { generated: true, ..column("updated_at", "datetime(6)", moment) };
        let mut shape = TableShape {
            columns: vec![
                column("LAST_MODIFIED", "timestamp(6) with time zone", moment),
                computed,
                column("modified_at", "varchar(30)", ValueKind::Text),
                column("createdAt", "datetime", moment),
                column("created_on", "date", moment),
            ],
            ..TableShape::default()
        };
        let found = TimeColumns::choose("t", &shape, &TableHints::default()).unwrap();
        let (changed, created) = (found.changed.unwrap(), found.created.unwrap());
        assert_eq!((changed.name.as_str(), changed.without_time_zone), ("LAST_MODIFIED", false));
        assert_eq!((created.name.as_str(), created.without_time_zone), ("createdAt", true));

        shape.columns.push(column("UpdatedAt", "timestamp", moment));
        shape.columns.push(column("placed", "timestamp without time zone", moment));
        let hints = TableHints {
            created_at: Some("placed".into()),
            changed_at: Some(String::new()),
            ..TableHints::default()
        };
        let named = TimeColumns::choose("t", &shape, &hints).unwrap();
        assert_eq!(named.changed, None, "the plan says that none is to be used");
        assert!(named.created.unwrap().named_by_plan);
        let found = TimeColumns::choose("t", &shape, &TableHints::default()).unwrap();
        assert_eq!(found.changed.unwrap().name, "UpdatedAt");

        for wrong in ["no_such", "modified_at", "created_on"] {
            let hints = TableHints { changed_at: Some(wrong.into()), ..TableHints::default() };
            let error = TimeColumns::choose("t", &shape, &hints).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("table t"), "{error}");
        }
    }

    #[test]
    fn times_are_read_as_the_servers_write_them() {
        for text in ["2026-11-25 10:00:00.5", "2026-11-25 10:00:00.500000+00", "2026-11-25T10:00:00.5Z"] {
            assert_eq!(parse(&json!(text)), Some(at("10:00:00.5")), "{text}");
        }
        for none in
            [json!("0000-00-00 00:00:00"), json!("infinity"), json!("2026-11-25"), json!(5), json!(null)]
        {
            assert_eq!(parse(&none), None, "{none}");
        }
    }

    #[test]
    fn a_time_after_the_end_can_not_be_right() {
        let columns = TimeColumns {
            changed: Some(TimeColumn { name: "u".into(), named_by_plan: false, without_time_zone: true }),
            created: None,
        };
        let row = json!({"u": "2026-11-25 12:00:00"});
        let times = Times::of(&columns, row.as_object(), Some(at("11:00:00")));
        assert_eq!((times.changed, times.implausible), (None, true));
        let times = Times::of(&columns, row.as_object(), Some(at("12:00:00")));
        assert_eq!((times.last(), times.implausible), (Some(at("12:00:00")), false));
        let times = Times::of(&columns, json!({"u": null}).as_object(), None);
        assert_eq!((times.last(), times.implausible), (None, false));
    }

    fn failover(ended: Option<&str>) -> Facts {
        Facts {
            failover: Some(Failover {
                execution: String::new(),
                started_at: at("12:00:00"),
                ended_at: ended.map(at),
                outage: None,
                rto_seconds: None,
                steps: Vec::new(),
            }),
            ..Facts::default()
        }
    }

    #[test]
    fn without_a_record_no_time_says_anything() {
        let bounds = Bounds::of(&Facts::default(), "d");
        assert!(bounds.are_unknown());
        assert_eq!(bounds.of_old(Some(at("00:00:00"))), Old::Unknown);
        assert_eq!(bounds.of_new(Some(at("23:00:00"))), New::Unknown);
        assert_eq!((bounds.of_old(None), bounds.of_new(None)), (Old::None, New::None));
    }

    #[test]
    fn only_what_is_after_the_end_is_known_to_be_late() {
        let bounds = Bounds::of(&failover(Some("12:03:00")), "d");
        let old = |time| bounds.of_old(Some(at(time)));
        let new = |time| bounds.of_new(Some(at(time)));
        assert_eq!(
            [old("00:00:00"), old("12:03:05"), old("12:03:06")],
            [Old::Unknown, Old::Unknown, Old::NeverCame]
        );
        assert_eq!([new("11:59:54"), new("11:59:55")], [New::CameAcross, New::Unknown]);
        assert_eq!([new("12:03:05"), new("12:03:06")], [New::Unknown, New::WrittenThere]);
        let bounds = Bounds::of(&failover(None), "d");
        assert_eq!(bounds.of_new(Some(at("23:00:00"))), New::Unknown, "nobody saw that it ended");
    }

    #[test]
    fn an_end_before_the_start_never_makes_a_write_before_the_start_the_new_primary_s() {
        let bounds = Bounds::of(&failover(Some("11:58:00")), "d");
        let new = |time| bounds.of_new(Some(at(time)));
        assert_eq!(bounds.of_old(Some(at("11:58:06"))), Old::NeverCame);
        assert_eq!([new("11:59:54"), new("11:59:55")], [New::CameAcross, New::Unknown]);
        assert_eq!([new("12:00:05"), new("12:00:06")], [New::Unknown, New::WrittenThere]);
    }

    #[test]
    fn what_came_across_needs_a_moment_up_to_which_it_did() {
        let mut facts = failover(Some("12:03:00"));
        let mut database = DatabaseFacts { lag_seconds: Some(2.0), ..DatabaseFacts::default() };
        facts.databases.insert("d".into(), database.clone());
        let alone = Bounds::of(&facts, "d");
        assert_eq!(alone.of_old(Some(at("01:00:00"))), Old::Unknown, "a lag without its time says nothing");
        database.replicated_until = Some(at("11:59:50"));
        facts.databases.insert("d".into(), database);
        let bounds = Bounds::of(&facts, "d");
        let old = |time| bounds.of_old(Some(at(time)));
        assert_eq!([old("11:59:45"), old("11:59:46")], [Old::CameAcross, Old::Unknown]);
        assert_eq!(Bounds::of(&facts, "other").of_old(Some(at("01:00:00"))), Old::Unknown);
    }
}
