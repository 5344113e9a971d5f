//! What comes from databases and for them: dumps, conditions of checks, URLs.

use rehearsals::strangers::{DEEP, Reader, hold};
use table_diff::{Address, Engine};
use writeload::{Condition, StatementKind, split};

const MYSQL: &str = "-- a dump\n/*!40101 SET NAMES utf8mb4 */;\nDELIMITER ;;\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.b = 'x;''y\\''; END ;;\n\
DELIMITER ;\nCREATE TABLE `a``b` (id INT, -- c\n b VARCHAR(9) DEFAULT \"z\" # d\n);\nINSERT INTO a VALUES (1,'ä'),(2,_binary'\\0');\n/* x /* y */ LOCK TABLES a WRITE;\n";
const POSTGRES: &str = "SET client_encoding = 'UTF8';\n\\connect shop\nCREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN 1=1 THEN 2 END; END;\n\
CREATE FUNCTION g() RETURNS trigger AS $body$ BEGIN RETURN NEW; END; $body$ LANGUAGE plpgsql;\nCREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2);\n\
COPY public.a (id, b) FROM stdin;\n1\tx\\ny\n2\t\\N\n\\.\nSELECT E'\\'', U&\"d!0061\" UESCAPE '!'; /* a /* b */ c */ ALTER TABLE a ENABLE ROW LEVEL SECURITY;\n";

/// A dump in its statements. What was split is split again as the same.
fn dump() -> Reader {
    let reader = Reader::of_text("a dump", |text| {
        let mut any = false;
        for engine in [Engine::MySql, Engine::Postgres] {
            let Ok(statements) = split(engine, text) else { continue };
            any = true;
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            let mut before = 0;
            for statement in &statements {
                assert!(statement.line >= before && statement.line <= lines, "{statement:?}");
                before = statement.line;
                if let StatementKind::Copy { statement, .. } = &statement.kind {
                    assert!(!statement.is_empty());
                }
            }
        }
        any
    });
    reader.examples([MYSQL, POSTGRES])
}

#[test]
fn any_bytes_as_a_dump() {
    hold(&dump());
}

fn condition() -> Reader {
    let reader = Reader::of_text("a condition of a check", |text| {
        let condition = Condition::parse(text, None);
        assert_eq!(Condition::parse(text, None), condition);
        Condition::parse(text, Some("value")) != Condition::Unknown
    });
    reader.examples([
        "(`a` in (_utf8mb4\\'x\\',_utf8mb4\\'y\\'))",
        "((a)::text = ANY (ARRAY['x'::text, 'y'::text]))",
        "((`quantity` > 0) and (`price` between 0 and 99.5)) or not (`note` is null)",
        "CHECK (((char_length((code)::text) >= 3) AND ((code)::text ~ '^[A-Z]{2}[0-9]+$'::text)))",
        "json_valid(`d`) && `e` <> -1 || cast(`f` as signed) <= `g` + 3",
        "VALUE >= '2020-01-01'::date AND (VALUE - 1) < now()",
        "a = ANY ('{x,y}'::text[]) AND b <> ALL (ARRAY[1, 2]) AND c->>'d' IS NOT TRUE",
    ])
}

#[test]
fn any_bytes_as_a_condition() {
    hold(&condition());
}

/// Whatever it is, the password is not shown.
fn url() -> Reader {
    let reader = Reader::of_text("the URL of a database", |text| {
        let (taken, said) = match Address::from_url(text) {
            Ok(address) => (true, format!("{address:?} {address}")),
            Err(error) => (false, error.to_string()),
        };
        // A URL is read without these. What has the word elsewhere, too, may show it.
        let once = text.replace(['\t', '\n', '\r'], "").matches("s3cr3tw0rd").count() == 1;
        let has_password =
            once && (text.contains("://me:s3cr3tw0rd@") || text.contains("shop?password=s3cr3tw0rd"));
        assert!(!has_password || !said.contains("s3cr3tw0rd"), "{said}");
        taken
    });
    reader.examples([
        "mysql://me:s3cr3tw0rd@db.example.com:3306/shop?ssl-mode=REQUIRED",
        "postgres://me:s3cr3tw0rd@[::1]:5432/shop?sslmode=verify-full&application_name=a&options[search_path]=b",
        "postgresql://me@localhost/shop?password=s3cr3tw0rd&host=/run/postgresql",
        "mysql://localhost/shop?socket=/run/mysqld.sock",
    ])
}

#[test]
fn any_bytes_as_a_url() {
    hold(&url());
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for (reader, nests) in [
        (
            dump(),
            &[
                ("(", ")"),
                ("/*", "*/"),
                ("$$", "$$"),
                ("BEGIN ATOMIC ", "END "),
                ("CASE ", "END "),
                ("'", "'"),
                ("/*!1 ", "*/"),
            ][..],
        ),
        (
            condition(),
            &[
                ("(", ")"),
                ("not ", ""),
                ("-", ""),
                ("f(", ")"),
                ("cast(", ")"),
                ("(a = 1 and ", ")"),
                ("array[", "]"),
                ("a in (", ")"),
                ("(a +", ")"),
                ("!", ""),
            ],
        ),
        (url(), &[("mysql://", ""), ("[", "]"), ("?", ""), ("%", "")]),
    ] {
        for (begin, end) in nests {
            reader.holds_for(format!("{}a > 1{}", begin.repeat(DEEP), end.repeat(DEEP)));
            // Few are enough where each doubles what there is to try.
            for open in [30, 300] {
                reader.holds_for(begin.repeat(open));
                reader.holds_for(format!("{}1{}", begin.repeat(open), end.repeat(open)));
                reader.holds_for(format!("{}a > 1{}", begin.repeat(open), end.repeat(open)));
            }
        }
    }
}

/// Each parenthesis was read twice by each that was around it.
#[test]
fn a_condition_of_many_parentheses_is_left_to_the_server() {
    let inside =
        |open: usize| Condition::parse(&format!("{}a{} + 1 > 2", "(".repeat(open), ")".repeat(open)), None);
    assert_ne!(inside(4), Condition::Unknown);
    assert_eq!(inside(300), Condition::Unknown);
    condition().holds_for(format!("{}a +", "(".repeat(40)));
    condition().holds_for("NOT ".repeat(DEEP));
}

/// Written with a `?` where a `&` should be, the password was shown as a part of another option's value.
#[test]
fn a_password_behind_a_second_question_mark_is_not_shown() {
    let refused = Address::from_url("mysql://me@db/shop?ssl-mode=REQUIRED?password=s3cr3tw0rd").unwrap_err();
    assert!(refused.to_string().contains("second ?") && !refused.to_string().contains("s3cr3t"), "{refused}");
}
