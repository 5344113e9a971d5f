//! Update expressions: how an item changes. Reads them into actions.

use super::path::Path;
use super::reader::Reader;
use super::scope::Scope;
use super::token::Kind;
use crate::attribute::Attribute;
use crate::error::{Error, Result};

/// What it is in a request.
const LABEL: &str = "UpdateExpression";

/// The actions of an update.
#[derive(Debug, Default)]
pub struct Update {
    pub sets: Vec<(Path, Term)>,
    pub removes: Vec<Path>,
    pub adds: Vec<(Path, Attribute)>,
    pub deletes: Vec<(Path, Attribute)>,
}

/// A value in a `SET`.
#[derive(Debug)]
pub enum Term {
    Path(Path),
    Value(Attribute),
    IfNotExists(Path, Box<Term>),
    ListAppend(Box<Term>, Box<Term>),
    Plus(Box<Term>, Box<Term>),
    Minus(Box<Term>, Box<Term>),
}

impl Update {
    /// Reads an update expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(source: &str, scope: &Scope) -> Result<Self> {
        let mut reader = Reader::new(LABEL, source, scope)?;
        let mut update = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        while reader.kind() != Kind::End {
            let section = ["SET", "REMOVE", "ADD", "DELETE"].into_iter().find(|name| reader.take(name));
            let section = section.ok_or_else(|| reader.syntax())?;
            if seen.contains(&section) {
                return Err(reader.error(format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                )));
            }
            seen.push(section);
            loop {
                update.action(section, &mut reader)?;
                if !reader.take(",") {
                    break;
                }
            }
        }
        if let Some((how, one, two)) = Path::clash(&update.paths()) {
            return Err(reader.error(format!(
                "Two document paths {how} with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
            )));
        }
        Ok(update)
    }

    fn action(&mut self, section: &str, reader: &mut Reader) -> Result<()> {
        let path = reader.path()?;
        match section {
            "SET" => {
                reader.expect("=")?;
                self.sets.push((path, sum(reader)?));
            }
            "REMOVE" => self.removes.push(path),
            _ => {
                let value = reader.value()?.ok_or_else(|| reader.syntax())?;
                let add = section == "ADD";
                let fits = match value {
                    Attribute::N(_) => add,
                    Attribute::Ss(_) | Attribute::Ns(_) | Attribute::Bs(_) => true,
                    _ => false,
                };
                if !fits {
                    return Err(reader.error(format!(
                        "Incorrect operand type for operator or function; operator: {section}, operand type: {}, typeSet: ALLOWED_FOR_{section}_OPERAND",
                        long_kind(&value)
                    )));
                }
                if add { self.adds.push((path, value)) } else { self.deletes.push((path, value)) }
            }
        }
        Ok(())
    }

    /// The places that it changes.
    pub fn paths(&self) -> Vec<&Path> {
        let sets = self.sets.iter().map(|(path, _)| path);
        let others = self.adds.iter().chain(&self.deletes).map(|(path, _)| path);
        sets.chain(&self.removes).chain(others).collect()
    }
}

/// Reads a value, or two of them with a sign between.
fn sum(reader: &mut Reader) -> Result<Term> {
    let first = term(reader)?;
    for sign in ["+", "-"] {
        if reader.take(sign) {
            let second = term(reader)?;
            numeric(sign, reader, [&first, &second])?;
            let (first, second) = (Box::new(first), Box::new(second));
            return Ok(if sign == "+" { Term::Plus(first, second) } else { Term::Minus(first, second) });
        }
    }
    Ok(first)
}

fn term(reader: &mut Reader) -> Result<Term> {
    if reader.take("(") {
        let inner = sum(reader)?;
        reader.expect(")")?;
        return Ok(inner);
    }
    if let Some(value) = reader.value()? {
        return Ok(Term::Value(value));
    }
    match reader.function() {
        Some("if_not_exists") => {
            let first = term(reader)?;
            let Term::Path(path) = first else {
                return Err(reader.error(
                    "Operator or function requires a document path; operator or function: if_not_exists",
                ));
            };
            reader.expect(",")?;
            let otherwise = term(reader)?;
            reader.expect(")")?;
            Ok(Term::IfNotExists(path, Box::new(otherwise)))
        }
        Some("list_append") => {
            let first = term(reader)?;
            reader.expect(",")?;
            let second = term(reader)?;
            reader.expect(")")?;
            for one in [&first, &second] {
                if let Term::Value(value) = one
                    && !matches!(value, Attribute::L(_))
                {
                    return Err(operand(reader, "list_append", value.kind()));
                }
            }
            Ok(Term::ListAppend(Box::new(first), Box::new(second)))
        }
        Some(
            name @ ("attribute_exists"
            | "attribute_not_exists"
            | "attribute_type"
            | "begins_with"
            | "contains"
            | "size"),
        ) => {
            Err(reader
                .error(format!("The function is not allowed in an update expression; function: {name}")))
        }
        Some(name) => Err(reader.error(format!("Invalid function name; function: {name}"))),
        None => Ok(Term::Path(reader.path()?)),
    }
}

/// Whether what is known of two operands is numbers.
fn numeric(sign: &str, reader: &Reader, terms: [&Term; 2]) -> Result<()> {
    for term in terms {
        match term {
            Term::Value(Attribute::N(_)) | Term::Path(_) | Term::IfNotExists(..) => {}
            Term::Plus(..) | Term::Minus(..) => {}
            Term::Value(value) => return Err(operand(reader, sign, value.kind())),
            Term::ListAppend(..) => return Err(operand(reader, sign, "L")),
        }
    }
    Ok(())
}

fn operand(reader: &Reader, name: &str, kind: &str) -> Error {
    reader.error(format!(
        "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
    ))
}

/// The type, as DynamoDB writes it for `ADD` and `DELETE`.
fn long_kind(value: &Attribute) -> &'static str {
    match value {
        Attribute::S(_) => "STRING",
        Attribute::N(_) => "NUMBER",
        Attribute::B(_) => "BINARY",
        Attribute::Bool(_) => "BOOLEAN",
        Attribute::Null => "NULL",
        Attribute::L(_) => "LIST",
        Attribute::M(_) => "MAP",
        Attribute::Ss(_) | Attribute::Ns(_) | Attribute::Bs(_) => "SET",
    }
}
