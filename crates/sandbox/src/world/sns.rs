//! SNS: takes messages, keeps them, and tells each as an event: its subject and the first line of its body.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::model::region_of;
use super::state::Message;
use crate::api::{ApiError, Call, required, unknown};

/// Most characters of a subject, and most bytes of a message (SNS quotas).
const SUBJECT: usize = 100;
const MESSAGE: usize = 256 * 1024;

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.operation != "Publish" {
        return Err(unknown(call));
    }
    let topic = required(&call.input, "TopicArn")?;
    let body = required(&call.input, "Message")?;
    let subject = call.input["Subject"].as_str().unwrap_or_default();
    if subject.chars().count() > SUBJECT || subject.contains('\n') || body.len() > MESSAGE {
        return Err(ApiError::new(
            "InvalidParameter",
            "the subject or the message is too long, or the subject has a line break",
        ));
    }
    if region_of(topic) != call.region {
        return Err(ApiError::new(
            "InvalidParameter",
            format!("Invalid parameter: TopicArn {topic} is not in {}", call.region),
        ));
    }
    let number = world.notify(topic, subject, body)?;
    Ok(json!({"MessageId": format!("00000000-0000-0000-0000-{number:012}")}))
}

impl World {
    /// Keeps a message to a topic; answers how many there are.
    ///
    /// # Errors
    /// When there is no such topic.
    pub(crate) fn notify(&self, topic: &str, subject: &str, body: &str) -> Result<usize, ApiError> {
        let number = self.state(|state| {
            if !state.topics.contains(topic) {
                return Err(ApiError::with_status(404, "NotFound", format!("topic {topic} does not exist")));
            }
            state.messages.push(Message {
                topic: topic.to_owned(),
                subject: subject.to_owned(),
                body: body.to_owned(),
            });
            Ok(state.messages.len())
        })?;
        let first = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let name = topic.rsplit(':').next().unwrap_or(topic);
        self.say(region_of(topic), format!("Message to {name}: {subject} | {first}"));
        Ok(number)
    }
}
