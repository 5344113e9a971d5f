//! From the account to a plan: looks, asks what it can't know, and says of every choice where it was found.
//!
//! Nothing is written here, and nothing changed in the account.

use std::collections::{BTreeMap, BTreeSet};

use runbook::secret::SignIn;
use serde_json::{Value, json};

use super::ask::{Asker, Question};
use super::choose::{self, Candidate, SecretOf};
use super::draft::{self, Database, Draft, Member};
use super::earlier::{Earlier, IAM};
use super::found::{ArcCluster, Cluster, Global, Region};
use super::look::Looker;
use super::place;
use crate::Error;
use crate::prompt::say;

/// What was derived.
pub struct Derived {
    /// The plan, without what has a default.
    pub plan: Value,
    /// The settings of the deployment.
    pub settings: Value,
    /// What was found where, a line each.
    pub found: Vec<String>,
}

/// Looks into the account and asks.
///
/// `wanted`: the two Regions, where a person has named them.
///
/// # Errors
/// When the account can't be seen, or lacks what every plan needs, or an answer is missing or wrong.
pub async fn derived(
    wanted: Option<&[String; 2]>,
    earlier: &Earlier,
    asker: &mut Asker,
) -> Result<Derived, Error> {
    let looker = Looker::new().await?;
    let globals = place::globals(&looker, wanted).await?;
    let account = place::account(&globals, earlier)?;
    let regions = place::regions(&globals, wanted, earlier, asker)?;
    let (fit, mut notes) = choose::fitting(&globals, &regions);
    let [first, second] = &regions;
    say(&format!("Asking {first}, {second} and ARC what is there …"));
    let bucket = |region: &str| draft::bucket(earlier.prefix(), &account, region);
    let [of_first, of_second] = [bucket(first), bucket(second)];
    let (here, there, arc) =
        futures::join!(looker.region(first, &of_first), looker.region(second, &of_second), looker.arc());
    let (here, there, arc) = all_three(here, there, arc)?;
    if arc.iter().all(|cluster| cluster.panels.iter().all(|panel| panel.controls.is_empty())) {
        return Err(format!(
            "the account has no routing control of Route 53 ARC, and no traffic can be moved without: make a cluster (USD \
             2.50 an hour), a control panel, a routing control for each of {first} and {second}, and a safety rule that wants \
             one of them on, as workload/routing.yaml does, and run the same again"
        )
        .into());
    }
    let mut story = Story { earlier, asker, notes: Vec::new() };
    let found = [&here, &there];
    let chosen = story.databases_of(fit)?;
    let name = story.name(&chosen)?;
    let mut databases = Vec::new();
    let ids: Vec<&str> = chosen.iter().map(|global| global.id.as_str()).collect();
    let (_, short) = choose::names(&ids);
    for global in &chosen {
        let names = story.names(global, &short);
        databases.extend(story.databases(&name, global, names, &regions, found)?);
    }
    let controls = story.controls(&arc, &name, &regions)?;
    let rules = story.rules(&arc, &controls)?;
    let (cluster, panel) =
        choose::panel_of(&arc, &controls[0]).ok_or("a control was chosen that no panel has")?;
    story.note(format!(
        "routing: {} endpoints of the cluster of the panel {}",
        cluster.endpoints.len(),
        panel.name
    ));
    let automatic = story.automatic(&regions, found)?;
    let mail = story.mail()?;
    story.asker.all_heard()?;
    let draft = Draft {
        name,
        regions: &regions,
        found,
        account: &account,
        prefix: earlier.prefix(),
        arc: cluster,
        controls,
        rules,
        databases,
        automatic,
        mail,
    };
    story.places(&draft);
    let (plan, settings) = (draft.plan(), draft.settings(&earlier.plan_file));
    notes.splice(0..0, story.notes);
    Ok(Derived { plan, settings, found: notes })
}

/// All three answers, or all that failed in one line.
fn all_three<A, B, C>(
    one: Result<A, Error>,
    two: Result<B, Error>,
    three: Result<C, Error>,
) -> Result<(A, B, C), Error> {
    match (one, two, three) {
        (Ok(one), Ok(two), Ok(three)) => Ok((one, two, three)),
        (one, two, three) => {
            let failures = [one.err(), two.err(), three.err()].into_iter().flatten();
            Err(failures.map(|error| error.to_string()).collect::<Vec<_>>().join("; ").into())
        }
    }
}

