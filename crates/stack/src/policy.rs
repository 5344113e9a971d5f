//! Identity-based policies: what a statement says, and whether it allows a request.
//!
//! As IAM evaluates them (IAM user guide, "Policy evaluation logic"): a `Deny` that fits wins, an `Allow` that fits
//! grants, and else the request is denied. What the template does not use (`NotAction`, `NotResource`, other condition
//! operators) is refused when the policy is read, so that no statement is silently understood in another way.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use wildmatch::WildMatch;

/// What a request needs: one action on one resource, in a context of condition keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Such as `rds:DescribeDBClusters`.
    pub action: String,
    /// ARN, or `*` for an action without resources.
    pub resource: String,
    /// Condition keys and their values; a key that is missing is not in the request.
    pub context: BTreeMap<String, String>,
}

impl Need {
    /// A need without condition keys.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// The same with a condition key.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }
}

/// What a policy says about a need.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Allowed by this statement, whose action and resource are as it writes them.
    Allowed {
        /// Which statement, from 0.
        statement: usize,
        /// The action, perhaps with wildcards.
        action: &'a str,
        /// The resource, perhaps with wildcards.
        resource: &'a str,
    },
    /// A statement denies it.
    Denied,
    /// No statement allows it.
    NotAllowed,
}

/// A policy as it is written, its intrinsic functions resolved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Written {
    version: String,
    statement: Vec<WrittenStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct WrittenStatement {
    #[serde(default, rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    action: OneOrMore,
    resource: OneOrMore,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMore>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug)]
pub struct Statement {
    effect: Effect,
    actions: Vec<Action>,
    resources: Vec<ArnPattern>,
    conditions: Vec<Condition>,
}

/// An action with wildcards; its case does not matter.
#[derive(Debug)]
struct Action {
    text: String,
    pattern: WildMatch,
}

/// The parts of an ARN between colons; the last, the resource, may have colons of its own.
const ARN_PARTS: usize = 6;

/// An ARN with wildcards, which stay inside one part; or `*`, which any resource fits.
#[derive(Debug)]
struct ArnPattern {
    text: String,
    parts: Vec<WildMatch>,
}

#[derive(Debug)]
struct Condition {
    operator: Operator,
    /// `…IfExists`: a key that is not in the request fits.
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringLike,
    Bool,
    /// `true` wants the key absent, `false` present.
    Null,
}

impl Action {
    fn new(text: String) -> Self {
        Self { pattern: WildMatch::new_case_insensitive(&text), text }
    }
}

impl ArnPattern {
    fn new(text: String) -> Result<Self, String> {
        let parts: Vec<_> = text.splitn(ARN_PARTS, ':').map(WildMatch::new).collect();
        if text != "*" && parts.len() != ARN_PARTS {
            return Err(format!("the resource `{text}` is neither an ARN nor `*`"));
        }
        Ok(Self { parts, text })
    }

    fn fits(&self, arn: &str) -> bool {
        let mut parts = self.parts.iter().zip(arn.splitn(ARN_PARTS, ':'));
        self.text == "*" || (arn != "*" && parts.all(|(pattern, part)| pattern.matches(part)))
    }
}

/// Reads a policy document, its functions resolved.
///
/// # Errors
/// What is written in a way that is not known here.
pub fn read(document: Value) -> Result<Vec<Statement>, String> {
    let written: Written = serde_json::from_value(document).map_err(|error| error.to_string())?;
    if written.version != "2012-10-17" {
        return Err(format!("policy version {} is not known; write 2012-10-17", written.version));
    }
    written.statement.into_iter().map(Statement::new).collect()
}

impl Statement {
    fn new(written: WrittenStatement) -> Result<Self, String> {
        let actions = written.action.into_vec().into_iter();
        let resources = written.resource.into_vec().into_iter().map(ArnPattern::new);
        let conditions = written.condition.into_iter().flat_map(|(operator, keys)| {
            keys.into_iter().map(move |(key, values)| Condition::new(&operator, key, values))
        });
        Ok(Self {
            effect: written.effect,
            actions: actions.map(Action::new).collect(),
            resources: resources.collect::<Result<_, _>>()?,
            conditions: conditions.collect::<Result<_, _>>()?,
        })
    }

    /// The action and the resource that fit a need.
    fn fits(&self, need: &Need) -> Option<(&str, &str)> {
        let action = self.actions.iter().find(|action| action.pattern.matches(&need.action))?;
        let resource = self.resources.iter().find(|resource| resource.fits(&need.resource))?;
        let all = self.conditions.iter().all(|condition| condition.holds(&need.context));
        all.then_some((&action.text, &resource.text))
    }

    /// Every pair of action and resource that it allows.
    pub fn allows(&self) -> impl Iterator<Item = (&str, &str)> {
        let actions = self.actions.iter().filter(|_| self.effect == Effect::Allow);
        actions.flat_map(|action| self.resources.iter().map(|on| (action.text.as_str(), on.text.as_str())))
    }

    /// The condition keys that it names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|condition| condition.key.as_str())
    }
}

