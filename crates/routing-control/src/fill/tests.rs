use std::sync::Mutex;

use runbook::plan::ArcEndpoint;
use runbook::{RecoveryPlan, Status};
use serde_json::json;

use super::*;

struct Arc(Vec<ArcEndpoint>);

impl DescribeArcCluster for Arc {
    async fn describe_arc_cluster(&self, _: &str) -> Result<Vec<ArcEndpoint>, StepError> {
        Ok(self.0.clone())
    }
}

struct Parameter {
    text: Mutex<String>,
    writes: Mutex<u32>,
    deaf: bool,
}

impl Parameter {
    fn new(text: &str) -> Self {
        Self { text: Mutex::new(text.to_owned()), writes: Mutex::new(0), deaf: false }
    }
}

impl ReadPlan for Parameter {
    async fn read_plan(&self, _: &str) -> Result<String, StepError> {
        Ok(self.text.lock().unwrap().clone())
    }
}

impl PutPlan for Parameter {
    async fn put_plan(&self, _: &str, text: &str) -> Result<(), StepError> {
        *self.writes.lock().unwrap() += 1;
        if !self.deaf {
            text.clone_into(&mut self.text.lock().unwrap());
        }
        Ok(())
    }
}

fn five() -> Vec<ArcEndpoint> {
    runbook::plan::sample().routing.endpoints
}

fn plan() -> Value {
    serde_json::to_value(runbook::plan::sample()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_are_missing_or_differ_are_written_once_and_read_back() {
    let mut other = plan();
    other["routing"]["endpoints"][2]["url"] = json!("http://old.sandbox");
    let mut none = plan();
    none["routing"]["endpoints"] = json!([]);
    let mut absent = plan();
    absent["routing"].as_object_mut().unwrap().remove("endpoints");
    for before in [other, none, absent] {
        let parameter = Parameter::new(&serde_json::to_string_pretty(&before).unwrap());
        let outcome = fill(&Arc(five()), &parameter, "/p").await.unwrap();
        assert_eq!((outcome.status, outcome.changed.len()), (Status::Done, 1));
        let text = parameter.text.lock().unwrap().clone();
        assert!(text.contains('\n'), "a text in lines stays one");
        let mut after = RecoveryPlan::parse(&text, "test").unwrap();
        after.routing.endpoints.sort_by_key(|endpoint| endpoint.url.clone());
        assert_eq!(after, runbook::plan::sample(), "nothing else changed");

        let again = fill(&Arc(five().into_iter().rev().collect()), &parameter, "/p").await.unwrap();
        assert_eq!((again.status, again.changed.len()), (Status::Done, 0));
        assert_eq!(*parameter.writes.lock().unwrap(), 1, "the order of endpoints is no difference");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_the_result_would_not_be_a_valid_plan() {
    let mut no_arn = plan();
    no_arn["routing"].as_object_mut().unwrap().remove("clusterArn");
    let mut bad = plan();
    bad["routing"]["endpoints"] = json!([]);
    bad["regions"] = json!(["sandbox-east", "sandbox-east"]);
    let mut routing = plan();
    routing["routing"] = json!("x");
    let mut empty = plan();
    empty["routing"]["endpoints"] = json!([]);
    let cases = [
        (no_arn.to_string(), five(), "routing.clusterArn"),
        (bad.to_string(), five(), "the same Region twice"),
        (routing.to_string(), five(), "routing.clusterArn"),
        ("{".to_owned(), five(), "not JSON"),
        (empty.to_string(), five()[..4].to_vec(), "has 4 endpoints, not 5"),
    ];
    for (text, found, expected) in cases {
        let parameter = Parameter::new(&text);
        let error = fill(&Arc(found), &parameter, "/p").await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected} is missing in: {error}");
        assert_eq!(*parameter.writes.lock().unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_never_read_back_is_an_error() {
    let mut before = plan();
    before["routing"]["endpoints"] = json!([]);
    let parameter = Parameter { deaf: true, ..Parameter::new(&before.to_string()) };
    let error = fill(&Arc(five()), &parameter, "/p").await.unwrap_err();
    assert!(error.to_string().contains("does not read back"), "{error}");
}
