//! Projections: which parts of an item are wanted.

use super::path::Path;
use super::reader::Reader;
use super::scope::Scope;
use crate::error::Result;

/// What it is in a request.
const LABEL: &str = "ProjectionExpression";

/// Reads a projection into the places that it names.
///
/// # Errors
/// What is wrong with it.
pub fn read(source: &str, scope: &Scope) -> Result<Vec<Path>> {
    let mut reader = Reader::new(LABEL, source, scope)?;
    let mut paths = vec![reader.path()?];
    while reader.take(",") {
        paths.push(reader.path()?);
    }
    reader.end()?;
    if let Some((how, one, two)) = Path::clash(&paths.iter().collect::<Vec<_>>()) {
        return Err(reader.error(format!(
            "Two document paths {how} with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::path::parts;
    use super::*;
    use crate::attribute::{item_json, read_item};

    #[test]
    fn the_parts_are_what_the_paths_lead_to() {
        let item = json!({"a": {"S": "1"}, "b": {"M": {"c": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "d": {"S": "x"}}}});
        let item = read_item(&item).unwrap();
        let project = |source: &str| {
            read(source, &Scope::default())
                .map(|paths| item_json(&parts(&item, &paths)))
                .map_err(|error| error.message)
        };
        assert_eq!(project("a").unwrap(), json!({"a": {"S": "1"}}));
        assert_eq!(
            project("b.c[2], b.c[0]").unwrap(),
            json!({"b": {"M": {"c": {"L": [{"N": "0"}, {"N": "2"}]}}}})
        );
        assert!(project("a, gone, a.x").unwrap_err().contains("overlap"));
        assert_eq!(project("b.d, gone, b.c[7]").unwrap(), json!({"b": {"M": {"d": {"S": "x"}}}}));
        assert_eq!(project("b.gone, a.x").unwrap(), json!({}));
        assert!(project("a,").unwrap_err().contains("Syntax error; token: \"<EOF>\", near: \",\""));
        assert!(project("a b").unwrap_err().contains("Syntax error; token: \"b\", near: \"a b\""));
    }
}
