//! The API and the load generator's scenario of the public retail store sample, walked by a client that is not ours: `contract.py`.

use tokio::process::Command;

use crate::ui::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_speaks_as_the_sample_does() {
    let python = rehearsals::root().join("target/python/bin/python");
    if !python.is_file() {
        rehearsals::parts::missing("python", "there is no target/python");
        return;
    }
    let Some(shop) = Shop::open().await else { return };
    let services = [&shop.ui, &shop.catalog, &shop.carts, &shop.checkout, &shop.orders, &shop.assets];
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract.py");
    let walked = Command::new(python).arg(script).args(services.map(|service| &service.url)).output();
    let walked = walked.await.unwrap();
    assert!(walked.status.success(), "{}", String::from_utf8_lossy(&walked.stderr));
}
