//! Global tables: what arrives in other Regions, when, and which write wins.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use dynamodb::{Delay, Tables, Waiting};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const REGIONS: [&str; 3] = [EAST, WEST, "eu-west-1"];

/// The Regions, with a time of their own.
struct World {
    tables: Tables,
    millis: i64,
}

impl World {
    /// A table "carts" with a replica in the west. Writes are under way for 100 to 1,000 milliseconds.
    fn new() -> Self {
        let mut world = Self::without_replica(7);
        world.replica(EAST, "Create", WEST).unwrap();
        world.wait(1);
        world
    }

    fn without_replica(seed: u64) -> Self {
        let delay = Delay { smallest: Duration::from_millis(100), largest: Duration::from_secs(1), seed };
        let world = Self { tables: Tables::new(&REGIONS, "123456789012", delay), millis: 1_000_000 };
        let table = json!({
            "TableName": "carts", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        });
        world.call(EAST, "CreateTable", &table).unwrap();
        world
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis).unwrap()
    }

    fn wait(&mut self, millis: i64) {
        self.millis += millis;
    }

    fn call(&self, region: &str, operation: &str, input: &Value) -> Result<Value, dynamodb::Error> {
        self.tables.call(region, operation, input, self.now())
    }

    fn replica(&self, region: &str, how: &str, of: &str) -> Result<Value, dynamodb::Error> {
        self.call(
            region,
            "UpdateTable",
            &json!({"TableName": "carts", "ReplicaUpdates": [{how: {"RegionName": of}}]}),
        )
    }

    fn put(&self, region: &str, id: &str, n: i64) {
        let item = json!({"id": {"S": id}, "n": {"N": n.to_string()}});
        self.call(region, "PutItem", &json!({"TableName": "carts", "Item": item})).unwrap();
    }

    fn delete(&self, region: &str, id: &str) {
        self.call(region, "DeleteItem", &json!({"TableName": "carts", "Key": {"id": {"S": id}}})).unwrap();
    }

    /// The number in an item.
    fn get(&self, region: &str, id: &str) -> Option<String> {
        let found =
            self.call(region, "GetItem", &json!({"TableName": "carts", "Key": {"id": {"S": id}}})).unwrap();
        found["Item"]["n"]["N"].as_str().map(str::to_owned)
    }

    /// Every item, by its id.
    fn all(&self, region: &str) -> BTreeMap<String, Value> {
        let found = self.call(region, "Scan", &json!({"TableName": "carts"})).unwrap();
        let items = found["Items"].as_array().unwrap().iter();
        items.map(|item| (item["id"]["S"].as_str().unwrap().to_owned(), item.clone())).collect()
    }

    fn waiting(&self, region: &str) -> Waiting {
        self.tables.waiting(region, self.now())
    }
}

fn some(n: &str) -> Option<String> {
    Some(n.to_owned())
}

#[test]
fn a_write_arrives_later() {
    let mut world = World::new();
    world.put(EAST, "a", 1);
    assert_eq!(world.get(EAST, "a"), some("1"));
    assert_eq!(world.get(WEST, "a"), None);
    world.wait(99);
    assert_eq!(world.get(WEST, "a"), None);
    assert_eq!(world.waiting(EAST), Waiting { writes: 1, oldest: Some(Duration::from_millis(99)) });
    world.wait(901);
    assert_eq!(world.waiting(EAST), Waiting { writes: 0, oldest: None });
    assert_eq!(world.get(WEST, "a"), some("1"));
}

#[test]
fn what_an_isolated_region_wrote_arrives_late_and_loses_to_what_was_written_later() {
    let mut world = World::new();
    world.put(EAST, "a", 1);
    world.put(EAST, "b", 1);
    world.wait(1_000);
    world.tables.cut(EAST, true, world.now());
    world.put(EAST, "a", 2);
    world.put(EAST, "b", 2);
    world.wait(60_000);
    world.put(WEST, "a", 3);
    assert_eq!(
        (world.get(EAST, "a"), world.get(WEST, "a"), world.get(WEST, "b")),
        (some("2"), some("3"), some("1"))
    );
    assert_eq!(world.waiting(EAST), Waiting { writes: 2, oldest: Some(Duration::from_secs(60)) });
    world.tables.cut(EAST, false, world.now());
    world.wait(1_000);
    for region in [EAST, WEST] {
        assert_eq!((world.get(region, "a"), world.get(region, "b")), (some("3"), some("2")), "{region}");
    }
}

