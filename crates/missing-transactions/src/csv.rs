//! The differences of a table for a spreadsheet, as RFC 4180 has it.
//!
//! A row with which nothing was lost has no line. Any other row has a line for each of its versions: one for the old
//! primary, one for the new, and one for the state at the takeover where that is another. NULL is an empty field, and an empty text is `""`; the crate `csv` quotes by file, not by
//! field, and so can't write both. Columns with personal data are `masked`.
//!
//! A spreadsheet program runs text that begins with `=`, `+`, `-`, `@`, a tab or a line end as a formula. Such text gets an
//! apostrophe before it, unless it is a number.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Map, Value};
use table_diff::Difference;

use crate::base::Verdict;
use crate::text;
use crate::times::{TimeColumns, Times};

/// What comes before the table's own columns.
const FIRST: [&str; 5] = ["what happened", "how sure", "version", "last write (UTC)", "differs in"];

/// Writes one table.
#[derive(Debug)]
pub struct CsvWriter<W> {
    to: W,
    columns: Vec<String>,
    personal: BTreeSet<String>,
    times: TimeColumns,
    begun: bool,
}

impl<W: Write> CsvWriter<W> {
    pub(crate) fn new(to: W, columns: Vec<String>, personal: BTreeSet<String>, times: TimeColumns) -> Self {
        Self { to, columns, personal, times, begun: false }
    }

    /// Writes a row, unless nothing was lost with it. `verdict` is what [`crate::TableBuilder::add`] returned.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, difference: &Difference, verdict: Verdict) -> io::Result<()> {
        let fate = verdict.fate;
        if fate.is_harmless() {
            return Ok(());
        }
        self.begin()?;
        let differs: Vec<String> = differs(difference).iter().map(|name| field(name)).collect();
        let sure = verdict.surety();
        let versions = [
            ("old", difference.source.as_ref()),
            ("new", difference.target.as_ref()),
            ("takeover", difference.base_row()),
        ];
        for (version, row) in versions {
            let Some(row) = row else { continue };
            let time = Times::of(&self.times, Some(row), None).last().map(text::row_time).unwrap_or_default();
            let first = [fate.word(), &sure, version, &time, &differs.join("; ")].map(field);
            let values = self.columns.iter().map(|column| {
                let value = row.get(column).unwrap_or(&Value::Null);
                match value {
                    Value::Null => String::new(),
                    _ if self.personal.contains(column) => field("masked"),
                    Value::Number(number) => number.to_string(),
                    Value::String(text) if text.is_empty() => "\"\"".to_owned(),
                    other => field(&text::shown(other)),
                }
            });
            let line: Vec<String> = first.into_iter().chain(values).collect();
            self.to.write_all(line.join(",").as_bytes())?;
            self.to.write_all(b"\r\n")?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let columns = self.columns.iter().map(String::as_str);
        let line: Vec<String> = FIRST.into_iter().chain(columns).map(field).collect();
        self.to.write_all(line.join(",").as_bytes())?;
        self.to.write_all(b"\r\n")
    }

    /// What is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// Ends the file, which has at least its first line, and gives back what was written to.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.begin()?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// The columns in which the two versions of a row differ.
pub(crate) fn differs(difference: &Difference) -> Vec<String> {
    let (Some(old), Some(new)) = (&difference.source, &difference.target) else { return Vec::new() };
    let only = |name: &&String, other: &Map<String, Value>| !other.contains_key(*name);
    old.iter()
        .filter(|(name, value)| new.get(*name) != Some(value))
        .map(|(name, _)| name)
        .chain(new.keys().filter(|name| only(name, old)))
        .cloned()
        .collect()
}

/// A field: made harmless, and quoted where it has to be.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && !is_number(text);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// A sign, digits, and at most a fraction: nothing to compute.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Basis;
    use crate::fate::{Conflict, Fate};
    use serde_json::json;
    use table_diff::{Base, DifferenceKind};

    #[test]
    fn fields_are_harmless_and_quoted() {
        for (text, expected) in [
            ("a", "a"),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1+1", "'+1+1"),
            ("-5.20", "-5.20"),
            ("-5-3", "'-5-3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a,b", "\"a,b\""),
            (" a", "\" a\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(field(text), expected, "{text:?}");
        }
    }

    #[test]
    fn versions_stand_below_each_other_and_personal_values_are_masked() {
        let names = ["id", "=name", "note", "mail"].map(str::to_owned).to_vec();
        let mut csv = CsvWriter::new(Vec::new(), names, ["mail".to_owned()].into(), TimeColumns::default());
        let object = |value: Value| value.as_object().unwrap().clone();
        let difference = Difference {
            kind: DifferenceKind::Changed,
            key: object(json!({"id": 1})),
            source: Some(object(json!({"id": 1, "=name": "=1", "note": "", "mail": "a@b"}))),
            target: Some(object(json!({"id": 1, "=name": "b", "note": null, "mail": "c@d"}))),
            base: Some(Base::Other(object(json!({"id": 1, "=name": "0", "note": "x", "mail": "e@f"})))),
        };
        let verdict = |fate, basis| Verdict { fate, basis };
        let updated = Difference { base: None, ..difference.clone() };
        csv.add(&updated, verdict(Fate::LostUpdate, Basis::Times)).unwrap();
        csv.add(&difference, verdict(Fate::Conflict(Conflict::ChangedInBoth), Basis::Takeover)).unwrap();
        csv.add(&difference, verdict(Fate::ChangedThere, Basis::Takeover)).unwrap();
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        assert_eq!(
            text,
            "what happened,how sure,version,last write (UTC),differs in,id,'=name,note,mail\r\n\
             lost update,inferred from times,old,,'=name; note; mail,1,'=1,\"\",masked\r\n\
             lost update,inferred from times,new,,'=name; note; mail,1,b,,masked\r\n\
             conflict,changed in both; proved by the state at the takeover,old,,'=name; note; mail,1,'=1,\"\",masked\r\n\
             conflict,changed in both; proved by the state at the takeover,new,,'=name; note; mail,1,b,,masked\r\n\
             conflict,changed in both; proved by the state at the takeover,takeover,,'=name; note; mail,1,0,x,masked\r\n"
        );
    }
}
