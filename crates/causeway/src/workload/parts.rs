//! The parts of a workload: a template each, where it is deployed, and where the values of its parameters come from.
//!
//! The order of a deployment follows from the latter: a part waits for those whose outputs it takes, in the Region that it takes them
//! from, and for nothing else. A test holds each name here against the templates.

use super::settings::Settings;

/// In which Regions a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the first: it is there once.
    First,
    /// In [`CONTROL`]: it is there once, and belongs to neither.
    Control,
    /// In both.
    Both,
    /// In both, and in the second only when it is there in the first.
    FirstThenSecond,
}

/// Of which Region an output is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The one that is deployed to.
    Own,
    /// The other one.
    Other,
    /// The first.
    First,
    /// The second.
    Second,
    /// [`CONTROL`].
    Control,
}

/// Where ARC's routing controls are made, and CloudFormation knows their types (Route 53 ARC Developer Guide, "Regions": the API for
/// configuration has one endpoint).
pub const CONTROL: &str = runbook::arc::CONTROL_PLANE;

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy)]
pub enum Given {
    /// A Region's name.
    Region(Of),
    /// A Region's address range.
    Cidr(Of),
    /// An output of a part in a Region.
    Output(Of, &'static str, &'static str),
    /// An ARN that a part has in the first Region, as its replica in this one has it.
    Replica(&'static str, &'static str),
    /// In the first Region this output of its own; nothing in the second.
    InFirst(&'static str, &'static str),
    /// In the second Region this output of the first; nothing in the first.
    InSecond(&'static str, &'static str),
    /// This text.
    Text(&'static str),
    /// `primary` or `secondary`.
    Role,
    /// What the settings have.
    Setting(fn(&Settings, &str) -> String),
    /// Where the pages of a Region are, whatever the routing controls say.
    Door(Of),
    /// The shop's image in this Region.
    Image,
}

/// A part.
#[derive(Debug)]
pub struct Part {
    /// Its name, which ends its stack's.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Its template's file in `workload/`.
    pub file: &'static str,
    /// The template.
    pub template: &'static str,
    /// Where it is.
    pub place: Place,
    /// Its parameters, besides `Name`.
    pub parameters: &'static [(&'static str, Given)],
    /// About how many minutes AWS takes for it.
    pub minutes: u32,
}

use Given::{Cidr, Door, Image, InFirst, InSecond, Output, Region, Replica, Role, Setting, Text};
use Of::{Control, First, Other, Own, Second};

macro_rules! part {
    ($name:literal, $file:literal, $title:literal, $place:ident, $minutes:literal, [$($parameter:literal = $given:expr),* $(,)?]) => {
        Part {
            name: $name,
            title: $title,
            file: $file,
            template: include_str!(concat!("../../../../workload/", $file)),
            place: Place::$place,
            parameters: &[$(($parameter, $given)),*],
            minutes: $minutes,
        }
    };
}

const KEY: Given = Output(Own, "keys", "KeyArn");
const VPC: Given = Output(Own, "network", "VpcId");
const SUBNETS: Given = Output(Own, "network", "PrivateSubnets");
const ENGINE: Given = Setting(|settings, _| {
    // As the plan writes it.
    match settings.engine {
        runbook::plan::Engine::AuroraMysql => "aurora-mysql".to_owned(),
        runbook::plan::Engine::AuroraPostgresql => "aurora-postgresql".to_owned(),
    }
});

/// An Aurora global database, whose primary takes its user from a secret.
macro_rules! database {
    ($name:literal, $title:literal, $secret:literal) => {
        part!(
            $name,
            "aurora.yaml",
            $title,
            FirstThenSecond,
            20,
            [
                "Database" = Text($name),
                "Engine" = ENGINE,
                "Role" = Role,
                "VpcId" = VPC,
                "Cidr" = Cidr(Own),
                "PeerCidr" = Cidr(Other),
                "PrivateSubnets" = SUBNETS,
                "KeyArn" = KEY,
                "SecretArn" = InFirst("secrets", $secret),
                "OtherRegion" = Region(Other),
            ]
        )
    };
}

