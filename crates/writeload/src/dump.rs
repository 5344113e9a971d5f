//! Loads a dump into a database that is there and empty.
//!
//! Statements run in the dump's order over one connection. What has no place in the sandbox is left out, or left out of a
//! statement, and named ([`LeftOut`]): other databases, users and their rights, what needs a superuser, replication, events,
//! other servers. The first statement that fails ends it ([`LoadError::Statement`]); what ran before stays in the database, for most
//! statements of MySQL's family can't be taken back: load the mended dump into a new database.

use std::collections::BTreeSet;
use std::time::Duration;

use table_diff::{Engine, Target};

use crate::session::{ConnectError, Purpose, Session, words as server_words};
use crate::split::{SplitError, Statement, StatementKind, split};

/// How long one statement of a dump may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// How many statements ran.
    pub statements: usize,
    /// What did not, or not as it stands in the dump.
    pub left_out: Vec<LeftOut>,
}

/// A statement, or a part of one, that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The line of the dump on which the statement begins.
    pub line: usize,
    /// The statement's first words.
    pub statement: String,
    /// What was left out, and why.
    pub reason: String,
}

/// Why a dump can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It can't be split into statements.
    #[error("the dump can't be read: {0}: is the file whole?")]
    Split(#[from] SplitError),
    /// The server can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server can't be asked what it has.
    #[error("asking the server for its {what} failed: {cause}")]
    Facts {
        /// What was asked for.
        what: &'static str,
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
    /// A statement failed.
    #[error(
        "line {line}: `{statement}` failed: {}; mend or remove it in the dump, and load it into a new database",
        server_words(cause)
    )]
    Statement {
        /// The line on which the statement begins.
        line: usize,
        /// The statement's first words.
        statement: String,
        /// The server's words.
        #[source]
        cause: sqlx::Error,
    },
}

/// Loads the text of a dump into a database. `progress` is told how many of how many statements have run.
///
/// # Errors
/// The first statement that fails, with its line; or when the text can't be split, before anything runs.
pub async fn load_dump(
    target: &Target,
    text: &str,
    mut progress: impl FnMut(usize, usize),
) -> Result<Loaded, LoadError> {
    let statements = split(target.engine, text)?;
    let mut session = Session::connect(target, Purpose::Load, PATIENCE).await?;
    let facts = ServerFacts::read(&mut session).await?;
    let mut loaded = Loaded::default();
    for (at, statement) in statements.iter().enumerate() {
        progress(at, statements.len());
        let short = first_words(statement);
        let out = |reason: String| LeftOut { line: statement.line, statement: short.clone(), reason };
        let judged = match judge(&facts, statement) {
            Verdict::Skip(reason) => {
                loaded.left_out.push(out(reason));
                continue;
            }
            Verdict::Run(text, changes) => {
                loaded.left_out.extend(changes.into_iter().map(&out));
                text
            }
        };
        let ran = match &statement.kind {
            StatementKind::Copy { lines, .. } => session.copy_in(&judged, lines).await,
            _ => session.execute(judged.clone()).await.map(|_| ()),
        };
        match ran {
            Ok(()) => loaded.statements += 1,
            Err(cause) if may_be_forbidden(&judged, &cause) => {
                loaded.left_out.push(out(server_words(&cause)));
            }
            Err(cause) => return Err(LoadError::Statement { line: statement.line, statement: short, cause }),
        }
    }
    progress(statements.len(), statements.len());
    session.close().await;
    Ok(loaded)
}

/// What a server has, as far as a dump may ask for what it has not.
#[derive(Debug)]
struct ServerFacts {
    engine: Engine,
    mariadb: bool,
    roles: BTreeSet<String>,
    extensions: BTreeSet<String>,
    settings: BTreeSet<String>,
    schemas: BTreeSet<String>,
    collations: BTreeSet<String>,
}

