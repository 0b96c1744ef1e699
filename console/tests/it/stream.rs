use std::time::Duration;

use painwatch_domain::Priority;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::rig::{Rig, finding, id};

struct Stream {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Heard {
    event: String,
    id: Option<String>,
    data: Value,
}

impl Stream {
    async fn open(rig: &Rig, last: Option<&str>) -> Self {
        let mut request = rig.request(Method::GET, "/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn next(&mut self) -> Heard {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| event.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
                let data = serde_json::from_str(&line("data:").unwrap_or_default()).unwrap();
                let heard = Heard { event: line("event:").unwrap_or_default(), id: line("id:"), data };
                self.text = rest.to_owned();
                return heard;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.expect("in time");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("an open stream")).unwrap());
        }
    }

    async fn next_alert(&mut self) -> Heard {
        loop {
            let heard = self.next().await;
            if heard.event == "alert" {
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn a_new_stream_greets_and_then_tells_each_change() {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "r", 1, Priority::High)]).await;
    let mut stream = Stream::open(&rig, None).await;
    assert_eq!(stream.next().await.event, "heartbeat");
    rig.findings(&[finding("p1", "r", 2, Priority::Low)]).await;
    let heard = stream.next_alert().await;
    assert_eq!(heard.data["alert_id"], id("p1", "r", 2).to_string());
    rig.post(&format!("/api/v1/alerts/{}/acknowledge", id("p1", "r", 1)), serde_json::json!({})).await;
    let heard = stream.next_alert().await;
    assert_eq!(
        (heard.data["alert_id"].as_str().unwrap(), heard.data["state"].as_str()),
        (id("p1", "r", 1).to_string().as_str(), Some("acknowledged"))
    );
}

#[tokio::test]
async fn a_broken_stream_resumes_where_it_broke_off() {
    let rig = Rig::new().await;
    let mut stream = Stream::open(&rig, None).await;
    stream.next().await;
    rig.findings(&[finding("p1", "r", 1, Priority::High)]).await;
    let last = stream.next_alert().await.id.expect("an id to resume from");
    drop(stream);
    rig.findings(&[finding("p1", "r", 2, Priority::High), finding("p1", "r", 3, Priority::High)]).await;
    rig.findings(&[finding("p1", "r", 4, Priority::High)]).await;
    let mut stream = Stream::open(&rig, Some(&last)).await;
    let mut missed = Vec::new();
    for _ in 0..3 {
        missed.push(stream.next_alert().await);
    }
    let ids: std::collections::BTreeSet<_> =
        missed.iter().map(|it| it.data["alert_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [2, 3, 4].map(|n| id("p1", "r", n).to_string()).into());
    // An id only once everything up to it is told.
    assert_eq!(missed.iter().map(|it| it.id.is_some()).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn whoever_missed_too_much_is_told_to_read_everything_again() {
    let rig = Rig::new().await;
    let many: Vec<_> = (0..600).map(|n| finding("p1", "r", n, Priority::Low)).collect();
    rig.findings(&many).await;
    let mut stream = Stream::open(&rig, Some("0")).await;
    stream.next().await;
    // Offset 0 was the record of the findings: all that changed after it is nothing.
    drop(stream);
    rig.findings(
        &many
            .iter()
            .map(|it| {
                let mut it = it.clone();
                it.episode.peak = Priority::Medium;
                it
            })
            .collect::<Vec<_>>(),
    )
    .await;
    let mut stream = Stream::open(&rig, Some("0")).await;
    stream.next().await;
    assert_eq!(stream.next().await.event, "reset");
}
