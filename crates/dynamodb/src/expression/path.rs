//! Places in an item: `a.b[0].c`.

use std::fmt;

use crate::attribute::{Attribute, Item};

/// A place: a name, and the way on from there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The attribute of the item.
    pub name: String,
    /// The way from there on.
    pub steps: Vec<Step>,
}

/// One step further into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a map.
    Member(String),
    /// Into a list.
    Index(usize),
}

impl Path {
    /// What is there; `None` when nothing is.
    pub fn find<'a>(&self, item: &'a Item) -> Option<&'a Attribute> {
        let mut at = item.get(&self.name)?;
        for step in &self.steps {
            at = match (step, at) {
                (Step::Member(name), Attribute::M(map)) => map.get(name)?,
                (Step::Index(index), Attribute::L(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The first two that can't stand beside each other, and what is wrong with them.
    pub fn clash<'a>(paths: &[&'a Self]) -> Option<(&'static str, &'a Self, &'a Self)> {
        for (index, one) in paths.iter().enumerate() {
            for two in &paths[..index] {
                if one.name != two.name {
                    continue;
                }
                let differ = one.steps.iter().zip(&two.steps).find(|(one, two)| one != two);
                match differ {
                    None => return Some(("overlap", two, one)),
                    Some((Step::Member(_), Step::Index(_)) | (Step::Index(_), Step::Member(_))) => {
                        return Some(("conflict", two, one));
                    }
                    Some(_) => {}
                }
            }
        }
        None
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.name)?;
        for step in &self.steps {
            match step {
                Step::Member(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// The parts of an item at some places: what is above them in maps and lists stays, what is beside them goes.
pub fn parts(item: &Item, paths: &[Path]) -> Item {
    let mut parts = Item::new();
    for path in paths {
        if parts.contains_key(&path.name) {
            continue;
        }
        let ways: Vec<&[Step]> = paths
            .iter()
            .filter(|other| other.name == path.name)
            .map(|other| other.steps.as_slice())
            .collect();
        if let Some(part) = item.get(&path.name).and_then(|value| part(value, &ways)) {
            parts.insert(path.name.clone(), part);
        }
    }
    parts
}

/// The parts of a value where these ways lead; `None` when they lead nowhere.
fn part(value: &Attribute, ways: &[&[Step]]) -> Option<Attribute> {
    if ways.iter().any(|way| way.is_empty()) {
        return Some(value.clone());
    }
    let below = |first: &Step| -> Vec<&[Step]> {
        ways.iter()
            .filter_map(|way| way.split_first())
            .filter(|(step, _)| *step == first)
            .map(|(_, rest)| rest)
            .collect()
    };
    match value {
        Attribute::M(map) => {
            let found = map.iter().filter_map(|(name, value)| {
                let ways = below(&Step::Member(name.clone()));
                (!ways.is_empty()).then(|| part(value, &ways)).flatten().map(|part| (name.clone(), part))
            });
            let found: Item = found.collect();
            (!found.is_empty()).then_some(Attribute::M(found))
        }
        Attribute::L(list) => {
            let found = list.iter().enumerate().filter_map(|(index, value)| {
                let ways = below(&Step::Index(index));
                (!ways.is_empty()).then(|| part(value, &ways)).flatten()
            });
            let found: Vec<Attribute> = found.collect();
            (!found.is_empty()).then_some(Attribute::L(found))
        }
        _ => None,
    }
}