impl ServerFacts {
    async fn read(session: &mut Session) -> Result<Self, LoadError> {
        let names = async |session: &mut Session, engine: Engine, what: &'static str, sql: &str| {
            if session.engine != engine {
                return Ok(BTreeSet::new());
            }
            let rows = session.query(sql.to_owned()).await;
            let rows = rows.map_err(|cause| LoadError::Facts { what, cause })?;
            Ok::<_, LoadError>(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
        };
        let postgres = Engine::Postgres;
        Ok(Self {
            engine: session.engine,
            mariadb: session.mariadb,
            roles: names(session, postgres, "roles", "SELECT rolname::text FROM pg_roles").await?,
            extensions: names(
                session,
                postgres,
                "extensions",
                "SELECT name::text FROM pg_available_extensions",
            )
            .await?,
            settings: names(session, postgres, "settings", "SELECT name::text FROM pg_settings").await?,
            schemas: names(session, postgres, "schemas", "SELECT nspname::text FROM pg_namespace").await?,
            collations: names(
                session,
                Engine::MySql,
                "collations",
                "SELECT COLLATION_NAME FROM information_schema.COLLATIONS",
            )
            .await?,
        })
    }
}

/// What becomes of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It runs, as this text, with these parts left out.
    Run(String, Vec<String>),
    /// It is left out.
    Skip(String),
}

fn judge(facts: &ServerFacts, statement: &Statement) -> Verdict {
    match (&statement.kind, facts.engine) {
        (StatementKind::Command(_), _) => Verdict::Skip("a command of psql, not of the server".into()),
        (StatementKind::Copy { statement, .. }, _) => Verdict::Run(statement.clone(), Vec::new()),
        (StatementKind::Sql(text), Engine::MySql) => judge_mysql(facts, text),
        (StatementKind::Sql(text), Engine::Postgres) => judge_postgres(facts, text),
    }
}

fn judge_mysql(facts: &ServerFacts, text: &str) -> Verdict {
    let tokens = tokens(facts.engine, text);
    let all: Vec<String> = tokens.iter().filter(|token| token.kind != Kind::Mark).map(Token::upper).collect();
    let begins = |start: &[&str]| all.iter().take(start.len()).map(String::as_str).eq(start.iter().copied());
    let any = |starts: &[&[&str]]| starts.iter().any(|start| begins(start));
    let skip = |reason: &str| Verdict::Skip(reason.to_owned());
    let database: &[&[&str]] = &[
        &["CREATE", "DATABASE"],
        &["CREATE", "SCHEMA"],
        &["DROP", "DATABASE"],
        &["DROP", "SCHEMA"],
        &["ALTER", "DATABASE"],
        &["USE"],
    ];
    if any(database) {
        return skip("the dump is loaded into the one database of the plan");
    }
    let rights: &[&[&str]] = &[
        &["GRANT"],
        &["REVOKE"],
        &["CREATE", "USER"],
        &["CREATE", "ROLE"],
        &["DROP", "USER"],
        &["ALTER", "USER"],
        &["SET", "PASSWORD"],
        &["SET", "ROLE"],
    ];
    if any(rights) {
        return skip("users and their rights are not loaded");
    }
    let replication: &[&[&str]] =
        &[&["CHANGE"], &["RESET"], &["PURGE"], &["START", "SLAVE"], &["START", "REPLICA"]];
    if any(replication) {
        return skip("replication is the sandbox's own");
    }
    let server: &[&[&str]] = &[
        &["INSTALL"],
        &["UNINSTALL"],
        &["CREATE", "SERVER"],
        &["CREATE", "TABLESPACE"],
        &["CREATE", "LOGFILE"],
        &["FLUSH"],
    ];
    if any(server) {
        return skip("it changes the server, not the database");
    }
    let global = ["GLOBAL", "PERSIST", "SQL_LOG_BIN", "GTID_PURGED", "MYSQLDUMP_TEMP_LOG_BIN"];
    if begins(&["SET"]) && all.iter().any(|word| global.contains(&word.as_str())) {
        return skip("it sets something of the whole server");
    }
    let objects = ["TABLE", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "INDEX", "EVENT", "SEQUENCE"];
    let object = all.iter().find(|word| objects.contains(&word.as_str())).map_or("", String::as_str);
    let first = all.first().map_or("", String::as_str);
    if object == "EVENT" && ["CREATE", "DROP", "ALTER"].contains(&first) {
        return skip("events are not loaded: they would write by themselves");
    }
    let mut changes = Vec::new();
    let mut cut: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    if ["CREATE", "ALTER"].contains(&first)
        && let Some(range) = definer(&tokens)
    {
        changes.push(format!("{}: it belongs to the user who loads it", &text[range.clone()]));
        cut.push((range, String::new()));
    }
    for token in
        tokens.iter().filter(|token| token.kind == Kind::Word && token.text.starts_with("utf8mb4_0900_"))
    {
        if facts.mariadb && !facts.collations.contains(token.text) {
            let other = if token.text.ends_with("_bin") || token.text.contains("_as_cs") {
                "utf8mb4_bin"
            } else {
                "utf8mb4_unicode_ci"
            };
            let change =
                format!("collation {}, which MariaDB does not have: {other} in its place", token.text);
            if !changes.contains(&change) {
                changes.push(change);
            }
            cut.push((token.at..token.at + token.text.len(), other.to_owned()));
        }
    }
    let mut changed = text.to_owned();
    cut.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, new) in cut {
        changed.replace_range(range, &new);
    }
    Verdict::Run(changed, changes)
}

