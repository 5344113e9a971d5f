//! Bytes of strangers: what a [`Reader`] makes of random bytes, of random text, and above all of valid examples that were changed.
//!
//! A reader holds for an input when it neither panics nor overflows its stack, answers within [`PATIENCE`], and gets by with the memory
//! that [`MEMORY`] leaves to the whole process. What else has to hold, such as that what was read is written and read again as the
//! same, it asserts itself.
//!
//! A test has [`hold`] try some thousand inputs, always the same. `make fuzz` sets [`INPUTS`] to another number: they are new ones then,
//! shared over the cores. A failing input is made smaller, and printed as a line for a test of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rustix::process::{Resource, Rlimit, setrlimit};

/// How many inputs `make fuzz` wants of each reader.
const INPUTS: &str = "INPUTS_EACH";
/// How many inputs of each reader a test tries.
const A_FEW: u64 = 2_000;
/// The longest that one input may take, also on a machine that is busy with others.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most memory of the process, in bytes of address space.
const MEMORY: u64 = 8 << 30;
/// How many inputs are tried before the next progress and the next seed.
const BATCH: u64 = 1_000;
/// As deep as something is nested that is to overflow a stack.
pub const DEEP: usize = 100_000;

/// Reads bytes, and says whether they were what they are to be. Panics where it is not allowed to.
type Read = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Something that reads what others have written.
pub struct Reader {
    name: &'static str,
    examples: Vec<Vec<u8>>,
    read: Box<Read>,
}

impl Reader {
    /// One that reads bytes, and says whether they were what they are to be. What has to hold of them it asserts.
    pub fn of_bytes(name: &'static str, read: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { name, examples: Vec::new(), read: Box::new(read) }
    }

    /// One that reads text. What is no UTF-8 comes with a replacement for it.
    pub fn of_text(name: &'static str, read: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::of_bytes(name, move |bytes| read(&String::from_utf8_lossy(bytes)))
    }

    /// With these examples, which have to be what they are to be.
    #[must_use]
    pub fn examples<E: Into<Vec<u8>>>(mut self, examples: impl IntoIterator<Item = E>) -> Self {
        self.examples.extend(examples.into_iter().map(Into::into));
        self
    }

    /// Tries one input, one that was found. Says whether it was what it is to be.
    ///
    /// # Panics
    /// When it does not hold for it.
    pub fn holds_for(&self, input: impl AsRef<[u8]>) -> bool {
        bound();
        let kept = Kept::new(self.name);
        kept.keep(input.as_ref());
        let began = Instant::now();
        let taken = (self.read)(input.as_ref());
        assert!(began.elapsed() < PATIENCE, "{} took {:?}", self.name, began.elapsed());
        taken
    }

    /// Tries one input for the search.
    fn try_one(&self, input: &[u8]) -> Result<(), TestCaseError> {
        let began = Instant::now();
        (self.read)(input);
        let took = began.elapsed();
        if took < PATIENCE { Ok(()) } else { Err(TestCaseError::fail(format!("it took {took:?}"))) }
    }
}

