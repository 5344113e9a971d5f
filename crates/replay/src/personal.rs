//! Columns with personal data: those that the plan marks, and those that hold the same values by a foreign key or a
//! relation of the plan.

use std::collections::BTreeSet;

use runbook::plan::Database;
use table_diff::Catalogue;

/// The columns, by table.
#[derive(Debug, Default)]
pub(crate) struct Personal(BTreeSet<(String, String)>);

impl Personal {
    pub(crate) fn new(database: &Database, catalogue: &Catalogue) -> Self {
        let marked = database.report.iter().flat_map(|(table, hints)| {
            hints.personal.iter().map(move |column| (table.clone(), column.clone()))
        });
        let mut personal = marked.collect::<BTreeSet<_>>();
        // Two columns with the same values.
        let mut alike = Vec::new();
        let mut relate = |table: &str, columns: &[String], parent: &str, parent_columns: &[String]| {
            for (own, other) in columns.iter().zip(parent_columns) {
                alike.push([(table.to_owned(), own.clone()), (parent.to_owned(), other.clone())]);
            }
        };
        for (table, shape) in &catalogue.tables {
            for key in &shape.foreign_keys {
                relate(table, &key.columns, &key.parent, &key.parent_columns);
            }
        }
        for (table, hints) in &database.report {
            for relation in &hints.relations {
                relate(table, &relation.columns, &relation.parent, &relation.parent_columns);
            }
        }
        let mut more = true;
        while more {
            more = false;
            for [one, other] in &alike {
                if personal.contains(one) != personal.contains(other) {
                    personal.extend([one.clone(), other.clone()]);
                    more = true;
                }
            }
        }
        Self(personal)
    }

    pub(crate) fn has(&self, table: &str, column: &str) -> bool {
        self.0.iter().any(|(of, name)| of == table && name == column)
    }

    /// Whether a table has any.
    pub(crate) fn is_in(&self, table: &str) -> bool {
        self.0.iter().any(|(of, _)| of == table)
    }
}