fn judge_postgres(facts: &ServerFacts, text: &str) -> Verdict {
    let tokens = tokens(facts.engine, text);
    let words: Vec<&Token<'_>> = tokens.iter().filter(|token| token.kind != Kind::Mark).collect();
    let all: Vec<String> = words.iter().map(|token| token.upper()).collect();
    let begins = |start: &[&str]| all.iter().take(start.len()).map(String::as_str).eq(start.iter().copied());
    let any = |starts: &[&[&str]]| starts.iter().any(|start| begins(start));
    let skip = |reason: &str| Verdict::Skip(reason.to_owned());
    let behind = |word: &str, from: usize| {
        let at = all.iter().skip(from).position(|one| one == word)? + from;
        words.get(at + 1).map(|token| token.name())
    };
    if any(&[
        &["CREATE", "DATABASE"],
        &["ALTER", "DATABASE"],
        &["DROP", "DATABASE"],
        &["COMMENT", "ON", "DATABASE"],
    ]) {
        return skip("the dump is loaded into the one database of the plan");
    }
    if any(&[
        &["CREATE", "ROLE"],
        &["ALTER", "ROLE"],
        &["DROP", "ROLE"],
        &["CREATE", "USER"],
        &["ALTER", "USER"],
        &["CREATE", "GROUP"],
        &["SET", "ROLE"],
        &["SET", "SESSION", "AUTHORIZATION"],
        &["SECURITY", "LABEL"],
    ]) {
        return skip("users and their rights are not loaded");
    }
    if any(&[
        &["CREATE", "PUBLICATION"],
        &["ALTER", "PUBLICATION"],
        &["CREATE", "SUBSCRIPTION"],
        &["ALTER", "SUBSCRIPTION"],
        &["COMMENT", "ON", "PUBLICATION"],
    ]) {
        return skip("replication is the sandbox's own");
    }
    if any(&[
        &["CREATE", "SERVER"],
        &["ALTER", "SERVER"],
        &["CREATE", "FOREIGN"],
        &["ALTER", "FOREIGN"],
        &["CREATE", "USER", "MAPPING"],
    ]) {
        return skip("it reaches another server");
    }
    if any(&[
        &["CREATE", "EVENT", "TRIGGER"],
        &["ALTER", "EVENT", "TRIGGER"],
        &["CREATE", "TABLESPACE"],
        &["ALTER", "TABLESPACE"],
    ]) {
        return skip("it changes the server, not the database");
    }
    if begins(&["CREATE", "EXTENSION"]) || begins(&["COMMENT", "ON", "EXTENSION"]) {
        let name = behind("EXISTS", 0).or_else(|| behind("EXTENSION", 0)).unwrap_or_default();
        if !facts.extensions.contains(&name) {
            return Verdict::Skip(format!("the server has no extension {name}"));
        }
    }
    if begins(&["CREATE", "SCHEMA"]) {
        let name = behind("EXISTS", 0).or_else(|| behind("SCHEMA", 0)).unwrap_or_default();
        if facts.schemas.contains(&name) {
            return Verdict::Skip(format!("schema {name} is there already"));
        }
    }
    if let ["SET", name, ..] = all.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        let known =
            facts.settings.contains(&name.to_lowercase()) || tokens.iter().any(|token| token.text == ".");
        if !known && !["SESSION", "LOCAL", "TIME", "NAMES", "CONSTRAINTS", "TRANSACTION"].contains(name) {
            return Verdict::Skip(format!("the server has no setting {}", name.to_lowercase()));
        }
        if *name == "DEFAULT_TABLESPACE" && words.get(2).is_some_and(|value| value.text != "''") {
            return skip("tables are where the database is");
        }
    }
    let owner = all.windows(2).position(|pair| pair[0] == "OWNER" && pair[1] == "TO");
    if let Some(at) = owner.filter(|_| begins(&["ALTER"]))
        && let Some(role) = words.get(at + 2)
    {
        let (role, upper) = (role.name(), role.upper());
        if !facts.roles.contains(&role)
            && !["CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"].contains(&upper.as_str())
        {
            return Verdict::Skip(format!("the server has no role {role}"));
        }
    }
    if any(&[&["GRANT"], &["REVOKE"], &["ALTER", "DEFAULT", "PRIVILEGES"]]) {
        let of_role =
            all.windows(2).position(|pair| pair[0] == "FOR" && ["ROLE", "USER"].contains(&pair[1].as_str()));
        let from = all.iter().rposition(|word| word == "TO" || word == "FROM");
        let named = of_role.and_then(|at| words.get(at + 2)).into_iter();
        let named = named.chain(from.into_iter().flat_map(|at| words[at + 1..].iter()));
        let missing = named.map(|token| token.name()).find(|name| {
            let keyword =
                ["PUBLIC", "GROUP", "WITH", "GRANT", "OPTION", "CASCADE", "CURRENT_USER", "GRANTED", "BY"];
            !facts.roles.contains(name) && !keyword.contains(&name.to_uppercase().as_str())
        });
        if let Some(role) = missing {
            return Verdict::Skip(format!("the server has no role {role}"));
        }
    }
    Verdict::Run(text.to_owned(), Vec::new())
}

