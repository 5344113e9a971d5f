//! Functions as processes behind a Lambda runtime API. The function here is a script, so that each failure can be asked for.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sandbox::functions::binaries::{Binaries, Settings};
use sandbox::functions::{Functions, Invocation};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
import http.client, json, os, sys, time, urllib.parse
api = urllib.parse.urlsplit(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, secret=api.path):
    connection = http.client.HTTPConnection(api.netloc)
    connection.request(method, secret + "/2018-06-01/runtime/" + path, body)
    return connection.getresponse()
count = 0
while True:
    answer = call("GET", "invocation/next")
    request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    count += 1
    what = event["do"]
    if what == "crash":
        print("out of order", file=sys.stderr, flush=True); os._exit(1)
    if what == "hang":
        time.sleep(600)
    if what == "wait":
        while not os.path.exists(event["file"]): time.sleep(0.01)
        open(event["file"] + ".done", "w").close()
    if what == "fail":
        call("POST", f"invocation/{request}/error", json.dumps({"errorType": "Bad", "errorMessage": "as asked"})).read()
        continue
    stranger = call("GET", "invocation/next", secret="").status
    reply = {"stranger": stranger, "count": count, "environment": sorted(os.environ), "key": os.environ["AWS_ACCESS_KEY_ID"], "pid": os.getpid()}
    call("POST", f"invocation/{request}/response", json.dumps(reply)).read()
"#;

pub fn binaries(folder: &Path, timeout: Duration) -> Binaries {
    let python =
        Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output().unwrap();
    let script = folder.join("test");
    std::fs::write(&script, format!("#!{}{SCRIPT}", String::from_utf8(python.stdout).unwrap())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let broken = folder.join("broken");
    std::fs::write(&broken, "#!/bin/sh\necho cannot start >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    Binaries::new(Settings {
        binaries: folder.to_owned(),
        logs: folder.to_owned(),
        prefix: "causeway".into(),
        endpoint: "http://127.0.0.1:9".into(),
        secret: "secret".into(),
        database_authority: "/nowhere".into(),
        timeout,
    })
}

async fn answer(binaries: &Binaries, event: Value) -> Value {
    match binaries.invoke("by hand", "sandbox-west", "causeway-test", event).await.unwrap() {
        Invocation::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn error_of(invocation: Invocation) -> (String, String) {
    match invocation {
        Invocation::FunctionError { error_type, message } => (error_type, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_process_is_kept_warm_and_has_only_the_environment_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries(folder.path(), Duration::from_secs(30));
    let first = answer(&binaries, json!({"do": "answer"})).await;
    assert_eq!(first["key"], "SANDBOX.sandbox-west.causeway-test");
    let names: Vec<&str> =
        first["environment"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let given = |name: &&str| ["AWS_", "LC_", "CAUSEWAY_DATABASE_CA"].iter().any(|one| name.starts_with(one));
    assert!(names.iter().all(given), "{names:?}");
    assert_eq!(first["stranger"], 404, "whoever finds the port needs the path, too");
    let second = answer(&binaries, json!({"do": "answer"})).await;
    assert_eq!((&second["pid"], &second["count"]), (&first["pid"], &json!(2)));
    let measured = binaries.measured()["causeway-test"];
    assert_eq!(measured.invocations, 2);
    assert!(measured.peak_kib > 1_000 && measured.first_poll > Duration::ZERO, "{measured:?}");
    binaries.shutdown().await;
}

#[tokio::test]
async fn events_at_the_same_time_have_a_process_each() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries(folder.path(), Duration::from_secs(30));
    let file = folder.path().join("go");
    let waiting = async { answer(&binaries, json!({"do": "wait", "file": file})).await };
    let passing = async {
        let answered = answer(&binaries, json!({"do": "answer"})).await;
        std::fs::write(&file, "").unwrap();
        answered
    };
    let (waited, passed) = tokio::join!(waiting, passing);
    assert_ne!(waited["pid"], passed["pid"]);
}

#[tokio::test]
async fn what_goes_wrong_is_reported_as_lambda_does() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries(folder.path(), Duration::from_secs(2));
    let invoke = async |what: &str| {
        binaries.invoke("by hand", "sandbox-west", "causeway-test", json!({"do": what})).await.unwrap()
    };
    assert_eq!(error_of(invoke("fail").await), ("Bad".into(), "as asked".into()));
    let (kind, message) = error_of(invoke("crash").await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.contains("out of order"), "{message}");
    assert_eq!(error_of(invoke("hang").await).0, "Sandbox.Timedout");
    assert_eq!(
        answer(&binaries, json!({"do": "answer"})).await["count"],
        1,
        "a new process after a killed one"
    );

    let (kind, message) =
        error_of(binaries.invoke("by hand", "sandbox-west", "causeway-broken", json!({})).await.unwrap());
    assert_eq!(kind, "Runtime.InitError");
    assert!(message.contains("cannot start"), "{message}");
    let missing =
        binaries.invoke("by hand", "sandbox-west", "causeway-missing", json!({})).await.unwrap_err();
    assert_eq!(missing.code, "ResourceNotFoundException");
    assert!(missing.message.contains("build the workspace"), "{missing}");
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_the_function_and_a_drop_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries(folder.path(), Duration::from_secs(30));
    let pid = answer(&binaries, json!({"do": "answer"})).await["pid"].as_u64().unwrap();
    let file = folder.path().join("go");
    let call =
        binaries.invoke("by hand", "sandbox-west", "causeway-test", json!({"do": "wait", "file": file}));
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    std::fs::write(&file, "").unwrap();
    let done = folder.path().join("go.done");
    let alive = || Path::new(&format!("/proc/{pid}/fd/0")).exists();
    for _ in 0..500 {
        if done.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done.exists() && alive());
    // The process goes back to the warm ones before it can be ended with them.
    answer(&binaries, json!({"do": "answer"})).await;
    drop(binaries);
    for _ in 0..500 {
        if !alive() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {pid} is still there");
}
