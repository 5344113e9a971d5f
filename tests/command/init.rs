//! `causeway init` against the sandbox over HTTP: the plan that it makes, what a second run says, what it does where the
//! account can't be seen, and the lines of `docs/first-day.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use regex::Regex;
use rehearsals::root;
use sandbox::account::OPERATOR;
use sandbox::api::{Api, ApiError, Call, CallError};
use sandbox::clock::Clock;
use sandbox::databases::{NewDatabase, NoServers};
use sandbox::wire::server::{Listeners, Server};
use sandbox::wire::{SECRET, Wire};
use sandbox::world::World;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::{Run, command};

/// Before the world: writes down what is called, and denies what it is told to.
struct Gate {
    world: Arc<World>,
    called: Mutex<BTreeSet<String>>,
    denied: Mutex<Vec<&'static str>>,
}

impl Api for Gate {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        let action = match (call.service.as_str(), call.operation.as_str()) {
            ("monitoring", operation) => format!("cloudwatch:{operation}"),
            ("s3", "HeadBucket") => "s3:ListBucket".to_owned(),
            (service, operation) => format!("{service}:{operation}"),
        };
        let denied = self.denied.lock().unwrap().contains(&action.as_str());
        self.called.lock().unwrap().insert(action.clone());
        if denied {
            let message = format!("User: x is not authorized to perform: {action}");
            let code = if call.service == "rds" { "AccessDenied" } else { "AccessDeniedException" };
            return async move { Err(ApiError::with_status(403, code, message).into()) }.boxed();
        }
        self.world.call(call)
    }
}

/// An account, with a folder to work in.
struct Account {
    world: Arc<World>,
    gate: Arc<Gate>,
    server: Server,
    folder: tempfile::TempDir,
    _objects: tempfile::TempDir,
}

impl Account {
    /// With the shop in it.
    async fn shop() -> Self {
        let listeners = Listeners::bind().await.unwrap();
        let world =
            sandbox::shop::world(Clock::new(60.0), Arc::new(NoServers), &listeners.arc_urls).await.unwrap();
        Self::of(world, listeners)
    }

    fn of(world: Arc<World>, listeners: Listeners) -> Self {
        let gate =
            Arc::new(Gate { world: Arc::clone(&world), called: Mutex::default(), denied: Mutex::default() });
        let objects = tempfile::tempdir().unwrap();
        let wire = Wire::new(Arc::clone(&gate) as _, objects.path()).unwrap();
        // The other Region's is not there yet.
        wire.create_bucket(&sandbox::shop::bucket(EAST)).unwrap();
        let server = listeners.serve(&Arc::new(wire));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        symlink(command(), folder.path().join("bin/causeway")).unwrap();
        Self { world, gate, server, folder, _objects: objects }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        let path = std::env::var("PATH").unwrap();
        BTreeMap::from([
            ("PATH", format!("{}:{path}", self.at("bin").display())),
            ("HOME", self.folder.path().display().to_string()),
            ("AWS_ENDPOINT_URL", self.server.url.clone()),
            ("AWS_ACCESS_KEY_ID", OPERATOR.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", WEST.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ])
    }

    fn ran(&self, mut command: Command, without: &[&str]) -> Said {
        let mut environment = self.environment();
        environment.retain(|name, _| !without.contains(name));
        command.env_clear().envs(environment).current_dir(self.folder.path()).stdin(Stdio::null());
        Said::of(command.output().unwrap())
    }

    /// `causeway init ARGUMENTS` without a terminal.
    fn init(&self, arguments: &[&str]) -> Said {
        let mut run = Command::new(command());
        run.arg("init").args(arguments);
        self.ran(run, &[])
    }

    /// A script of the shell in a terminal, with these lines typed into it.
    fn typed(&self, lines: &[&str], script: &str) -> Said {
        let mut run = Command::new(rehearsals::python().unwrap());
        run.arg(root().join("tests/command/terminal.py").canonicalize().unwrap());
        run.arg(lines.join("\n") + "\n").args(["/bin/sh", "-ec", script]);
        self.ran(run, &[])
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap()
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.at(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The files that `init` writes, which are there.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.contains(".json")).map(|name| (name.clone(), self.text(&name))).collect()
    }

    /// Refused in one line that says all of this, and nothing written.
    fn refused(&self, said: &Said, parts: &[&str]) {
        assert_eq!(said.code, Some(2), "{}", said.all());
        let line = said.errors.trim_end();
        assert!(line.starts_with("causeway: ") && !line.contains('\n'), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part} is missing in: {line}");
        }
        assert!(line.contains("nothing was changed"), "{line}");
    }

    fn stop(&self) {
        self.world.stop();
    }
}

/// What a run said.
struct Said {
    out: String,
    errors: String,
    code: Option<i32>,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), errors: text(output.stderr), code: output.status.code() }
    }

    fn all(&self) -> String {
        format!("{}{}", self.out, self.errors)
    }

    fn ended(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self.all()
    }
}