/// Whether a statement that the database can do without failed for want of rights.
fn may_be_forbidden(text: &str, cause: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = cause else { return false };
    let code = cause.code().unwrap_or_default();
    let upper = text.to_uppercase();
    // An extension that was forbidden is not there to be commented on.
    (code == "42704" && upper.starts_with("COMMENT ON EXTENSION"))
        || code == "42501"
            && ["CREATE EXTENSION", "COMMENT ON", "ALTER DEFAULT", "GRANT", "REVOKE"]
                .iter()
                .any(|start| upper.starts_with(start))
}

/// The first words of a statement, for somebody who looks for it in a file.
fn first_words(statement: &Statement) -> String {
    let (StatementKind::Sql(text)
    | StatementKind::Copy { statement: text, .. }
    | StatementKind::Command(text)) = &statement.kind;
    let words: Vec<&str> = text.split_whitespace().take(8).collect();
    let short: String = words.join(" ").chars().take(80).collect();
    if short.len() < text.trim().len() { format!("{short} …") } else { short }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Mark,
}

/// A part of a statement.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    at: usize,
}

impl Token<'_> {
    fn upper(&self) -> String {
        if self.kind == Kind::Word { self.text.to_uppercase() } else { self.text.to_owned() }
    }

    /// As a name: without quotes.
    fn name(&self) -> String {
        match self.kind {
            Kind::Quoted => {
                let quote = &self.text[..1];
                let inside = self.text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
                inside.unwrap_or(self.text).replace(&quote.repeat(2), quote)
            }
            _ => self.text.to_owned(),
        }
    }
}

/// The words, quoted texts and marks of a statement, without its comments; the marks around comments with a version are
/// left out, what is in them is not.
fn tokens(engine: Engine, text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = if rest.starts_with("/*!") || rest.starts_with("/*M!") {
            let start = if rest.starts_with("/*!") { 3 } else { 4 };
            at += start + rest[start..].find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len() - start);
            continue;
        } else if rest.starts_with("*/") {
            at += 2;
            continue;
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            continue;
        } else if rest.starts_with("-- ") || rest.starts_with("--\n") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        } else if ['\'', '"', '`'].contains(&next) {
            (Kind::Quoted, quoted_length(rest, next, engine == Engine::MySql && next != '`'))
        } else if next == '_' || next.is_alphanumeric() {
            let end = rest.find(|one: char| one != '_' && !one.is_alphanumeric());
            (Kind::Word, end.unwrap_or(rest.len()))
        } else {
            (Kind::Mark, next.len_utf8())
        };
        found.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    found
}