/// One change of an example.
#[derive(Debug, Clone)]
enum Change {
    /// Another value of a byte.
    Byte(Index, u8),
    /// Some words are gone.
    Delete(Index, usize),
    /// Some words are there more often.
    Repeat(Index, usize, usize),
    /// Some words of another example.
    Splice(Index, Index, Index, usize),
    /// What may be taken for something.
    Insert(Index, &'static [u8]),
    /// A word is another.
    Replace(Index, &'static [u8]),
    /// Something is in so many parentheses, or whatever these are, which may or may not end.
    Nest(Index, (&'static str, &'static str), usize, bool),
    /// The rest is gone.
    End(Index),
}

/// What means something in one of the languages, or is at the edge of what can be read.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"-0",
    b"1e999",
    b"-1e-999",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"340282366920938463463374607431768211456",
    b"0.1",
    b"1.",
    b".5",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"false",
    b"\"\"",
    b"''",
    b"[]",
    b"{}",
    b"()",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3\x9f",
    b"\xf0\x9f\x92\xa5",
    b"\xe2\x80\xae",
    b"%",
    b"%00",
    b"%zz",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\"",
    b"'",
    b"`",
    b"$$",
    b"--",
    b"/*",
    b"*/",
    b";",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b":",
    b",",
    b".",
    b"..",
    b"/",
    b"//",
    b"?",
    b"#",
    b"@",
    b"&",
    b"=",
    b"*",
    b"|",
    b"<",
    b">",
    b"!",
    b"{{",
    b"}}",
    b"${",
    b"}",
    b"{",
    b"[",
    b"]",
    b"(",
    b")",
    b"&a ",
    b"*a",
    b"!Ref ",
    b"!Sub ",
    b"!If ",
    b"<<: ",
    b"? ",
    b"- ",
    b"$.",
    b"$..*",
    b"[*]",
    b"[-1]",
    b"[0:9]",
    b" and ",
    b" or ",
    b" not ",
    b" between ",
    b" in (",
    b"9999-12-31T23:59:59.999999999Z",
    b"0000-00-00 00:00:00",
    b"-262144-01-01T00:00:00Z",
    b"P1Y2M10DT2H30M",
    b"arn:aws:",
    b"::::",
    b"eu-west-1",
    b"http://[::1",
    b"127.0.0.1:65536",
];

/// What can be nested, by its beginning and its end.
const NESTS: &[(&str, &str)] = &[
    ("[", "]"),
    ("{\"a\":", "}"),
    ("(", ")"),
    ("{a: ", "}"),
    ("not ", ""),
    ("!", ""),
    ("-", ""),
    ("a.", ""),
    ("((a)", ")"),
    ("- ", ""),
    ("\\", ""),
    ("/*", "*/"),
    ("<a>", "</a>"),
    ("$(", ")"),
    ("a[0]", ""),
    ("{\"L\":[", "]}"),
    ("{\"M\":{\"a\":", "}}"),
    ("\x1f", ""),
    ("\u{0}", ""),
    ("a and ", ""),
    ("cast(", ")"),
    ("array[", "]"),
    ("!If [a, ", ", b]"),
    ("{\"Not\":", "}"),
    ("a->", ""),
    ("1+", ""),
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let words = prop::sample::select(WORDS);
    let few = 1..9_usize;
    // Seldom as deep as can be: each of those takes as long as a thousand others.
    let deep = prop_oneof![400 => 2..40_usize, 100 => 100..300_usize, 1 => Just(DEEP)];
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at(), few.clone()).prop_map(|(at, count)| Change::Delete(at, count)),
        4 => (at(), few.clone(), 1..4_usize).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        4 => (at(), at(), at(), 1..30_usize).prop_map(|(at, from, there, count)| Change::Splice(at, from, there, count)),
        4 => (at(), words.clone()).prop_map(|(at, word)| Change::Insert(at, word)),
        6 => (at(), words).prop_map(|(at, word)| Change::Replace(at, word)),
        2 => (at(), prop::sample::select(NESTS), deep, any::<bool>())
            .prop_map(|(at, nest, deep, ends)| Change::Nest(at, nest, deep, ends)),
        1 => at().prop_map(Change::End),
    ]
}

/// Where so many words end that begin at a place. A word is letters and digits, or any other byte.
fn words_end(text: &[u8], begin: usize, count: usize) -> usize {
    let of_a_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut at = begin;
    for _ in 0..count {
        let Some(first) = text.get(at) else { break };
        at += 1;
        if of_a_word(*first) {
            at += text.get(at..).unwrap_or_default().iter().take_while(|byte| of_a_word(**byte)).count();
        }
    }
    at
}

