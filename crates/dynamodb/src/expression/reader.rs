//! Reads an expression word by word, and says what is wrong with it in DynamoDB's words.

use super::path::{Path, Step};
use super::scope::Scope;
use super::token::{Kind, Token, tokens};
use super::words::is_reserved;
use crate::attribute::Attribute;
use crate::error::{Error, Result};

/// The longest expression, in bytes.
const LONGEST: usize = 4096;
/// The largest index of a list that a path may name.
const MAX_INDEX: usize = 99_999;

/// Words that are part of the syntax, so that they are never taken for an attribute.
const KEYWORDS: [&str; 9] = ["AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"];

/// An expression, and how far it was read.
pub struct Reader<'a> {
    /// What it is in the request, such as `FilterExpression`.
    label: &'static str,
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    scope: &'a Scope,
}

impl<'a> Reader<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(label: &'static str, source: &'a str, scope: &'a Scope) -> Result<Self> {
        let reader = Self { label, source, tokens: tokens(source), at: 0, scope };
        if reader.tokens.len() == 1 {
            return Err(reader.error("The expression can not be empty;"));
        }
        if source.len() > LONGEST {
            let message = format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                source.len()
            );
            return Err(reader.error(message));
        }
        Ok(reader)
    }

    /// An error of this expression.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::validation(format!("Invalid {}: {message}", self.label))
    }

    /// The error that the next word can't stand where it stands.
    pub fn syntax(&self) -> Error {
        let token = match self.tokens[self.at].kind {
            Kind::End => "<EOF>",
            _ => self.word(),
        };
        // The words around it, as they are written.
        let from = self.tokens[self.at.saturating_sub(1)].start;
        let to = self.tokens[(self.at + 1).min(self.tokens.len() - 1)].end;
        self.error(format!("Syntax error; token: \"{token}\", near: \"{}\"", &self.source[from..to]))
    }

    /// The next word.
    pub fn word(&self) -> &'a str {
        self.word_at(self.at)
    }

    /// The kind of the next word.
    pub fn kind(&self) -> Kind {
        self.tokens[self.at].kind
    }

    /// Whether the next word is this one, in capitals or not. It is read then.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(word) && self.kind() != Kind::End;
        self.at += usize::from(found);
        found
    }

    /// Reads a word that has to be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.syntax()) }
    }

    /// Reads the end.
    ///
    /// # Errors
    /// When more follows.
    pub fn end(&self) -> Result<()> {
        if self.kind() == Kind::End { Ok(()) } else { Err(self.syntax()) }
    }

    /// Reads the name of a function, when one follows: a word with a parenthesis behind it.
    pub fn function(&mut self) -> Option<&'a str> {
        let word = self.word();
        let is = self.kind() == Kind::Word
            && self.word_at(self.at + 1) == "("
            && !KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
        is.then(|| {
            self.at += 2;
            word
        })
    }

    /// Reads a `:value`, when one follows.
    ///
    /// # Errors
    /// When it stands for nothing.
    pub fn value(&mut self) -> Result<Option<Attribute>> {
        if self.kind() != Kind::Value {
            return Ok(None);
        }
        let word = self.word();
        let value = self.scope.value(word).ok_or_else(|| {
            self.error(format!(
                "An expression attribute value used in expression is not defined; attribute value: {word}"
            ))
        })?;
        self.at += 1;
        Ok(Some(value.clone()))
    }

    /// Reads a path.
    ///
    /// # Errors
    /// When none follows, or a part of it is no name.
    pub fn path(&mut self) -> Result<Path> {
        let name = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.take(".") {
                steps.push(Step::Member(self.name()?));
            } else if self.take("[") {
                let index = self.word().parse().ok().filter(|_| self.kind() == Kind::Digits);
                let index = index.ok_or_else(|| self.syntax())?;
                if index > MAX_INDEX {
                    return Err(
                        self.error(format!("List index is not within the allowable range; index: [{index}]"))
                    );
                }
                self.at += 1;
                self.expect("]")?;
                steps.push(Step::Index(index));
            } else {
                return Ok(Path { name, steps });
            }
        }
    }

    /// Reads one name of a path.
    fn name(&mut self) -> Result<String> {
        let word = self.word();
        let name = match self.kind() {
            Kind::Name => self.scope.name(word).ok_or_else(|| {
                self.error(format!(
                    "An expression attribute name used in the document path is not defined; attribute name: {word}"
                ))
            })?,
            Kind::Word if KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) => {
                return Err(self.syntax());
            }
            Kind::Word if is_reserved(word) => {
                return Err(self.error(format!(
                    "Attribute name is a reserved keyword; reserved keyword: {word}"
                )));
            }
            Kind::Word => word,
            _ => return Err(self.syntax()),
        };
        self.at += 1;
        Ok(name.to_owned())
    }

    fn word_at(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.source[token.start..token.end])
    }
}