/// All of them. The order is that in which they are shown.
pub const PARTS: &[Part] = &[
    part!("keys", "keys.yaml", "a key of one's own", Both, 2, []),
    part!(
        "network",
        "network.yaml",
        "network, endpoints, flow logs",
        Both,
        4,
        ["Cidr" = Cidr(Own), "KeyArn" = KEY]
    ),
    part!(
        "peering",
        "peering.yaml",
        "the way between the two networks",
        FirstThenSecond,
        2,
        [
            "VpcId" = VPC,
            "PrivateRouteTables" = Output(Own, "network", "PrivateRouteTables"),
            "PeerVpcId" = Output(Other, "network", "VpcId"),
            "PeerRegion" = Region(Other),
            "PeerCidr" = Cidr(Other),
            "Connection" = InSecond("peering", "Connection"),
        ]
    ),
    part!(
        "secrets",
        "secrets.yaml",
        "the databases' secrets, in both Regions",
        First,
        2,
        [
            "KeyArn" = KEY,
            "OtherRegion" = Region(Other),
            "OtherKeyArn" = Output(Other, "keys", "KeyArn"),
            "Engine" = ENGINE,
        ]
    ),
    database!("catalog", "Aurora global database of the catalogue", "CatalogSecretArn"),
    database!("orders", "Aurora global database of the orders", "OrdersSecretArn"),
    part!(
        "rotation",
        "rotation.yaml",
        "rotation of the databases' secrets",
        First,
        4,
        [
            "KeyArn" = KEY,
            "Engine" = ENGINE,
            "VpcId" = VPC,
            "PrivateSubnets" = SUBNETS,
            "CatalogSecretArn" = Output(Own, "secrets", "CatalogSecretArn"),
            "OrdersSecretArn" = Output(Own, "secrets", "OrdersSecretArn"),
            "CatalogEndpoint" = Output(Own, "catalog", "Endpoint"),
            "OrdersEndpoint" = Output(Own, "orders", "Endpoint"),
            "Cidr" = Cidr(Own),
        ]
    ),
    part!(
        "carts",
        "carts.yaml",
        "DynamoDB global table of the carts",
        First,
        5,
        ["OtherRegion" = Region(Other), "KeyArn" = KEY, "OtherKeyArn" = Output(Other, "keys", "KeyArn"),]
    ),
    part!(
        "stores",
        "stores.yaml",
        "Redis and RabbitMQ",
        Both,
        20,
        ["VpcId" = VPC, "Cidr" = Cidr(Own), "PrivateSubnets" = SUBNETS, "KeyArn" = KEY,]
    ),
    part!("registry", "registry.yaml", "the shop's image", Both, 1, ["KeyArn" = KEY]),
    part!(
        "services",
        "services.yaml",
        "the shop's six services and their load balancer",
        Both,
        8,
        [
            "VpcId" = VPC,
            "Cidr" = Cidr(Own),
            "PeerCidr" = Cidr(Other),
            "PrivateSubnets" = SUBNETS,
            "KeyArn" = KEY,
            "Image" = Image,
            "Engine" = ENGINE,
            "CatalogEndpoint" = Output(Own, "catalog", "Endpoint"),
            "CatalogPort" = Output(Own, "catalog", "Port"),
            "CatalogSecretArn" = Replica("secrets", "CatalogSecretArn"),
            "OrdersEndpoint" = Output(Own, "orders", "Endpoint"),
            "OrdersPort" = Output(Own, "orders", "Port"),
            "OrdersSecretArn" = Replica("secrets", "OrdersSecretArn"),
            "TableName" = Output(First, "carts", "TableName"),
            "RedisSecretArn" = Output(Own, "stores", "RedisSecretArn"),
            "BrokerSecretArn" = Output(Own, "stores", "BrokerSecretArn"),
            "CertificateArn" =
                Setting(|settings, region| settings.certificates.get(region).cloned().unwrap_or_default()),
            "Architecture" = Setting(|settings, _| match settings.architecture {
                super::settings::Architecture::Arm64 => "ARM64".to_owned(),
                super::settings::Architecture::X86 => "X86_64".to_owned(),
            }),
        ]
    ),
    part!(
        "routing",
        "routing.yaml",
        "DNS, ARC's routing controls and safety rules",
        Control,
        12,
        [
            "FirstRegion" = Region(First),
            "SecondRegion" = Region(Second),
            "FirstVpcId" = Output(First, "network", "VpcId"),
            "SecondVpcId" = Output(Second, "network", "VpcId"),
            "FirstLoadBalancerDns" = Output(First, "services", "LoadBalancerDns"),
            "FirstLoadBalancerZone" = Output(First, "services", "LoadBalancerZone"),
            "SecondLoadBalancerDns" = Output(Second, "services", "LoadBalancerDns"),
            "SecondLoadBalancerZone" = Output(Second, "services", "LoadBalancerZone"),
            "Domain" = Setting(|settings, _| format!("{}.internal", settings.name)),
            "Scheme" = Setting(
                |settings, _| if settings.certificates.is_empty() { "http" } else { "https" }.to_owned()
            ),
            "ControlCluster" = Setting(|settings, _| settings.control_cluster.clone().unwrap_or_default()),
        ]
    ),
    part!(
        "eyes",
        "eyes.yaml",
        "canaries, alarms, dashboard",
        Both,
        5,
        [
            "VpcId" = VPC,
            "PrivateSubnets" = SUBNETS,
            "KeyArn" = KEY,
            "Mail" = Setting(|settings, _| settings.mail.clone().unwrap_or_default()),
            "OwnUrl" = Door(Own),
            "OtherUrl" = Door(Other),
            "GlobalUrl" = Output(Control, "routing", "Url"),
            "OtherRegion" = Region(Other),
            "CatalogCluster" = Output(Own, "catalog", "ClusterIdentifier"),
            "OrdersCluster" = Output(Own, "orders", "ClusterIdentifier"),
            "LoadBalancerName" = Output(Own, "services", "LoadBalancerName"),
            "TargetGroupName" = Output(Own, "services", "TargetGroupName"),
            "EcsCluster" = Output(Own, "services", "Cluster"),
            "TableName" = Output(First, "carts", "TableName"),
            "BrokerName" = Output(Own, "stores", "BrokerName"),
            "RedisId" = Output(Own, "stores", "RedisId"),
        ]
    ),
    part!(
        "overview",
        "overview.yaml",
        "one dashboard of both Regions",
        First,
        1,
        [
            "OtherRegion" = Region(Other),
            "TableName" = Output(First, "carts", "TableName"),
            "CatalogCluster" = Output(First, "catalog", "ClusterIdentifier"),
            "OrdersCluster" = Output(First, "orders", "ClusterIdentifier"),
            "OtherCatalogCluster" = Output(Second, "catalog", "ClusterIdentifier"),
            "OtherOrdersCluster" = Output(Second, "orders", "ClusterIdentifier"),
            "FirstHealthCheck" = Output(Control, "routing", "FirstHealthCheck"),
            "SecondHealthCheck" = Output(Control, "routing", "SecondHealthCheck"),
        ]
    ),
    part!(
        "chaos",
        "chaos.yaml",
        "experiments that break it",
        Both,
        2,
        [
            "OtherRegion" = Region(Other),
            "TableArn" = Output(First, "carts", "TableArn"),
            "EcsCluster" = Output(Own, "services", "Cluster"),
            "KeyArn" = KEY,
            "StopAlarm" = Output(Own, "eyes", "GlobalAlarm"),
        ]
    ),
    part!(
        "client",
        "client.yaml",
        "a machine to look at the shop from",
        Both,
        4,
        ["VpcId" = VPC, "PrivateSubnets" = SUBNETS, "KeyArn" = KEY,]
    ),
];

