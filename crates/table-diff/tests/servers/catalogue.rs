//! What the servers say of their tables, read in a few statements.

use serde_json::{Value, json};
use table_diff::{Catalogue, Side, read_catalogue};

use crate::support::TestServer;

/// A catalogue in short: columns as name, kind and what is special; then the keys.
fn short(catalogue: &Catalogue) -> Vec<Value> {
    let tables = catalogue.tables.iter().map(|(name, table)| {
        let columns = table.columns.iter().map(|column| {
            let kind = serde_json::to_value(column.kind).unwrap();
            let mut text = format!("{} {}", column.name, kind.as_str().unwrap());
            for (is, word) in [
                (!column.nullable, " not null"),
                (column.generated, " generated"),
                (column.auto_increment, " numbered"),
            ] {
                text.push_str(if is { word } else { "" });
            }
            text
        });
        let foreign_keys = table.foreign_keys.iter().map(|key| {
            format!(
                "{} ({}) {} ({})",
                key.name,
                key.columns.join(", "),
                key.parent,
                key.parent_columns.join(", ")
            )
        });
        json!([
            name,
            columns.collect::<Vec<_>>(),
            table.primary_key,
            table.uniques,
            foreign_keys.collect::<Vec<_>>()
        ])
    });
    tables.collect()
}

const SCHEMA: &str = "
CREATE DATABASE a CHARACTER SET utf8mb4; CREATE DATABASE other; USE other; CREATE TABLE far (id INT PRIMARY KEY);
USE a;
CREATE TABLE p (x INT, y VARCHAR(20), v DECIMAL(5,2), PRIMARY KEY (y, x));
CREATE TABLE `c``x` (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, y VARCHAR(20), x INT, e VARCHAR(20) UNIQUE, t TEXT, f INT,
  j JSON, g INT AS (x + 1) STORED, b BIT(3), s POINT, l LONGTEXT, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY of_two (y, x), UNIQUE KEY of_part (t(5)), KEY plain (x),
  CONSTRAINT to_p FOREIGN KEY (y, x) REFERENCES p (y, x), CONSTRAINT to_far FOREIGN KEY (f) REFERENCES other.far (id));
CREATE TABLE bag (v DOUBLE);
CREATE VIEW w AS SELECT 1 AS one;
";

#[tokio::test]
async fn a_catalogue_is_what_the_server_says() {
    for server in [Some(TestServer::mariadb()), TestServer::mysql()].into_iter().flatten() {
        server.sql("", SCHEMA);
        let catalogue = read_catalogue(&mut server.connect(Side::Source, "a").await).await.unwrap();
        assert_eq!(
            short(&catalogue),
            [
                json!(["bag", ["v float"], [], [], []]),
                json!([
                    "c`x",
                    [
                        "id integer not null numbered",
                        "y text",
                        "x integer",
                        "e text",
                        "t text",
                        "f integer",
                        "j json",
                        "g integer generated",
                        "b integer",
                        "s spatial",
                        "l text",
                        "ts moment not null"
                    ],
                    ["id"],
                    [["e"], ["y", "x"]],
                    ["to_p (y, x) p (y, x)"]
                ]),
                json!(["p", ["x integer not null", "y text not null", "v decimal"], ["y", "x"], [], []]),
            ]
        );
        // Kept beside the differences, as JSON.
        let text = serde_json::to_string(&catalogue).unwrap();
        assert_eq!(serde_json::from_str::<Catalogue>(&text).unwrap(), catalogue);
    }
}