/// The questions in their order, with what was chosen so far.
struct Story<'a> {
    earlier: &'a Earlier,
    asker: &'a mut Asker,
    notes: Vec<String>,
}

fn any(_: &str) -> Result<(), String> {
    Ok(())
}

/// A name as a plan takes it.
fn plain(name: &str) -> Result<(), String> {
    let fits = name.len() <= 64 && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
    if fits { Ok(()) } else { Err(format!("{name:?} has more than 64 letters, digits and hyphens")) }
}

impl Story<'_> {
    fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Which global databases are the application's.
    fn databases_of<'g>(&mut self, fit: Vec<&'g Global>) -> Result<Vec<&'g Global>, Error> {
        if fit.is_empty() {
            return Err("none of the global databases can be in a plan of these two Regions".into());
        }
        let candidate = |global: &&Global| {
            let writer =
                global.members.iter().find(|member| member.is_writer).and_then(|member| member.region());
            let engine = global.engine.as_deref().unwrap_or_default();
            Candidate::new(&global.id, format!("{engine}, its writer in {}", writer.unwrap_or("no Region")))
                .likely()
        };
        let candidates = fit.iter().map(candidate).collect();
        let question =
            Question::new("databases", "the global databases of the application", candidates).many();
        let ids = if fit.len() == 1 && !self.asker.has("databases") {
            vec![fit[0].id.clone()]
        } else {
            self.asker.ask_all(&question, &any)?
        };
        if ids.is_empty() {
            return Err("databases: a plan needs one at least".into());
        }
        Ok(fit.into_iter().filter(|global| ids.contains(&global.id)).collect())
    }

    fn name(&mut self, chosen: &[&Global]) -> Result<String, Error> {
        let ids: Vec<&str> = chosen.iter().map(|global| global.id.as_str()).collect();
        let (likely, why) = match self.earlier.text(&["name"]) {
            Some(name) => (Some(name.to_owned()), "the plan's"),
            None => (choose::names(&ids).0, "of the global databases' names"),
        };
        let candidates = likely.into_iter().map(|name| Candidate::new(name, why).likely()).collect();
        let question =
            Question::new("name", "what the application is called, in names and reports", candidates);
        let name = self.asker.ask(&question.open(), &plain)?;
        self.note(format!("name: {name}"));
        Ok(name)
    }

    /// The plan's names for the databases in a global cluster: those that an earlier plan has, else one, which `short` says
    /// unless the plan has that for another.
    fn names(&self, global: &Global, short: &BTreeMap<String, String>) -> Vec<String> {
        let earlier = self.earlier.databases_in(&global.id);
        if !earlier.is_empty() {
            return earlier.into_iter().cloned().collect();
        }
        let short = short.get(&global.id).filter(|name| self.earlier.planned(&["databases", name]).is_none());
        vec![short.unwrap_or(&global.id).clone()]
    }

    /// The databases of a global cluster under these names.
    fn databases(
        &mut self,
        application: &str,
        global: &Global,
        names: Vec<String>,
        regions: &[String; 2],
        found: [&Region; 2],
    ) -> Result<Vec<Database>, Error> {
        let mut clusters = Vec::new();
        for (region, found) in regions.iter().zip(found) {
            let arn = global.member(region).map(|member| member.arn.clone());
            let arn = arn.ok_or_else(|| format!("{} has no cluster in {region}", global.id))?;
            let cluster = found.clusters.get(&arn).cloned();
            let cluster = cluster.ok_or_else(|| {
                format!(
                    "{region} does not list the cluster {arn} of {}: run the same again in a minute",
                    global.id
                )
            })?;
            clusters.push((arn, cluster));
        }
        let [one, other]: [(String, Cluster); 2] =
            clusters.try_into().map_err(|_| "a global database without two clusters was chosen")?;
        let engine = global.engine.clone().unwrap_or_default();
        let mut databases = Vec::new();
        for name in names {
            let kept = self.earlier.text(&["databases", &name, "database"]);
            let inside =
                kept.or(one.1.database.as_deref()).or(other.1.database.as_deref()).map(str::to_owned);
            let database = match inside {
                Some(inside) => inside,
                None => {
                    let key = format!("database.{name}");
                    let text = format!(
                        "the database (the schema, in MySQL's words) inside {} to compare",
                        global.id
                    );
                    let candidates = vec![Candidate::new(&name, "by the global database's name")];
                    self.asker.ask(&Question::new(&key, &text, candidates).open(), &any)?
                }
            };
            let of = SecretOf { application, short: &name, global: &global.id, database: &database };
            let sign_ins = self.sign_ins(&of, regions, found, [&one.1, &other.1])?;
            self.note(format!(
                "{name}: the global database {}, {engine}, its database {database}",
                global.id
            ));
            let [of_one, of_other] = sign_ins;
            let member = |(arn, cluster): &(String, Cluster), sign_in| Member {
                arn: arn.clone(),
                sign_in,
                cluster: cluster.clone(),
            };
            let members = [member(&one, of_one), member(&other, of_other)];
            for (region, member) in regions.iter().zip(&members) {
                self.note(format!("{name}: {region}: {}", what(member)));
                if matches!(member.sign_in, SignIn::Iam(_)) && !member.cluster.iam {
                    self.note(format!("{name}: {region}: IAM database authentication is off: switch it on"));
                }
            }
            databases.push(Database {
                name,
                global: global.id.clone(),
                engine: engine.clone(),
                database,
                members,
            });
        }
        Ok(databases)
    }

    /// How the functions sign in to a database in each Region: by one secret that both have, where there is one.
    fn sign_ins(
        &mut self,
        of: &SecretOf<'_>,
        regions: &[String; 2],
        found: [&Region; 2],
        clusters: [&Cluster; 2],
    ) -> Result<[SignIn; 2], Error> {
        let name = of.short;
        let [first, second] = regions;
        let earlier = [first, second].map(|region| self.earlier.signs_in(name, region));
        let mut both = of.in_both([(first, found[0]), (second, found[1])]);
        let text = format!("the secret with the database user of {name}, or {IAM}USER who signs in by IAM");
        let file = self.earlier.plan_file.clone();
        let by_iam = |earlier: Option<&String>| {
            let user = earlier.filter(|value| value.starts_with(IAM));
            user.map(|value| Candidate::new(value, format!("as {file} has it")))
        };
        if !both.is_empty() && earlier[0] == earlier[1] {
            both.extend(by_iam(earlier[0].as_ref()));
            let both = choose::preferring(both, earlier[0].as_deref(), &file);
            let known: Vec<Candidate> = both.clone();
            let check = |value: &str| {
                let there = |region: &Region| region.secrets.iter().any(|secret| secret.name == value);
                let lacks = regions.iter().zip(found).find(|(_, region)| !there(region));
                match lacks {
                    Some((region, _)) if !is_user(value) => Err(format!("{region} has no secret {value}")),
                    _ => Ok(()),
                }
            };
            let key = format!("secret.{name}");
            let value = self.asker.ask(&Question::new(&key, &text, both).open(), &check)?;
            self.note(format!("{name}: {}", signed(&value, &known)));
            return Ok([sign_in(&value), sign_in(&value)]);
        }
        let mut answers = Vec::new();
        for (at, region) in regions.iter().enumerate() {
            let mut candidates = of.in_one(region, found[at], clusters[at]);
            candidates.extend(by_iam(earlier[at].as_ref()));
            let candidates = choose::preferring(candidates, earlier[at].as_deref(), &file);
            let known = candidates.clone();
            let check = |value: &str| {
                let there =
                    found[at].secrets.iter().any(|secret| secret.name == value || secret.arn == value);
                let kept = clusters[at].master_secret.as_deref() == Some(value);
                if there || kept || is_user(value) {
                    Ok(())
                } else {
                    Err(format!("{region} has no secret {value}"))
                }
            };
            let (key, text) = (format!("secret.{name}.{region}"), format!("{text}, in {region}"));
            let value = self.asker.ask(&Question::new(&key, &text, candidates).open(), &check)?;
            self.note(format!("{name}: {region}: {}", signed(&value, &known)));
            answers.push(sign_in(&value));
        }
        answers.try_into().map_err(|_| "a sign-in was not asked for".into())
    }

    /// The Regions' routing controls, which have to be two of one cluster.
    fn controls(
        &mut self,
        arc: &[ArcCluster],
        name: &str,
        regions: &[String; 2],
    ) -> Result<[String; 2], Error> {
        let [first, second] = regions;
        let mut chosen: Vec<String> = Vec::new();
        for [region, other] in [[first, second], [second, first]] {
            let candidates = choose::controls(arc, name, [region, other]);
            let earlier = self.earlier.text(&["routing", "controls", region]);
            let candidates = choose::preferring(candidates, earlier, &self.earlier.plan_file);
            let known = candidates.clone();
            let (key, text) =
                (format!("control.{region}"), format!("the routing control that lets traffic into {region}"));
            let arn = self.asker.ask_unless_plain(&Question::new(&key, &text, candidates))?;
            let control = known.iter().find(|one| one.value == arn);
            if let Some(Candidate { shown, why, .. }) = control {
                self.note(format!("routing: {region}: routing control {shown}, {why}"));
            }
            chosen.push(arn);
        }
        let clusters = [0, 1].map(|at| choose::panel_of(arc, &chosen[at]).map(|(cluster, _)| &cluster.arn));
        if chosen[0] == chosen[1] || clusters[0] != clusters[1] {
            return Err(format!(
                "{first} and {second} need two routing controls of one ARC cluster, not {} and {}: name others by --answer \
                 control.{first}=… and control.{second}=…",
                chosen[0], chosen[1]
            )
            .into());
        }
        chosen.try_into().map_err(|_| "a control was not asked for".into())
    }

    fn rules(&mut self, arc: &[ArcCluster], controls: &[String; 2]) -> Result<Vec<String>, Error> {
        let mut candidates = choose::rules(arc, &[&controls[0], &controls[1]]);
        if self.earlier.plan.is_some() {
            let planned =
                self.earlier.planned(&["routing", "safetyRulesToOverride"]).and_then(Value::as_array);
            for one in &mut candidates {
                one.likely = planned.is_some_and(|rules| rules.contains(&json!(one.value)));
            }
        }
        if candidates.is_empty() {
            self.note("routing: no safety rule is in the way of a failover".to_owned());
            return Ok(Vec::new());
        }
        let text = "safety rules that a failover may break while no Region has traffic";
        let known = candidates.clone();
        let rules = self.asker.ask_all(&Question::new("rules", text, candidates).many(), &any)?;
        for one in &known {
            let may = if rules.contains(&one.value) {
                "a failover may break it"
            } else {
                "a failover has to keep it"
            };
            self.note(format!("routing: safety rule {}, {}: {may}", one.shown, one.why));
        }
        Ok(rules)
    }

    /// The alarms that may start a failover; absent unless somebody names them.
    fn automatic(&mut self, regions: &[String; 2], found: [&Region; 2]) -> Result<Option<Value>, Error> {
        if let Some(planned) = self.earlier.planned(&["automatic"]) {
            self.note(format!("automatic: as {} has it", self.earlier.plan_file));
            let signals = planned["signals"].as_object().into_iter().flat_map(|of| of.values());
            for signal in signals.filter_map(Value::as_array).flatten() {
                let [alarm, at] =
                    ["alarm", "region"].map(|member| signal[member].as_str().unwrap_or_default());
                let there = regions
                    .iter()
                    .zip(found)
                    .any(|(region, found)| region == at && found.alarms.iter().any(|known| known == alarm));
                if !there {
                    self.note(format!(
                        "automatic: {at} has no metric alarm {alarm} that treats missing data as missing: no failover can \
                         start by it"
                    ));
                }
            }
            return Ok(Some(planned.clone()));
        }
        let others: usize = found.iter().map(|region| region.other_alarms).sum();
        if others > 0 {
            self.note(format!(
                "automatic: {others} alarm(s) can't be used, since they don't treat missing data as missing"
            ));
        }
        let [first, second] = regions;
        let mut signals = Vec::new();
        for (at, region) in regions.iter().enumerate() {
            let other = &regions[1 - at];
            let key = format!("alarms.{region}");
            let candidates =
                choose::alarms([(region, found[at]), (other, found[1 - at])], self.earlier.prefix());
            if candidates.is_empty() || !self.asker.is_heard(&key) {
                signals.push(Vec::new());
                continue;
            }
            let text = format!(
                "alarms that tell that {region} is ill, one in {region} and one in {other} at least; none: no failover \
                 starts by itself"
            );
            let named = self.asker.ask_all(&Question::new(&key, &text, candidates).many(), &any)?;
            let signal = |named: String| {
                named.rsplit_once('@').map(|(alarm, at)| json!({"alarm": alarm, "region": at}))
            };
            signals.push(named.into_iter().filter_map(signal).collect::<Vec<_>>());
        }
        let seen_from = |at: usize| signals[at].iter().filter(|one| one["region"] == regions[1 - at]).count();
        match signals.iter().filter(|named| named.is_empty()).count() {
            0 => {
                let quorum = seen_from(0).min(seen_from(1)).clamp(1, 2);
                self.note(format!(
                    "automatic: {quorum} of the alarms that were named have to say that a Region is ill"
                ));
                Ok(Some(json!({"quorum": quorum, "signals": {first: signals[0], second: signals[1]}})))
            }
            1 => {
                Err(format!("alarms.{first} and alarms.{second}: name alarms of both Regions, or of neither")
                    .into())
            }
            _ => {
                self.note(format!(
                    "automatic: left out, no failover starts by itself ({} alarms in {first}, {} in {second})",
                    found[0].alarms.len(),
                    found[1].alarms.len()
                ));
                Ok(None)
            }
        }
    }

    fn mail(&mut self) -> Result<Option<String>, Error> {
        let earlier = self.earlier.setting("notificationEmail");
        let file = "as the settings have it";
        let candidates = earlier.into_iter().map(|mail| Candidate::new(mail, file).likely()).collect();
        let question =
            Question::new("mail", "who is told by mail, once confirmed there", candidates).open().optional();
        let check = |mail: &str| match mail.split_once('@') {
            Some((user, host))
                if !user.is_empty() && !host.is_empty() && !mail.contains(char::is_whitespace) =>
            {
                Ok(())
            }
            _ => Err(format!("{mail:?} is no address")),
        };
        let mail = self.asker.ask_any(&question, &check)?;
        let said = mail
            .as_deref()
            .unwrap_or("nobody is told; subscribe to the topics later, or add notificationEmail");
        self.note(format!("mail: {said}"));
        Ok(mail)
    }

    /// Where the functions would run, and where reports would go.
    fn places(&mut self, draft: &Draft<'_>) {
        for (at, region) in draft.regions.iter().enumerate() {
            let (subnets, groups) = draft.place(at);
            let join = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
            let line = if subnets.is_empty() || groups.is_empty() {
                "no subnets or security groups of the databases were found: fill `regions` in by hand"
                    .to_owned()
            } else {
                format!(
                    "functions run in the databases' subnets {} with their security groups {}: these need a way to AWS (a NAT \
                     gateway), and to admit each other on the database's port",
                    join(&subnets),
                    join(&groups)
                )
            };
            self.note(format!("{region}: {line}"));
            let bucket = draft::bucket(draft.prefix, draft.account, region);
            let line = match &draft.found[at].has_bucket {
                Some(Ok(true)) => "is there".to_owned(),
                Some(Ok(false)) => "is not there yet, the deployment makes it".to_owned(),
                Some(Err(why)) => format!("could not be looked for ({why})"),
                None => "was not looked for".to_owned(),
            };
            self.note(format!("{region}: the report bucket {bucket} {line}"));
        }
    }
}