#[test]
fn a_deletion_that_arrives_late_deletes_and_one_that_is_older_does_not() {
    let mut world = World::new();
    world.put(EAST, "a", 1);
    world.put(EAST, "b", 1);
    world.wait(1_000);
    world.tables.cut(WEST, true, world.now());
    world.delete(EAST, "a");
    world.delete(WEST, "b");
    world.wait(1);
    // Newer than the deletion over there, and then the other way round.
    world.put(EAST, "b", 2);
    world.wait(5_000);
    world.tables.cut(WEST, false, world.now());
    world.wait(1_000);
    for region in [EAST, WEST] {
        assert_eq!((world.get(region, "a"), world.get(region, "b")), (None, some("2")), "{region}");
    }
}

#[test]
fn conditions_see_their_own_region_only() {
    let mut world = World::new();
    let once = |region| {
        json!({"TableName": "carts", "Item": {"id": {"S": "a"}, "n": {"N": if region == EAST { "1" } else { "2" }}},
            "ConditionExpression": "attribute_not_exists(id)"})
    };
    assert!(world.call(EAST, "PutItem", &once(EAST)).is_ok());
    world.wait(1);
    assert!(world.call(WEST, "PutItem", &once(WEST)).is_ok(), "both orders are accepted");
    world.wait(1_000);
    assert_eq!((world.get(EAST, "a"), world.get(WEST, "a")), (some("2"), some("2")));
    assert_eq!(world.call(EAST, "PutItem", &once(EAST)).unwrap_err().code, "ConditionalCheckFailedException");
}

#[test]
fn a_transaction_arrives_in_pieces() {
    let mut world = World::new();
    let items: Vec<Value> = (0..20)
        .map(
            |n| json!({"Put": {"TableName": "carts", "Item": {"id": {"S": n.to_string()}, "n": {"N": "1"}}}}),
        )
        .collect();
    world.call(EAST, "TransactWriteItems", &json!({"TransactItems": items})).unwrap();
    world.wait(500);
    let part = world.all(WEST).len();
    assert!(0 < part && part < 20, "{part}");
    world.wait(500);
    assert_eq!(world.all(WEST).len(), 20);
}

#[test]
fn a_new_replica_gets_what_is_there_and_waits_while_its_region_is_cut_off() {
    let mut world = World::without_replica(1);
    world.put(EAST, "a", 1);
    world.tables.cut(WEST, true, world.now());
    let shown = world.replica(EAST, "Create", WEST).unwrap();
    assert_eq!(shown["TableDescription"]["TableStatus"], "UPDATING");
    world.wait(10_000);
    let describe =
        |world: &World, region| world.call(region, "DescribeTable", &json!({"TableName": "carts"}));
    let table = describe(&world, EAST).unwrap()["Table"].clone();
    assert_eq!(table["Replicas"], json!([{"RegionName": WEST, "ReplicaStatus": "CREATING"}]));
    assert_eq!(describe(&world, WEST).unwrap_err().code, "ResourceNotFoundException");
    world.put(EAST, "b", 2);
    world.tables.cut(WEST, false, world.now());
    let table = describe(&world, WEST).unwrap()["Table"].clone();
    assert_eq!(table["Replicas"], json!([{"RegionName": EAST, "ReplicaStatus": "ACTIVE"}]));
    assert_eq!(table["GlobalTableVersion"], "2019.11.21");
    assert_eq!(
        table["StreamSpecification"],
        json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    );
    assert_eq!(table["TableArn"], "arn:aws:dynamodb:us-west-2:123456789012:table/carts");
    assert_eq!(world.all(WEST), world.all(EAST));
}

