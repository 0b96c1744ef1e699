use std::collections::BTreeSet;

use painwatch_domain::Priority;
use painwatch_domain::time::format_utc;
use painwatch_store::Rows;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{NOW_MS, Rig, finding, id, reading};

#[tokio::test]
async fn pages_show_each_alert_once_even_where_many_changed_at_one_offset() {
    let rig = Rig::new().await;
    // Groups of 1, 2, … 7 alerts, each group changed by one record.
    for group in 1..=7 {
        let findings: Vec<_> = (0..group).map(|n| finding("p1", "r", group * 100 + n, Priority::Low)).collect();
        rig.findings(&findings).await;
    }
    for limit in [1, 3, 5, 200] {
        let (mut seen, mut cursor) = (Vec::new(), None::<u64>);
        loop {
            let from = cursor.map(|at| format!("&cursor={at}")).unwrap_or_default();
            let page = rig.get(&format!("/api/v1/alerts?limit={limit}{from}")).await;
            seen.extend(page["alerts"].as_array().unwrap().iter().map(|it| it["alert_id"].to_string()));
            cursor = page["next_cursor"].as_u64();
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (28, 28), "limit {limit}");
    }
}

#[tokio::test]
async fn filters_narrow_and_a_word_that_does_not_exist_is_named() {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "a", 1, Priority::High), finding("p2", "b", 2, Priority::Low)]).await;
    rig.post(&format!("/api/v1/alerts/{}/resolve", id("p2", "b", 2)), json!({})).await;
    for (query, expected) in [
        ("", 2),
        ("state=open", 1),
        ("state=open,resolved", 2),
        ("priority=high", 1),
        ("patient=p2", 1),
        ("rule=a", 1),
        ("condition=cleared", 0),
        ("since=2999-01-01T00:00:00Z", 0),
    ] {
        let found = rig.get(&format!("/api/v1/alerts?{query}")).await;
        assert_eq!(found["alerts"].as_array().unwrap().len(), expected, "{query}");
    }
    for query in ["state=opened", "priority=urgent", "since=yesterday", "rule=a/b"] {
        let refused = rig.request(Method::GET, &format!("/api/v1/alerts?{query}")).send().await.unwrap();
        assert_eq!(refused.status(), 422, "{query}");
    }
}

#[tokio::test]
async fn whatever_the_api_refuses_it_refuses_as_problem_json() {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "r", NOW_MS, Priority::High)]).await;
    let comment = format!("/api/v1/alerts/{}/comment", id("p1", "r", NOW_MS));
    for (method, path, status, said) in [
        (Method::GET, "/api/v1/alerts?foo=1", 400, "unknown field `foo`"),
        (Method::GET, "/api/v1/alerts?limit=x", 400, "limit"),
        (Method::GET, "/api/v1/alerts?state=open&state=resolved", 400, "duplicate field `state`"),
        (Method::GET, "/api/v1/patients/p1/series", 400, "missing field `measure`"),
        (Method::GET, "/api/v1/patients/%FF", 400, "UTF-8"),
        (Method::GET, "/api/v1/nothing", 404, "no such path"),
        (Method::POST, "/api/v1/alerts", 405, "other methods"),
        (Method::DELETE, "/api/v1/me", 405, "other methods"),
        (Method::GET, comment.as_str(), 405, "other methods"),
        (Method::POST, comment.as_str(), 413, "limit"),
    ] {
        let answer = rig.request(method.clone(), path).body("x".repeat(if status == 413 { 20_000 } else { 0 }));
        let answer = answer.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), kind.as_str()), (status, "application/problem+json"), "{method} {path}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{method} {path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{method} {path}: {problem}");
    }
}

