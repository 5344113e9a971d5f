//! Sections that are compared on a simulated server, in simulated time: it answers so many statements at once, each of which takes
//! as long as the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::*;
use crate::cells::Key;
use crate::difference::DifferenceKind;

/// How long a statement takes.
const STATEMENT: Duration = Duration::from_millis(100);

/// What lies in a table: for each statement that it takes, the differences that it finds.
type Rows = Vec<Vec<u64>>;

/// A worker on a server.
#[derive(Clone)]
struct Simulated {
    /// As many statements as the server answers at once.
    server: Arc<Semaphore>,
    sections: Arc<Vec<Rows>>,
    /// The difference on which it fails.
    fails_at: Option<u64>,
}

fn key(number: usize) -> Key {
    vec![number.to_string().into_bytes()]
}

fn difference(id: u64) -> Difference {
    let row: Map<String, Value> = [("id".to_owned(), json!(id))].into_iter().collect();
    Difference {
        kind: DifferenceKind::Missing,
        key: row.clone(),
        source: Some(row),
        target: None,
        base: None,
    }
}

impl Worker for Simulated {
    async fn compare<S: Sink, F: Fn() -> bool + Send + Sync>(
        &mut self,
        number: usize,
        place: KeyPlace,
        sink: &mut S,
        stop: F,
    ) -> Result<(), Error> {
        let rows = &self.sections[number];
        let begin = place.key.map_or(0, |key| String::from_utf8_lossy(&key[0]).parse().unwrap());
        let mut counts = Counts::default();
        for (piece, found) in rows.iter().enumerate().skip(begin) {
            let permit = self.server.acquire().await.unwrap();
            tokio::time::sleep(STATEMENT).await;
            drop(permit);
            if found.iter().any(|id| Some(*id) == self.fails_at) {
                tokio::time::sleep(STATEMENT / 2).await;
                return Err(Error::Table { table: "t".into(), reason: format!("section {number}") });
            }
            counts += Counts { rows_source: 10, rows_target: 10, ..Counts::default() };
            counts.missing += found.len() as u64;
            let position = if piece + 1 == rows.len() {
                Position::End
            } else {
                Position::AfterKey(KeyPlace { key: Some(key(piece + 1)), within: Vec::new() })
            };
            let cursor = Cursor { counts, key_columns: Vec::new(), position };
            let found = found.iter().copied().map(difference).collect();
            sink.reached(found, &cursor).await.map_err(Error::Sink)?;
            if stop() {
                break;
            }
        }
        Ok(())
    }
}

/// Keeps what is found; the most that was handed over at once; and fails when it was called so often.
#[derive(Default)]
struct Kept {
    ids: Vec<u64>,
    at_once: usize,
    cursor: Option<Cursor>,
    calls: usize,
    fails_at: Option<usize>,
    /// How long it takes to keep what was found.
    takes: Duration,
}

impl Sink for Kept {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.calls += 1;
        // Whatever else is under way comes in between if it can.
        tokio::task::yield_now().await;
        if Some(self.calls) == self.fails_at {
            return Err("it was killed".into());
        }
        self.at_once = self.at_once.max(found.len());
        self.ids.extend(found.iter().map(|found| found.key["id"].as_u64().unwrap()));
        tokio::time::sleep(self.takes).await;
        self.cursor = Some(serde_json::from_str(&serde_json::to_string(cursor).unwrap()).unwrap());
        Ok(())
    }
}

/// A table: its sections, the server, how many connections there are.
struct Table {
    sections: Vec<Rows>,
    server: usize,
    connections: usize,
    bytes: u64,
    fails_at: Option<u64>,
}

impl Table {
    /// Compares it from where `kept` stands.
    async fn compare(&self, kept: &mut Kept, stop: impl Fn() -> bool + Send + Sync) -> Result<Ended, Error> {
        let (sections, counts) = match kept.cursor.clone().map(|cursor| (cursor.position, cursor.counts)) {
            Some((Position::Sections(sections), counts)) => (sections, counts),
            Some((_, counts)) => return Ok(Ended::Finished(counts)),
            None => (Sections::behind((1..self.sections.len()).map(key).collect()), Counts::default()),
        };
        let worker = Simulated {
            server: Arc::new(Semaphore::new(self.server)),
            sections: Arc::new(self.sections.clone()),
            fails_at: self.fails_at,
        };
        let open = || -> BoxFuture<'_, _> { Box::pin(async { Ok(worker.clone()) }) };
        let limits = Limits { more: self.connections - 1, spare: None, bytes: self.bytes };
        compare_sections(worker.clone(), open, sections, (counts, &[]), limits, kept, stop).await
    }