#[test]
fn a_replica_that_is_deleted_is_gone_in_its_region_only() {
    let mut world = World::new();
    world.put(EAST, "a", 1);
    world.wait(1_000);
    world.replica(EAST, "Delete", WEST).unwrap();
    let get = json!({"TableName": "carts", "Key": {"id": {"S": "a"}}});
    assert_eq!(world.call(WEST, "GetItem", &get).unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(world.get(EAST, "a"), some("1"));
    // What is written meanwhile is there when the replica is made again.
    world.delete(EAST, "a");
    world.put(EAST, "b", 2);
    world.replica(EAST, "Create", WEST).unwrap();
    assert_eq!((world.get(WEST, "a"), world.get(WEST, "b")), (None, some("2")));
    // A table of the name that is none of its replicas stands in the way.
    for (how, of) in [("Create", WEST), ("Delete", "eu-west-1"), ("Create", EAST), ("Create", "mars-1")] {
        assert_eq!(world.replica(EAST, how, of).unwrap_err().code, "ValidationException", "{how} {of}");
    }
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = |seed| {
        let mut world = World::without_replica(seed);
        world.replica(EAST, "Create", WEST).unwrap();
        (0..50).for_each(|n| world.put(EAST, &n.to_string(), n));
        world.wait(500);
        world.all(WEST)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// What somebody does.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8, i64),
    Add(usize, u8),
    Delete(usize, u8),
    Cut(usize, bool),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_usize, 0..4_u8, 0..100_i64).prop_map(|(region, id, n)| Step::Put(region, id, n)),
        3 => (0..3_usize, 0..4_u8).prop_map(|(region, id)| Step::Add(region, id)),
        2 => (0..3_usize, 0..4_u8).prop_map(|(region, id)| Step::Delete(region, id)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(region, cut)| Step::Cut(region, cut)),
        3 => (0..800_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Does the steps, `apart` milliseconds from each other, and then waits until everything has arrived. Answers the world, and
/// what the last write of each item left where it was made.
fn run(seed: u64, steps: &[Step], apart: i64) -> (World, BTreeMap<String, Option<String>>) {
    let mut world = World::without_replica(seed);
    world.replica(EAST, "Create", WEST).unwrap();
    world.replica(EAST, "Create", REGIONS[2]).unwrap();
    let mut last = BTreeMap::new();
    for step in steps {
        world.wait(apart);
        let written = match step {
            Step::Put(region, id, n) => {
                world.put(REGIONS[*region], &id.to_string(), *n);
                Some((region, id))
            }
            Step::Add(region, id) => {
                let add = json!({"TableName": "carts", "Key": {"id": {"S": id.to_string()}}, "UpdateExpression": "ADD n :n",
                    "ExpressionAttributeValues": {":n": {"N": "1"}}});
                world.call(REGIONS[*region], "UpdateItem", &add).unwrap();
                Some((region, id))
            }
            Step::Delete(region, id) => {
                world.delete(REGIONS[*region], &id.to_string());
                Some((region, id))
            }
            Step::Cut(region, cut) => {
                world.tables.cut(REGIONS[*region], *cut, world.now());
                None
            }
            Step::Wait(millis) => {
                world.wait(*millis);
                None
            }
        };
        if let Some((region, id)) = written {
            last.insert(id.to_string(), world.get(REGIONS[*region], &id.to_string()));
        }
    }
    for region in REGIONS {
        world.tables.cut(region, false, world.now());
    }
    world.wait(1_000);
    (world, last)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_regions_end_with_the_last_write_of_each_item(seed in any::<u64>(), steps in steps()) {
        let (world, last) = run(seed, &steps, 1);
        for region in REGIONS {
            for (id, wanted) in &last {
                prop_assert_eq!(&world.get(region, id), wanted, "{} in {}", id, region);
            }
            prop_assert_eq!(world.all(region), world.all(EAST));
            prop_assert_eq!(world.waiting(region).writes, 0);
        }
    }

    #[test]
    fn all_regions_end_the_same_when_much_happens_at_one_time(seed in any::<u64>(), steps in steps()) {
        let (world, _) = run(seed, &steps, 0);
        for region in REGIONS {
            prop_assert_eq!(world.all(region), world.all(EAST), "{}", region);
        }
    }
}
