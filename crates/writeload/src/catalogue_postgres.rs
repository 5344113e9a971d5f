//! The catalogue of PostgreSQL.

use std::collections::BTreeMap;

use table_diff::Table;

use crate::condition::Condition;
use crate::rows::{grouped, next, texts};
use crate::schema::{Check, Column, ForeignKey, TableSchema, ValueType};
use crate::session::Cells;

/// What is asked, in the order in which [`assemble`] takes the answers.
pub(crate) const QUESTIONS: [(&str, &str); 8] = [
    (
        "types",
        "SELECT t.oid::text, t.typname::text, t.typtype::text, t.typelem::text, t.typcategory::text, t.typbasetype::text, \
         t.typtypmod::text, t.typnotnull::int::text, (t.typdefault IS NOT NULL)::int::text, \
         (SELECT string_agg(e.enumlabel, E'\\x01' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), \
         (SELECT string_agg(pg_get_constraintdef(c.oid), E'\\x01') FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c') \
         FROM pg_type t",
    ),
    (
        "names",
        "SELECT n.nspname::text, c.relname::text, (c.relkind = 'r')::int::text, (c.relpersistence = 'u')::int::text, \
         EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)::int::text, \
         (SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition \
         AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
    ),
    (
        "columns",
        "SELECT n.nspname::text, c.relname::text, a.attname::text, a.atttypid::text, a.atttypmod::text, \
         format_type(a.atttypid, a.atttypmod), a.attnotnull::int::text, (a.attgenerated <> '')::int::text, a.attidentity::text, \
         a.atthasdef::int::text, (COALESCE(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%')::int::text \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY a.attnum",
    ),
    (
        "indexes",
        "SELECT n.nspname::text, c.relname::text, i.indexrelid::text, COALESCE(a.attname::text, ''), \
         COALESCE(a.attnotnull, false)::int::text \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
         WHERE c.relkind IN ('r', 'p') AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL \
         AND i.indexprs IS NULL AND k.place <= i.indnkeyatts \
         ORDER BY c.oid, i.indisprimary DESC, i.indexrelid, k.place",
    ),
    (
        "foreign keys",
        "SELECT n.nspname::text, c.relname::text, f.conname::text, a.attname::text, pn.nspname::text, p.relname::text, \
         pa.attname::text, f.condeferrable::int::text, (f.confmatchtype = 'f')::int::text \
         FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(own, parent, place) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.own \
         JOIN pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = k.parent \
         WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY f.conname, k.place",
    ),
    (
        "checks",
        "SELECT n.nspname::text, c.relname::text, k.conname::text, pg_get_expr(k.conbin, k.conrelid) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.contype = 'c' ORDER BY k.conname",
    ),
    (
        "partitions",
        "SELECT n.nspname::text, r.relname::text, pg_get_partition_constraintdef(c.oid) \
         FROM pg_class c JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace \
         WHERE c.relispartition AND c.relkind = 'r'",
    ),
    // A trigger on a partition, too, changes rows of the table.
    (
        "triggers of partitions",
        "SELECT DISTINCT n.nspname::text, r.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
         JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace \
         WHERE c.relispartition AND NOT t.tgisinternal",
    ),
];

/// A type of the database.
struct Type {
    name: String,
    kind: String,
    element: String,
    category: String,
    base: String,
    modifier: i64,
    not_null: bool,
    has_default: bool,
    labels: Vec<String>,
    checks: Vec<String>,
}

