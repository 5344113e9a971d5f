//! Reads a [`Schema`] from a server's catalogue: a handful of statements, however many tables there are.

use table_diff::Engine;

use crate::schema::Schema;
use crate::session::Session;
use crate::{catalogue_mysql, catalogue_postgres};

/// The catalogue can't be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the {what} of the database's tables failed: {cause}")]
pub struct CatalogueError {
    /// What was asked for.
    pub what: &'static str,
    /// The driver's own words.
    #[source]
    pub cause: sqlx::Error,
}

/// Reads the tables of the database that a session is connected to.
pub(crate) async fn read(session: &mut Session) -> Result<Schema, CatalogueError> {
    let (engine, mariadb) = (session.engine, session.mariadb);
    let mut answers = Vec::new();
    let questions: &[(&'static str, &str)] = match engine {
        Engine::MySql => &catalogue_mysql::questions(mariadb),
        Engine::Postgres => &catalogue_postgres::QUESTIONS,
    };
    for &(what, sql) in questions {
        let rows = session.query(sql.to_owned()).await;
        answers.push(rows.map_err(|cause| CatalogueError { what, cause })?);
    }
    let tables = match engine {
        Engine::MySql => catalogue_mysql::assemble(answers, mariadb),
        Engine::Postgres => catalogue_postgres::assemble(answers),
    };
    Ok(Schema { engine, mariadb, tables })
}

#[cfg(test)]
mod tests {
    use rehearsals::strangers::{Reader, hold};

    use super::*;
    use crate::session::Cells;

    /// Answers as text: between them a line of `=`, of each row a line, of each cell what is before `|`.
    fn answers(text: &str) -> Vec<Vec<Cells>> {
        let cell = |text: &str| (text != "NULL").then(|| text.to_owned());
        let row = |line: &str| line.split('|').map(cell).collect();
        text.split("\n=\n").map(|answer| answer.lines().map(row).collect()).collect()
    }

    const MYSQL: &str = "a|InnoDB|0\nb|MyISAM|0\n=\na|id|bigint|bigint(20) unsigned|NO|0|auto_increment|NULL|NULL|NULL|0\n\
        a|e|enum|enum('x','y''z')|YES|1||utf8mb4_bin|1|NULL|0\na|d|decimal|decimal(65,30)|NO|0||NULL|NULL|NULL|1\n\
        =\na|PRIMARY|id|1\n=\na|f|e|b|id|\n=\na|c|(`id` > 3)\n=\na\n=\na|RANGE|`id`|MAXVALUE\na|LIST|`id`|1,2";
    const POSTGRES: &str = "1|int4|b|0|N|0|-1|0|0||\n2|code|d|0|S|3|7|1|1||CHECK (VALUE > 'a')\n3|varchar|b|0|S|0|-1|0|0||\n4|_int4|b|1|A|0|-1|0|0||\n\
        5|mood|e|0|E|0|-1|0|0|a\u{1}b|\n=\npublic|a|1|0|1|UTF8\n=\npublic|a|id|1|-1|integer|1|0|d|0|1\npublic|a|c|2|-1|code|0|0||0|0\n\
        public|a|l|4|-1|integer[]|0|0||1|0\n=\npublic|a|k|id|1\n=\npublic|a|f|c|public|b|id|1|0\n=\npublic|a|c|CHECK ((id > 3))\n=\npublic|a|(id < 9)\n=\npublic|a";

    #[test]
    fn any_bytes_as_a_catalogue() {
        let reader = Reader::of_text("a catalogue", |text| {
            let mut any = false;
            for mariadb in [true, false] {
                any |= !catalogue_mysql::assemble(answers(text), mariadb).is_empty();
            }
            any | !catalogue_postgres::assemble(answers(text)).is_empty()
        });
        hold(&reader.examples([MYSQL, POSTGRES]));
    }

    /// No server has such types. One that had would have kept the reader for ever.
    #[test]
    fn types_that_are_made_of_themselves_are_not_known() {
        let table = "\n=\npublic|a|1|0|0|UTF8\n=\npublic|a|id|1|-1|x|1|0||0|0";
        for types in
            ["1|x|d|0|S|1|-1|0|0||", "1|x|d|0|S|2|-1|0|0||\n2|y|d|0|S|1|-1|0|0||", "1|x|b|1|A|0|-1|0|0||"]
        {
            let tables = catalogue_postgres::assemble(answers(&format!("{types}{table}")));
            assert_eq!(tables.values().map(|table| table.columns.len()).sum::<usize>(), 1);
        }
    }
}
