//! What was found becomes candidates for an answer, the likely one first. Pure: nothing is asked, neither AWS nor a person.
//!
//! A candidate is likely only when one thing is more so than every other: where two are alike, a person decides, and
//! without one `init` asks for the answer by name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::found::{ArcCluster, Cluster, Global, Panel, Region};

/// A candidate for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What the plan gets.
    pub value: String,
    /// How a person names it.
    pub shown: String,
    /// Where it was found, and why it may be meant.
    pub why: String,
    /// Whether it is taken where nobody says otherwise.
    pub likely: bool,
}

impl Candidate {
    /// One that is called what it is, and is not likely by itself.
    pub fn new(value: impl Into<String>, why: impl Into<String>) -> Self {
        let value = value.into();
        Self { shown: value.clone(), value, why: why.into(), likely: false }
    }

    /// The same, taken where nobody says otherwise.
    pub fn likely(self) -> Self {
        Self { likely: true, ..self }
    }
}

/// Two Regions that share global databases, the one with the writers first.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// The Regions.
    pub regions: [String; 2],
    /// How many global databases they share.
    pub databases: usize,
}

/// The pairs of Regions that global databases are in, the one with the most first.
pub fn pairs(globals: &[Global]) -> Vec<Pair> {
    // By the two Regions in the order of their names: how many databases, and in how many the writer is in the first.
    let mut counted: BTreeMap<[&str; 2], [usize; 2]> = BTreeMap::new();
    for global in globals {
        let [one, other] = global.members.as_slice() else { continue };
        let (Some(at), Some(beside)) = (one.region(), other.region()) else { continue };
        if at == beside {
            continue;
        }
        let pair = if at < beside { [at, beside] } else { [beside, at] };
        let writer = global.members.iter().find(|member| member.is_writer).and_then(|member| member.region());
        let [databases, writers] = counted.entry(pair).or_default();
        *databases += 1;
        *writers += usize::from(writer == Some(pair[0]));
    }
    let mut pairs: Vec<Pair> = counted
        .into_iter()
        .map(|([first, second], [databases, writers])| {
            let regions = if 2 * writers >= databases { [first, second] } else { [second, first] };
            Pair { regions: regions.map(str::to_owned), databases }
        })
        .collect();
    pairs.sort_by_key(|pair| Reverse(pair.databases));
    pairs
}

/// The global databases that a plan of these two Regions can have, and why each of the others is left out.
pub fn fitting<'a>(globals: &'a [Global], regions: &[String; 2]) -> (Vec<&'a Global>, Vec<String>) {
    let (mut fit, mut out) = (Vec::new(), Vec::new());
    for global in globals {
        let id = &global.id;
        let places: Vec<&str> = global.members.iter().filter_map(|member| member.region()).collect();
        if global.members.len() != 2 {
            out.push(format!(
                "{id} is left out: it has clusters in {}, and a plan takes global databases of two Regions",
                places.join(", ")
            ));
        } else if regions.iter().any(|region| global.member(region).is_none()) {
            out.push(format!("{id} is left out: it is in {}", places.join(" and ")));
        } else if !matches!(global.engine.as_deref(), Some("aurora-mysql" | "aurora-postgresql")) {
            let engine = global.engine.as_deref().unwrap_or("an engine that RDS does not name");
            out.push(format!("{id} is left out: it runs {engine}"));
        } else {
            fit.push(global);
        }
    }
    (fit, out)
}

/// What the application is likely called, and each database: what the identifiers begin with in common, and what is left.
pub fn names(ids: &[&str]) -> (Option<String>, BTreeMap<String, String>) {
    let parts: Vec<Vec<&str>> = ids.iter().map(|id| id.split('-').collect()).collect();
    let shortest = parts.iter().map(Vec::len).min().unwrap_or_default();
    let common = (0..shortest.saturating_sub(1))
        .take_while(|at| parts.iter().all(|part| part[*at] == parts[0][*at]))
        .count();
    let application = parts.first().map(|first| first[..common.max(1)].join("-"));
    let short = parts.iter().zip(ids).map(|(part, id)| ((*id).to_owned(), part[common..].join("-")));
    (application, short.collect())
}