impl Condition {
    fn new(operator: &str, key: String, values: OneOrMore) -> Result<Self, String> {
        let (name, if_exists) = match operator.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (operator, false),
        };
        let operator = match name {
            "StringEquals" => Operator::StringEquals,
            "StringLike" => Operator::StringLike,
            "Bool" => Operator::Bool,
            "Null" if !if_exists => Operator::Null,
            _ => return Err(format!("the condition operator {operator} is not known here")),
        };
        Ok(Self { operator, if_exists, key, values: values.into_vec() })
    }

    fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        if self.operator == Operator::Null {
            let absent = !context.contains_key(&self.key);
            return self.values.contains(&absent.to_string());
        }
        context.get(&self.key).map_or(self.if_exists, |value| {
            self.values.iter().any(|wanted| match self.operator {
                Operator::StringLike => WildMatch::new(wanted).matches(value),
                Operator::Bool => wanted.eq_ignore_ascii_case(value),
                Operator::StringEquals | Operator::Null => wanted == value,
            })
        })
    }
}

/// What these statements say about a need.
pub fn decide<'a>(statements: &'a [Statement], need: &Need) -> Verdict<'a> {
    let mut allowed = Verdict::NotAllowed;
    for (number, statement) in statements.iter().enumerate() {
        match (statement.effect, statement.fits(need)) {
            (Effect::Deny, Some(_)) => return Verdict::Denied,
            (Effect::Allow, Some((action, resource))) if allowed == Verdict::NotAllowed => {
                allowed = Verdict::Allowed { statement: number, action, resource };
            }
            _ => {}
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statements(written: &Value) -> Vec<Statement> {
        read(json!({"Version": "2012-10-17", "Statement": written})).unwrap()
    }

    fn allowed(statements: &[Statement], need: &Need) -> bool {
        matches!(decide(statements, need), Verdict::Allowed { .. })
    }

    #[test]
    fn wildcards_stay_inside_their_part_of_an_arn_and_actions_have_no_case() {
        let cluster =
            |name: &str| Need::new("rds:DeleteDBCluster", format!("arn:aws:rds:r:1:cluster:{name}"));
        let on = |resource: &str| {
            statements(&json!([{"Effect": "Allow", "Action": "RDS:Delete*", "Resource": resource}]))
        };
        assert!(allowed(&on("arn:aws:rds:*:1:cluster:causeway-*"), &cluster("causeway-1")));
        assert!(allowed(&on("arn:aws:rds:?:1:cluster:causeway-?"), &cluster("causeway-1")));
        assert!(!allowed(&on("arn:aws:rds:*:1:cluster:causeway-*"), &cluster("shop")));
        assert!(!allowed(&on("arn:aws:rds:*:cluster:causeway-*:x"), &cluster("causeway-1")));
        assert!(!allowed(&on("arn:aws:rds:*:2:cluster:*"), &cluster("causeway-1")));
        assert!(allowed(&on("*"), &cluster("shop")));
        // An action without resources needs the `*`.
        assert!(!allowed(&on("arn:aws:rds:*:1:cluster:*"), &Need::new("rds:DeleteDBCluster", "*")));
        assert!(!allowed(&on("*"), &Need::new("rds:CreateDBCluster", "*")));
    }

    #[test]
    fn a_deny_wins_and_a_condition_holds_only_with_its_key() {
        let conditional = |condition: Value| {
            statements(
                &json!([{"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": condition}]),
            )
        };
        let need = Need::new("a:b", "*");
        let with = |value: &str| need.clone().with("k", value);
        for (condition, none, same, other) in [
            (json!({"StringEquals": {"k": "v*"}}), false, false, false),
            (json!({"StringLike": {"k": ["x", "v*"]}}), false, true, false),
            (json!({"StringLikeIfExists": {"k": "v*"}}), true, true, false),
            (json!({"Null": {"k": "false"}}), false, true, true),
            (json!({"Null": {"k": "true"}}), true, false, false),
            (json!({"Bool": {"k": "VALUE"}}), false, true, false),
        ] {
            let statements = conditional(condition.clone());
            let seen = [&need, &with("value"), &with("w")].map(|need| allowed(&statements, need));
            assert_eq!(seen, [none, same, other], "{condition}");
        }
        let denied = statements(&json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Sid": "No", "Effect": "Deny", "Action": ["a:c", "a:b"], "Resource": "*"},
        ]));
        assert_eq!(decide(&denied, &need), Verdict::Denied);
        assert!(allowed(&denied, &Need::new("a:d", "*")));
        assert_eq!(decide(&conditional(json!({})), &Need::new("a:c", "*")), Verdict::NotAllowed);
    }

    #[test]
    fn what_is_not_known_of_policies_is_refused() {
        let base = json!({"Effect": "Allow", "Action": "a:b", "Resource": "*"});
        for (key, value, told) in [
            ("NotAction", json!("a:c"), "NotAction"),
            ("Condition", json!({"ArnLike": {"k": "v"}}), "ArnLike"),
            ("Resource", json!("cluster:shop"), "cluster:shop"),
            ("Effect", json!("Maybe"), "Maybe"),
        ] {
            let mut written = base.clone();
            written[key] = value;
            let read = read(json!({"Version": "2012-10-17", "Statement": [written]}));
            assert!(read.is_err_and(|error| error.contains(told)), "{key}");
        }
    }
}
