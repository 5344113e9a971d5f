//! The settings of a workload: one small JSON file, `docs/workload.example.json`.
//!
//! What is not said has the value that the templates have, or one from here. Nothing of it names a Region but the two that are given.

use std::collections::BTreeMap;
use std::path::Path;

use runbook::plan::Engine;
use serde::Deserialize;

use crate::Error;

/// The settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// The workload's name: everything that has a name begins with it.
    pub name: String,
    /// The Region that begins with the traffic and the writers, and the other.
    pub regions: [String; 2],
    /// Who is told of alarms.
    pub mail: Option<String>,
    /// What Aurora runs.
    #[serde(default = "mysql")]
    pub engine: Engine,
    /// The shop's image for each Region, by digest or tag, where it is not to be built and pushed.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// What the containers run on.
    #[serde(default)]
    pub architecture: Architecture,
    /// Address ranges of the two networks. They must not overlap.
    #[serde(default = "ranges")]
    pub cidrs: [String; 2],
    /// ARN of an ARC cluster to use; without one, one is made, which costs most of all.
    pub control_cluster: Option<String>,
    /// ARN of the load balancer's certificate in each Region; without one it speaks HTTP, inside of the network.
    #[serde(default)]
    pub certificates: BTreeMap<String, String>,
    /// Whether there is to be a machine in each network to look at the shop from.
    #[serde(default)]
    pub client: bool,
    /// Values of a part's parameters, where another than the template's is wanted: `{"network": {"NatGateways": "3"}}`.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the containers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Architecture {
    /// Graviton, which costs less.
    #[default]
    #[serde(rename = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
}

const fn mysql() -> Engine {
    Engine::AuroraMysql
}

fn ranges() -> [String; 2] {
    ["10.1.0.0/16".to_owned(), "10.2.0.0/16".to_owned()]
}

impl Settings {
    /// Reads them. `more` finds what else is wrong.
    ///
    /// # Errors
    /// With the file's name and what is wrong: all of it.
    pub fn read(path: &Path, more: impl FnOnce(&Self) -> Vec<String>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!(
                "can't read {}: {error}. Copy docs/workload.example.json and put your own values in",
                path.display()
            )
        })?;
        let settings: Self =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut wrong = settings.wrong();
        wrong.extend(more(&settings));
        if wrong.is_empty() {
            return Ok(settings);
        }
        Err(format!("{}: {}", path.display(), wrong.join("; ")).into())
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let of_a_name =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if !(2..=16).contains(&self.name.len())
            || !self.name.starts_with(|letter: char| letter.is_ascii_lowercase())
            || !self.name.chars().all(of_a_name)
        {
            wrong.push(format!(
                "name {:?} has to be 2 to 16 small letters, digits and dashes, and begin with a letter",
                self.name
            ));
        }
        let [first, second] = &self.regions;
        if first == second {
            wrong.push(format!("regions has {first} twice"));
        }
        if self.cidrs[0] == self.cidrs[1] {
            wrong.push(
                "cidrs are the same: what the two networks have between them could not be told apart".into(),
            );
        }
        for (field, regions) in [("images", &self.images), ("certificates", &self.certificates)] {
            for region in regions.keys().filter(|region| !self.regions.contains(region)) {
                wrong.push(format!("{field} names {region}, which is neither {first} nor {second}"));
            }
            if regions.len() == 1 {
                wrong.push(format!("{field} names one Region: name both, or none"));
            }
        }
        wrong
    }

    /// The other Region.
    pub fn other(&self, region: &str) -> &str {
        let [first, second] = &self.regions;
        if region == first { second } else { first }
    }
}

#[cfg(test)]
pub mod sample {
    use super::Settings;

    /// Settings with something more.
    pub fn settings(more: &str) -> Settings {
        let text = format!(r#"{{"name": "shop", "regions": ["eu-central-1", "eu-west-1"]{more}}}"#);
        serde_json::from_str(&text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use rehearsals::strangers::{Reader, hold};

    use super::*;

    #[test]
    fn any_bytes_as_the_settings_of_a_workload() {
        let reader = Reader::of_text("the settings of a workload", |text| {
            let Ok(settings) = serde_json::from_str::<Settings>(text) else { return false };
            let other = settings.other(&settings.regions[0]);
            assert!(settings.regions.iter().any(|region| region == other));
            settings.wrong().is_empty()
        });
        let example = std::fs::read(rehearsals::root().join("docs/workload.example.json")).unwrap();
        hold(&reader.examples([example]).examples([
            r#"{"name":"shop","regions":["eu-central-1","eu-west-1"],"mail":"a@example.com","engine":"aurora-postgresql","images":{"eu-central-1":"x@sha256:0","eu-west-1":"y"},
                "architecture":"x86_64","cidrs":["10.1.0.0/16","10.2.0.0/16"],"client":true,"parameters":{"network":{"NatGateways":"3"}}}"#,
        ]));
    }

    #[test]
    fn what_is_wrong_is_said_all_at_once() {
        let settings: Settings = serde_json::from_str(
            r#"{"name": "My shop", "regions": ["a-1", "a-1"], "cidrs": ["10.0.0.0/16", "10.0.0.0/16"],
                "images": {"b-1": "x"}}"#,
        )
        .unwrap();
        let wrong = settings.wrong().join("\n");
        for part in [
            "name \"My shop\" has to be",
            "regions has a-1 twice",
            "cidrs are the same",
            "images names b-1",
            "images names one Region",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
    }
}