/// The words of a name.
fn words(name: &str) -> BTreeSet<String> {
    let all = name.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    all.map(str::to_lowercase).collect()
}

/// How plainly a name tells of the first of two Regions: by its name, 2; by words that the other has not, 1; not, or of
/// both, 0.
fn tells_of(name: &str, [region, other]: [&str; 2]) -> u8 {
    let lower = name.to_lowercase();
    match (lower.contains(region), lower.contains(other)) {
        (true, false) => return 2,
        (false, true) | (true, true) => return 0,
        (false, false) => {}
    }
    let (of_region, of_other, said) = (words(region), words(other), words(name));
    let any = |words: &BTreeSet<String>, but: &BTreeSet<String>| {
        words.difference(but).any(|word| said.contains(word))
    };
    u8::from(any(&of_region, &of_other) && !any(&of_other, &of_region))
}

/// Marks the first of candidates in order as likely, where it is better than the second, and better than nothing.
fn marked<K: PartialOrd>(mut ranked: Vec<(K, Candidate)>, nothing: &K) -> Vec<Candidate> {
    let clear = match ranked.as_slice() {
        [] => false,
        [(only, _)] => only > nothing,
        [(first, _), (second, _), ..] => first > nothing && first > second,
    };
    if let Some((_, first)) = ranked.first_mut() {
        first.likely = clear;
    }
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// How well a name fits: more is better.
type Rank = (usize, bool, Reverse<usize>);

/// One of which no name is the database's.
const STRANGER: Rank = (0, true, Reverse(0));

/// What a secret of a database may be called after.
pub struct SecretOf<'a> {
    /// The application.
    pub application: &'a str,
    /// The database in the plan.
    pub short: &'a str,
    /// The global cluster.
    pub global: &'a str,
    /// The database inside it.
    pub database: &'a str,
}

impl SecretOf<'_> {
    /// How well a secret's name fits: how many of the database's names it has, whether the application's, and how few words
    /// beside them.
    fn rank(&self, name: &str) -> Rank {
        let said = words(name);
        let own = [self.short, self.database, self.global];
        let hits = own.iter().filter(|own| words(own).is_subset(&said)).count();
        let expected: BTreeSet<String> =
            own.iter().chain(&[self.application]).flat_map(|name| words(name)).collect();
        let of_application = words(self.application).is_subset(&said);
        (hits, of_application, Reverse(said.difference(&expected).count()))
    }

    fn candidates<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        place: &str,
        more: Vec<Candidate>,
    ) -> Vec<Candidate> {
        let mut ranked: Vec<_> = names
            .map(|name| {
                let rank = self.rank(name);
                let like = if rank.0 > 0 { ", by its name" } else { "" };
                (rank, Candidate::new(name, format!("found in {place}{like}")))
            })
            .collect();
        ranked.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.value.cmp(&other.value)));
        let mut candidates = marked(ranked, &STRANGER);
        let by_name = candidates.iter().take_while(|one| one.why.ends_with("by its name")).count();
        candidates.splice(by_name..by_name, more);
        candidates
    }

    /// Candidates that both Regions have under one name.
    pub fn in_both(&self, places: [(&str, &Region); 2]) -> Vec<Candidate> {
        let [(one, here), (other, there)] = places;
        let there: BTreeSet<&str> = there.secrets.iter().map(|secret| secret.name.as_str()).collect();
        let both = here.secrets.iter().map(|secret| secret.name.as_str()).filter(|name| there.contains(name));
        self.candidates(both, &format!("{one} and {other}"), Vec::new())
    }

    /// Candidates in one Region; the secret that RDS keeps for the master user of this cluster is one of them.
    pub fn in_one(&self, name: &str, region: &Region, cluster: &Cluster) -> Vec<Candidate> {
        let master = cluster.master_secret.as_ref();
        let others = region.secrets.iter().filter(|secret| Some(&secret.arn) != master);
        let master =
            master.map(|arn| Candidate::new(arn, format!("found in {name}, the master user's, kept by RDS")));
        let mut candidates =
            self.candidates(others.map(|secret| secret.name.as_str()), name, master.into_iter().collect());
        // Better than a guess among several names: it is this cluster's.
        if !candidates.iter().any(|one| one.likely)
            && let Some(kept) =
                candidates.iter_mut().find(|one| Some(&one.value) == cluster.master_secret.as_ref())
        {
            kept.likely = true;
        }
        candidates
    }
}