/// A cluster's facts for a restore, in a line.
fn what(member: &Member) -> String {
    let Cluster { instance_class, subnet_group, security_groups, key, .. } = &member.cluster;
    let cluster = member.arn.rsplit(':').next().unwrap_or(&member.arn);
    let class =
        instance_class.as_deref().map_or("no instance, so a restore takes the default class", |class| class);
    let group = subnet_group.as_deref().unwrap_or("none");
    let key = key.as_ref().map_or("not encrypted".to_owned(), |key| format!("encrypted by {key}"));
    format!(
        "cluster {cluster}, {class}, subnet group {group}, security groups {}, {key}",
        security_groups.join(", ")
    )
}

fn is_user(value: &str) -> bool {
    value.strip_prefix(IAM).is_some_and(|user| !user.is_empty())
}

fn sign_in(value: &str) -> SignIn {
    match value.strip_prefix(IAM) {
        Some(user) => SignIn::Iam(user.to_owned()),
        None => SignIn::Secret(value.to_owned()),
    }
}

/// How the functions sign in, in a line.
fn signed(value: &str, known: &[Candidate]) -> String {
    if let Some(user) = value.strip_prefix(IAM) {
        return format!("the database user {user}, by IAM");
    }
    let why = known.iter().find(|one| one.value == value).map(|one| format!(", {}", one.why));
    format!("secret {value}{}", why.unwrap_or_default())
}
