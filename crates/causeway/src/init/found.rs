//! What was found in an account: facts, and no choice among them.

use std::collections::BTreeMap;

/// A global database, in no Region of its own.
#[derive(Debug, Clone, Default)]
pub struct Global {
    /// Its identifier.
    pub id: String,
    /// Its engine as RDS names it.
    pub engine: Option<String>,
    /// Its clusters.
    pub members: Vec<GlobalMember>,
}

impl Global {
    /// Its cluster in a Region.
    pub fn member(&self, region: &str) -> Option<&GlobalMember> {
        self.members.iter().find(|member| member.region() == Some(region))
    }
}

/// A cluster of a global database.
#[derive(Debug, Clone)]
pub struct GlobalMember {
    /// Its ARN.
    pub arn: String,
    /// Whether it is the primary.
    pub is_writer: bool,
}

impl GlobalMember {
    /// The Region that its ARN names.
    pub fn region(&self) -> Option<&str> {
        self.arn.split(':').nth(3)
    }

    /// The account that its ARN names.
    pub fn account(&self) -> Option<&str> {
        self.arn.split(':').nth(4)
    }
}

/// One of the two Regions.
#[derive(Debug, Default)]
pub struct Region {
    /// Its clusters, by ARN.
    pub clusters: BTreeMap<String, Cluster>,
    /// Its secrets, without what is in them.
    pub secrets: Vec<Secret>,
    /// Metric alarms that treat missing data as missing, by name.
    pub alarms: Vec<String>,
    /// How many other metric alarms there are, which no plan can use.
    pub other_alarms: usize,
    /// The subnets of each DB subnet group, by its name.
    pub subnet_groups: BTreeMap<String, Vec<String>>,
    /// Whether the bucket for reports is there; why that is not known.
    pub has_bucket: Option<Result<bool, String>>,
}

/// A cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Name of the database that it was made with.
    pub database: Option<String>,
    /// DB subnet group.
    pub subnet_group: Option<String>,
    /// VPC security groups.
    pub security_groups: Vec<String>,
    /// ARN of the key of its storage.
    pub key: Option<String>,
    /// ARN of the secret in which RDS keeps the master user's password.
    pub master_secret: Option<String>,
    /// Whether users may sign in by IAM.
    pub iam: bool,
    /// Class of its writer, or of any instance where it has no writer.
    pub instance_class: Option<String>,
}

/// A secret, by its name.
#[derive(Debug, Clone, Default)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Its customer managed key: an ARN, an id or an alias.
    pub key: Option<String>,
}

/// A cluster of ARC.
#[derive(Debug, Clone, Default)]
pub struct ArcCluster {
    /// Its ARN.
    pub arn: String,
    /// Its endpoints: Region and URL.
    pub endpoints: Vec<(String, String)>,
    /// Its control panels.
    pub panels: Vec<Panel>,
}

/// A control panel.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    /// Name.
    pub name: String,
    /// Its routing controls.
    pub controls: Vec<Control>,
    /// Its safety rules.
    pub rules: Vec<Rule>,
}

/// A routing control.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its ARN.
    pub arn: String,
    /// Name.
    pub name: String,
}

/// A safety rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// ARNs of the controls of which it wants at least one on at all times; none when it wants something else.
    pub one_of: Vec<String>,
}
