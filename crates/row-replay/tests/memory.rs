//! A replay of any size in little memory. A test of its own, for it looks at the whole process.
#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt as _};
use row_replay::{Out, write_sql};
use serde_json::json;
use table_diff::{
    BoxError, Catalogue, ColumnShape, Difference, DifferenceKind, Differences, Engine, ForeignKey,
    TableShape, ValueKind,
};

/// Lost orders, made as they are asked for.
struct Orders(u64);

struct Nowhere;

impl Out for Nowhere {
    async fn write(&mut self, _: &[u8]) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Differences for Orders {
    fn tables(&self) -> Vec<String> {
        vec!["items".into(), "orders".into()]
    }

    fn open(&self, table: &str) -> BoxStream<'_, Result<Difference, BoxError>> {
        let items = table == "items";
        stream::iter((0..self.0).map(move |id| {
            let row = json!({"id": id, "note": "n".repeat(200), "order_id": id});
            let mut row = row.as_object().unwrap().clone();
            if !items {
                row.shift_remove("order_id");
            }
            let key = [("id".to_owned(), json!(id))].into_iter().collect();
            Ok(Difference { kind: DifferenceKind::Missing, key, source: Some(row), target: None, base: None })
        }))
        .boxed()
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn many_rows_take_little_memory() {
    let column = |name: &str, kind| ColumnShape {
        name: name.into(),
        type_text: if kind == ValueKind::Text { "varchar(200)" } else { "int" }.into(),
        kind,
        nullable: false,
        generated: false,
        auto_increment: name == "id",
    };
    let orders = TableShape {
        columns: vec![column("id", ValueKind::Integer), column("note", ValueKind::Text)],
        primary_key: vec!["id".into()],
        ..TableShape::default()
    };
    let mut items = orders.clone();
    items.columns.push(column("order_id", ValueKind::Integer));
    items.foreign_keys.push(ForeignKey {
        name: "of".into(),
        columns: vec!["order_id".into()],
        parent: "orders".into(),
        parent_columns: vec!["id".into()],
    });
    let tables = BTreeMap::from([("items".to_owned(), items), ("orders".to_owned(), orders)]);
    let catalogue = Catalogue { tables };

    let write = |rows| {
        futures::executor::block_on(write_sql(Engine::MySql, &catalogue, &Orders(rows), &mut Nowhere))
            .unwrap()
    };
    write(1000);
    let before = resident();
    let written = write(20_000);
    assert_eq!(written["items"].rows + written["orders"].rows, 40_000);
    let grown = resident() - before;
    assert!(grown < 2048, "{grown} KiB more for twenty times the rows");
}
