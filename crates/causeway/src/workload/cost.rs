//! What a workload costs to keep, by `workload/prices.json`: list prices of US East (N. Virginia), with their date.
//!
//! What is paid by use (requests, transferred bytes, stored bytes, a replicated write) is not in it, nor free tiers. The table says what a
//! month costs, and what an hour of a game day does: a workload that is there for an afternoon is not paid by the month.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::order::order;
use super::parts::part;
use super::settings::Settings;
use crate::Error;

/// Hours of a month, as AWS counts them.
const MONTH: f64 = 730.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    date: String,
    source: String,
    items: Vec<Item>,
}

/// Something that is paid for by the hour or by the month.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    part: String,
    what: String,
    /// USD a month for one.
    month: f64,
    /// How many there are, where no parameter says.
    #[serde(default = "one")]
    count: f64,
    /// The parameter that says how many there are.
    #[serde(default)]
    per: Option<String>,
    /// A parameter and the value with which it is there at all.
    #[serde(default)]
    only_if: Option<(String, String)>,
    /// Paid by the month, however short it is there.
    #[serde(default)]
    whole_months: bool,
}

const fn one() -> f64 {
    1.0
}

/// A line of the table.
#[derive(Debug, PartialEq)]
pub struct Line {
    part: &'static str,
    region: String,
    month: f64,
    hour: f64,
    of: Vec<String>,
}

/// The table, as text.
///
/// # Errors
/// When the file of prices can't be understood.
pub fn text(settings: &Settings) -> Result<String, Error> {
    let prices: Prices = serde_json::from_str(include_str!("../../../../workload/prices.json"))?;
    let lines = lines(settings, &prices)?;
    let mut text = format!(
        "What it costs to keep, in USD: list prices of US East (N. Virginia) of {} ({}). Use is not in it.\n\n\
         {:<10}{:<16}{:>10}{:>9}  {}\n",
        prices.date, prices.source, "part", "Region", "month", "hour", "of that"
    );
    for line in lines.iter().filter(|line| line.month > 0.0) {
        text += &format!(
            "{:<10}{:<16}{:>10.2}{:>9.3}  {}\n",
            line.part,
            line.region,
            line.month,
            line.hour,
            line.of.join(", ")
        );
    }
    let sum = |of: fn(&Line) -> f64| lines.iter().map(of).sum::<f64>();
    let regions: BTreeSet<&str> = lines.iter().map(|line| line.region.as_str()).collect();
    for region in regions {
        let here =
            |of: fn(&Line) -> f64| lines.iter().filter(|line| line.region == region).map(of).sum::<f64>();
        text += &format!(
            "{:<10}{region:<16}{:>10.2}{:>9.3}\n",
            "together",
            here(|line| line.month),
            here(|line| line.hour)
        );
    }
    text += &format!("{:<26}{:>10.2}{:>9.3}\n", "together", sum(|line| line.month), sum(|line| line.hour));
    Ok(text)
}

fn lines(settings: &Settings, prices: &Prices) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for task in order(settings).into_keys() {
        let Some(of) = part(task.part) else { continue };
        let values = Values { settings, of, region: task.region, defaults: defaults(of)? };
        let mut line =
            Line { part: of.name, region: task.region.to_owned(), month: 0.0, hour: 0.0, of: Vec::new() };
        for item in prices.items.iter().filter(|item| item.part == of.name) {
            if item.only_if.as_ref().is_some_and(|(name, value)| values.get(name) != *value) {
                continue;
            }
            let count = match &item.per {
                Some(name) => {
                    let value = values.get(name);
                    item.count
                        * value
                            .parse::<f64>()
                            .map_err(|_| format!("{}: {name} is no number: {value:?}", of.name))?
                }
                None => item.count,
            };
            if count == 0.0 {
                continue;
            }
            let month = item.month * count;
            line.month += month;
            line.hour += if item.whole_months { 0.0 } else { month / MONTH };
            line.of.push(format!("{} {month:.2}", item.what));
        }
        lines.push(line);
    }
    lines.sort_by(|one, other| (&one.region, one.part).cmp(&(&other.region, other.part)));
    Ok(lines)
}