/// The parts that are wanted.
pub fn wanted(settings: &Settings) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(|part| part.name != "client" || settings.client)
}

/// What is wrong with the parameters that the settings have.
pub fn wrong_parameters(settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, parameters) in &settings.parameters {
        let Some(part) = PARTS.iter().find(|part| part.name == name) else {
            let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
            wrong.push(format!("parameters has {name}: there is {}", known.join(", ")));
            continue;
        };
        for parameter in parameters.keys() {
            if part.given(parameter).is_some() {
                wrong.push(format!("parameters.{name}.{parameter} is given by the command itself"));
            } else if !part.has_parameter(parameter) {
                wrong.push(format!(
                    "parameters.{name}.{parameter}: the template {} has none of this name",
                    part.file
                ));
            }
        }
    }
    wrong
}

/// The part of this name.
pub fn part(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

impl Part {
    /// Where the value of a parameter comes from; `None` of one that the template's default or the settings decide.
    pub fn given(&self, parameter: &str) -> Option<Given> {
        if parameter == "Name" {
            return Some(Setting(|settings, _| settings.name.clone()));
        }
        self.parameters.iter().find(|(name, _)| *name == parameter).map(|(_, given)| *given)
    }

    /// Whether its template has a parameter of this name.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.names("Parameters").iter().any(|known| known == name)
    }

    /// The names in a section of its template. None, where it has no such section.
    pub fn names(&self, section: &str) -> Vec<String> {
        let template: serde_norway::Value = serde_norway::from_str(self.template).unwrap_or_default();
        let section = template.get(section).and_then(serde_norway::Value::as_mapping);
        let names = section.into_iter().flat_map(serde_norway::Mapping::keys);
        names.filter_map(serde_norway::Value::as_str).map(str::to_owned).collect()
    }

    /// The Regions that it is in.
    pub fn regions<'a>(&self, settings: &'a Settings) -> Vec<&'a str> {
        let [first, second] = &settings.regions;
        match self.place {
            Place::First => vec![first],
            Place::Control => vec![CONTROL],
            Place::Both | Place::FirstThenSecond => vec![first, second],
        }
    }

    /// The name of its stack.
    pub fn stack(&self, settings: &Settings) -> String {
        format!("{}-{}", settings.name, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(name: &str) -> Vec<String> {
        part(name).unwrap_or_else(|| panic!("there is no part {name}")).names("Outputs")
    }

    /// Every value that one template takes is one that the command gives or that has a default, and every output that it is
    /// taken from is there.
    #[test]
    fn every_value_that_a_template_takes_is_given_and_is_there() {
        for of in PARTS {
            let template: serde_norway::Value = serde_norway::from_str(of.template).unwrap();
            assert!(of.template.len() <= 51_200, "{}: a template has 51,200 bytes at most", of.file);
            for name in of.names("Parameters") {
                let has_default = template["Parameters"][name.as_str()].get("Default").is_some();
                assert!(has_default || of.given(&name).is_some(), "{}: nothing gives {name}", of.file);
            }
            for (name, given) in of.parameters {
                assert!(of.has_parameter(name), "{}: there is no parameter {name}", of.file);
                if let Output(_, part, output)
                | Replica(part, output)
                | InFirst(part, output)
                | InSecond(part, output) = given
                {
                    assert!(
                        outputs(part).contains(&(*output).to_owned()),
                        "{}: {part} has no {output}",
                        of.file
                    );
                }
            }
            assert!(of.has_parameter("Name"), "{} has no Name", of.file);
        }
    }

    #[test]
    fn a_parameter_that_is_given_or_unknown_is_refused() {
        let settings = r#"{"name": "shop", "regions": ["a-1", "b-1"],
            "parameters": {"network": {"VpcId": "x", "Cidr": "y", "NatGateways": "3"}, "moon": {}}}"#;
        let wrong = wrong_parameters(&serde_json::from_str(settings).unwrap()).join("\n");
        for part in [
            "parameters.network.VpcId: the template network.yaml has none",
            "parameters.network.Cidr is given by the command",
            "parameters has moon",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        assert!(!wrong.contains("NatGateways"), "{wrong}");
    }

    #[test]
    fn every_template_is_a_part() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workload");
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            if file.ends_with(".yaml") {
                assert!(PARTS.iter().any(|part| part.file == file), "{file} is no part");
            }
        }
    }
}