impl Change {
    fn make(&self, text: &mut Vec<u8>, examples: &[Vec<u8>]) {
        let somewhere = |at: &Index, text: &[u8]| at.index(text.len() + 1);
        match self {
            Self::Byte(at, byte) => {
                let at = somewhere(at, text);
                if let Some(there) = text.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Delete(at, count) => {
                let at = somewhere(at, text);
                text.drain(at..words_end(text, at, *count));
            }
            Self::Repeat(at, count, times) => {
                let at = somewhere(at, text);
                let end = words_end(text, at, *count);
                let again = text.get(at..end).unwrap_or_default().repeat(*times);
                text.splice(end..end, again);
            }
            Self::Splice(at, from, there, count) => {
                if !examples.is_empty() {
                    let other = from.get(examples);
                    let there = somewhere(there, other);
                    let part = other.get(there..words_end(other, there, *count)).unwrap_or_default();
                    let at = somewhere(at, text);
                    text.splice(at..at, part.iter().copied());
                }
            }
            Self::Insert(at, word) => {
                let at = somewhere(at, text);
                text.splice(at..at, word.iter().copied());
            }
            Self::Replace(at, word) => {
                let at = somewhere(at, text);
                text.splice(at..words_end(text, at, 1), word.iter().copied());
            }
            Self::Nest(at, (begin, end), deep, ends) => {
                let at = somewhere(at, text);
                let inside = words_end(text, at, 1);
                if *ends {
                    text.splice(inside..inside, end.repeat(*deep).into_bytes());
                }
                text.splice(at..at, begin.repeat(*deep).into_bytes());
            }
            Self::End(at) => text.truncate(somewhere(at, text)),
        }
    }
}

/// Inputs for a reader with these examples.
fn inputs(examples: &[Vec<u8>]) -> BoxedStrategy<Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..30).prop_map(|words| words.concat());
    let text = prop::collection::vec(any::<char>(), 0..100)
        .prop_map(|text| text.into_iter().collect::<String>().into_bytes());
    let nested = prop::collection::vec(change(), 1..3).prop_map(|changes| {
        let mut text = b"a".to_vec();
        changes.iter().for_each(|change| change.make(&mut text, &[]));
        text
    });
    if examples.is_empty() {
        return prop_oneof![bytes, words, text, nested].boxed();
    }
    let examples = examples.to_vec();
    let changed = (any::<Index>(), prop::collection::vec(change(), 1..6)).prop_map(move |(one, changes)| {
        let mut text = one.get(&examples).clone();
        changes.iter().for_each(|change| change.make(&mut text, &examples));
        text
    });
    prop_oneof![1 => bytes, 1 => words, 1 => text, 1 => nested, 16 => changed].boxed()
}

/// Has a reader try its examples, and inputs of every kind.
///
/// # Panics
/// With the input that it does not hold for, as small as it was made.
pub fn hold(reader: &Reader) {
    bound();
    for example in &reader.examples {
        let taken = reader.holds_for(example);
        assert!(taken, "{} does not take this example: {}", reader.name, String::from_utf8_lossy(example));
    }
    let wanted = std::env::var(INPUTS).ok();
    let failed = match &wanted {
        None => search(reader, 0, A_FEW, &Kept::new(reader.name)),
        Some(wanted) => {
            let wanted = wanted.parse().unwrap_or_else(|error| panic!("{INPUTS}={wanted}: {error}"));
            search_long(reader, wanted)
        }
    };
    if let Some((input, why)) = failed {
        panic!("{}: {why}\nkeep it as a test of its own:\n    .holds_for({})", reader.name, literal(&input));
    }
}

