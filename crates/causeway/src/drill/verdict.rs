//! The comparison that matters: what the report calls lost against what the clients had acknowledged and the new
//! primary lacks, order by order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::shop::ledger::{Entries, Order};

/// What is in the new primary at the end.
#[derive(Debug, Default)]
pub struct NewPrimary {
    /// Status of each order, by id.
    pub orders: BTreeMap<String, String>,
    /// Number of items of each order, by id.
    pub items: BTreeMap<String, u64>,
    /// How often each product has each tag.
    pub tags: BTreeMap<(i32, i32), u64>,
}

/// A row that the report lists: of the old primary, or of the new one where the old one had deleted it.
#[derive(Debug, Clone)]
pub struct Reported {
    /// Its table, in small letters, as PostgreSQL has it.
    pub table: String,
    /// What happened to it, in the report's words.
    pub kind: String,
    /// Its values, as text, by column in small letters.
    pub source: Value,
}

/// Reads a table's spreadsheet, the one file that lists every row.
///
/// # Errors
/// When it is none.
pub fn read_spreadsheet(table: &str, bytes: &[u8]) -> Result<Vec<Reported>, csv::Error> {
    let mut reader = csv::Reader::from_reader(bytes);
    let rows = reader.deserialize::<BTreeMap<String, String>>();
    let reported = rows.map(|row| {
        let row = row?;
        let row: BTreeMap<_, _> = row.into_iter().map(|(name, cell)| (name.to_lowercase(), cell)).collect();
        let cell = |name: &str| row.get(name).cloned().unwrap_or_default();
        let kind = cell("what happened");
        let counts = cell("version") == "old" || kind == DELETED;
        Ok(counts.then(|| Reported { table: table.to_lowercase(), kind, source: serde_json::json!(row) }))
    });
    reported.filter_map(Result::transpose).collect()
}

/// What the report calls a delete that was lost.
const DELETED: &str = "lost delete";
/// What a replay leaves.
const UPDATES: &str = "order updates";
const CANCELLATIONS: &str = "cancellations";
const ITEMS_CANCELLED: &str = "items cancelled";
const CONFLICTS: &str = "conflicts";
const TAGS: &str = "product tags";

/// One check of the verdict.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// What was compared.
    pub what: &'static str,
    /// How many were really lost.
    pub lost: usize,
    /// How many the report lists.
    pub reported: usize,
    /// How many of the reported ones are in doubt: their clients did not see the answer to the commit.
    pub in_doubt: usize,
    /// Lost but not reported.
    pub overlooked: Vec<String>,
    /// Reported but not lost.
    pub invented: Vec<String>,
}

impl Check {
    /// Compares two sets; what is in doubt may be reported or not.
    fn of(
        what: &'static str,
        lost: &BTreeSet<String>,
        reported: &BTreeSet<String>,
        doubtful: &BTreeSet<String>,
    ) -> Self {
        Self {
            what,
            lost: lost.len(),
            reported: reported.len(),
            in_doubt: reported.iter().filter(|one| doubtful.contains(*one) && !lost.contains(*one)).count(),
            overlooked: lost.difference(reported).filter(|one| !doubtful.contains(*one)).cloned().collect(),
            invented: reported.difference(lost).filter(|one| !doubtful.contains(*one)).cloned().collect(),
        }
    }

    /// That the report leaves nothing undecided.
    pub fn nothing_undecided(undecided: Vec<String>) -> Self {
        let reported = undecided.len();
        Self {
            what: "undecided",
            lost: 0,
            reported,
            in_doubt: 0,
            overlooked: Vec::new(),
            invented: undecided,
        }
    }

    /// Why a replay does not put them back; empty where it has to.
    pub fn why_left(&self) -> &'static str {
        match self.what {
            UPDATES | CONFLICTS => "the rows are on both sides: for a person to decide",
            CANCELLATIONS | ITEMS_CANCELLED => "nothing is deleted: for a person to decide",
            TAGS => "the table has no key: whether a row is there is not known",
            _ => "",
        }
    }

    /// Whether the report is right.
    pub fn holds(&self) -> bool {
        self.overlooked.is_empty() && self.invented.is_empty()
    }
}

