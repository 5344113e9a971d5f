//! The comparison that matters: what the report calls lost against what the clients had acknowledged and the new
//! primary lacks, order by order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{Check, DELETED, Names, Reported};
use crate::customers::ledger::{Entries, Order};

/// What is in the new primary at the end.
#[derive(Debug, Default)]
pub struct NewPrimary {
    /// Status and customer of each order, by id.
    pub orders: BTreeMap<String, (String, String)>,
    /// Orders that have an address.
    pub addresses: BTreeSet<String>,
    /// Lines of each order, by id.
    pub lines: BTreeMap<String, BTreeSet<u64>>,
    /// How often each order has an event of each kind.
    pub events: BTreeMap<(String, String), u64>,
    /// How often each product has each tag.
    pub tags: BTreeMap<(String, String), u64>,
    /// Names of tags, by number.
    pub tag_names: BTreeMap<u64, String>,
}

/// Why a replay leaves rows that both primaries have.
const BOTH_SIDES: &str = "the rows are on both sides: for a person to decide";

/// Compares what was lost with what is reported.
pub fn judge(
    entries: &Entries,
    at_first: &NewPrimary,
    new_primary: &NewPrimary,
    reported: &[Reported],
) -> Vec<Check> {
    let judge = Judge { entries, at_first, new_primary, reported };
    vec![
        judge.orders(),
        judge.items(),
        judge.addresses(),
        judge.events(),
        judge.updates().left(BOTH_SIDES),
        judge.removed().left("nothing is deleted: for a person to decide"),
        judge.conflicts().left(BOTH_SIDES),
        judge.tags().left("the table has no key: whether a row is there is not known"),
    ]
}

struct Judge<'a> {
    entries: &'a Entries,
    /// What the primary had before the first customer came.
    at_first: &'a NewPrimary,
    new_primary: &'a NewPrimary,
    reported: &'a [Reported],
}

