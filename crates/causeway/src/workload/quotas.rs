//! The account's quotas, looked at before anything is made: what a deployment takes of each, what is taken already, and how much there may be.
//!
//! By the `aws` command: each is one call of a service that nothing else here speaks with. What can't be asked is said, and a person decides.

use std::process::Command;

use serde_json::Value;

use super::order::Order;
use super::settings::Settings;

/// Something of which an account may have so many in a Region.
struct Quota {
    what: &'static str,
    /// The part that takes it.
    part: &'static str,
    /// Service and code, by which Service Quotas knows it.
    code: [&'static str; 2],
    /// How many there are: arguments of `aws`, and what of its answer is counted.
    used: &'static [&'static str],
    /// How many a deployment takes.
    takes: fn(&Settings) -> f64,
}

const QUOTAS: [Quota; 3] = [
    Quota {
        what: "VPCs",
        part: "network",
        code: ["vpc", "L-F678F1CE"],
        used: &["ec2", "describe-vpcs", "--query", "length(Vpcs)"],
        takes: |_| 1.0,
    },
    Quota {
        what: "Elastic IP addresses",
        part: "network",
        code: ["ec2", "L-0263D0A3"],
        used: &["ec2", "describe-addresses", "--query", "length(Addresses)"],
        takes: |settings| number(settings, "network", "NatGateways", 1.0),
    },
    Quota {
        what: "vCPUs of Fargate",
        part: "services",
        code: ["fargate", "L-3032A538"],
        // What runs is not told by a call: a deployment needs so many at least.
        used: &[],
        takes: |settings| {
            6.0 * number(settings, "services", "Tasks", 2.0) * number(settings, "services", "Cpu", 256.0)
                / 1_024.0
        },
    },
];

/// ARC clusters of an account (ARC Developer Guide, "Quotas": 2; there is no code for it).
const CLUSTERS: f64 = 2.0;
const LIST_CLUSTERS: [&str; 4] =
    ["route53-recovery-control-config", "list-clusters", "--query", "length(Clusters)"];

fn number(settings: &Settings, part: &str, parameter: &str, default: f64) -> f64 {
    let chosen = settings.parameters.get(part).and_then(|chosen| chosen.get(parameter));
    chosen.and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// What came of the look.
#[derive(Debug, Default, PartialEq)]
pub struct Looked {
    /// Quotas that will not do.
    pub short: Vec<String>,
    /// What can't be asked.
    pub unknown: Vec<String>,
}

/// Looks at the quotas of what is still to be made: `missing` has those parts with their Regions.
pub fn look(settings: &Settings, missing: &Order<'_>) -> Looked {
    // Each `aws` takes a second to start.
    std::thread::scope(|scope| {
        let mut looks = Vec::new();
        for task in missing.keys() {
            for quota in QUOTAS.iter().filter(|quota| quota.part == task.part) {
                let look = scope.spawn(move || (quota.limit(task.region), quota.used(task.region)));
                looks.push((task.region, quota.what, (quota.takes)(settings), look));
            }
            if task.part == "routing" && settings.control_cluster.is_none() {
                let clusters = || (Ok(CLUSTERS), asked(&LIST_CLUSTERS, task.region));
                looks.push(("the account", "ARC clusters", 1.0, scope.spawn(clusters)));
            }
        }
        let mut looked = Looked::default();
        for (place, what, takes, look) in looks {
            let unknown = || (Err("the look was broken off".to_owned()), Ok(0.0));
            let (limit, used) = look.join().unwrap_or_else(|_| unknown());
            looked.note(place, what, limit, used, takes);
        }
        looked
    })
}

impl Quota {
    fn limit(&self, region: &str) -> Result<f64, String> {
        let [service, code] = self.code;
        let quota = ["service-quotas", "get-service-quota", "--service-code", service, "--quota-code", code];
        asked(&[&quota[..], &["--query", "Quota.Value"]].concat(), region)
    }

    fn used(&self, region: &str) -> Result<f64, String> {
        if self.used.is_empty() { Ok(0.0) } else { asked(self.used, region) }
    }
}

impl Looked {
    fn note(
        &mut self,
        place: &str,
        what: &str,
        limit: Result<f64, String>,
        used: Result<f64, String>,
        takes: f64,
    ) {
        match (limit, used) {
            (Ok(limit), Ok(used)) if used + takes > limit => self.short.push(format!(
                "{place}: {what}: there are {used} of at most {limit}, and this takes {takes} more. Ask Service Quotas for a higher one, or \
                 remove what is not needed"
            )),
            (Ok(_), Ok(_)) => {}
            (Err(why), _) | (_, Err(why)) => self.unknown.push(format!("{place}: {what}: {why}")),
        }
    }
}

/// What `aws` answers: a number.
fn asked(arguments: &[&str], region: &str) -> Result<f64, String> {
    let done = Command::new("aws").args(arguments).args(["--region", region, "--output", "json"]).output();
    let done = done.map_err(|error| format!("aws can't be started: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(said.trim().lines().last().unwrap_or("aws says nothing").to_owned());
    }
    let said: Result<Value, _> = serde_json::from_slice(&done.stdout);
    said.ok().and_then(|said| said.as_f64()).ok_or_else(|| "aws gives no number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_will_not_do_is_told_from_one_that_is_not_known() {
        let mut looked = Looked::default();
        looked.note("eu-west-1", "VPCs", Ok(5.0), Ok(4.0), 1.0);
        assert_eq!(looked, Looked::default());
        looked.note("eu-west-1", "VPCs", Ok(5.0), Ok(5.0), 1.0);
        looked.note("eu-west-1", "Elastic IP addresses", Err("AccessDenied".into()), Ok(0.0), 1.0);
        assert!(
            looked.short[0].starts_with("eu-west-1: VPCs: there are 5 of at most 5, and this takes 1 more"),
            "{looked:?}"
        );
        assert_eq!(looked.unknown, ["eu-west-1: Elastic IP addresses: AccessDenied"]);
    }
}
