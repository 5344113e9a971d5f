//! Experiments of FIS: what they do to the world, how long they take, and how they end.

use super::*;
use crate::api::aws_time;

const STOP_ALARM: &str = "shop-canary-global";
const TOKEN: &str = "one";

async fn fis(world: &Arc<World>, region: &str, operation: &str, input: Value) -> Result<Value, String> {
    service(world, region, "fis", operation, input).await
}

/// The id of the template that is called so in a Region.
async fn template(world: &Arc<World>, region: &str, name: &str) -> String {
    let listed = fis(world, region, "ListExperimentTemplates", json!({})).await.unwrap();
    let all = listed["experimentTemplates"].as_array().unwrap();
    let one = all.iter().find(|one| one["tags"]["Name"] == name).unwrap();
    one["id"].as_str().unwrap().to_owned()
}

/// Starts the shop's experiment in a Region, and answers its id.
async fn start(world: &Arc<World>, region: &str) -> String {
    let id = template(world, region, "shop-partition").await;
    start_of(world, region, &id).await
}

async fn start_of(world: &Arc<World>, region: &str, template: &str) -> String {
    let input =
        json!({"clientToken": format!("{TOKEN} {region} {template}"), "experimentTemplateId": template});
    let started = fis(world, region, "StartExperiment", input).await.unwrap();
    started["experiment"]["id"].as_str().unwrap().to_owned()
}

async fn experiment(world: &Arc<World>, region: &str, id: &str) -> Value {
    fis(world, region, "GetExperiment", json!({"id": id})).await.unwrap()["experiment"].take()
}

fn status(one: &Value) -> &str {
    one["state"]["status"].as_str().unwrap()
}

fn actions(one: &Value) -> [&str; 2] {
    ["carts", "network"].map(|name| one["actions"][name]["state"]["status"].as_str().unwrap())
}

/// A cart is put in the East.
async fn put(world: &Arc<World>, item: &str) {
    let key = json!({"customerId": {"S": "c"}, "itemId": {"S": item}});
    service(world, EAST, "dynamodb", "PutItem", json!({"TableName": "carts", "Item": key})).await.unwrap();
}

