//! Conditions: what has to be true of an item. Reads them into a tree.
//!
//! `NOT` binds closest, then `AND`, then `OR`. Mistakes that need no item are told here: unknown functions, a wrong number or
//! a wrong type of operands, parentheses that do nothing.

use super::path::Path;
use super::reader::Reader;
use super::scope::Scope;
use super::token::Kind;
use crate::attribute::Attribute;
use crate::error::{Error, Result};

/// The most operands of `IN`.
const MAX_IN: usize = 100;
/// The names of types, as AWS lists them.
const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

/// What has to be true.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Path, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    const ALL: [(&'static str, Self); 6] = [
        ("=", Self::Equal),
        ("<>", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
    ];

    fn read(sign: &str) -> Option<Self> {
        Self::ALL.iter().find(|(one, _)| *one == sign).map(|(_, comparator)| *comparator)
    }
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Path(Path),
    Value(Attribute),
    Size(Box<Operand>),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(label: &'static str, source: &str, scope: &Scope) -> Result<Self> {
        let mut parser = Parser { reader: Reader::new(label, source, scope)?, parenthesised: false };
        let condition = parser.or()?;
        parser.reader.end()?;
        Ok(condition)
    }

    /// Every path in it.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::And(one, two) | Self::Or(one, two) => [one.paths(), two.paths()].concat(),
            Self::Not(one) => one.paths(),
            Self::Compare(_, one, two) | Self::BeginsWith(one, two) | Self::Contains(one, two) => {
                [one, two].into_iter().filter_map(Operand::path).collect()
            }
            Self::Between(one, low, high) => [one, low, high].into_iter().filter_map(Operand::path).collect(),
            Self::In(one, all) => [one].into_iter().chain(all).filter_map(Operand::path).collect(),
            Self::Exists(path) | Self::NotExists(path) | Self::HasType(path, _) => vec![path],
        }
    }
}

impl Operand {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Size(of) => of.path(),
            Self::Value(_) => None,
        }
    }

    /// The type, where it is known without an item.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Path(_) => None,
            Self::Value(value) => Some(value.kind()),
            Self::Size(_) => Some("N"),
        }
    }
}