#[tokio::test]
async fn an_alert_shows_its_evidence_with_values_and_what_to_draw() {
    let rig = Rig::new().await;
    let rows: Vec<_> =
        (0..20).map(|n| reading("p1", "oxygen_saturation", "%", NOW_MS + n * 60_000, 95.0 - n as f64)).collect();
    let mut found = finding("p1", "r", NOW_MS, Priority::High);
    found.episode.evidence = rows[10..13].iter().map(|row| row.reading_id).collect();
    found.episode.last_held.0 += 900_000;
    rig.rows(Rows { readings: rows, ..Rows::default() }).await;
    rig.findings(&[found]).await;
    let alert = rig.get(&format!("/api/v1/alerts/{}", id("p1", "r", NOW_MS))).await;
    let values: Vec<_> = alert["evidence"].as_array().unwrap().iter().map(|it| it["value"].as_f64().unwrap()).collect();
    assert_eq!(values, [85.0, 84.0, 83.0]);
    assert_eq!((&alert["chart"]["measure"], &alert["chart"]["unit"]), (&json!("oxygen_saturation"), &json!("%")));
    assert_eq!(alert["why"], "oxygen_saturation 85 % < 90 % for 3 min");
    assert_eq!(alert["events"][0]["event"], "opened");
}

#[tokio::test]
async fn a_series_comes_raw_or_folded_and_folding_loses_no_extreme() {
    let rig = Rig::new().await;
    let value = |n: i64| if n == 3_333 { 190.0 } else { 60.0 + (n % 10) as f64 };
    let rows = (0..6_000).map(|n| reading("p1", "heart_rate", "/min", NOW_MS + n * 1_000, value(n))).collect();
    rig.rows(Rows { readings: rows, ..Rows::default() }).await;
    let span = format!("measure=heart_rate&from={}&to={}", format_utc(NOW_MS), format_utc(NOW_MS + 6_000_000));
    let get = async |resolution: &str| rig.get(&format!("/api/v1/patients/p1/series?{span}{resolution}")).await;

    let raw = get("&resolution=raw").await;
    assert_eq!((raw["points"].as_array().unwrap().len(), &raw["unit"]), (6_000, &json!("/min")));
    let fitting = get("").await;
    assert!(fitting["points"].as_array().unwrap().len() <= 501);
    let minutes = get("&resolution=1m").await;
    let points = minutes["points"].as_array().unwrap();
    assert_eq!(points.len(), 100);
    let sum = |name: &str| points.iter().map(|it| it[name].as_f64().unwrap()).sum::<f64>();
    assert_eq!(sum("n"), 6_000.0);
    assert_eq!(sum("sum"), (0..6_000).map(value).sum::<f64>());
    assert!(points.iter().any(|it| it["max"] == json!(190.0)));
    let refused = rig.request(Method::GET, &format!("/api/v1/patients/p1/series?{span}&resolution=often"));
    assert_eq!(refused.send().await.unwrap().status(), 422);
}

#[tokio::test]
async fn patients_are_listed_with_what_waits_for_them_and_synthetic_ones_say_so() {
    let rig = Rig::new().await;
    rig.roster(&["p1", "p2"]).await;
    rig.findings(&[finding("p1", "r", 1, Priority::High), finding("p1", "r", 2, Priority::Low)]).await;
    let list = rig.get("/api/v1/patients").await;
    let waiting: Vec<&Value> = list["patients"].as_array().unwrap().iter().map(|it| &it["unresolved_alerts"]).collect();
    assert_eq!(waiting, [&json!(2), &json!(0)]);
    assert!(list["patients"].as_array().unwrap().iter().all(|it| it["synthetic"] == json!(true)));
    let one = rig.get("/api/v1/patients/p1").await;
    assert_eq!((one["alerts"].as_array().unwrap().len(), &one["zone"]), (2, &json!("Europe/Paris")));
    assert_eq!(rig.get("/api/v1/devices").await["devices"][0]["device_id"], "watch-0001");
    assert_eq!(rig.request(Method::GET, "/api/v1/patients/p9").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn health_is_told_to_anyone_and_names_nobody() {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "r", 1, Priority::High)]).await;
    for path in ["/livez", "/readyz", "/healthz"] {
        let answer = rig.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.text().await.unwrap().contains("p1"));
    }
}