/// The tables, from the answers.
pub(crate) fn assemble(answers: Vec<Vec<Cells>>) -> BTreeMap<String, TableSchema> {
    let mut answers = answers.into_iter();
    let types = types(next(&mut answers));
    let mut tables: BTreeMap<String, TableSchema> = BTreeMap::new();
    let mut ascii = false;
    for row in next(&mut answers) {
        let [schema, name, plain, unlogged, triggers, encoding] = texts(row);
        ascii = encoding != "UTF8";
        let table = Table { schema: Some(schema), name };
        let unwritable = (unlogged == "1").then(|| "it is unlogged: no replica has its rows".to_owned());
        let new = TableSchema {
            table: table.clone(),
            columns: Vec::new(),
            key: None,
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            has_triggers: triggers == "1",
            only: plain == "1",
            unwritable,
        };
        tables.insert(table.to_string(), new);
    }
    for row in next(&mut answers) {
        let [
            schema,
            table,
            name,
            of_type,
            modifier,
            type_text,
            not_null,
            generated,
            identity,
            default,
            nextval,
        ] = texts(row);
        let Some(table) = tables.get_mut(&display(schema, table)) else { continue };
        let domains = domains(&types, &of_type);
        let not_null = not_null == "1" || domains.iter().any(|domain| domain.not_null);
        for domain in &domains {
            table.checks.extend(domain.checks.iter().map(|clause| {
                let clause = clause.strip_prefix("CHECK ").unwrap_or(clause).trim_end_matches(" NOT VALID");
                Check {
                    name: format!("domain {}", domain.name),
                    condition: Condition::parse(clause, Some(&name)),
                }
            }));
        }
        let numbered = !identity.is_empty() || nextval == "1";
        table.columns.push(Column {
            kind: value_type(&types, &of_type, modifier.parse().unwrap_or(-1), ascii, DEPTH),
            nullable: !not_null,
            has_default: default == "1"
                || numbered
                || !not_null
                || domains.iter().any(|domain| domain.has_default),
            always_numbered: identity == "a",
            generated: generated == "1",
            name,
            type_text,
            numbered,
        });
    }
    for ([schema, table, _], columns) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&display(schema, table)) else { continue };
        let columns: Vec<[String; 2]> = columns.into_iter().map(texts).collect();
        let fits = |[name, not_null]: &[String; 2]| {
            not_null == "1"
                && table.column(name).is_some_and(|column| column.is_comparable() && !column.generated)
        };
        if table.key.is_none() && columns.iter().all(fits) {
            table.key = Some(columns.into_iter().map(|[name, _]| name).collect());
        }
    }
    for ([schema, table, name], columns) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&display(schema, table)) else { continue };
        let mut key = ForeignKey {
            name,
            columns: Vec::new(),
            parent: String::new(),
            parent_columns: Vec::new(),
            deferrable: false,
            full: false,
        };
        for column in columns {
            let [own, parent_schema, parent, parent_column, deferrable, full] = texts(column);
            key.columns.push(own);
            key.parent_columns.push(parent_column);
            key.parent = display(parent_schema, parent);
            (key.deferrable, key.full) = (deferrable == "1", full == "1");
        }
        table.foreign_keys.push(key);
    }
    for row in next(&mut answers) {
        let [schema, table, name, clause] = texts(row);
        let Some(table) = tables.get_mut(&display(schema, table)) else { continue };
        table.checks.push(Check { name, condition: Condition::parse(&clause, None) });
    }
    for ([schema, table], partitions) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&display(schema, table)) else { continue };
        let one = |row: Cells| Condition::parse(&texts::<1>(row)[0], None);
        let any = partitions.into_iter().map(one).filter(|condition| *condition != Condition::Unknown);
        let any: Vec<Condition> = any.collect();
        if !any.is_empty() {
            table.checks.push(Check { name: "its partitions".into(), condition: Condition::Any(any) });
        }
    }
    for row in next(&mut answers) {
        let [schema, table] = texts(row);
        if let Some(table) = tables.get_mut(&display(schema, table)) {
            table.has_triggers = true;
        }
    }
    tables
}

fn display(schema: String, name: String) -> String {
    Table { schema: Some(schema), name }.to_string()
}

fn types(rows: Vec<Cells>) -> BTreeMap<String, Type> {
    let list = |text: String| match text.as_str() {
        "" => Vec::new(),
        text => text.split('\u{1}').map(str::to_owned).collect(),
    };
    let one = |row: Cells| {
        let [oid, name, kind, element, category, base, modifier, not_null, default, labels, checks] =
            texts(row);
        let one = Type {
            name,
            kind,
            element,
            category,
            base,
            modifier: modifier.parse().unwrap_or(-1),
            not_null: not_null == "1",
            has_default: default == "1",
            labels: list(labels),
            checks: list(checks),
        };
        (oid, one)
    };
    rows.into_iter().map(one).collect()
}

/// The domains that a type is, the outermost first.
fn domains<'a>(types: &'a BTreeMap<String, Type>, of_type: &str) -> Vec<&'a Type> {
    let mut found = Vec::new();
    let mut next = types.get(of_type);
    // As many as there are, for it to end whatever the catalogue says.
    while let Some(domain) = next.filter(|one| one.kind == "d" && found.len() < types.len()) {
        found.push(domain);
        next = types.get(&domain.base);
    }
    found
}

/// How many domains and arrays a type may be made of.
const DEPTH: usize = 50;