/// Values of a part's parameters, as far as they can be known before anything is there.
struct Values<'a> {
    settings: &'a Settings,
    of: &'static super::parts::Part,
    region: &'a str,
    defaults: BTreeMap<String, String>,
}

impl Values<'_> {
    fn get(&self, name: &str) -> String {
        use super::parts::Given;
        let chosen = self.settings.parameters.get(self.of.name).and_then(|chosen| chosen.get(name));
        match (chosen, self.of.given(name)) {
            (Some(chosen), _) => chosen.clone(),
            (None, Some(Given::Setting(value))) => value(self.settings, self.region),
            (None, _) => self.defaults.get(name).cloned().unwrap_or_default(),
        }
    }
}

fn defaults(of: &super::parts::Part) -> Result<BTreeMap<String, String>, Error> {
    let template: serde_norway::Value = serde_norway::from_str(of.template)?;
    let Some(parameters) = template["Parameters"].as_mapping() else { return Ok(BTreeMap::new()) };
    let defaults = parameters.iter().filter_map(|(name, parameter)| {
        let default = match parameter.get("Default")? {
            serde_norway::Value::String(text) => text.clone(),
            serde_norway::Value::Number(number) => number.to_string(),
            serde_norway::Value::Bool(truth) => truth.to_string(),
            _ => return None,
        };
        Some((name.as_str()?.to_owned(), default))
    });
    Ok(defaults.collect())
}

#[cfg(test)]
mod tests {
    use super::super::settings::sample::settings;
    use super::*;

    fn prices() -> Prices {
        serde_json::from_str(include_str!("../../../../workload/prices.json")).unwrap()
    }

    fn month(settings: &Settings, part: &str) -> f64 {
        lines(settings, &prices())
            .unwrap()
            .iter()
            .filter(|line| line.part == part)
            .map(|line| line.month)
            .sum()
    }

    /// Every price is of a part that is there, and every parameter that it goes by is one of the template.
    #[test]
    fn every_price_is_of_something() {
        for item in prices().items {
            let of = part(&item.part).unwrap_or_else(|| panic!("there is no part {}", item.part));
            for name in item.per.iter().chain(item.only_if.iter().map(|(name, _)| name)) {
                assert!(of.has_parameter(name), "{}: there is no parameter {name}", of.name);
            }
            assert!(item.month > 0.0 && item.count > 0.0, "{}", item.what);
        }
    }

    #[test]
    fn what_is_switched_off_costs_nothing_and_what_is_doubled_costs_twice() {
        let plain = settings("");
        let one = month(&plain, "network");
        let without =
            settings(r#", "parameters": {"network": {"NatGateways": "0", "InterfaceEndpoints": "false"}}"#);
        assert_eq!(month(&without, "network"), 0.0);
        let three = settings(r#", "parameters": {"network": {"NatGateways": "3"}}"#);
        assert!((month(&three, "network") - 3.0 * one).abs() < 0.01);
        // The ARC cluster is most of all, unless there is one already.
        let given =
            settings(r#", "controlCluster": "arn:aws:route53-recovery-control::111122223333:cluster/x""#);
        assert!(month(&plain, "routing") - month(&given, "routing") > 1_800.0);
        assert_eq!(month(&plain, "client"), 0.0);
        assert!(month(&settings(r#", "client": true"#), "client") > 0.0);
    }

    #[test]
    fn the_table_adds_up() {
        let settings = settings("");
        let text = text(&settings).unwrap();
        let number = |line: &str| line.split_whitespace().nth(2).unwrap().parse::<f64>().unwrap();
        let regions: f64 = text
            .lines()
            .filter(|line| line.starts_with("together  ") && line.contains("-"))
            .map(number)
            .sum();
        let last = text.lines().last().unwrap().split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
        assert!((regions - last).abs() < 0.02, "{text}");
    }
}