/// Candidates for the routing control of the first of two Regions, by ARN.
pub fn controls(clusters: &[ArcCluster], application: &str, regions: [&str; 2]) -> Vec<Candidate> {
    let panels = clusters.iter().flat_map(|cluster| &cluster.panels);
    let mine = words(application);
    let mut ranked: Vec<_> = panels
        .flat_map(|panel| panel.controls.iter().map(move |control| (panel, control)))
        .map(|(panel, control)| {
            let tells = tells_of(&control.name, regions);
            let named = mine.is_subset(&words(&format!("{} {}", panel.name, control.name)));
            let by = if tells > 0 { ", by its name" } else { "" };
            let candidate = Candidate {
                value: control.arn.clone(),
                shown: control.name.clone(),
                why: format!("found in the control panel {}{by}", panel.name),
                likely: false,
            };
            ((tells, tells > 0 && named), candidate)
        })
        .collect();
    ranked.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.shown.cmp(&other.shown)));
    marked(ranked, &(0, false))
}

/// The panel that has a control, and its cluster.
pub fn panel_of<'a>(clusters: &'a [ArcCluster], control: &str) -> Option<(&'a ArcCluster, &'a Panel)> {
    let all = clusters.iter().flat_map(|cluster| cluster.panels.iter().map(move |panel| (cluster, panel)));
    all.into_iter().find(|(_, panel)| panel.controls.iter().any(|one| one.arn == control))
}

/// Safety rules that want one of these two controls on: a failover turns one off before it turns the other on. Likely are
/// those that look at no further control, which the failover of an application that stands by in one Region does break.
pub fn rules(clusters: &[ArcCluster], controls: &[&str; 2]) -> Vec<Candidate> {
    let all = clusters.iter().flat_map(|cluster| &cluster.panels).flat_map(|panel| &panel.rules);
    let ours = |arn: &String| controls.contains(&arn.as_str());
    all.filter(|rule| rule.one_of.iter().any(ours))
        .map(|rule| Candidate {
            value: rule.arn.clone(),
            shown: rule.name.clone(),
            why: "it wants a Region on at all times".to_owned(),
            likely: rule.one_of.iter().all(ours),
        })
        .collect()
}

/// Alarms that may tell that the first of two Regions is ill, each as `NAME@REGION`; none is likely by itself.
pub fn alarms(regions: [(&str, &Region); 2], prefix: &str) -> Vec<Candidate> {
    let [(ill, _), (other, _)] = regions;
    // What the stack makes looks at the runbooks, not at the application.
    let own = format!("{prefix}-");
    let mut ranked: Vec<_> = regions
        .iter()
        .flat_map(|(at, region)| region.alarms.iter().map(move |alarm| (*at, alarm)))
        .filter(|(_, alarm)| !alarm.starts_with(&own))
        .map(|(at, alarm)| {
            (tells_of(alarm, [ill, other]), Candidate::new(format!("{alarm}@{at}"), format!("found in {at}")))
        })
        .collect();
    ranked.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.value.cmp(&other.value)));
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The same candidates, with what an earlier file says as the likely one where it is among them.
pub fn preferring(mut candidates: Vec<Candidate>, earlier: Option<&str>, file: &str) -> Vec<Candidate> {
    let Some(at) = earlier.and_then(|value| candidates.iter().position(|one| one.value == value)) else {
        return candidates;
    };
    let mut kept = candidates.remove(at);
    if !kept.likely {
        candidates.iter_mut().for_each(|one| one.likely = false);
        kept.likely = true;
        kept.why = format!("{}, as {file} has it", kept.why);
    }
    candidates.insert(0, kept);
    candidates
}

#[cfg(test)]
mod tests;