fn value_type(
    types: &BTreeMap<String, Type>,
    of_type: &str,
    modifier: i64,
    ascii: bool,
    depth: usize,
) -> ValueType {
    let (Some(found), Some(depth)) = (types.get(of_type), depth.checked_sub(1)) else {
        return ValueType::Unknown;
    };
    match found.kind.as_str() {
        "d" => return value_type(types, &found.base, found.modifier, ascii, depth),
        "e" => return ValueType::Enum(found.labels.clone()),
        "m" => return ValueType::Fixed(&["'{}'"]),
        _ => {}
    }
    if found.category == "A" && found.element != "0" {
        return ValueType::Array(Box::new(value_type(types, &found.element, modifier, ascii, depth)));
    }
    // A length is kept with the four bytes of its header.
    let length = u32::try_from(modifier.saturating_sub(4)).ok().filter(|_| modifier >= 4);
    let integer =
        |bits: u32| ValueType::Integer { min: -(1_i128 << (bits - 1)), max: (1_i128 << (bits - 1)) - 1 };
    match found.name.as_str() {
        "int2" => integer(16),
        "int4" => integer(32),
        "int8" => integer(64),
        "oid" => ValueType::Integer { min: 0, max: i128::from(u32::MAX) },
        "numeric" => match length {
            Some(both) => ValueType::Decimal { digits: both >> 16, scale: both & 0x7ff, unsigned: false },
            None => ValueType::Decimal { digits: 12, scale: 3, unsigned: false },
        },
        "float4" | "float8" => ValueType::Float { unsigned: false },
        "bool" => ValueType::Boolean,
        "text" | "citext" | "varchar" | "bpchar" => {
            let length = if found.name == "bpchar" && length.is_none() { Some(1) } else { length };
            ValueType::Text { length, ascii }
        }
        "name" => ValueType::Text { length: Some(60), ascii: true },
        "char" => ValueType::Text { length: Some(1), ascii: true },
        "bytea" => ValueType::Bytes { length: None, fixed: false },
        "date" => ValueType::Date,
        "time" => ValueType::Time { zone: false },
        "timetz" => ValueType::Time { zone: true },
        "timestamp" | "timestamptz" => ValueType::Timestamp,
        "json" | "jsonb" => ValueType::Json,
        "uuid" => ValueType::Uuid,
        "bit" => ValueType::Bits { length: u32::try_from(modifier).unwrap_or(1).max(1) },
        "varbit" => ValueType::Bits { length: u32::try_from(modifier).unwrap_or(16).clamp(1, 16) },
        name => ValueType::Fixed(rare(name)),
    }
}

/// Values of types that are rarely used.
fn rare(name: &str) -> &'static [&'static str] {
    match name {
        "interval" => &["'{n} days'", "'1 year {n} mons 03:04:05'"],
        "inet" => &["'10.1.2.{n}'", "'2001:db8::{n}/64'"],
        "cidr" => &["'10.1.{n}.0/24'", "'2001:db8:{n}::/48'"],
        "macaddr" => &["'08:00:2b:01:02:0a'"],
        "macaddr8" => &["'08:00:2b:01:02:03:04:05'"],
        "money" => &["'{n}.50'"],
        "int4range" | "int8range" | "numrange" => &["'[{n},300)'", "'empty'"],
        "daterange" => &["'[2026-01-01,2026-02-01)'", "'[2026-03-01,)'"],
        "tsrange" => {
            &["tsrange('2026-01-01'::timestamp + '{n} days', '2026-01-01'::timestamp + '{n} days 1 hour')"]
        }
        "tstzrange" => &[
            "tstzrange('2026-01-01'::timestamptz + '{n} days', '2026-01-01'::timestamptz + '{n} days 1 hour')",
        ],
        "tsvector" => &["'fat:{n} cat:2'", "'a'"],
        "tsquery" => &["'fat & rat'"],
        "xml" => &["'<a n=\"{n}\">b</a>'"],
        "hstore" => &["'a=>{n}, b=>NULL'"],
        "ltree" => &["'top.a{n}.b'"],
        "point" => &["'({n},2)'"],
        "line" => &["'{1,2,{n}}'"],
        "lseg" => &["'[({n},2),(3,4)]'"],
        "box" => &["'({n},2),(3,4)'"],
        "path" => &["'[({n},2),(3,4),(5,6)]'"],
        "polygon" => &["'(({n},2),(3,4),(5,6))'"],
        "circle" => &["'<({n},2),3>'"],
        "pg_lsn" => &["'16/B374D8{n}'"],
        "jsonpath" => &["'$.a[{n}]'"],
        _ => &[],
    }
}
