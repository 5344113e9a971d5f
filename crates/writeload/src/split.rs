//! Splits the text of a dump into statements, as the clients `mysql` and `psql` would, each with the line that it begins on.
//!
//! MySQL's family: `DELIMITER`, strings with backslash escapes, `` `names` ``, comments of all three kinds; those with a version,
//! `/*!40101 … */`, are left in, for the server reads them. The SQL mode `NO_BACKSLASH_ESCAPES` is not known here, and
//! neither are the short commands of the client (`\g`).
//! PostgreSQL: dollar quotes, `E'…'`, nested comments, bodies of functions in `BEGIN ATOMIC … END`, statements in
//! parentheses of rules, `COPY … FROM stdin` with its lines, and commands of `psql` (`\connect`).

use table_diff::Engine;

/// A part of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The line of the dump on which it begins, from 1.
    pub line: usize,
    /// What it is.
    pub kind: StatementKind,
}

/// What a part of a dump is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// A statement, without what separates it from the next one.
    Sql(String),
    /// A `COPY … FROM stdin` of PostgreSQL, with the lines that follow it.
    Copy {
        /// The statement.
        statement: String,
        /// The lines, each with its end.
        lines: String,
    },
    /// A command of `psql`, with its backslash.
    Command(String),
}

/// Why a text can't be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what} begins there, and its end is missing")]
pub struct SplitError {
    /// Where it begins.
    pub line: usize,
    /// What has no end.
    pub what: &'static str,
}

/// Splits the text of a dump. Comments between statements are dropped, those inside of them are kept.
///
/// # Errors
/// When a string, a name, a comment or the lines of a `COPY` have no end.
pub fn split(engine: Engine, text: &str) -> Result<Vec<Statement>, SplitError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let splitter = Splitter {
        engine,
        text,
        at: 0,
        line: 1,
        begin: None,
        delimiter: ";".to_owned(),
        parentheses: 0,
        words: Vec::new(),
        atomic: 0,
        found: Vec::new(),
    };
    splitter.run()
}

struct Splitter<'a> {
    engine: Engine,
    text: &'a str,
    /// The byte that is looked at, and its line.
    at: usize,
    line: usize,
    /// Where the statement begins, and on which line; `None` between statements.
    begin: Option<(usize, usize)>,
    delimiter: String,
    /// Open parentheses, on PostgreSQL.
    parentheses: usize,
    /// The statement's first words, and the last one of all, in capitals.
    words: Vec<String>,
    /// How many `END`s are missing to the body of a function that is written in SQL.
    atomic: usize,
    found: Vec<Statement>,
}

/// How many words of a statement are kept: CREATE OR REPLACE FUNCTION.
const FIRST_WORDS: usize = 4;

