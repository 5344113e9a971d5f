//! Which candidate is likely, in tables of cases.

use super::*;
use crate::init::found::{Control, GlobalMember, Rule, Secret};

fn global(id: &str, members: &[(&str, bool)]) -> Global {
    let member = |(region, is_writer): &(&str, bool)| GlobalMember {
        arn: format!("arn:aws:rds:{region}:111122223333:cluster:{id}-{region}"),
        is_writer: *is_writer,
    };
    Global {
        id: id.to_owned(),
        engine: Some("aurora-mysql".to_owned()),
        members: members.iter().map(member).collect(),
    }
}

fn region(secrets: &[&str], alarms: &[&str]) -> Region {
    let secret = |name: &&str| Secret { name: (*name).to_owned(), arn: format!("arn:{name}"), key: None };
    Region {
        secrets: secrets.iter().map(secret).collect(),
        alarms: alarms.iter().map(|&alarm| alarm.to_owned()).collect(),
        ..Region::default()
    }
}

fn likely(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().filter(|one| one.likely).map(|one| one.shown.as_str()).collect()
}

#[test]
fn the_region_with_the_writers_is_first_and_the_pair_with_most_databases() {
    let globals = [
        global("a", &[("eu-west-1", true), ("eu-central-1", false)]),
        global("b", &[("eu-central-1", false), ("eu-west-1", true)]),
        global("c", &[("us-east-1", true), ("eu-west-1", false)]),
        global("alone", &[("eu-west-1", true)]),
        global("three", &[("eu-west-1", true), ("eu-central-1", false), ("us-east-1", false)]),
    ];
    let pair = |regions: [&str; 2], databases| Pair { regions: regions.map(str::to_owned), databases };
    assert_eq!(
        pairs(&globals),
        [pair(["eu-west-1", "eu-central-1"], 2), pair(["us-east-1", "eu-west-1"], 1)]
    );
    assert_eq!(pairs(&globals[3..]), []);
}