struct Parser<'a> {
    reader: Reader<'a>,
    /// Whether what was read last is a condition in parentheses, and nothing else.
    parenthesised: bool,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Condition> {
        let mut condition = self.and()?;
        while self.reader.take("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.and()?));
            self.parenthesised = false;
        }
        Ok(condition)
    }

    fn and(&mut self) -> Result<Condition> {
        let mut condition = self.not()?;
        while self.reader.take("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.not()?));
            self.parenthesised = false;
        }
        Ok(condition)
    }

    fn not(&mut self) -> Result<Condition> {
        if self.reader.take("NOT") {
            let condition = Condition::Not(Box::new(self.not()?));
            self.parenthesised = false;
            return Ok(condition);
        }
        if self.reader.take("(") {
            let condition = self.or()?;
            self.reader.expect(")")?;
            if self.parenthesised {
                return Err(self.reader.error("The expression has redundant parentheses;"));
            }
            self.parenthesised = true;
            return Ok(condition);
        }
        self.parenthesised = false;
        match self.reader.function() {
            Some("size") => {
                let first = self.size()?;
                if self.reader.kind() == Kind::Sign && self.reader.word() == ")" || self.at_an_end() {
                    return Err(self.misused("size"));
                }
                self.comparison(first)
            }
            Some(name) => self.function(name),
            None => {
                let first = self.operand()?;
                self.comparison(first)
            }
        }
    }

    /// Whether a condition could end here.
    fn at_an_end(&self) -> bool {
        let word = self.reader.word();
        self.reader.kind() == Kind::End || ["AND", "OR"].iter().any(|one| word.eq_ignore_ascii_case(one))
    }

    fn comparison(&mut self, first: Operand) -> Result<Condition> {
        if self.reader.take("BETWEEN") {
            let low = self.operand()?;
            self.reader.expect("AND")?;
            let high = self.operand()?;
            self.distinct("BETWEEN", &first, &[&low, &high])?;
            for operand in [&first, &low, &high] {
                self.ordered("BETWEEN", operand)?;
            }
            self.bounds(&low, &high)?;
            return Ok(Condition::Between(first, low, high));
        }
        if self.reader.take("IN") {
            self.reader.expect("(")?;
            let all = self.operands()?;
            if all.len() > MAX_IN {
                return Err(self.operand_count("IN", all.len()));
            }
            self.distinct("IN", &first, &all.iter().collect::<Vec<_>>())?;
            return Ok(Condition::In(first, all));
        }
        let sign = self.reader.word();
        let comparator = Comparator::read(sign).ok_or_else(|| self.reader.syntax())?;
        self.reader.expect(sign)?;
        let second = self.operand()?;
        self.distinct(sign, &first, &[&second])?;
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            self.ordered(sign, &first)?;
            self.ordered(sign, &second)?;
        }
        Ok(Condition::Compare(comparator, first, second))
    }

    fn operand(&mut self) -> Result<Operand> {
        if let Some(value) = self.reader.value()? {
            return Ok(Operand::Value(value));
        }
        match self.reader.function() {
            Some("size") => self.size(),
            Some(
                name @ ("attribute_exists"
                | "attribute_not_exists"
                | "attribute_type"
                | "begins_with"
                | "contains"),
            ) => Err(self.misused(name)),
            Some(name) => Err(self.reader.error(format!("Invalid function name; function: {name}"))),
            None => Ok(Operand::Path(self.reader.path()?)),
        }
    }

    fn size(&mut self) -> Result<Operand> {
        let operands = self.operands()?;
        let [operand] = operands.try_into().map_err(|all: Vec<_>| self.operand_count("size", all.len()))?;
        if let Operand::Value(value) = &operand
            && value.length().is_none()
        {
            return Err(self.operand_type("size", value.kind()));
        }
        Ok(Operand::Size(Box::new(operand)))
    }

    /// Reads operands up to the parenthesis that ends them.
    fn operands(&mut self) -> Result<Vec<Operand>> {
        let mut all = vec![self.operand()?];
        while self.reader.take(",") {
            all.push(self.operand()?);
        }
        self.reader.expect(")")?;
        Ok(all)
    }

    fn function(&mut self, name: &str) -> Result<Condition> {
        let wanted = match name {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            _ => return Err(self.reader.error(format!("Invalid function name; function: {name}"))),
        };
        let mut operands = self.operands()?.into_iter();
        let count = operands.len();
        let (Some(first), second) = (operands.next(), operands.next()) else {
            return Err(self.operand_count(name, count));
        };
        if count != wanted {
            return Err(self.operand_count(name, count));
        }
        match (name, second) {
            ("attribute_exists", _) => Ok(Condition::Exists(self.path_only(name, first)?)),
            ("attribute_not_exists", _) => Ok(Condition::NotExists(self.path_only(name, first)?)),
            ("attribute_type", Some(Operand::Value(value))) => {
                let path = self.path_only(name, first)?;
                let Attribute::S(kind) = value else { return Err(self.operand_type(name, value.kind())) };
                if !TYPES.contains(&kind.as_str()) {
                    return Err(self.reader.error(format!(
                        "Invalid attribute type name found; type: {kind}, valid types: {{{}}}",
                        TYPES.join(",")
                    )));
                }
                Ok(Condition::HasType(path, kind))
            }
            ("begins_with", Some(second)) => {
                self.distinct(name, &first, &[&second])?;
                for operand in [&first, &second] {
                    if let Some(kind) = operand.kind().filter(|kind| !["S", "B"].contains(kind)) {
                        return Err(self.operand_type(name, kind));
                    }
                }
                Ok(Condition::BeginsWith(first, second))
            }
            ("contains", Some(second)) => {
                self.distinct(name, &first, &[&second])?;
                Ok(Condition::Contains(first, second))
            }
            _ => Err(self.reader.syntax()),
        }
    }

    fn path_only(&self, name: &str, operand: Operand) -> Result<Path> {
        match operand {
            Operand::Path(path) => Ok(path),
            _ => Err(self.reader.error(format!(
                "Operator or function requires a document path; operator or function: {name}"
            ))),
        }
    }

    /// Whether a place is not compared with itself.
    fn distinct(&self, name: &str, first: &Operand, others: &[&Operand]) -> Result<()> {
        match first {
            Operand::Path(path) if others.contains(&first) => Err(self.reader.error(format!(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: {name}, first operand: {path}"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether an operand can be less than another one.
    fn ordered(&self, name: &str, operand: &Operand) -> Result<()> {
        match operand.kind() {
            Some(kind) if !["S", "N", "B"].contains(&kind) => Err(self.operand_type(name, kind)),
            _ => Ok(()),
        }
    }

    /// Whether the bounds of `BETWEEN` are of one type and in order, where both are known.
    fn bounds(&self, low: &Operand, high: &Operand) -> Result<()> {
        let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return Ok(()) };
        let shown = || {
            let show = |value: &Attribute| match value {
                Attribute::S(text) => format!("AttributeValue: {{S:{text}}}"),
                Attribute::N(number) => format!("AttributeValue: {{N:{number}}}"),
                other => format!("AttributeValue: {{{}}}", other.kind()),
            };
            format!("lower bound operand: {}, upper bound operand: {}", show(low), show(high))
        };
        let ordered = match (low, high) {
            (Attribute::S(low), Attribute::S(high)) => low <= high,
            (Attribute::N(low), Attribute::N(high)) => low <= high,
            (Attribute::B(low), Attribute::B(high)) => low <= high,
            _ => {
                return Err(self.reader.error(format!(
                    "The BETWEEN operator requires same data type for lower and upper bounds; {}",
                    shown()
                )));
            }
        };
        if ordered {
            return Ok(());
        }
        Err(self.reader.error(format!(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {}",
            shown()
        )))
    }

    fn operand_count(&self, name: &str, count: usize) -> Error {
        self.reader.error(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
        ))
    }

    fn operand_type(&self, name: &str, kind: &str) -> Error {
        self.reader.error(format!(
            "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
        ))
    }

    fn misused(&self, name: &str) -> Error {
        self.reader.error(format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ))
    }
}