impl<'a> Splitter<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes on by so many bytes.
    fn skip(&mut self, bytes: usize) {
        let passed = &self.text[self.at..self.at + bytes];
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.at += bytes;
    }

    /// The statement begins here, where none has begun.
    fn enter(&mut self) {
        self.begin.get_or_insert((self.at, self.line));
    }

    fn run(mut self) -> Result<Vec<Statement>, SplitError> {
        while let Some(next) = self.rest().chars().next() {
            self.step(next)?;
        }
        self.end(0)?;
        Ok(self.found)
    }

    fn step(&mut self, next: char) -> Result<(), SplitError> {
        let mysql = self.engine == Engine::MySql;
        if self.begin.is_none() && mysql && self.delimiter_command() {
            return Ok(());
        }
        let rest = self.rest();
        if self.is_delimiter() {
            let length = self.delimiter.len();
            return self.end(length);
        }
        match next {
            _ if next.is_whitespace() => self.skip(next.len_utf8()),
            '-' if rest.starts_with("--") && (!mysql || is_dash_comment(rest)) => self.skip_line(),
            '#' if mysql => self.skip_line(),
            '/' if mysql && (rest.starts_with("/*!") || rest.starts_with("/*M!")) => {
                // Its contents are the server's: they have strings of their own, and an end.
                self.enter();
                self.version_comment()?;
            }
            '/' if rest.starts_with("/*") => self.comment()?,
            '\\' if !mysql && self.begin.is_none() => self.command(),
            '\'' => {
                let escapes = mysql || self.is_escape_string();
                self.enter();
                self.quoted('\'', escapes, "a string")?;
            }
            '"' => {
                self.enter();
                self.quoted('"', mysql, if mysql { "a string" } else { "a name" })?;
            }
            '`' if mysql => {
                self.enter();
                self.quoted('`', false, "a name")?;
            }
            '$' if !mysql && dollar_tag(rest).is_some() => {
                self.enter();
                self.dollar_quoted()?;
            }
            '(' | ')' if !mysql => {
                self.enter();
                self.parentheses = match next {
                    '(' => self.parentheses + 1,
                    _ => self.parentheses.saturating_sub(1),
                };
                self.skip(1);
            }
            // The client of MySQL looks for its delimiter in the midst of a word, too.
            _ if !mysql && is_word(next) => {
                self.enter();
                self.word();
            }
            _ => {
                self.enter();
                self.skip(next.len_utf8());
            }
        }
        Ok(())
    }

    fn is_delimiter(&self) -> bool {
        self.rest().starts_with(&self.delimiter) && self.parentheses == 0 && self.atomic == 0
    }

    /// Takes the client's command DELIMITER, where it is one.
    fn delimiter_command(&mut self) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        let Some((word, new)) = line.split_once([' ', '\t']) else { return false };
        let new = new.split_whitespace().next().unwrap_or_default();
        if !word.eq_ignore_ascii_case("delimiter") || new.is_empty() {
            return false;
        }
        new.clone_into(&mut self.delimiter);
        self.skip(line.len());
        true
    }

    fn skip_line(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        self.skip(length);
    }

    /// A comment that the server reads: to its end, past strings inside of it. MySQL lets a plain comment be in it.
    fn version_comment(&mut self) -> Result<(), SplitError> {
        let line = self.line;
        self.skip(3);
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                None => return Err(SplitError { line, what: "a comment" }),
                _ if rest.starts_with("*/") => {
                    self.skip(2);
                    return Ok(());
                }
                _ if rest.starts_with("/*") => self.comment()?,
                Some(quote @ ('\'' | '"')) => self.quoted(quote, true, "a string")?,
                Some('`') => self.quoted('`', false, "a name")?,
                Some(other) => self.skip(other.len_utf8()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), SplitError> {
        let (line, mut depth) = (self.line, 1);
        self.skip(2);
        while depth > 0 {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else {
                return Err(SplitError { line, what: "a comment" });
            };
            if rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if rest.starts_with("/*") && self.engine == Engine::Postgres {
                depth += 1;
                self.skip(2);
            } else {
                self.skip(next.len_utf8());
            }
        }
        Ok(())
    }

    /// Whether the quote here is that of PostgreSQL's `E'…'`.
    fn is_escape_string(&self) -> bool {
        let before = &self.text[self.begin.map_or(self.at, |(at, _)| at)..self.at];
        let mut before = before.chars().rev();
        matches!(before.next(), Some('e' | 'E')) && !before.next().is_some_and(is_word)
    }

    fn quoted(&mut self, quote: char, escapes: bool, what: &'static str) -> Result<(), SplitError> {
        let line = self.line;
        self.skip(1);
        loop {
            let rest = self.rest();
            let mut next = rest.chars();
            match next.next() {
                None => return Err(SplitError { line, what }),
                Some('\\') if escapes => {
                    let escaped = next.next().map_or(0, char::len_utf8);
                    self.skip(1 + escaped);
                }
                Some(one) if one == quote => {
                    // Two of them are one, inside: the next turn begins with the second as if it were a new string.
                    self.skip(1);
                    return Ok(());
                }
                Some(other) => self.skip(other.len_utf8()),
            }
        }
    }

    fn dollar_quoted(&mut self) -> Result<(), SplitError> {
        let line = self.line;
        let Some(tag) = dollar_tag(self.rest()) else { return Ok(()) };
        self.skip(tag.len());
        let Some(end) = self.rest().find(tag) else {
            return Err(SplitError { line, what: "a dollar-quoted string" });
        };
        self.skip(end + tag.len());
        Ok(())
    }

    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|next| !is_word(next) && next != '$').unwrap_or(rest.len());
        let word = rest[..length].to_uppercase();
        self.skip(length);
        let creates = self.words.first().is_some_and(|first| first == "CREATE")
            && self.words.iter().any(|word| word == "FUNCTION" || word == "PROCEDURE");
        match word.as_str() {
            "ATOMIC" if creates && self.words.last().is_some_and(|last| last == "BEGIN") => self.atomic = 1,
            "CASE" if self.atomic > 0 => self.atomic += 1,
            "END" => self.atomic = self.atomic.saturating_sub(1),
            _ => {}
        }
        if self.words.len() > FIRST_WORDS {
            self.words.pop();
        }
        self.words.push(word);
    }

    /// A command of psql: to the end of its line.
    fn command(&mut self) {
        let (at, line) = (self.at, self.line);
        self.skip_line();
        let text = self.text[at..self.at].trim_end().to_owned();
        self.found.push(Statement { line, kind: StatementKind::Command(text) });
    }

    /// Ends the statement here, where a delimiter of this length is.
    fn end(&mut self, delimiter: usize) -> Result<(), SplitError> {
        let at = self.at;
        self.skip(delimiter);
        self.parentheses = 0;
        self.atomic = 0;
        let words = std::mem::take(&mut self.words);
        let Some((begin, line)) = self.begin.take() else { return Ok(()) };
        let text = self.text[begin..at].trim_end().to_owned();
        let copies = words.first().is_some_and(|word| word == "COPY")
            && text.split_whitespace().rev().take(8).any(|word| word.eq_ignore_ascii_case("stdin"));
        let kind = if copies {
            StatementKind::Copy { statement: text, lines: self.copied(line)? }
        } else {
            StatementKind::Sql(text)
        };
        self.found.push(Statement { line, kind });
        Ok(())
    }

    /// The lines behind a COPY, up to the one that ends them.
    fn copied(&mut self, line: usize) -> Result<String, SplitError> {
        self.skip_line();
        self.skip(1.min(self.rest().len()));
        let begin = self.at;
        loop {
            if self.rest().is_empty() {
                return Err(SplitError { line, what: "a COPY with its lines" });
            }
            let (before, here) =
                (self.at, self.rest().lines().next().unwrap_or_default().trim_end() == "\\.");
            self.skip_line();
            self.skip(1.min(self.rest().len()));
            if here {
                return Ok(self.text[begin..before].to_owned());
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// On MySQL's family two dashes begin a comment only before a blank or the end of the line.
fn is_dash_comment(rest: &str) -> bool {
    rest[2..].chars().next().is_none_or(|next| next.is_whitespace() || next.is_control())
}

/// The tag of a dollar quote that begins here, with its dollars. `$1` is a parameter.
fn dollar_tag(rest: &str) -> Option<&str> {
    let inside = rest.strip_prefix('$')?;
    let end = inside.find(|next| !is_word(next))?;
    let plain = inside[..end].chars().next().is_none_or(|first| !first.is_ascii_digit());
    (plain && inside[end..].starts_with('$')).then(|| &rest[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and texts.
    fn parts(engine: Engine, text: &str) -> Vec<(usize, String)> {
        let texts = split(engine, text).unwrap().into_iter().map(|statement| match statement.kind {
            StatementKind::Sql(text) | StatementKind::Command(text) => (statement.line, text),
            StatementKind::Copy { statement: text, lines } => (statement.line, format!("{text}|{lines}")),
        });
        texts.collect()
    }

    fn owned(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn statements_of_mysql_are_split_where_the_client_splits_them() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("", &[]),
            (" ;; \n; -- nothing\n# nothing\n/* nothing; */", &[]),
            ("SELECT 1;\n\nSELECT 2", &[(1, "SELECT 1"), (3, "SELECT 2")]),
            ("\u{feff}-- a dump\nSELECT 1;", &[(2, "SELECT 1")]),
            (
                r"SELECT 'a\';b', 'c''d;', `e;``f`; SELECT 2;",
                &[(1, r"SELECT 'a\';b', 'c''d;', `e;``f`"), (1, "SELECT 2")],
            ),
            (r#"SELECT "a;\"b", '\\'; SELECT 2"#, &[(1, r#"SELECT "a;\"b", '\\'"#), (1, "SELECT 2")]),
            // A backslash in a name is a backslash.
            (r"SELECT `a\`; SELECT 2", &[(1, r"SELECT `a\`"), (1, "SELECT 2")]),
            ("SELECT 1--1;SELECT 2-- 1;\n;", &[(1, "SELECT 1--1"), (1, "SELECT 2-- 1;")]),
            (
                "/*!40101 SET a = ';' */;\n/*!50003 CREATE*/ /*!50017 X */ ;",
                &[(1, "/*!40101 SET a = ';' */"), (2, "/*!50003 CREATE*/ /*!50017 X */")],
            ),
            (
                "/*M!999999\\- enable the sandbox mode */ \nSELECT 1;",
                &[(1, "/*M!999999\\- enable the sandbox mode */ \nSELECT 1")],
            ),
            (
                "DELIMITER ;;\nCREATE TRIGGER t BEGIN\n  SELECT 1; SELECT ';;';\nEND ;;\nDELIMITER ;\nSELECT 2;",
                &[(2, "CREATE TRIGGER t BEGIN\n  SELECT 1; SELECT ';;';\nEND"), (6, "SELECT 2")],
            ),
            (
                "delimiter $$\nSELECT 1; SELECT 2$$\ndelimiter ;\nSELECT 3;",
                &[(2, "SELECT 1; SELECT 2"), (4, "SELECT 3")],
            ),
            ("SELECT 'é;ü';\r\nSELECT 2;\r\n", &[(1, "SELECT 'é;ü'"), (2, "SELECT 2")]),
            (
                "CREATE TABLE t (a int COMMENT 'it''s; a') /* ; */ ;",
                &[(1, "CREATE TABLE t (a int COMMENT 'it''s; a') /* ; */")],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(Engine::MySql, text), owned(expected), "{text}");
        }
    }

    #[test]
    fn statements_of_postgres_are_split_where_psql_splits_them() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("SELECT 'a\\'; SELECT 2;", &[(1, "SELECT 'a\\'"), (1, "SELECT 2")]),
            (r"SELECT E'a\';b', e'\\'; SELECT 2", &[(1, r"SELECT E'a\';b', e'\\'"), (1, "SELECT 2")]),
            // The last letter of a name is no E.
            (r"SELECT date'a\'; SELECT 2", &[(1, r"SELECT date'a\'"), (1, "SELECT 2")]),
            ("SELECT \"a;\"\"b\"; SELECT 2", &[(1, "SELECT \"a;\"\"b\""), (1, "SELECT 2")]),
            ("/* a /* b; */ c; */ SELECT 1;", &[(1, "SELECT 1")]),
            (
                "DO $$ BEGIN; END $$;\nDO $a_1$ ; $$ $b$ ; $a_1$; SELECT $1;",
                &[(1, "DO $$ BEGIN; END $$"), (2, "DO $a_1$ ; $$ $b$ ; $a_1$"), (2, "SELECT $1")],
            ),
            ("SELECT a$b$c; SELECT 2", &[(1, "SELECT a$b$c"), (1, "SELECT 2")]),
            (
                "\\restrict abc;def\nSELECT 1;\n\\connect 'x'\n",
                &[(1, "\\restrict abc;def"), (2, "SELECT 1"), (3, "\\connect 'x'")],
            ),
            (
                "COPY public.t (a, b) FROM stdin;\n1;\t'\n\\N\t$$\n\\.\n\nSELECT 1;",
                &[(1, "COPY public.t (a, b) FROM stdin|1;\t'\n\\N\t$$\n"), (6, "SELECT 1")],
            ),
            ("COPY t FROM stdin;\n\\.\nSELECT 1", &[(1, "COPY t FROM stdin|"), (3, "SELECT 1")]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
                &[(1, "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)"), (1, "SELECT 3")],
            ),
            (
                "CREATE FUNCTION f() RETURNS int\n BEGIN ATOMIC\n SELECT 1; SELECT CASE WHEN true THEN 1 END;\nEND;\nSELECT 2;",
                &[
                    (
                        1,
                        "CREATE FUNCTION f() RETURNS int\n BEGIN ATOMIC\n SELECT 1; SELECT CASE WHEN true THEN 1 END;\nEND",
                    ),
                    (5, "SELECT 2"),
                ],
            ),
            ("BEGIN; SELECT 1; END;", &[(1, "BEGIN"), (1, "SELECT 1"), (1, "END")]),
            ("-- a\n\n--\nSELECT 1 -- b;\n;", &[(4, "SELECT 1 -- b;")]),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(Engine::Postgres, text), owned(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_end_is_named_with_its_line() {
        for (engine, text, line, what) in [
            (Engine::MySql, "SELECT 1;\nSELECT 'a\n;", 2, "a string"),
            (Engine::MySql, "\n\n`a", 3, "a name"),
            (Engine::MySql, "/*!40101 SET", 1, "a comment"),
            (Engine::Postgres, "\nSELECT \"a", 2, "a name"),
            (Engine::Postgres, "/* /* */", 1, "a comment"),
            (Engine::Postgres, "SELECT\n\n$a$ $b$", 3, "a dollar-quoted string"),
            (Engine::Postgres, "\nCOPY t FROM stdin;\n1\n", 2, "a COPY with its lines"),
        ] {
            assert_eq!(split(engine, text), Err(SplitError { line, what }), "{text}");
        }
    }
}