    fn ids(&self) -> Vec<u64> {
        self.sections.iter().flatten().flatten().copied().collect()
    }
}

/// Sections of so many statements each; one of `every` finds a difference.
fn table(sections: usize, statements: u64, every: u64) -> Vec<Rows> {
    let finds = |section: u64, piece: u64| {
        let id = section * statements + piece;
        if id.is_multiple_of(every) { vec![id] } else { Vec::new() }
    };
    (0..sections as u64).map(|section| (0..statements).map(|piece| finds(section, piece)).collect()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_time_falls_with_the_connections_until_the_server_is_full() {
    let mut seconds = BTreeMap::new();
    for server in [2, 4, 100] {
        for connections in [1, 2, 3, 4, 8] {
            let sections = table(connections, 240 / connections as u64, 10);
            let table = Table { sections, server, connections, bytes: 1 << 20, fails_at: None };
            let mut kept = Kept::default();
            let begun = Instant::now();
            let ended = table.compare(&mut kept, || false).await.unwrap();
            let Ended::Finished(counts) = ended else { panic!("{ended:?}") };
            assert_eq!((counts.rows_source, counts.missing), (2400, 24));
            assert_eq!(kept.ids, table.ids());
            seconds.insert((server, connections), begun.elapsed().as_secs());
        }
    }
    let at = |server, connections: &[usize]| {
        connections.iter().map(|n| seconds[&(server, *n)]).collect::<Vec<_>>()
    };
    assert_eq!(at(100, &[1, 2, 3, 4, 8]), [24, 12, 8, 6, 3]);
    assert_eq!(at(4, &[1, 2, 3, 4, 8]), [24, 12, 8, 6, 6]);
    assert_eq!(at(2, &[1, 2, 3, 4, 8]), [24, 12, 12, 12, 12]);
}

#[tokio::test(start_paused = true)]
async fn a_section_that_found_much_waits_for_those_before_it() {
    // Every statement finds something; what may be kept is that of ten, about.
    let bytes = size(&difference(100)) * 10;
    let table = Table { sections: table(4, 50, 1), server: 4, connections: 4, bytes, fails_at: None };
    let mut kept = Kept::default();
    table.compare(&mut kept, || false).await.unwrap();
    assert_eq!(kept.ids, table.ids());
    assert!((2..=12).contains(&kept.at_once), "{} at once", kept.at_once);
}

#[tokio::test(start_paused = true)]
async fn sections_without_differences_are_not_compared_again() {
    let table =
        Table { sections: table(3, 20, u64::MAX), server: 3, connections: 3, bytes: 0, fails_at: None };
    // Id 0 is a difference: that of the front.
    let mut kept = Kept { fails_at: Some(40), ..Kept::default() };
    let error = table.compare(&mut kept, || false).await.unwrap_err();
    assert!(error.to_string().contains("it was killed"), "{error}");
    assert_eq!(kept.cursor.as_ref().unwrap().counts.rows_source, 390, "of 600, in 39 calls");
}

#[tokio::test(start_paused = true)]
async fn the_first_error_ends_it_and_what_was_handed_over_stays_right() {
    let sections = table(3, 20, 1);
    let mut table = Table { sections, server: 3, connections: 3, bytes: 1 << 20, fails_at: Some(45) };
    // It fails while something is handed over, which is then kept with its place.
    let mut kept = Kept { takes: STATEMENT * 5 / 2, ..Kept::default() };
    let error = table.compare(&mut kept, || false).await.unwrap_err();
    assert_eq!(error.to_string(), "table t: section 2");
    let calls = kept.calls;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(kept.calls, calls, "nothing goes on");
    table.fails_at = None;
    assert!(matches!(table.compare(&mut kept, || false).await.unwrap(), Ended::Finished(_)));
    assert_eq!(kept.ids, table.ids());
}

#[tokio::test(start_paused = true)]
async fn more_workers_start_when_there_is_a_permit_and_are_not_waited_for() {
    let worker = Simulated {
        server: Arc::new(Semaphore::new(10)),
        sections: Arc::new(table(4, 10, 3)),
        fails_at: None,
    };
    let begun = Instant::now();
    let spare = Semaphore::new(0);
    let freed = async {
        // Half of the first section is done then.
        tokio::time::sleep(STATEMENT * 5).await;
        spare.add_permits(1);
    };
    let mut kept = Kept::default();
    let open = || -> BoxFuture<'_, _> { Box::pin(async { Ok(worker.clone()) }) };
    let limits = Limits { more: 3, spare: Some(&spare), bytes: 1 << 20 };
    let sections = Sections::behind((1..4).map(key).collect());
    let before = (Counts::default(), [].as_slice());
    let compared = compare_sections(worker.clone(), open, sections, before, limits, &mut kept, || false);
    let (ended, ()) = tokio::join!(compared, freed);
    assert!(matches!(ended.unwrap(), Ended::Finished(_)));
    // The one worker compares sections 1 and 3, the other 2 and 4, half a section later.
    assert_eq!(begun.elapsed().as_millis() / 100, 25);
    assert_eq!(spare.available_permits(), 1);
}

/// Asks whether to stop before it has found anything, as after a pass that brought it no further.
struct Hasty;

impl Worker for Hasty {
    async fn compare<S: Sink, F: Fn() -> bool + Send + Sync>(
        &mut self,
        _: usize,
        _: KeyPlace,
        sink: &mut S,
        stop: F,
    ) -> Result<(), Error> {
        if stop() {
            return Ok(());
        }
        let (counts, key_columns, position) = (Counts::default(), Vec::new(), Position::End);
        sink.reached(Vec::new(), &Cursor { counts, key_columns, position }).await.map_err(Error::Sink)
    }
}

#[tokio::test]
async fn whoever_stops_at_once_comes_further_all_the_same() {
    let mut kept = Kept::default();
    let open = || -> BoxFuture<'_, _> { Box::pin(async { Ok(Hasty) }) };
    let limits = Limits { more: 0, spare: None, bytes: 0 };
    let sections = Sections::behind(vec![key(1)]);
    let before = (Counts::default(), [].as_slice());
    let ended = compare_sections(Hasty, open, sections, before, limits, &mut kept, || true).await.unwrap();
    assert!(matches!(ended, Ended::Interrupted(Some(_))), "{ended:?}");
    assert_eq!(kept.calls, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sections find, however long they take, and wherever it is stopped or killed: in the end it is what one
    /// connection hands over.
    #[test]
    fn stopped_and_killed_at_random_it_hands_over_everything_once_and_in_order(
        lengths in prop::collection::vec(prop::collection::vec(0..4_usize, 1..8), 2..6),
        connections in 1..6_usize,
        server in 1..5_usize,
        bytes in prop_oneof![Just(0_u64), Just(500), Just(1 << 20)],
        stops in prop::collection::vec((any::<bool>(), 1..6_usize), 30),
    ) {
        let mut ids = 0..;
        let sections = lengths
            .iter()
            .map(|pieces| pieces.iter().map(|length| ids.by_ref().take(*length).collect()).collect())
            .collect();
        let table = Table { sections, server, connections, bytes, fails_at: None };
        let mut kept = Kept::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let counts = runtime.block_on(async {
            for (is_killed, after) in stops.into_iter().chain([(false, usize::MAX)]) {
                // One that is killed at its first call comes no further.
                kept.fails_at = is_killed.then(|| kept.calls + after + 1);
                let asked = AtomicUsize::new(0);
                let stop = || !is_killed && asked.fetch_add(1, Ordering::Relaxed) + 1 >= after;
                match table.compare(&mut kept, stop).await {
                    Ok(Ended::Finished(counts)) => return counts,
                    // Every run comes further.
                    Ok(Ended::Interrupted(last)) => assert_eq!((last.is_some(), &last), (true, &kept.cursor)),
                    Err(error) => assert!(is_killed, "{error}"),
                }
            }
            panic!("it does not end");
        });
        prop_assert_eq!(&kept.ids, &table.ids());
        prop_assert_eq!(counts.missing, kept.ids.len() as u64);
        prop_assert_eq!(counts.rows_source, lengths.iter().flatten().count() as u64 * 10);
    }
}
