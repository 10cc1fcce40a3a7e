//! The queue before the function: FIFO, with one group, and the settings that the
//! template gives it.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::clock::Ms;

const DELAY_MS: Ms = 5_000;
pub const VISIBILITY_MS: Ms = 240_000;
const RECEIVES: u32 = 5;
const BATCH: usize = 10;
/// A body that comes again within this time is the same message.
const DEDUPLICATION_MS: Ms = 300_000;

#[derive(Debug, Default)]
pub struct Queue {
    messages: VecDeque<Message>,
    /// What was received so often that it was put aside.
    pub dead: Vec<String>,
    sent: usize,
    bodies: HashMap<String, Ms>,
}

#[derive(Debug)]
struct Message {
    id: String,
    body: String,
    sent_ms: Ms,
    visible_ms: Ms,
    receives: u32,
}

impl Queue {
    pub fn send(&mut self, body: String, now_ms: Ms) {
        self.bodies
            .retain(|_, sent_ms| now_ms - *sent_ms < DEDUPLICATION_MS);
        if self.bodies.contains_key(&body) {
            return;
        }
        self.bodies.insert(body.clone(), now_ms);
        self.sent += 1;
        self.messages.push_back(Message {
            id: format!("m{}", self.sent),
            body,
            sent_ms: now_ms,
            visible_ms: now_ms + DELAY_MS,
            receives: 0,
        });
    }

    /// The next batch, as the function is given it. While one of the group is out,
    /// or waits for coming again, nothing else of it is to be had.
    pub fn receive(&mut self, now_ms: Ms) -> Option<Value> {
        let is_visible = |message: &Message| message.visible_ms <= now_ms;
        while let Some(message) = self.messages.front() {
            if !is_visible(message) || message.receives < RECEIVES {
                break;
            }
            self.dead
                .extend(self.messages.pop_front().map(|message| message.body));
        }
        let mut records = Vec::new();
        for message in self.messages.iter_mut().take(BATCH) {
            if message.visible_ms > now_ms {
                break;
            }
            message.receives += 1;
            message.visible_ms = now_ms + VISIBILITY_MS;
            records.push(json!({
                "messageId": message.id,
                "eventSource": "aws:sqs",
                "body": message.body,
                "attributes": {
                    "SentTimestamp": message.sent_ms.to_string(),
                    "ApproximateReceiveCount": message.receives.to_string(),
                },
            }));
        }
        (!records.is_empty()).then(|| json!({ "Records": records }))
    }

    /// Takes away what of a batch was dealt with.
    pub fn settle(&mut self, batch: &Value, answer: &Value) {
        let ids = |list: &Value, member: &str| -> Vec<String> {
            let rows = list.as_array().unwrap().iter();
            rows.map(|row| row[member].as_str().unwrap().to_owned())
                .collect()
        };
        let failed = ids(&answer["batchItemFailures"], "itemIdentifier");
        let given = ids(&batch["Records"], "messageId");
        self.messages
            .retain(|message| !given.contains(&message.id) || failed.contains(&message.id));
    }

    /// When there may be something to receive.
    pub fn next_ms(&self) -> Option<Ms> {
        self.messages.front().map(|message| message.visible_ms)
    }
}

fn ids(batch: &Value) -> Vec<&str> {
    let records = batch["Records"].as_array().unwrap().iter();
    records
        .map(|record| record["messageId"].as_str().unwrap())
        .collect()
}

#[test]
fn what_comes_back_keeps_all_behind_it_waiting() {
    let mut queue = Queue::default();
    (0..3).for_each(|body| queue.send(body.to_string(), 0));
    assert_eq!(queue.receive(4_999), None);
    let batch = queue.receive(5_000).unwrap();
    assert_eq!(ids(&batch), ["m1", "m2", "m3"]);
    queue.send("more".to_owned(), 5_000);
    let answer = json!({ "batchItemFailures": [{ "itemIdentifier": "m2" }] });
    queue.settle(&batch, &answer);
    assert_eq!(queue.receive(244_999), None);
    let batch = queue.receive(245_000).unwrap();
    assert_eq!(ids(&batch), ["m2", "m4"]);
    assert_eq!(
        batch["Records"][0]["attributes"]["ApproximateReceiveCount"],
        "2"
    );
}

#[test]
fn what_is_never_answered_is_put_aside_and_twice_the_same_is_one_message() {
    let mut queue = Queue::default();
    queue.send("same".to_owned(), 0);
    queue.send("same".to_owned(), 299_999);
    queue.send("same".to_owned(), 300_000);
    for receive in 0..5 {
        assert!(queue.receive(5_000 + receive * VISIBILITY_MS).is_some());
    }
    let batch = queue.receive(5_000 + 5 * VISIBILITY_MS).unwrap();
    assert_eq!(queue.dead, ["same"]);
    assert_eq!(ids(&batch), ["m2"]);
}

#[test]
fn these_are_the_settings_of_the_template() {
    let template = include_str!("../../../template.yaml");
    for setting in [
        format!("VisibilityTimeout: {}\n", VISIBILITY_MS / 1000),
        format!("maxReceiveCount: {RECEIVES}\n"),
        format!("BatchSize: {BATCH} "),
        format!("Timeout: {} ", super::company::TIMEOUT.as_secs()),
        format!(
            "DeliveryDelay:\n    Type: Number\n    Default: {}\n",
            DELAY_MS / 1000
        ),
    ] {
        assert!(template.contains(&setting), "{setting}");
    }
}