impl Judge<'_> {
    fn orders(&self) -> Check {
        let lost = self.lost_orders().map(|(id, _)| id.clone()).collect();
        Check::of("orders", &lost, &self.rows("customer_order", "missing", order_id), &|id| {
            self.is_doubtful(id)
        })
    }

    fn items(&self) -> Check {
        let missing = |(id, order): (&String, &Order)| {
            let there = self.new_primary.lines.get(id).cloned().unwrap_or_default();
            let standing = order.lines.iter().flatten().filter(|line| !order.removed.contains_key(line));
            standing.filter(|line| !there.contains(line)).map(|line| line_of(id, *line)).collect::<Vec<_>>()
        };
        let lost = self.entries.orders.iter().flat_map(missing).collect();
        let reported =
            self.rows("customer_order_item", "missing", |row| line_of(&order_id(row), number(&row["line"])));
        Check::of("order items", &lost, &reported, &|name| self.is_doubtful_line(name))
    }

    fn addresses(&self) -> Check {
        let missing = |id: &&String| !self.new_primary.addresses.contains(*id);
        let lost = self.entries.orders.keys().filter(missing).cloned().collect();
        let reported = self.rows("customer_order_address", "missing", order_id);
        Check::of("addresses", &lost, &reported, &|id| self.is_doubtful(id))
    }

    /// What was told of each order: the outbox.
    fn events(&self) -> Check {
        let named = |id: &str, kind: &str, nth: u64| format!("{id} {kind} #{nth}");
        let mut lost = Names::new();
        for (id, order) in &self.entries.orders {
            let mut told: BTreeMap<&str, u64> = BTreeMap::new();
            for ((_, kind), times) in &order.events {
                *told.entry(kind).or_default() += times;
            }
            for (kind, times) in told {
                let there =
                    self.new_primary.events.get(&(id.clone(), kind.to_owned())).copied().unwrap_or_default();
                lost.extend((1..=times.saturating_sub(there)).map(|nth| named(id, kind, nth)));
            }
        }
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for row in self.reported.iter().filter(|row| row.table == "order_event" && row.kind == "missing") {
            let kind = row.source["kind"].as_str().unwrap_or_default().to_owned();
            *counted.entry((order_id(&row.source), kind)).or_default() += 1;
        }
        let reported =
            counted.iter().flat_map(|((id, kind), n)| (1..=*n).map(move |nth| named(id, kind, nth)));
        let doubtful = |name: &str| {
            let id = id_in(name);
            self.is_doubtful(id) || self.entries.changes_in_doubt.contains(id)
        };
        Check::of("order events", &lost, &reported.collect(), &doubtful)
    }

    /// Orders whose row is on both sides: their status, or what they come to, is not the last that was acknowledged.
    fn updates(&self) -> Check {
        let differs = |(id, order): &(&String, &Order)| {
            let lost_status = |(status, _): &(String, String)| *status != order.status;
            let kept_line =
                |line: &u64| self.new_primary.lines.get(*id).is_some_and(|lines| lines.contains(line));
            self.new_primary.orders.get(*id).is_some_and(lost_status) || order.removed.keys().any(kept_line)
        };
        let of_both = self.entries.orders.iter().filter(|(id, _)| self.new_primary.orders.contains_key(*id));
        let lost =
            of_both.filter(differs).filter(|(_, order)| !order.held).map(|(id, _)| id.clone()).collect();
        let reported = self.rows("customer_order", "lost update", order_id);
        Check::of("order updates", &lost, &reported, &|id| self.entries.changes_in_doubt.contains(id))
    }

    /// Items that their customer had taken out, and that are there.
    fn removed(&self) -> Check {
        let left = |(id, order): (&String, &Order)| {
            let there = self.new_primary.lines.get(id).cloned().unwrap_or_default();
            let removed = order.removed.keys().filter(|line| there.contains(line));
            removed.map(|line| line_of(id, *line)).collect::<Vec<_>>()
        };
        let lost = self.entries.orders.iter().flat_map(left).collect();
        let reported =
            self.rows("customer_order_item", DELETED, |row| line_of(&order_id(row), number(&row["line"])));
        Check::of("items taken out", &lost, &reported, &|name| self.is_doubtful_line(name))
    }

    fn conflicts(&self) -> Check {
        let held =
            self.entries.orders.iter().filter(|(_, order)| order.held).map(|(id, _)| id.clone()).collect();
        let reported = self.rows("customer_order", "conflict", order_id);
        Check::of("conflicts", &held, &reported, &|id| self.entries.changes_in_doubt.contains(id))
    }

    /// Tags have no key: a product may have one twice. What counts is how often the old primary had it and the new has.
    fn tags(&self) -> Check {
        let old_region = self.entries.tags.first().map(|tagged| tagged.region.as_str()).unwrap_or_default();
        let mut old = self.at_first.tags.clone();
        for tagged in self.entries.tags.iter().filter(|tagged| tagged.region == old_region) {
            *old.entry((tagged.product.clone(), tagged.tag.clone())).or_default() += 1;
        }
        let named = |(product, tag): &(String, String), nth: u64| format!("{product} {tag} #{nth}");
        let lost = old.iter().flat_map(|(pair, times)| {
            let new = self.new_primary.tags.get(pair).copied().unwrap_or_default();
            (1..=times.saturating_sub(new)).map(move |nth| named(pair, nth))
        });
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for row in self.reported.iter().filter(|row| row.table == "product_tag" && row.kind == "missing") {
            let product = row.source["product_id"].as_str().unwrap_or_default().to_owned();
            let tag =
                self.new_primary.tag_names.get(&number(&row.source["tag_id"])).cloned().unwrap_or_default();
            *counted.entry((product, tag)).or_default() += 1;
        }
        let reported = counted.iter().flat_map(|(pair, n)| (1..=*n).map(move |nth| named(pair, nth)));
        let doubtful = |name: &str| {
            self.entries
                .tags_in_doubt
                .iter()
                .any(|(product, tag)| name.starts_with(&format!("{product} {tag} #")))
        };
        Check::of("product tags", &lost.collect(), &reported.collect(), &doubtful)
    }

    fn lost_orders(&self) -> impl Iterator<Item = (&String, &Order)> {
        self.entries.orders.iter().filter(|(id, _)| !self.new_primary.orders.contains_key(*id))
    }

    /// What the report lists of a table, by what it is called.
    fn rows(&self, table: &str, kind: &str, named: impl Fn(&Value) -> String) -> Names {
        let rows = self.reported.iter().filter(|row| row.table == table && row.kind == kind);
        rows.map(|row| named(&row.source)).collect()
    }

    /// Whether an order may be there or not: the ledger does not know it, and its customer did not see what came of a payment.
    fn is_doubtful(&self, id: &str) -> bool {
        if self.entries.orders.contains_key(id) {
            return false;
        }
        let row =
            self.reported.iter().find(|row| row.table == "customer_order" && order_id(&row.source) == id);
        let reported = row.and_then(|row| row.source["customer_id"].as_str());
        let there = self.new_primary.orders.get(id).map(|(_, customer)| customer.as_str());
        reported.or(there).is_some_and(|customer| self.entries.customers_in_doubt.contains(customer))
    }

    /// The same of an item: also one of an order whose page was not seen, or with a change that was not answered.
    fn is_doubtful_line(&self, name: &str) -> bool {
        let id = id_in(name);
        let unseen = self.entries.orders.get(id).is_some_and(|order| order.lines.is_none());
        unseen || self.is_doubtful(id) || self.entries.changes_in_doubt.contains(id)
    }
}

fn order_id(row: &Value) -> String {
    row["order_id"].as_str().unwrap_or_default().to_owned()
}

fn line_of(id: &str, line: u64) -> String {
    format!("{id} line {line}")
}

/// The order's id at the beginning of a name.
fn id_in(name: &str) -> &str {
    name.split(' ').next().unwrap_or_default()
}