#[test]
fn databases_that_no_plan_can_have_are_left_out_with_the_reason() {
    let regions = ["eu-west-1", "eu-central-1"].map(str::to_owned);
    let odd = Global {
        engine: Some("mysql".to_owned()),
        ..global("odd", &[("eu-west-1", true), ("eu-central-1", false)])
    };
    let globals = [
        global("good", &[("eu-west-1", true), ("eu-central-1", false)]),
        global("alone", &[("eu-west-1", true)]),
        global("far", &[("eu-west-1", true), ("us-east-1", false)]),
        odd,
    ];
    let (fit, out) = fitting(&globals, &regions);
    assert_eq!(fit.iter().map(|global| global.id.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(
        out,
        [
            "alone is left out: it has clusters in eu-west-1, and a plan takes global databases of two Regions",
            "far is left out: it is in eu-west-1 and us-east-1",
            "odd is left out: it runs mysql",
        ]
    );
}

#[test]
fn the_application_is_what_the_databases_names_have_in_common() {
    let named = |ids: &[&str]| {
        let (application, short) = names(ids);
        (application.unwrap(), short.into_values().collect::<Vec<_>>().join(" "))
    };
    for (ids, application, short) in [
        (&["shop-orders", "shop-catalog"][..], "shop", "catalog orders"),
        (&["shop-orders"], "shop", "orders"),
        (&["my-shop-orders", "my-shop-catalog"], "my-shop", "catalog orders"),
        (&["orders"], "orders", "orders"),
        (&["orders", "catalog"], "orders", "catalog orders"),
        (&["shop", "shop-orders"], "shop", "shop shop-orders"),
    ] {
        assert_eq!(named(ids), (application.to_owned(), short.to_owned()), "{ids:?}");
    }
    assert_eq!(names(&[]).0, None);
}

#[test]
fn a_secret_that_both_regions_have_and_that_is_named_like_the_database_comes_first() {
    let of = SecretOf { application: "shop", short: "orders", global: "shop-orders", database: "orders" };
    let here = region(&["admin", "shop/catalog", "shop/orders-replay", "shop/orders", "orders-here"], &[]);
    let there = region(&["shop/orders", "shop/orders-replay", "admin", "shop/catalog"], &[]);
    let both = of.in_both([("a", &here), ("b", &there)]);
    let shown: Vec<&str> = both.iter().map(|one| one.shown.as_str()).collect();
    assert_eq!(shown, ["shop/orders", "shop/orders-replay", "shop/catalog", "admin"]);
    assert_eq!(likely(&both), ["shop/orders"]);
    assert_eq!(both[0].why, "found in a and b, by its name");
    assert_eq!(both[2].why, "found in a and b");
}

#[test]
fn of_two_secrets_that_fit_alike_none_is_likely_and_a_stranger_never_is() {
    let of = SecretOf { application: "shop", short: "orders", global: "shop-orders", database: "orders" };
    let alike = region(&["shop/orders/reader", "shop/orders/writer"], &[]);
    assert_eq!(likely(&of.in_both([("a", &alike), ("b", &alike)])), [""; 0]);
    let stranger = region(&["billing"], &[]);
    assert_eq!(likely(&of.in_both([("a", &stranger), ("b", &stranger)])), [""; 0]);
}

#[test]
fn the_master_users_secret_is_likely_where_no_name_fits_better() {
    let of = SecretOf { application: "shop", short: "orders", global: "shop-orders", database: "orders" };
    let kept = Cluster { master_secret: Some("arn:rds!1".to_owned()), ..Cluster::default() };
    let strangers = region(&["billing", "rds!1"], &[]);
    assert_eq!(likely(&of.in_one("a", &strangers, &kept)), ["arn:rds!1"]);
    let named = region(&["shop/orders", "rds!1"], &[]);
    assert_eq!(likely(&of.in_one("a", &named, &kept)), ["shop/orders"]);
}

fn arc(panels: &[(&str, &[&str])]) -> Vec<ArcCluster> {
    let panel = |(name, controls): &(&str, &[&str])| Panel {
        name: (*name).to_owned(),
        controls: controls
            .iter()
            .map(|control| Control { arn: format!("{name}/{control}"), name: (*control).to_owned() })
            .collect(),
        rules: Vec::new(),
    };
    vec![ArcCluster { panels: panels.iter().map(panel).collect(), ..ArcCluster::default() }]
}

#[test]
fn a_control_is_the_regions_by_its_name_or_a_word_that_the_other_has_not() {
    let found = |controls: &[&str], regions| {
        let clusters = arc(&[("shop", controls)]);
        likely(&super::controls(&clusters, "shop", regions)).join(" ")
    };
    let frankfurt = ["eu-central-1", "eu-west-1"];
    assert_eq!(found(&["shop-eu-west-1", "shop-eu-central-1"], frankfurt), "shop-eu-central-1");
    assert_eq!(found(&["West", "Central"], frankfurt), "Central");
    assert_eq!(found(&["first", "second"], frankfurt), "");
    assert_eq!(found(&["central-a", "central-b"], frankfurt), "");
    assert_eq!(found(&["all-eu-central-1-eu-west-1"], frankfurt), "");
    assert_eq!(found(&["cell-1", "cell-2"], ["us-east-2", "us-east-1"]), "cell-2");
}

#[test]
fn of_several_panels_that_of_the_application_is_meant() {
    let clusters = arc(&[("billing", &["central", "west"]), ("shop", &["central", "west"])]);
    let found = controls(&clusters, "shop", ["eu-west-1", "eu-central-1"]);
    assert_eq!(found[0].value, "shop/west");
    assert_eq!(likely(&found).len(), 1);
    let (_, panel) = panel_of(&clusters, "shop/west").unwrap();
    assert_eq!(panel.name, "shop");
}

#[test]
fn rules_that_a_failover_breaks_are_likely_and_those_with_further_controls_only_shown() {
    let mut clusters = arc(&[("shop", &["a", "b", "c"])]);
    let rule = |name: &str, one_of: &[&str]| Rule {
        arn: name.to_owned(),
        name: name.to_owned(),
        one_of: one_of.iter().map(|&control| control.to_owned()).collect(),
    };
    clusters[0].panels[0].rules = vec![
        rule("one", &["shop/a", "shop/b"]),
        rule("wide", &["shop/a", "shop/b", "shop/c"]),
        rule("other", &["shop/c"]),
        rule("gate", &[]),
    ];
    let found = rules(&clusters, &["shop/a", "shop/b"]);
    assert_eq!(found.iter().map(|one| one.shown.as_str()).collect::<Vec<_>>(), ["one", "wide"]);
    assert_eq!(likely(&found), ["one"]);
}

#[test]
fn alarms_of_a_region_come_first_none_is_likely_and_the_stacks_own_are_none() {
    let (here, there) = (
        region(&[], &["errors", "west-canary", "causeway-readiness-shop"]),
        region(&[], &["central-canary"]),
    );
    let found = alarms([("eu-central-1", &there), ("eu-west-1", &here)], "causeway");
    let shown: Vec<&str> = found.iter().map(|one| one.value.as_str()).collect();
    assert_eq!(shown, ["central-canary@eu-central-1", "errors@eu-west-1", "west-canary@eu-west-1"]);
    assert_eq!(likely(&found), [""; 0]);
}

#[test]
fn what_a_file_says_already_is_likely_while_it_is_there() {
    let all =
        || vec![Candidate::new("a", "found in x, by its name").likely(), Candidate::new("b", "found in x")];
    let kept = preferring(all(), Some("b"), "plan.json");
    assert_eq!((likely(&kept), kept[0].why.as_str()), (vec!["b"], "found in x, as plan.json has it"));
    assert_eq!(preferring(all(), Some("a"), "plan.json"), all());
    assert_eq!(preferring(all(), Some("gone"), "plan.json"), all());
    assert_eq!(preferring(all(), None, "plan.json"), all());
}
