//! What the recovery plan has to say of the shop's tables.

use std::collections::BTreeMap;

use runbook::RecoveryPlan;
use runbook::plan::{Engine, ReportTable};

/// Says it, where both Regions are one machine with one clock, so that no time is too near to another.
pub fn describe_on_one_machine(plan: &mut RecoveryPlan) {
    describe(plan);
    plan.limits.clock_margin_seconds = 0;
}

/// Says it.
pub fn describe(plan: &mut RecoveryPlan) {
    let table = |label: &str| ReportTable { label: Some(label.into()), ..ReportTable::default() };
    if let Some(orders) = plan.databases.get_mut("orders") {
        // PostgreSQL keeps a name that is not quoted in small letters.
        let kept = |name: &str| match orders.engine {
            Engine::AuroraMysql => name.to_owned(),
            Engine::AuroraPostgresql => name.to_lowercase(),
        };
        let kept_all = |names: &[&str]| names.iter().map(|name| kept(name)).collect::<Vec<_>>();
        let personal =
            kept_all(&["FIRST_NAME", "LAST_NAME", "EMAIL", "ADDRESS1", "ADDRESS2", "CITY", "ZIP_CODE"]);
        orders.report = BTreeMap::from([
            (kept("CUSTOMER_ORDER"), ReportTable { amount: Some(kept("TOTAL")), ..table("orders") }),
            (kept("CUSTOMER_ORDER_ITEM"), table("order items")),
            (kept("CUSTOMER_ORDER_ADDRESS"), ReportTable { personal, ..table("addresses") }),
            (kept("ORDER_EVENT"), ReportTable { personal: kept_all(&["BODY"]), ..table("order events") }),
        ]);
        // Each Region's relay keeps it for itself.
        orders.reconcile.exclude = vec![kept("ORDER_EVENT_SENT")];
    }
    if let Some(catalog) = plan.databases.get_mut("catalog") {
        let tags = ReportTable { part_of: Some("product".into()), ..table("product tags") };
        catalog.report = BTreeMap::from([
            ("product".to_owned(), table("products")),
            ("product_tag".to_owned(), tags),
            ("tag".to_owned(), table("tags")),
        ]);
    }
}