/// What the customers were told and the new primary lacks, the newest last: what an operator would have to say to whom.
pub fn told_and_missing<'a>(entries: &'a Entries, new_primary: &NewPrimary) -> Vec<(&'a String, &'a Order)> {
    let mut missing: Vec<_> =
        entries.orders.iter().filter(|(id, _)| !new_primary.orders.contains_key(*id)).collect();
    missing.sort_by_key(|(_, order)| order.at);
    missing
}

/// A number, whether written as one or as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customers::ledger::{Order, Tagged};
    use serde_json::json;
    use std::time::Duration;

    fn entries() -> Entries {
        let order = |region: &str, status: &str| Order {
            customer: "c".into(),
            region: region.into(),
            at: Duration::ZERO,
            lines: Some([1].into()),
            removed: BTreeMap::new(),
            status: status.into(),
            events: [((region.to_owned(), "OrderCreated"), 1)].into(),
            held: false,
            total: "1.00".into(),
        };
        let tagged = |product: &str, region: &str| Tagged {
            product: product.into(),
            tag: "rain".into(),
            region: region.into(),
        };
        let changed =
            Order { lines: Some([1, 2].into()), removed: [(2, "e".to_owned())].into(), ..order("e", "PAID") };
        Entries {
            orders: [
                ("kept", order("e", "PAID")),
                ("lost", order("e", "PAID")),
                ("new", order("w", "PAID")),
                ("changed", changed),
                ("held", Order { held: true, ..order("e", "SENT") }),
            ]
            .map(|(id, order)| (id.to_owned(), order))
            .into(),
            customers_in_doubt: ["unsure".to_owned()].into(),
            tags: vec![tagged("mug", "e"), tagged("mug", "e"), tagged("map", "e"), tagged("map", "w")],
            ..Entries::default()
        }
    }

    fn at_first() -> NewPrimary {
        NewPrimary { tags: [(("mug".into(), "rain".into()), 1)].into(), ..NewPrimary::default() }
    }

    fn new_primary() -> NewPrimary {
        let ids = ["kept", "new", "changed", "held"];
        let status = |id: &str| if id == "held" { "HELD" } else { "PAID" };
        NewPrimary {
            orders: ids.map(|id| (id.to_owned(), (status(id).to_owned(), "c".to_owned()))).into(),
            addresses: ids.map(str::to_owned).into(),
            lines: [
                ("kept".to_owned(), [1].into()),
                ("new".to_owned(), [1].into()),
                ("changed".to_owned(), [1, 2].into()),
                ("held".to_owned(), [1].into()),
            ]
            .into(),
            events: ids.map(|id| ((id.to_owned(), "OrderCreated".to_owned()), 1)).into(),
            tags: [(("mug".into(), "rain".into()), 2), (("map".into(), "rain".into()), 2)].into(),
            tag_names: [(7, "rain".to_owned())].into(),
        }
    }

    fn reported() -> Vec<Reported> {
        let row = |table: &str, kind: &str, source: Value| Reported {
            database: "orders".into(),
            table: table.into(),
            kind: kind.into(),
            source,
        };
        vec![
            row("customer_order", "missing", json!({"order_id": "lost", "customer_id": "c"})),
            row("customer_order", "missing", json!({"order_id": "doubt", "customer_id": "unsure"})),
            row("customer_order_item", "missing", json!({"order_id": "lost", "line": 1})),
            row("customer_order_address", "missing", json!({"order_id": "lost"})),
            row("order_event", "missing", json!({"order_id": "lost", "kind": "OrderCreated"})),
            row("customer_order", "lost update", json!({"order_id": "changed"})),
            row("customer_order_item", "lost delete", json!({"order_id": "changed", "line": "2"})),
            row("customer_order", "conflict", json!({"order_id": "held"})),
            row("product_tag", "missing", json!({"product_id": "mug", "tag_id": "7"})),
        ]
    }

    #[test]
    fn a_right_report_holds_and_doubt_counts_for_neither() {
        let checks = judge(&entries(), &at_first(), &new_primary(), &reported());
        for check in &checks {
            assert!(check.holds(), "{check:?}");
            assert_eq!(check.lost, 1, "{check:?}");
        }
        assert_eq!(checks[0].in_doubt, 1);
    }

    #[test]
    fn each_row_overlooked_or_invented_is_seen() {
        let holds =
            |rows: &[Reported]| judge(&entries(), &at_first(), &new_primary(), rows).iter().all(Check::holds);
        for left_out in 0..reported().len() {
            let mut rows = reported();
            let row = rows.remove(left_out);
            assert_eq!(holds(&rows), row.source["order_id"] == "doubt", "without {row:?}");
        }
        for row in reported().iter().filter(|row| row.table != "product_tag") {
            let mut rows = reported();
            let source = json!({"order_id": "kept", "line": 1, "kind": "OrderCreated", "customer_id": "c"});
            rows.push(Reported { source, ..row.clone() });
            assert!(!holds(&rows), "{row:?}");
        }
    }

    #[test]
    fn what_customers_were_told_is_listed() {
        let (entries, new_primary) = (entries(), new_primary());
        let told: Vec<_> =
            told_and_missing(&entries, &new_primary).into_iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(told, ["lost"]);
    }
}
