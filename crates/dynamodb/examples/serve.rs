//! DynamoDB by itself, for the shop's benchmark: prints where it listens, and serves until its input ends.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "of the benchmark only")]

#[path = "../tests/server/mod.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod server;

#[tokio::main]
async fn main() {
    println!("{}", server::start().await);
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}
