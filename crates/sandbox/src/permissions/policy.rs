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
    pub(crate) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// The same with a condition key.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }
}

/// What a policy says about a need.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Allowed by this statement, whose action and resource are as it writes them.
    Allowed { statement: usize, action: &'a str, resource: &'a str },
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
pub(super) struct Statement {
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

/// Reads a policy document.
pub(super) fn read(document: Value) -> Result<Vec<Statement>, String> {
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
            _ => return Err(format!("the condition operator {operator} is not known to the sandbox")),
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
pub(super) fn decide<'a>(statements: &'a [Statement], need: &Need) -> Verdict<'a> {
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