/// Compares what was lost with what is reported.
pub fn judge(entries: &Entries, new_primary: &NewPrimary, reported: &[Reported]) -> Vec<Check> {
    let rows = |table: &'static str, kind: &'static str| {
        reported.iter().filter(move |row| row.table == table && row.kind == kind).map(|row| &row.source)
    };
    let order_id = |row: &Value| row["order_id"].as_str().unwrap_or_default().to_owned();

    let is_there = |id: &str| new_primary.orders.contains_key(id);
    let standing = || entries.orders.iter().filter(|(_, order)| order.cancelled.is_none());
    let lost_orders: BTreeSet<String> =
        standing().map(|(id, _)| id).filter(|id| !is_there(id)).cloned().collect();
    let doubtful: BTreeSet<String> =
        entries.orders_in_doubt.union(&entries.cancellations_in_doubt).cloned().collect();
    let orders = Check::of(
        "orders",
        &lost_orders,
        &rows("customer_order", "missing").map(order_id).collect(),
        &doubtful,
    );

    let item = |id: &str, line: u64| format!("{id} line {line}");
    let lost_items: BTreeSet<String> = standing()
        .flat_map(|(id, order)| {
            let there = new_primary.items.get(id).copied().unwrap_or_default();
            (there + 1..=u64::from(order.items)).map(move |line| item(id, line))
        })
        .collect();
    let reported_items: BTreeSet<String> = rows("customer_order_item", "missing")
        .map(|row| item(&order_id(row), number(&row["line"])))
        .collect();
    let is_doubtful = |one: &&String| one.split(' ').next().is_some_and(|id| doubtful.contains(id));
    let doubtful_items = |reported: &BTreeSet<String>, lost: &BTreeSet<String>| {
        reported.union(lost).filter(is_doubtful).cloned().collect::<BTreeSet<_>>()
    };
    let items =
        Check::of("order items", &lost_items, &reported_items, &doubtful_items(&reported_items, &lost_items));

    // The old Region cancelled it, and it is there.
    let left = |(id, order): &(&String, &Order)| order.cancelled.is_some() && is_there(id);
    let lost_cancellations: BTreeSet<String> =
        entries.orders.iter().filter(left).map(|(id, _)| id.clone()).collect();
    let cancellations = Check::of(
        CANCELLATIONS,
        &lost_cancellations,
        &rows("customer_order", DELETED).map(order_id).collect(),
        &doubtful,
    );
    let lost_lines: BTreeSet<String> = entries
        .orders
        .iter()
        .filter(left)
        .flat_map(|(id, _)| {
            let there = new_primary.items.get(id).copied().unwrap_or_default();
            (1..=there).map(move |line| item(id, line))
        })
        .collect();
    let reported_lines: BTreeSet<String> =
        rows("customer_order_item", DELETED).map(|row| item(&order_id(row), number(&row["line"]))).collect();
    let lines = Check::of(
        ITEMS_CANCELLED,
        &lost_lines,
        &reported_lines,
        &doubtful_items(&reported_lines, &lost_lines),
    );

    let differs = |(id, order): &(&String, &Order)| {
        new_primary.orders.get(*id).is_some_and(|status| *status != order.status.0)
    };
    let lost_statuses: BTreeSet<String> =
        standing().filter(differs).filter(|(_, order)| !order.held).map(|(id, _)| id.clone()).collect();
    let in_conflict: BTreeSet<String> =
        standing().filter(|(_, order)| order.held).map(|(id, _)| id.clone()).collect();
    let conflicts = Check::of(
        CONFLICTS,
        &in_conflict,
        &rows("customer_order", "conflict").map(order_id).collect(),
        &entries.statuses_in_doubt,
    );
    let statuses = Check::of(
        UPDATES,
        &lost_statuses,
        &rows("customer_order", "lost update").map(order_id).collect(),
        &entries.statuses_in_doubt,
    );

    let tags = tags(entries, new_primary, &mut rows("product_tag", "missing"));
    vec![orders, items, statuses, cancellations, lines, conflicts, tags]
}

/// Tags have no key: a product may have one twice. What counts is how often the old primary had it and the new has.
fn tags(entries: &Entries, new_primary: &NewPrimary, rows: &mut dyn Iterator<Item = &Value>) -> Check {
    let mut acknowledged: BTreeMap<(i32, i32), u64> = BTreeMap::new();
    let old_region = entries.tags.first().map(|tagged| tagged.region.clone()).unwrap_or_default();
    for tagged in entries.tags.iter().filter(|tagged| tagged.region == old_region) {
        *acknowledged.entry((tagged.product, tagged.tag)).or_default() += 1;
    }
    let named = |(product, tag): (i32, i32), nth: u64| format!("product {product} tag {tag} #{nth}");
    let lost: BTreeSet<String> = acknowledged
        .iter()
        .flat_map(|(pair, old)| {
            let new = new_primary.tags.get(pair).copied().unwrap_or_default();
            (1..=old.saturating_sub(new)).map(move |nth| named(*pair, nth))
        })
        .collect();
    let mut counted: BTreeMap<(i32, i32), u64> = BTreeMap::new();
    for row in rows {
        let pair = |column: &str| i32::try_from(number(&row[column])).unwrap_or_default();
        *counted.entry((pair("product_id"), pair("tag_id"))).or_default() += 1;
    }
    let reported: BTreeSet<String> =
        counted.iter().flat_map(|(pair, n)| (1..=*n).map(move |nth| named(*pair, nth))).collect();
    let doubtful = reported
        .iter()
        .filter(|one| {
            entries
                .tags_in_doubt
                .iter()
                .any(|pair| one.starts_with(&named(*pair, 0)[..named(*pair, 0).len() - 1]))
        })
        .cloned()
        .collect();
    Check::of(TAGS, &lost, &reported, &doubtful)
}