/// Compares with a text beside; `UPDATE_GOLDEN=1` writes it again.
fn golden(name: &str, found: &str) {
    let path = root().join(format!("tests/command/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "it is not golden/{name}.txt; UPDATE_GOLDEN=1 writes it.\n{found}");
}

/// All that it says and writes. The plan is the one that the sandbox's shop has, but for what nobody can find in an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_the_plan_of_the_shop_and_every_choice_with_its_place() {
    let account = Account::shop().await;
    let said = account.init(&["--yes"]).ended(0);
    let ports = Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let plan = account.text("plan.json");
    let transcript = format!(
        "$ causeway init --yes\n{said}\n$ cat plan.json\n{plan}\n$ cat deploy.json\n{}",
        account.text("deploy.json")
    );
    golden("init", &ports.replace_all(&transcript, "127.0.0.1:PORT"));

    let plan = runbook::RecoveryPlan::parse(&plan, "plan.json").unwrap();
    let mut expected = runbook::plan::sample();
    expected.automatic = None;
    // What may be broken on purpose, only a person knows.
    expected.game_day = None;
    expected.routing.safety_rules_to_override = vec![sandbox::world::routing::ONE_REGION_ON.to_owned()];
    for (endpoint, url) in expected.routing.endpoints.iter_mut().zip(&account.server.arc_urls) {
        endpoint.url.clone_from(url);
    }
    for member in expected.databases.values_mut().flat_map(|database| database.members.values_mut()) {
        member.restore.subnet_group = Some("default".to_owned());
        member.restore.security_groups = vec!["sg-default".to_owned()];
    }
    assert_eq!(plan, expected);
    account.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_by_number_by_name_or_by_enter() {
    let account = Account::shop().await;
    let answers = [
        "",           // databases
        "webshop",    // name
        "shop/stock", // the secret of catalog: there is none of this name,
        "2",          // so it is asked for again
        "",           // of orders
        "-",          // rules
        "shop-east-canary@sandbox-east,shop-east-canary@sandbox-west,shop-east-errors@sandbox-west",
        "shop-west-canary@sandbox-west, shop-west-canary@sandbox-east",
        "nobody", // no address
        "night-shift@example.com",
    ];
    let said = account.typed(&answers, "causeway init").ended(0);
    assert!(said.contains("sandbox-east has no secret shop/stock"), "{said}");
    assert!(said.contains("\"nobody\" is no address"), "{said}");
    let plan = account.json("plan.json");
    assert_eq!(plan["name"], "webshop");
    assert_eq!(plan["databases"]["catalog"]["members"][EAST]["secret"], "shop/orders");
    assert_eq!(plan["databases"]["orders"]["members"][WEST]["secret"], "shop/orders");
    assert!(plan["routing"].get("safetyRulesToOverride").is_none(), "{plan}");
    let signal = |alarm: &str, region: &str| json!({"alarm": alarm, "region": region});
    // One alarm of west is in east: more than that can't be asked for.
    assert_eq!(plan["automatic"]["quorum"], 1);
    assert_eq!(
        plan["automatic"]["signals"][WEST],
        json!([signal("shop-west-canary", WEST), signal("shop-west-canary", EAST)])
    );
    assert_eq!(account.json("deploy.json")["notificationEmail"], "night-shift@example.com");

    // All of it is an answer once more: Enter for each, and nothing changes. Alarms are a person's, and not asked for again.
    let before = account.files();
    let said = account.typed(&[""; 6], "causeway init").ended(0);
    assert!(said.contains("as plan.json has it"), "{said}");
    assert!(said.contains("plan.json and deploy.json say what the account does"), "{said}");
    let kept = |mut files: BTreeMap<String, String>| {
        files.remove("plan.found.json");
        files
    };
    assert_eq!(kept(account.files()), kept(before));
    account.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_input_that_ends_early_leaves_nothing() {
    let account = Account::shop().await;
    // Control-D at the beginning of a line.
    let said = account.typed(&["", "\u{4}"], "causeway init");
    assert_eq!(said.code, Some(2), "{}", said.all());
    assert!(
        said.out.contains("the input ended before every question was answered; nothing was changed"),
        "{}",
        said.out
    );
    assert_eq!(account.files(), BTreeMap::new());
    account.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_what_a_person_has_written_stays() {
    let account = Account::shop().await;
    account.init(&["--yes"]).ended(0);
    let first = account.files();
    assert!(account.init(&["--yes"]).ended(0).contains("nothing was changed in them"));
    assert_eq!(account.files(), first);

    // What init never derives, and what it does.
    let mut plan = account.json("plan.json");
    plan["limits"]["rpoSeconds"] = json!(7);
    plan["databases"]["orders"]["reconcile"] = json!({"exclude": ["session"]});
    plan["databases"]["orders"]["members"][WEST]["restore"]["instanceClass"] = json!("db.r6g.4xlarge");
    fs::write(account.at("plan.json"), plan.to_string()).unwrap();
    let mut settings = account.json("deploy.json");
    settings["regions"][WEST]["subnets"] = json!(["subnet-mine"]);
    settings["reportDays"] = json!(30);
    fs::write(account.at("deploy.json"), settings.to_string()).unwrap();
    let edited = account.files();
    let said = account.init(&["--yes"]).ended(0);
    assert_eq!(account.files(), edited);
    for kept in [
        "plan.json: databases.orders.members.sandbox-west.restore.instanceClass: \"db.r6g.4xlarge\", found: \"db.r6g.large\"",
        "deploy.json: regions.sandbox-west.subnets: [\"subnet-mine\"], found: ",
    ] {
        assert!(said.contains(kept), "{kept}: {said}");
    }

    // The account changes: an encrypted cluster, and a database that nobody has in the plan.
    let orders = format!("arn:aws:rds:{WEST}:000000000000:cluster:shop-orders-west");
    let key = format!("arn:aws:kms:{WEST}:000000000000:key/mine");
    account.world.set_customer_key(&orders, &key);
    add_stock(&account.world).await;
    let said = account.init(&["--yes"]).ended(1);
    let changes = [
        format!("plan.json: databases.orders.members.{WEST}.restore.kmsKey: absent -> \"{key}\""),
        "plan.json: databases.stock: absent -> as found".to_owned(),
    ];
    for change in &changes {
        assert!(said.contains(change), "{change}: {said}");
    }
    let changed = account.json("plan.json.new");
    let mut expected = plan.clone();
    expected["databases"]["orders"]["members"][WEST]["restore"]["kmsKey"] = json!(key);
    expected["databases"]["stock"] = changed["databases"]["stock"].clone();
    assert_eq!(changed, expected);
    assert_eq!(changed["databases"]["stock"]["members"][EAST]["secret"], "shop/stock");
    let mut files = account.files();
    files.remove("plan.json.new");
    assert_eq!(files, edited, "the files themselves stay");

    // Who has taken what lies beside is asked for nothing more.
    fs::copy(account.at("plan.json.new"), account.at("plan.json")).unwrap();
    assert!(account.init(&["--yes"]).ended(0).contains("nothing was changed in them"));
    for (file, text) in &edited {
        fs::write(account.at(file), text).unwrap();
    }

    // Somebody says no, then yes; Enter to each of nine questions before.
    let agreed = |answer| [vec![""; 9], vec![answer]].concat();
    let said = account.typed(&agreed("n"), "causeway init").ended(1);
    assert!(said.contains(&changes[0]) && said.contains("Nothing was changed."), "{said}");
    assert_eq!(account.text("plan.json"), edited["plan.json"]);
    account.typed(&agreed("y"), "causeway init").ended(0);
    assert_eq!(account.json("plan.json"), expected);
    assert!(account.init(&["--yes"]).ended(0).contains("nothing was changed in them"));

    // A database that goes takes all of it along.
    let said = account.init(&["--yes", "--answer", "databases=shop-orders,shop-stock"]).ended(1);
    assert!(said.contains("plan.json: databases.catalog: as found -> absent"), "{said}");
    account.stop();
}

/// A third global database, with secrets.
async fn add_stock(world: &Arc<World>) {
    let [east, west] = [(EAST, "east"), (WEST, "west")]
        .map(|(region, side)| format!("arn:aws:rds:{region}:000000000000:cluster:shop-stock-{side}"));
    let new = NewDatabase {
        engine: runbook::plan::Engine::AuroraMysql,
        name: "stock",
        user: "shop",
        password: "secret",
    };
    world.add_global_cluster("shop-stock", new, &east, &west).await.unwrap();
    for region in [EAST, WEST] {
        world.rotate_secret(region, "shop/stock", "{}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_plain_is_asked_for_by_its_key_and_a_stranger_among_the_answers_is_refused() {
    let account = Account::shop().await;
    for region in [EAST, WEST] {
        // The same words as those of shop/orders.
        account.world.rotate_secret(region, "orders/shop", "{}");
    }
    let unclear = account.init(&["--yes"]);
    account.refused(&unclear, &["secret.orders", "shop/orders", "--answer secret.orders=…"]);
    let wrong = account.init(&["--yes", "--answer", "secret.orders=none"]);
    account.refused(&wrong, &["--answer secret.orders=none", "sandbox-east has no secret none"]);
    let stranger =
        account.init(&["--yes", "--answer", "secret.orders=shop/orders", "--answer", "secrets.orders=x"]);
    account
        .refused(&stranger, &["--answer secrets.orders: nothing is asked by this name", "secret.orders, "]);
    let half = [
        "--answer",
        "secret.orders=shop/orders",
        "--answer",
        "alarms.sandbox-east=shop-east-canary@sandbox-east",
    ];
    account.refused(&account.init(&[&["--yes"], &half[..]].concat()), &["name alarms of both Regions"]);
    assert_eq!(account.files(), BTreeMap::new());
    let user = account.init(&["--yes", "--answer", "secret.orders=iam:causeway"]).ended(0);
    assert!(user.contains("orders: the database user causeway, by IAM"), "{user}");
    assert_eq!(account.json("plan.json")["databases"]["orders"]["members"][WEST]["iamUser"], "causeway");
    // As whom the functions sign in is known now.
    account.init(&["--yes"]).ended(0);
    account.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_can_not_be_seen_is_told_in_one_line_and_nothing_is_written() {
    let account = Account::shop().await;
    let init = |arguments: &[&str], without: &[&str]| {
        let mut run = Command::new(command());
        run.arg("init").args(arguments);
        account.ran(run, without)
    };
    account.refused(&init(&[], &[]), &["there is no terminal to ask", "--yes"]);
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    account.refused(&init(&["--yes"], &keys), &["no AWS credentials were found", "aws sso login"]);
    let mut wrong = Command::new("env");
    wrong.arg("AWS_SECRET_ACCESS_KEY=wrong").arg(command()).args(["init", "--yes"]);
    account.refused(
        &account.ran(wrong, &[]),
        &["sandbox-west refuses these credentials (SignatureDoesNotMatch", "log in again"],
    );
    account.refused(&init(&["--yes"], &["AWS_REGION"]), &["no Region is set", "--regions A,B"]);
    let elsewhere = ["--yes", "--regions", "sandbox-east,sandbox-north"];
    account.refused(
        &init(&elsewhere, &[]),
        &["no global database has one cluster in sandbox-east and one in sandbox-north"],
    );

    *account.gate.denied.lock().unwrap() = vec!["rds:DescribeDBSubnetGroups", "secretsmanager:ListSecrets"];
    let denied = init(&["--yes"], &[]);
    let both = "these credentials may not call rds:DescribeDBSubnetGroups, secretsmanager:ListSecrets";
    account.refused(&denied, &["sandbox-east", "sandbox-west", both, "docs/first-day.md"]);
    account.gate.denied.lock().unwrap().clear();
    assert_eq!(account.files(), BTreeMap::new());

    // A plan of another account is nobody's to change.
    account.init(&["--yes"]).ended(0);
    let plan = account.text("plan.json").replace(":000000000000:", ":111122223333:");
    fs::write(account.at("plan.json"), &plan).unwrap();
    let other = ["plan.json is of account 111122223333", "are of account 000000000000"];
    account.refused(&init(&["--yes"], &[]), &other);
    fs::write(account.at("plan.json"), "{").unwrap();
    account.refused(&init(&["--yes"], &[]), &["plan.json can't be read as JSON", "move it away"]);
    fs::remove_file(account.at("plan.json")).unwrap();
    let before = account.files();
    account.world.isolate(EAST).await;
    let dark = init(&["--yes"], &[]);
    account.refused(
        &dark,
        &["sandbox-east does not answer, so its databases, secrets and alarms could not be seen"],
    );
    assert_eq!(account.files(), before);
    account.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_what_a_plan_needs_says_what_is_missing() {
    let world = World::new(Clock::new(60.0), Arc::new(NoServers));
    let account = Account::of(world, Listeners::bind().await.unwrap());
    account.refused(
        &account.init(&["--yes"]),
        &["sandbox-west knows no Aurora global database", "--regions A,B"],
    );
    add_stock(&account.world).await;
    account
        .refused(&account.init(&["--yes"]), &["no routing control of Route 53 ARC", "workload/routing.yaml"]);
    assert_eq!(account.files(), BTreeMap::new());
    account.stop();
}

/// The Regions are those of most databases; what is elsewhere is named. A failover turns nothing around in the files.
#[tokio::test(flavor = "multi_thread")]
async fn the_regions_are_those_of_the_databases_and_what_is_elsewhere_is_left_out_with_the_reason() {
    let account = Account::shop().await;
    let arns = [EAST, "sandbox-north"].map(|region| format!("arn:aws:rds:{region}:000000000000:cluster:far"));
    let new = NewDatabase {
        engine: runbook::plan::Engine::AuroraMysql,
        name: "far",
        user: "shop",
        password: "secret",
    };
    account.world.add_global_cluster("far", new, &arns[0], &arns[1]).await.unwrap();
    let said = account.init(&["--yes"]).ended(0);
    assert!(said.contains("far is left out: it is in sandbox-east and sandbox-north"), "{said}");
    assert_eq!(account.json("plan.json")["regions"], json!([EAST, WEST]));
    let before = account.files();
    let turned = format!("{WEST},{EAST}");
    account.init(&["--yes", "--regions", &turned]).ended(0);
    assert_eq!(account.files(), before);

    let other =
        account.init(&["--yes", "--output", "other", "--answer", "regions=sandbox-east,sandbox-north"]);
    // It has no secret of the database: as far as the question for that.
    account.refused(&other, &["secret.far.sandbox-east, "]);
    account.stop();
}

/// The end of the first day, but for the deployment, which the sandbox has already: real servers let the secrets' users in.
#[test]
fn readiness_finds_nothing_wrong_with_the_plan_that_it_makes() {
    let mut run = Run::start(&["sandbox", "--factor", "240"]);
    let (endpoint, _, secret) = run.endpoints();
    let folder = tempfile::tempdir().unwrap();
    let client = |program: PathBuf, arguments: &[&str]| {
        let mut client = Command::new(program);
        client.args(arguments).env_clear().current_dir(folder.path()).stdin(Stdio::null());
        client
            .env("AWS_ENDPOINT_URL", &endpoint)
            .envs(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name, WEST)))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        client.env("AWS_ACCESS_KEY_ID", OPERATOR).env("AWS_SECRET_ACCESS_KEY", &secret);
        Said::of(client.output().unwrap())
    };
    let aws = |arguments: &[&str]| {
        let said = client(root().canonicalize().unwrap().join("target/python/bin/aws"), arguments);
        assert_eq!(said.code, Some(0), "{}", said.all());
        said.out.trim().to_owned()
    };
    client(command(), &["init", "--yes"]).ended(0);
    let plan = fs::read_to_string(folder.path().join("plan.json")).unwrap();
    for region in [EAST, WEST] {
        // As `make deploy` does.
        let put = [
            "--name",
            "/causeway/plans/shop",
            "--type",
            "String",
            "--tier",
            "Advanced",
            "--overwrite",
            "--region",
            region,
        ];
        aws(&[&["ssm", "put-parameter"], &put[..], &["--value", &plan]].concat());
    }
    // The page's own line, typed by a person who says yes.
    let page = fs::read_to_string(root().join("docs/first-day.md")).unwrap();
    let line = page.lines().find_map(|line| line.strip_suffix(BY_ANOTHER)).unwrap().trim();
    let arguments: Vec<&str> = line.strip_prefix("causeway ").unwrap().split_whitespace().collect();
    let program = command();
    let typed = root().canonicalize().unwrap().join("tests/command/terminal.py");
    let typed = [typed.to_str().unwrap(), "y\n", program.to_str().unwrap()];
    let told = client(rehearsals::python().unwrap(), &[&typed[..], &arguments].concat()).ended(0);
    run.interrupt();
    run.end();
    assert!(told.contains("nothing stands in the way of a failover or a switchover"), "{told}");
}

/// How the line is marked that `readiness_finds_nothing_wrong_with_the_plan_that_it_makes` runs.
const BY_ANOTHER: &str = "# run by another test";

/// Lines of the page that need more than the sandbox: a build, `sam`, a stack; or real databases.
fn is_left_out(line: &str) -> bool {
    line.ends_with("# not run by the test") || line.ends_with(BY_ANOTHER)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_first_day_do_what_the_page_says() {
    let page = fs::read_to_string(root().join("docs/first-day.md")).unwrap();
    let account = Account::shop().await;
    let blocks = Regex::new(r"(?s)```sh\n(.*?)```").unwrap();
    let lines: Vec<&str> =
        blocks.captures_iter(&page).flat_map(|block| block.get(1).unwrap().as_str().lines()).collect();
    let left_out: Vec<&&str> = lines.iter().filter(|line| is_left_out(line)).collect();
    assert!(
        left_out.iter().all(|line| line.starts_with("make ") || line.ends_with(BY_ANOTHER)),
        "{left_out:?}"
    );
    let script: Vec<&str> = lines.iter().copied().filter(|line| !is_left_out(line)).collect();
    assert_eq!(script.len(), 4, "{script:?}");
    let said = account.typed(&[""; 8], &script.join("\n")).ended(0);
    for told in [
        "Written: plan.json, deploy.json, and plan.found.json",
        "plan.json is valid: plan shop for sandbox-east and sandbox-west, 2 global database(s)",
        "plan.json and deploy.json say what the account does",
        "Written: second/plan.json",
    ] {
        assert!(said.contains(told), "{told} is missing in: {said}");
    }
    assert_eq!(account.json("second/plan.json")["name"], "webshop");

    // The policy has what was called, and nothing else.
    let policy = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    let allowed: BTreeSet<String> = serde_json::from_value(policy["Statement"][0]["Action"].clone()).unwrap();
    assert_eq!(*account.gate.called.lock().unwrap(), allowed);
    account.stop();
}