/// How long the quoted text is that begins here: two quotes inside of it are one, and with `escapes` one behind a backslash is, too.
fn quoted_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, next)) = characters.next() {
        if escapes && next == '\\' {
            characters.next();
        } else if next == quote && characters.next_if(|(_, behind)| *behind == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

/// Where `DEFINER = user@host` is.
fn definer(tokens: &[Token<'_>]) -> Option<std::ops::Range<usize>> {
    let at = tokens.windows(2).position(|pair| pair[0].upper() == "DEFINER" && pair[1].text == "=")?;
    let end = |index: usize| tokens.get(index).map(|token| token.at + token.text.len());
    let host = tokens.get(at + 3).is_some_and(|token| token.text == "@");
    let call = tokens.get(at + 3).is_some_and(|token| token.text == "(");
    let last = if host || call { at + 4 } else { at + 2 };
    Some(tokens[at].at..end(last)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(engine: Engine) -> ServerFacts {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ServerFacts {
            engine,
            mariadb: true,
            roles: set(&["u", "Mixed Case"]),
            extensions: set(&["plpgsql", "citext", "uuid-ossp"]),
            settings: set(&["search_path", "statement_timeout", "default_tablespace", "client_encoding"]),
            schemas: set(&["public"]),
            collations: set(&["utf8mb4_general_ci"]),
        }
    }

    #[test]
    fn any_bytes_as_statements_of_a_dump() {
        let reader = rehearsals::strangers::Reader::of_text("statements of a dump", |text| {
            let mut any = false;
            for engine in [Engine::MySql, Engine::Postgres] {
                for statement in split(engine, text).unwrap_or_default() {
                    any |= matches!(judge(&facts(engine), &statement), Verdict::Run(..));
                    first_words(&statement);
                }
            }
            any
        });
        rehearsals::strangers::hold(&reader.examples([
            "CREATE DEFINER=`me`@`%` TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1;\nCREATE TABLE a (b INT) ENGINE=InnoDB DATA DIRECTORY='/x' COLLATE=utf8mb4_0900_ai_ci;",
            "/*!50013 DEFINER=`me`@`%` SQL SECURITY DEFINER */;\nSET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'x';\nINSERT INTO `a` VALUES (1,'x''y');",
            "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;\nSET default_table_access_method = heap;\nSELECT pg_catalog.set_config('search_path', '', false);",
            "ALTER TABLE public.a OWNER TO \"Mixed Case\";\nCREATE TABLE public.a (id int) TABLESPACE fast;\nALTER DEFAULT PRIVILEGES FOR ROLE u GRANT ALL ON TABLES TO v;",
        ]));
    }

    #[test]
    fn an_owner_that_a_dump_breaks_off_before_is_for_the_server_to_miss() {
        assert_eq!(reason(Engine::Postgres, "ALTER TABLE public.a OWNER TO"), None);
    }

    fn reason(engine: Engine, text: &str) -> Option<String> {
        let statement = Statement { line: 1, kind: StatementKind::Sql(text.to_owned()) };
        match judge(&facts(engine), &statement) {
            Verdict::Skip(reason) => Some(reason),
            Verdict::Run(..) => None,
        }
    }

    #[test]
    fn statements_that_have_no_place_here_are_left_out_with_a_reason() {
        for (engine, text, expected) in [
            (Engine::MySql, "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a`", "one database"),
            (Engine::MySql, "USE `a`", "one database"),
            (Engine::MySql, "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ ''", "whole server"),
            (Engine::MySql, "SET @@SESSION.SQL_LOG_BIN= 0", "whole server"),
            (Engine::MySql, "/*!50106 SET GLOBAL event_scheduler = 1 */", "whole server"),
            (
                Engine::MySql,
                "/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1 */",
                "events",
            ),
            (Engine::MySql, "GRANT ALL ON *.* TO a", "rights"),
            (Engine::MySql, "CHANGE MASTER TO MASTER_LOG_FILE='a'", "replication"),
            (Engine::Postgres, "CREATE DATABASE a", "one database"),
            (Engine::Postgres, "SET transaction_timeout = 0", "no setting transaction_timeout"),
            (Engine::Postgres, "SET default_tablespace = fast", "where the database is"),
            (
                Engine::Postgres,
                "CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public",
                "no extension postgis",
            ),
            (Engine::Postgres, "COMMENT ON EXTENSION postgis IS 'x'", "no extension postgis"),
            (Engine::Postgres, "ALTER TABLE public.a OWNER TO alice", "no role alice"),
            (Engine::Postgres, "ALTER TABLE public.\"OWNER\" OWNER TO \"Ali\"\"ce\"", "no role Ali\"ce"),
            (Engine::Postgres, "GRANT SELECT ON TABLE public.a TO u, bob WITH GRANT OPTION", "no role bob"),
            (
                Engine::Postgres,
                "ALTER DEFAULT PRIVILEGES FOR ROLE carol IN SCHEMA public GRANT SELECT ON TABLES TO u",
                "no role carol",
            ),
            (Engine::Postgres, "CREATE PUBLICATION p FOR ALL TABLES", "replication"),
            (
                Engine::Postgres,
                "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
                "the server",
            ),
            (Engine::Postgres, "CREATE FOREIGN TABLE f (a int) SERVER s", "another server"),
            (Engine::Postgres, "CREATE SCHEMA public", "there already"),
        ] {
            let found = reason(engine, text).unwrap_or_else(|| panic!("{text} would run"));
            assert!(found.contains(expected), "{text}: {found}");
        }
    }

    #[test]
    fn statements_that_have_a_place_run() {
        for (engine, text) in [
            (Engine::MySql, "/*!40101 SET NAMES utf8 */"),
            (Engine::MySql, "CREATE TABLE `event` (`global` int, `user` int COMMENT 'GRANT')"),
            (Engine::MySql, "CREATE TRIGGER `EVENT` BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1"),
            (Engine::MySql, "INSERT INTO t VALUES (1)"),
            (Engine::Postgres, "SET statement_timeout = 0"),
            (Engine::Postgres, "SET default_tablespace = ''"),
            (Engine::Postgres, "SELECT pg_catalog.set_config('search_path', '', false)"),
            (Engine::Postgres, "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public"),
            (Engine::Postgres, "ALTER TABLE a OWNER TO \"Mixed Case\""),
            (Engine::Postgres, "GRANT ALL ON SCHEMA public TO PUBLIC"),
            (Engine::Postgres, "REVOKE ALL ON SCHEMA public FROM u"),
            (Engine::Postgres, "CREATE SCHEMA app"),
        ] {
            assert_eq!(reason(engine, text), None, "{text}");
        }
    }

    #[test]
    fn a_definer_and_a_collation_that_is_not_there_are_left_out_of_a_statement() {
        let run = |text: &str| {
            let statement = Statement { line: 1, kind: StatementKind::Sql(text.to_owned()) };
            match judge(&facts(Engine::MySql), &statement) {
                Verdict::Run(text, changes) => (text, changes.len()),
                Verdict::Skip(reason) => panic!("{reason}"),
            }
        };
        for (text, expected, changes) in [
            (
                "CREATE DEFINER=`a`@`%` PROCEDURE p() SELECT 'DEFINER=b'",
                "CREATE  PROCEDURE p() SELECT 'DEFINER=b'",
                1,
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`l`*/ /*!50003 TRIGGER t */",
                "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t */",
                1,
            ),
            (
                "CREATE DEFINER = CURRENT_USER() SQL SECURITY DEFINER VIEW v AS SELECT 1",
                "CREATE  SQL SECURITY DEFINER VIEW v AS SELECT 1",
                1,
            ),
            (
                "CREATE TABLE t (a int COMMENT 'utf8mb4_0900_ai_ci') COLLATE=utf8mb4_0900_ai_ci",
                "CREATE TABLE t (a int COMMENT 'utf8mb4_0900_ai_ci') COLLATE=utf8mb4_unicode_ci",
                1,
            ),
            (
                "CREATE TABLE t (a int COMMENT 'it\\' DEFINER=b')",
                "CREATE TABLE t (a int COMMENT 'it\\' DEFINER=b')",
                0,
            ),
            ("CREATE TABLE t (a int)", "CREATE TABLE t (a int)", 0),
        ] {
            assert_eq!(run(text), (expected.to_owned(), changes), "{text}");
        }
    }
}
