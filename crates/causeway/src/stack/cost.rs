//! What the stacks cost to keep while nothing happens: list prices of US East (N. Virginia), in USD a month, of what
//! the template makes.
//!
//! From the price pages of Amazon CloudWatch and AWS Systems Manager; other Regions differ by some percent, and free tiers
//! are not counted. What a failover, a comparison or a report cost is by use.

/// A type of resource, what it is called, and what one costs a month.
const PRICES: [(&str, &str, f64); 3] = [
    ("AWS::CloudWatch::Alarm", "metric alarms", 0.10),
    ("AWS::CloudWatch::CompositeAlarm", "composite alarms", 0.50),
    ("AWS::CloudWatch::Dashboard", "dashboards", 3.00),
];
/// A parameter of the advanced tier: the plan.
const ADVANCED_PARAMETER: f64 = 0.05;
/// The readiness runbook, hourly: 730 executions of at most three steps at 0.002, and as many calls of a function of 256 MB
/// for some 10 s at 0.0000133334 a GB-second.
const READINESS: f64 = 730.0 * (3.0 * 0.002 + 10.0 * 0.25 * 0.000_013_333_4);

/// The costs of a template's stacks as a table.
pub fn text(template: &str) -> String {
    let made = |kind: &str| -> f64 {
        template.lines().filter(|line| line.trim() == format!("Type: {kind}")).map(|_| 1.0).sum()
    };
    let mut rows: Vec<(String, f64)> = PRICES
        .iter()
        .map(|(kind, name, price)| (format!("{} {name}", made(kind)), made(kind) * price))
        .filter(|(_, price)| *price > 0.0)
        .collect();
    rows.push(("1 parameter of the advanced tier".to_owned(), ADVANCED_PARAMETER));
    rows.push(("the hourly look whether the plan could be executed".to_owned(), READINESS));
    let sum: f64 = rows.iter().map(|(_, price)| price).sum();
    let mut text =
        "To keep, in USD a month and Region (list prices of US East, with all that can be switched on):\n"
            .to_owned();
    for (what, price) in rows {
        text += &format!("  {what:<52} {price:>7.2}\n");
    }
    text += &format!("  {:<52} {sum:>7.2}, twice: {:.2}\n", "together", 2.0 * sum);
    text += "Not in it: metrics (0.30 each while they are written), a NAT gateway if the functions' subnets need one\n\
             (about 33 each), ARC's cluster (2.50 an hour), which you have anyway, and stored reports.";
    text
}