/// Tries so many inputs, those of a seed. Returns one that the reader does not hold for, and why.
fn search(reader: &Reader, seed: u64, inputs_wanted: u64, kept: &Kept) -> Option<(Vec<u8>, String)> {
    let config = Config {
        cases: u32::try_from(inputs_wanted).unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut random = [0; 16];
    let number = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random[..8].copy_from_slice(&number.to_le_bytes());
    random[8..].copy_from_slice(&number.rotate_left(29).to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::XorShift, &random);
    let mut runner = TestRunner::new_with_rng(config, random);
    let tried = runner.run(&inputs(&reader.examples), |input| {
        kept.keep(&input);
        reader.try_one(&input)
    });
    kept.forget();
    match tried {
        Ok(()) => None,
        Err(TestError::Fail(why, input)) => Some((input, why.message().to_owned())),
        Err(TestError::Abort(why)) => Some((Vec::new(), format!("the search ended: {why}"))),
    }
}

/// Tries so many inputs, new ones, on every core, and says how far it is.
fn search_long(reader: &Reader, wanted: u64) -> Option<(Vec<u8>, String)> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = u64::try_from(since.as_millis()).unwrap_or_default().wrapping_mul(1_000_000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say(&format!("{}: {wanted} inputs, seed {seed}, on {cores} cores", reader.name));
    // While an input is made smaller, it panics again and again.
    let told_of_panics = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (found, began) = (Mutex::new(None), Instant::now());
    let told = Mutex::new(began);
    let work = || {
        let kept = Kept::new(reader.name);
        while !stop.load(Ordering::Relaxed) {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let count = wanted.saturating_sub(batch * BATCH).min(BATCH);
            if count == 0 {
                return;
            }
            if let Some(failed) = search(reader, seed.wrapping_add(batch), count, &kept) {
                stop.store(true, Ordering::Relaxed);
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
                return;
            }
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() > Duration::from_secs(10) {
                *told = Instant::now();
                say(&format!("{}: {done} of {wanted} after {} s", reader.name, began.elapsed().as_secs()));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            // The stack of a test, and of a thread of tokio.
            let started = std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work);
            started.unwrap_or_else(|error| panic!("no thread to search on: {error}"));
        }
    });
    std::panic::set_hook(told_of_panics);
    let done = done.load(Ordering::Relaxed);
    say(&format!("{}: {done} inputs in {:.1} s", reader.name, began.elapsed().as_secs_f64()));
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The input that is being tried, in a file: where the process ends of it, that is what is left. And since when, for who waits.
struct Kept {
    file: File,
    path: PathBuf,
    slot: &'static Slot,
}

/// Since when an input is being tried, in milliseconds of this process; 0: none is.
#[derive(Default)]
struct Slot(AtomicU64);

static SLOTS: Mutex<Vec<(PathBuf, &'static Slot)>> = Mutex::new(Vec::new());

fn millis() -> u64 {
    static BEGAN: Mutex<Option<Instant>> = Mutex::new(None);
    let began = *BEGAN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Kept {
    fn new(name: &'static str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = crate::root().join("target/fuzz");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}-{}", std::process::id(), name.replace(' ', "-")));
        let file = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        let file = file.unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
        let slot: &'static Slot = Box::leak(Box::default());
        SLOTS.lock().unwrap_or_else(PoisonError::into_inner).push((path.clone(), slot));
        Self { file, path, slot }
    }

    fn keep(&self, input: &[u8]) {
        let written = self.file.set_len(0).and_then(|()| self.file.write_all_at(input, 0));
        written.unwrap_or_else(|error| panic!("can't write {}: {error}", self.path.display()));
        self.slot.0.store(millis(), Ordering::Relaxed);
    }

    fn forget(&self) {
        self.slot.0.store(0, Ordering::Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.forget();
        SLOTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(path, _)| *path != self.path);
        // It is only in the way.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Bounds the memory of this process, and ends it when an input takes far too long. Both leave the input in its file.
fn bound() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
        setrlimit(Resource::As, limit).unwrap_or_else(|error| panic!("can't bound the memory: {error}"));
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let now = millis();
                let limit = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX) * 3;
                for (path, slot) in SLOTS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    let since = slot.0.load(Ordering::Relaxed);
                    if since > 0 && now.saturating_sub(since) > limit {
                        say(&format!("an input does not end: {}", path.display()));
                        std::process::abort();
                    }
                }
            }
        });
    });
}

/// Past the test harness, which keeps what a test prints.
fn say(line: &str) {
    // Where nobody reads it, nothing is lost.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Bytes as they are written in a test; those that repeat something very often as that.
fn literal(input: &[u8]) -> String {
    let mut written = String::new();
    let _ = write!(written, "b\"{}\"", input.escape_ascii());
    if written.len() <= 2_000 {
        return written;
    }
    let path = crate::root().join(format!("target/fuzz/found-{}", std::process::id()));
    match std::fs::write(&path, input) {
        Ok(()) => format!("/* {} bytes, in {} */", input.len(), path.display()),
        Err(_) => written,
    }
}
