//! The shop's services as processes of the built binary, against real stores: MariaDB, PostgreSQL, Redis, RabbitMQ, and DynamoDB as
//! the sandbox and an emulator answer it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is a test")]

mod around;
mod carts;
mod catalog;
mod checkout;
mod contract;
mod failover;
mod orders;
mod relay;
mod rotated;
mod stage;
mod stores;
mod ui;

/// Every file beside this one is one of the modules above.
#[test]
fn no_file_is_forgotten() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "{name} is not part of the tests"
        );
    }
}
