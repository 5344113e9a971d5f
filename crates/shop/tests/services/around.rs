//! What is around each service: faults on demand, health and metrics, bounds, an end in order.

use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Environment, Forwarder, Service, Way, slow, until};

const PICTURE: &str = "/assets/favicon.svg";

/// The pages, with all services at one address.
fn ui(others: &str, arguments: &[&str]) -> Service {
    let names = ["CATALOG", "CARTS", "CHECKOUT", "ORDERS", "ASSETS"]
        .map(|name| format!("RETAIL_UI_ENDPOINTS_{name}"));
    let environment: Environment =
        names.iter().map(|name| (&*name.clone().leak(), others.to_owned())).collect();
    Service::start_with("ui", arguments, &environment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_switched_on_and_off() {
    let assets = Service::start_with("assets", &["--chaos"], &Vec::new());
    assets.post("/chaos/status/418", json!({})).await.ok(200);
    for _ in 0..2 {
        assert_eq!(assets.get(PICTURE).await.status, 418);
    }
    assert_eq!(assets.get("/health").await.status, 200);
    assert_eq!(assets.get("/metrics").await.status, 200);
    assets.delete("/chaos/status/418").await.ok(200);
    assert_eq!(assets.get(PICTURE).await.status, 200);
    assets.post("/chaos/status/503", json!({})).await.ok(200);
    assets.get(PICTURE).await.problem(503);
    assets.delete("/chaos/status").await.ok(200);

    assets.post("/chaos/latency/300", json!({})).await.ok(200);
    let asked = Instant::now();
    assert_eq!(assets.get(PICTURE).await.status, 200);
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assets.delete("/chaos/latency/300").await.ok(200);
    let asked = Instant::now();
    assert_eq!(assets.get(PICTURE).await.status, 200);
    assert!(asked.elapsed() < Duration::from_millis(300));

    assets.post("/chaos/health", json!({})).await.ok(200);
    assert_eq!(assets.get("/health").await.ok(503)["status"], "ill");
    assert_eq!(assets.get(PICTURE).await.status, 200);
    assets.delete("/chaos/health").await.ok(200);
    assert_eq!(assets.get("/health").await.ok(200)["status"], "up");

    for bad in ["/chaos/status/99", "/chaos/status/600", "/chaos/status/x", "/chaos/latency/-1"] {
        assets.post(bad, json!({})).await.problem(400);
    }
    let without = Service::start("assets", &Vec::new());
    without.post("/chaos/status/500", json!({})).await.problem(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_another_site_drives_a_service() {
    let assets = Service::start_with("assets", &["--chaos"], &Vec::new());
    let port = assets.url.rsplit(':').next().unwrap();
    let own = format!("http://localhost:{port}");
    for strange in [
        ("origin", "https://evil.example.com"),
        ("origin", "http://localhost:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assets.post_with("/chaos/status/500", &[strange], json!({})).await.problem(403);
    }
    for host in ["evil.example.com", "127.0.0.1.nip.io", ""] {
        for path in [PICTURE, "/health", "/metrics"] {
            let client = crate::stage::Client::new();
            let url = format!("{}{path}", assets.url);
            let answer = client.ask(reqwest::Method::GET, &url, &[("host", host)], None).await.unwrap();
            answer.problem(421);
        }
    }
    assert_eq!(assets.get(PICTURE).await.status, 200, "nothing was switched");
    let from_here = [("host", &own["http://".len()..]), ("origin", &own)];
    assets.post_with("/chaos/status/418", &from_here, json!({})).await.ok(200);
    assert_eq!(assets.get(PICTURE).await.status, 418);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_switches_faults() {
    let assets = Service::start_with("assets", &["--chaos"], &Vec::new());
    let chaos = |url: &str, arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_shop")).arg("chaos").arg(url).args(arguments).output().unwrap()
    };
    for (on, status) in [
        (&["status", "500"][..], 500),
        (&["status", "500", "--off"], 200),
        (&["status", "404"], 404),
        (&["status", "--off"], 200),
    ] {
        assert!(chaos(&assets.url, on).status.success(), "{on:?}");
        assert_eq!(assets.get(PICTURE).await.status, status);
    }
    assert!(chaos(&format!("{}/", assets.url), &["health"]).status.success());
    assert_eq!(assets.get("/health").await.status, 503);
    assert!(chaos(&assets.url, &["health", "--off"]).status.success());
    for wrong in [&["status"][..], &["latency"], &["health", "5"], &["status", "1"], &["fire"]] {
        assert!(!chaos(&assets.url, wrong).status.success(), "{wrong:?}");
    }
    let without = Service::start("assets", &Vec::new());
    let refused = chaos(&without.url, &["health"]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("does it run with --chaos?"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_and_logged_by_their_routes() {
    let assets = Service::start("assets", &vec![("AWS_REGION", "sandbox-west".into())]);
    assert_eq!(assets.get(PICTURE).await.header("content-type"), "image/svg+xml");
    let tag = assets.get(PICTURE).await.header("etag").to_owned();
    let client = crate::stage::Client::new();
    let url = format!("{}{PICTURE}", assets.url);
    let known = client.ask(reqwest::Method::GET, &url, &[("if-none-match", &tag)], None).await.unwrap();
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assets.get("/assets/nothing-like-it.svg").await.problem(404);
    assets.get("/nowhere-at-all").await.problem(404);
    let health = assets.get("/health").await.ok(200);
    assert_eq!((&health["service"], &health["region"]), (&json!("assets"), &json!("sandbox-west")));
    let metrics = assets.get("/metrics").await.text;
    for line in [
        r#"shop_requests_total{route="/assets/{*file}",method="GET",status="200"} 2"#,
        r#"shop_requests_total{route="/assets/{*file}",method="GET",status="404"} 1"#,
        r#"shop_requests_total{route="none",method="GET",status="404"} 1"#,
        "shop_request_seconds_bucket",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let log = assets.log();
    assert!(!log.contains("nothing-like-it") && !log.contains("nowhere-at-all"), "{log}");
    let own = client.ask(reqwest::Method::GET, &url, &[("x-request-id", "my-id-7")], None).await.unwrap();
    assert_eq!(own.header("x-request-id"), "my-id-7");
    let bad = client.ask(reqwest::Method::GET, &url, &[("x-request-id", "<script>")], None).await.unwrap();
    assert_eq!(bad.header("x-request-id").len(), 36);
    until("it is logged", 5, async || assets.log().contains("my-id-7").then_some(())).await;
    assert!(!assets.log().contains("<script>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_told_to_end_answers_what_it_has_begun() {
    let mut assets = Service::start_with("assets", &["--chaos"], &Vec::new());
    assets.post("/chaos/latency/700", json!({})).await.ok(200);
    let asked = Instant::now();
    let url = format!("{}{PICTURE}", assets.url);
    let slow =
        tokio::spawn(
            async move { crate::stage::Client::new().ask(reqwest::Method::GET, &url, &[], None).await },
        );
    // It has come when it is under way; the log says so only afterwards.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assets.terminate();
    let answer = slow.await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    let status = assets.ended().await;
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(TcpStream::connect(assets.url.trim_start_matches("http://")).await.is_err());

    // Connections on which nothing is asked don't keep it.
    let mut assets = Service::start("assets", &Vec::new());
    let address = assets.url.trim_start_matches("http://").to_owned();
    let _idle = TcpStream::connect(&address).await.unwrap();
    let mut answered = TcpStream::connect(&address).await.unwrap();
    answered.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answered.read_exact(&mut [0; 12]).await.unwrap();
    let told = Instant::now();
    assets.terminate();
    assert!(assets.ended().await.success());
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_at_once_are_told_so() {
    let address = slow(Duration::from_millis(500), "a picture").await;
    let ui = ui(&format!("http://{address}"), &["--max-requests", "3"]);
    let asked = Instant::now();
    let answers = join_all((0..10).map(|_| ui.get(PICTURE))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 3, "{answers:?}");
    for busy in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(busy.problem(503)["title"], "Busy");
    }
    assert!(asked.elapsed() < Duration::from_secs(3));
    // Health is told all the same, and the next are served.
    let (_, health) = tokio::join!(join_all((0..3).map(|_| ui.get(PICTURE))), ui.get("/metrics"));
    assert_eq!(health.status, 200);
    assert_eq!(ui.get(PICTURE).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_a_second_may_have_are_told_so() {
    let assets = Service::start_with("assets", &["--max-rate", "20"], &Vec::new());
    let began = Instant::now();
    let mut served: u128 = 0;
    let mut refused: u128 = 0;
    while began.elapsed() < Duration::from_millis(700) {
        let answer = assets.get(PICTURE).await;
        match answer.status {
            200 => served += 1,
            _ => {
                assert_eq!(answer.problem(503)["title"], "Busy");
                refused += 1;
            }
        }
    }
    // So many at once, and as many again in each second.
    let most = 20 + 20 * began.elapsed().as_millis() / 1_000 + 1;
    assert!((20..=most).contains(&served) && refused > 20, "{served} were served, {refused} refused");
    for path in ["/health", "/metrics"] {
        assert_eq!(assets.get(path).await.status, 200, "{path} is exempt");
    }
    until("it serves again", 3, async || (assets.get(PICTURE).await.status == 200).then_some(())).await;
}

/// A connection more than there may be is answered once another has ended; one that says nothing ends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded_and_idle_ones_end() {
    let assets =
        Service::start_with("assets", &["--max-connections", "3", "--idle-seconds", "1"], &Vec::new());
    let address = assets.url.trim_start_matches("http://").to_owned();
    let mut idle = Vec::new();
    for number in 0..3 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // One says nothing, one a part of a request, one has been answered.
        let said: &[u8] = [&b""[..], b"GET /health HT", b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"][number];
        stream.write_all(said).await.unwrap();
        idle.push(stream);
    }
    let asked = Instant::now();
    let waits = assets.get("/health");
    let answered = tokio::time::timeout(Duration::from_millis(500), waits).await;
    assert!(answered.is_err(), "a fourth connection was served");
    assert_eq!(assets.get("/health").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    for mut stream in idle {
        let mut rest = Vec::new();
        // An end, or a reset: either is one.
        let _ = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await.unwrap();
    }

    // One that is ended by its client makes room at once.
    let assets = Service::start_with("assets", &["--max-connections", "1"], &Vec::new());
    let first = TcpStream::connect(assets.url.trim_start_matches("http://")).await.unwrap();
    let (answer, ()) = tokio::join!(assets.get("/health"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
    });
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused() {
    let silent = Forwarder::start(Way::Silent).await;
    let ui = ui(&format!("http://{}", silent.address), &[]);
    for path in ["/cart", "/checkout", "/sign-in", "/sign-out", "/orders/x/cancel"] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = Some(format!("name={}", "x".repeat(70_000)));
        let asked = crate::stage::Client::new();
        let asked =
            asked.ask(reqwest::Method::POST, &format!("{}{path}", ui.url), &form, body).await.unwrap();
        asked.problem(413);
    }
}

/// A container's image holds nothing but the program, which asks itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_health_check_says_whether_it_is_well() {
    let assets = Service::start_with("assets", &["--chaos"], &Vec::new());
    let is_well = || {
        let mut asked = std::process::Command::new(env!("CARGO_BIN_EXE_shop"));
        let address = assets.url.trim_start_matches("http://");
        asked
            .args(["health", "--listen", address])
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(is_well());
    assets.post("/chaos/health", json!({})).await.ok(200);
    assert!(!is_well());
}
