//! Compares tables of two servers and counts what differs: the library in its shortest use, and what tests/bench/bench.py times.
//!
//! `compare [--connections N] SOURCE_URL TARGET_URL TABLE...`; each difference is a line of JSON on standard output, the counts
//! come on standard error.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use table_diff::{Address, Cursor, Difference, Options, Progress, Server, Side, Sink, Table, compare_table};

/// Writes what is found.
struct Lines(std::io::BufWriter<std::io::Stdout>);

impl Sink for Lines {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        _: &Cursor,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        for difference in &found {
            serde_json::to_writer(&mut self.0, difference)?;
            self.0.write_all(b"\n")?;
        }
        Ok(self.0.flush()?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (connections, arguments) = match arguments.as_slice() {
        [option, count, rest @ ..] if option == "--connections" => (count.parse()?, rest),
        rest => (1, rest),
    };
    let [source, target, tables @ ..] = arguments else {
        return Err("compare [--connections N] SOURCE_URL TARGET_URL TABLE...".into());
    };
    let limit = Duration::from_secs(180);
    let mut source = Server::connect(Side::Source, Address::from_url(source)?, limit).await?;
    let mut target = Server::connect(Side::Target, Address::from_url(target)?, limit).await?;
    let mut lines = Lines(std::io::BufWriter::new(std::io::stdout()));
    for name in tables {
        let table = Table { schema: None, name: name.clone() };
        let options = Options { connections, ..Options::default() };
        let progress =
            compare_table(&mut source, &mut target, &table, &options, None, &mut lines, || false).await?;
        if let Progress::Finished(summary) = progress {
            writeln!(std::io::stderr(), "{table}: {:?}", summary.counts)?;
        }
    }
    Ok(())
}
