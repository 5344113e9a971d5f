//! The tables of a database as the plan and the comparison describe them, in the types of `missing-transactions`.

use comparison::{DatabaseSummary, TableStatus, TableSummary};
use missing_transactions::Compared;
use missing_transactions::facts::{Hints, TableHints};
use runbook::plan;
use table_diff::{Catalogue, Engine, ForeignKey};

/// The tables that were compared; those that only the old primary has are not in the catalogue.
pub(super) fn reported(catalogue: &Catalogue, compared: &DatabaseSummary) -> Catalogue {
    let tables = compared
        .tables
        .iter()
        .map(|table| (table.table.clone(), catalogue.tables.get(&table.table).cloned().unwrap_or_default()));
    Catalogue { tables: tables.collect() }
}

pub(super) fn engine(engine: plan::Engine) -> Engine {
    match engine {
        plan::Engine::AuroraMysql => Engine::MySql,
        plan::Engine::AuroraPostgresql => Engine::Postgres,
    }
}

/// What the plan says of the tables.
pub(super) fn hints(database: &plan::Database) -> Hints {
    let of = |known: &plan::ReportTable| TableHints {
        label: known.label.clone(),
        changed_at: known.changed_at.clone(),
        created_at: known.created_at.clone(),
        personal: known.personal.clone(),
        amount: known.amount.clone(),
        currency: known.currency.clone(),
        relations: known
            .relations
            .iter()
            .map(|relation| ForeignKey {
                name: format!("plan: {}", relation.parent),
                columns: relation.columns.clone(),
                parent: relation.parent.clone(),
                parent_columns: relation.parent_columns.clone(),
            })
            .collect(),
        part_of: known.part_of.clone(),
    };
    database.report.iter().map(|(table, known)| (table.clone(), of(known))).collect()
}

/// What the comparison says of a table.
pub(super) fn compared(table: &TableSummary) -> Compared {
    // Of a table that only one side has, nothing was counted.
    let rows = (table.counts.rows_source, table.counts.rows_target);
    let known = matches!(table.status, TableStatus::Alike | TableStatus::Partial | TableStatus::Different);
    let counted = rows != (0, 0) || matches!(table.status, TableStatus::Alike | TableStatus::Partial);
    Compared {
        rows_source: counted.then_some(rows.0),
        rows_target: counted.then_some(rows.1),
        key_columns: table.key_columns.clone(),
        // Whatever else a status may say one day, it was not compared.
        error: table.error.clone().or_else(|| (!known).then(|| "it is not known why".into())),
        not_compared: table.not_compared.clone(),
        notes: table.notes.clone(),
    }
}