/// A number, whether written as one or as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::ledger::{Order, Tagged};
    use serde_json::json;
    use std::time::Duration;

    fn entries() -> Entries {
        let order = |region: &str, status: &str| Order {
            region: region.into(),
            at: Duration::ZERO,
            items: 1,
            status: (status.into(), region.into()),
            cancelled: None,
            held: false,
        };
        let tagged = |product, region: &str| Tagged { product, tag: 1, region: region.into() };
        Entries {
            orders: [
                ("kept", order("e", "PAID")),
                ("lost", order("e", "PAID")),
                ("sent", order("e", "SENT")),
                ("new", order("w", "PAID")),
                ("cancelled", Order { cancelled: Some("e".into()), ..order("e", "PAID") }),
                ("gone", Order { cancelled: Some("w".into()), ..order("e", "PAID") }),
                ("held", Order { held: true, ..order("e", "SENT") }),
            ]
            .map(|(id, order)| (id.to_owned(), order))
            .into(),
            orders_in_doubt: ["doubt".to_owned()].into(),
            tags: vec![tagged(1, "e"), tagged(1, "e"), tagged(2, "e"), tagged(2, "w")],
            ..Entries::default()
        }
    }

    fn new_primary() -> NewPrimary {
        let paid = |id: &str| (id.to_owned(), "PAID".to_owned());
        NewPrimary {
            orders: [
                paid("kept"),
                paid("sent"),
                paid("new"),
                paid("cancelled"),
                ("held".to_owned(), "HELD".to_owned()),
            ]
            .into(),
            items: ["kept", "sent", "new", "cancelled", "held"].map(|id| (id.to_owned(), 1)).into(),
            tags: [((1, 1), 1), ((2, 1), 2)].into(),
        }
    }

    fn reported() -> Vec<Reported> {
        let row = |table: &str, kind: &str, source: Value| Reported {
            table: table.into(),
            kind: kind.into(),
            source,
        };
        vec![
            row("customer_order", "missing", json!({"order_id": "lost"})),
            row("customer_order", "missing", json!({"order_id": "doubt"})),
            row("customer_order", "lost update", json!({"order_id": "sent"})),
            row("customer_order_item", "missing", json!({"order_id": "lost", "line": 1})),
            row("customer_order", "lost delete", json!({"order_id": "cancelled"})),
            row("customer_order_item", "lost delete", json!({"order_id": "cancelled", "line": 1})),
            row("customer_order", "conflict", json!({"order_id": "held"})),
            row("product_tag", "missing", json!({"product_id": 1, "tag_id": "1"})),
        ]
    }

    #[test]
    fn a_spreadsheet_is_read_by_its_own_words() {
        let text = "what happened,how sure,version,last write (UTC),differs in,ORDER_ID,LINE\r\n\
                    missing,x,old,,,\"a,b\",1\r\nlost update,,old,,,c,2\r\nlost update,,new,,,c,3\r\n";
        let rows = read_spreadsheet("t", text.as_bytes()).unwrap();
        let said: Vec<_> =
            rows.iter().map(|row| (row.kind.as_str(), row.source["order_id"].as_str().unwrap())).collect();
        assert_eq!(said, [("missing", "a,b"), ("lost update", "c")]);
        assert_eq!(number(&rows[1].source["line"]), 2);
    }

    #[test]
    fn a_right_report_holds_and_doubt_counts_for_neither() {
        let checks = judge(&entries(), &new_primary(), &reported());
        for check in &checks {
            assert!(check.holds(), "{check:?}");
            assert_eq!(check.lost, 1, "{check:?}");
        }
        assert_eq!(checks[0].in_doubt, 1);
    }

    #[test]
    fn each_row_overlooked_or_invented_is_seen() {
        for left_out in 0..reported().len() {
            let mut rows = reported();
            let row = rows.remove(left_out);
            let holds = judge(&entries(), &new_primary(), &rows).iter().all(Check::holds);
            assert_eq!(holds, row.source["order_id"] == "doubt", "without {row:?}");
        }
        for (table, kind) in [
            ("customer_order", "missing"),
            ("customer_order", "lost update"),
            ("customer_order_item", "missing"),
            ("customer_order", "lost delete"),
            ("customer_order_item", "lost delete"),
            ("customer_order", "conflict"),
        ] {
            let mut rows = reported();
            rows.push(Reported {
                table: table.into(),
                kind: kind.into(),
                source: json!({"order_id": "kept", "line": 1}),
            });
            assert!(!judge(&entries(), &new_primary(), &rows).iter().all(Check::holds), "{table} {kind}");
        }
    }
}