/// How many carts the West sees.
async fn seen(world: &Arc<World>) -> u64 {
    let all = service(world, WEST, "dynamodb", "Scan", json!({"TableName": "carts"})).await.unwrap();
    all["Count"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_experiment_pauses_the_replication_of_the_carts_and_ends_by_itself() {
    let world = shop().await;
    let mut events = world.subscribe();
    let id = start(&world, EAST).await;
    let mut states = vec![status(&experiment(&world, EAST, &id).await).to_owned()];
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let one = experiment(&world, EAST, &id).await;
        if states.last().is_some_and(|last| last != status(&one)) {
            states.push(status(&one).to_owned());
        }
    }
    assert_eq!(states, ["pending", "initiating", "running"]);
    put(&world, "1").await;
    seconds(60).await;
    assert_eq!((seen(&world).await, world.late_writes(EAST)), (0, 1));
    // The databases feel nothing of it, and the Regions answer.
    let orders = orders(&world).await;
    assert_eq!(synchronization(&orders), ["connected", "connected"]);
    let secondary = cluster("shop-orders-west", WEST);
    let world_lag = world.state(|state| state.following().any(|arn| *arn == secondary));
    assert!(world_lag && !world.is_isolated(EAST));

    let begun = experiment(&world, EAST, &id).await;
    assert_eq!(actions(&begun), ["running", "running"]);
    seconds(15 * 60 - 90).await;
    assert_eq!(status(&experiment(&world, EAST, &id).await), "running");
    seconds(30).await;
    let over = experiment(&world, EAST, &id).await;
    assert_eq!((status(&over), actions(&over)), ("completed", ["completed", "completed"]));
    assert_eq!(over["startTime"], begun["startTime"]);
    let time = |one: &Value| one.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let of_action = &over["actions"]["carts"];
    let lasted = time(&of_action["endTime"]).duration_since(time(&of_action["startTime"]));
    assert_eq!(lasted.as_secs(), 15 * 60);
    assert_eq!(over["endTime"], of_action["endTime"]);
    assert_eq!((seen(&world).await, world.late_writes(EAST)), (1, 0));

    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        said.push((event.region, event.text));
    }
    let east = |text: &str| (EAST.to_owned(), text.to_owned());
    let expected = [
        east("The experiment shop-partition runs: carts, network"),
        east("The experiment shop-partition has ended"),
    ];
    assert_eq!(said, expected);
    // What is over can't be stopped.
    let again = fis(&world, EAST, "StopExperiment", json!({"id": id})).await.unwrap();
    assert_eq!(again["experiment"], over);
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn an_experiment_that_is_stopped_ends_at_once() {
    let world = shop().await;
    let id = start(&world, EAST).await;
    seconds(60).await;
    put(&world, "1").await;
    let stopping = fis(&world, EAST, "StopExperiment", json!({"id": id})).await.unwrap();
    assert_eq!(
        stopping["experiment"]["state"],
        json!({"status": "stopping", "reason": "Stopping Experiment."})
    );
    assert_eq!(actions(&stopping["experiment"]), ["stopping", "stopping"]);
    seconds(20).await;
    assert_eq!(seen(&world).await, 0);
    seconds(12).await;
    let over = experiment(&world, EAST, &id).await;
    assert_eq!((status(&over), actions(&over)), ("stopped", ["stopped", "stopped"]));
    assert_eq!(seen(&world).await, 1);
    // The end that it would have had by itself changes nothing.
    seconds(20 * 60).await;
    assert_eq!(experiment(&world, EAST, &id).await, over);

    // One that has not begun never does.
    let input = json!({"clientToken": "other", "experimentTemplateId": over["experimentTemplateId"]});
    let early = fis(&world, EAST, "StartExperiment", input).await.unwrap();
    let id = early["experiment"]["id"].as_str().unwrap();
    fis(&world, EAST, "StopExperiment", json!({"id": id})).await.unwrap();
    seconds(60).await;
    let over = experiment(&world, EAST, id).await;
    assert_eq!((status(&over), actions(&over)), ("stopped", ["cancelled", "cancelled"]));
    assert!(over["startTime"].is_null() && over["endTime"].is_string(), "{over}");
    put(&world, "2").await;
    seconds(2).await;
    assert_eq!(seen(&world).await, 2);
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_cut_off_meanwhile_stays_so_until_both_are_over() {
    let world = shop().await;
    let id = start(&world, EAST).await;
    seconds(60).await;
    world.isolate(EAST).await;
    assert_eq!(fis(&world, EAST, "GetExperiment", json!({"id": id})).await, Err("NoAnswer".to_owned()));
    // The experiment outlasts the isolation.
    world.rejoin(EAST).await;
    put(&world, "1").await;
    seconds(2).await;
    assert_eq!(seen(&world).await, 0);
    // The isolation outlasts the experiment.
    world.isolate(EAST).await;
    seconds(16 * 60).await;
    assert_eq!(world.late_writes(EAST), 1);
    world.rejoin(EAST).await;
    seconds(2).await;
    assert_eq!(status(&experiment(&world, EAST, &id).await), "completed");
    assert_eq!((seen(&world).await, world.late_writes(EAST)), (1, 0));
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn an_alarm_stops_an_experiment_that_runs_and_one_that_is_about_to() {
    let world = shop().await;
    let id = start(&world, EAST).await;
    seconds(60).await;
    put(&world, "1").await;
    // Another Region's alarm, and another state, are none of its business.
    world.set_alarm(WEST, STOP_ALARM, "ALARM");
    world.set_alarm(EAST, STOP_ALARM, "INSUFFICIENT_DATA");
    assert_eq!(status(&experiment(&world, EAST, &id).await), "running");
    world.set_alarm(EAST, STOP_ALARM, "ALARM");
    assert_eq!(status(&experiment(&world, EAST, &id).await), "stopping");
    seconds(31).await;
    let over = experiment(&world, EAST, &id).await;
    let reason = json!({"status": "stopped", "reason": "Experiment halted by stop condition."});
    assert_eq!((&over["state"], actions(&over)), (&reason, ["stopped", "stopped"]));
    seconds(1).await;
    assert_eq!(seen(&world).await, 1);

    let mut events = world.subscribe();
    let id = start(&world, WEST).await;
    assert_eq!(status(&experiment(&world, WEST, &id).await), "pending");
    seconds(60).await;
    let over = experiment(&world, WEST, &id).await;
    assert_eq!((&over["state"], actions(&over)), (&reason, ["cancelled", "cancelled"]));
    let text = "The experiment shop-partition has been stopped: Experiment halted by stop condition.";
    assert_eq!(events.try_recv().unwrap().text, text);
    assert!(events.try_recv().is_err());
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_done_fails_with_a_reason_and_changes_nothing() {
    let world = shop().await;
    let id = template(&world, EAST, "shop-partition").await;
    let whole = fis(&world, EAST, "GetExperimentTemplate", json!({"id": id})).await.unwrap();
    let whole = &whole["experimentTemplate"];
    let changed = |[kind, name, member]: [&str; 3], value: Value| {
        let mut definition = json!({});
        for name in ["description", "targets", "actions", "stopConditions", "experimentOptions", "tags"] {
            definition[name] = whole[name].clone();
        }
        definition[kind][name][member] = value;
        world.add_experiment_template(EAST, definition)
    };
    let table = |region: &str, name: &str| format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}");
    let tables = ["targets", "carts", "resourceArns"];
    let cases = [
        (["actions", "network", "actionId"], json!("aws:ecs:stop-task"), "network", "ConfigurationFailure"),
        (["actions", "network", "startAfter"], json!(["carts"]), "network", "ConfigurationFailure"),
        (["actions", "network", "parameters"], json!({}), "network", "ConfigurationFailure"),
        (tables, json!([table(WEST, "carts")]), "carts", "InvalidTarget"),
        (tables, json!([table(EAST, "nothing")]), "carts", "InvalidTarget"),
        (tables, json!([]), "carts", "InvalidTarget"),
    ];
    let mut events = world.subscribe();
    for (what, value, action, code) in cases {
        let template = changed(what, value);
        let id = start_of(&world, EAST, &template).await;
        seconds(20).await;
        let over = experiment(&world, EAST, &id).await;
        assert_eq!((status(&over), &over["state"]["error"]["code"]), ("failed", &json!(code)), "{over}");
        assert_eq!(over["state"]["error"]["location"], format!("actions/{action}"));
        assert_eq!(over["actions"][action]["state"]["status"], "failed");
        let other = if action == "carts" { "network" } else { "carts" };
        assert_eq!(over["actions"][other]["state"]["status"], "cancelled");
        let said = events.try_recv().unwrap().text;
        assert!(said.starts_with("The experiment shop-partition has failed: "), "{said}");
    }
    put(&world, "1").await;
    seconds(2).await;
    assert_eq!(seen(&world).await, 1);

    // One that skips its actions is over as soon as it has looked for its targets.
    let input = json!({
        "clientToken": "dry", "experimentTemplateId": id, "experimentOptions": {"actionsMode": "skip-all"},
    });
    let id = fis(&world, EAST, "StartExperiment", input).await.unwrap()["experiment"]["id"].take();
    seconds(20).await;
    let over = experiment(&world, EAST, id.as_str().unwrap()).await;
    assert_eq!((status(&over), actions(&over)), ("completed", ["skipped", "skipped"]));
    assert_eq!(over["experimentOptions"]["actionsMode"], "skip-all");
    assert!(over["actions"]["carts"]["startTime"].is_null());
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn templates_and_experiments_are_those_of_a_region_and_a_token_starts_one() {
    let world = shop().await;
    let [east, west] =
        [template(&world, EAST, "shop-partition").await, template(&world, WEST, "shop-partition").await];
    assert!(east.starts_with("EXT") && east != west, "{east} {west}");
    let ask = async |operation: &str, input: Value| fis(&world, EAST, operation, input).await;
    let missing = Err("ResourceNotFoundException".to_owned());
    let invalid = Err("ValidationException".to_owned());
    assert_eq!(ask("GetExperimentTemplate", json!({"id": west})).await, missing);
    assert_eq!(ask("GetExperimentTemplate", json!({})).await, invalid);
    let shown = ask("GetExperimentTemplate", json!({"id": east})).await.unwrap();
    assert_eq!(shown["experimentTemplate"]["actions"]["network"]["parameters"]["region"], WEST);

    let asked = |token: &str, template: &str| json!({"clientToken": token, "experimentTemplateId": template});
    assert_eq!(ask("StartExperiment", asked("a", &west)).await, missing);
    assert_eq!(ask("StartExperiment", json!({"experimentTemplateId": east})).await, invalid);
    let mut odd = asked("a", &east);
    odd["experimentOptions"] = json!({"actionsMode": "some"});
    assert_eq!(ask("StartExperiment", odd).await, invalid);
    let mut first = asked("a", &east);
    first["tags"] = json!({"why": "a rehearsal"});
    let started = ask("StartExperiment", first.clone()).await.unwrap();
    let started = &started["experiment"];
    let id = started["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("EXP"), "{id}");
    assert_eq!(started["arn"], format!("arn:aws:fis:{EAST}:{ACCOUNT}:experiment/{id}"));
    assert_eq!(
        (&started["experimentTemplateId"], &started["tags"]),
        (&json!(east), &json!({"why": "a rehearsal"}))
    );
    assert_eq!(started["creationTime"], aws_time(world.clock.now()));
    assert_eq!(started["experimentOptions"]["actionsMode"], "run-all");
    seconds(20).await;
    // The same request is the same experiment, as it is now; another with its token is none.
    let again = ask("StartExperiment", first).await.unwrap();
    assert_eq!((&again["experiment"]["id"], status(&again["experiment"])), (&json!(id), "running"));
    assert_eq!(ask("StartExperiment", asked("a", &east)).await, Err("ConflictException".to_owned()));
    ask("StartExperiment", asked("b", &east)).await.unwrap();

    assert_eq!(ask("GetExperiment", json!({"id": "EXP0"})).await, missing);
    assert_eq!(ask("StopExperiment", json!({"id": "EXP0"})).await, missing);
    assert_eq!(fis(&world, WEST, "GetExperiment", json!({"id": id})).await, missing);
    assert_eq!(fis(&world, WEST, "ListExperiments", json!({})).await.unwrap(), json!({"experiments": []}));
    assert_eq!(ask("ListExperiments", json!({"maxResults": 0})).await, invalid);
    assert_eq!(ask("ListExperiments", json!({"nextToken": "x"})).await, invalid);
    let page = ask("ListExperiments", json!({"maxResults": 1})).await.unwrap();
    assert_eq!(page["experiments"][0]["id"], json!(id));
    let rest =
        ask("ListExperiments", json!({"maxResults": 1, "nextToken": page["nextToken"]})).await.unwrap();
    assert_eq!((rest["experiments"].as_array().unwrap().len(), &rest["nextToken"]), (1, &Value::Null));
    let of = |template: &str| json!({"experimentTemplateId": template});
    assert_eq!(ask("ListExperiments", of(&east)).await.unwrap()["experiments"].as_array().unwrap().len(), 2);
    assert_eq!(ask("ListExperiments", of("EXT0")).await.unwrap()["experiments"], json!([]));
    assert_eq!(ask("DeleteExperimentTemplate", of(&east)).await, Err("UnknownOperationException".to_owned()));
    world.stop();
}
