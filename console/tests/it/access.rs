use reqwest::Method;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};

use crate::rig::{NOW_MS, Rig, finding, id};
use painwatch_domain::Priority;

const PATHS: [&str; 8] = [
    "/api/v1/alerts",
    "/api/v1/alerts/00000000000000000000000000000000",
    "/api/v1/patients",
    "/api/v1/patients/p1",
    "/api/v1/patients/p1/series?measure=heart_rate",
    "/api/v1/devices",
    "/api/v1/me",
    "/api/v1/events",
];

#[tokio::test]
async fn without_a_credential_of_the_right_role_nothing_is_shown_or_done() {
    let rig = Rig::new().await;
    for path in PATHS {
        let nobody = rig.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(
            (nobody.status().as_u16(), nobody.headers()["content-type"].to_str().unwrap()),
            (401, "application/problem+json"),
            "{path}"
        );
        let forged = rig.anonymous(Method::GET, path).bearer_auth("guess").send().await.unwrap();
        assert_eq!(forged.status(), 401, "{path}");
        for role in ["analyst", "operator", "gateway"] {
            let other = rig.anonymous(Method::GET, path).bearer_auth(rig.token(role)).send().await.unwrap();
            assert!([401, 403].contains(&other.status().as_u16()), "{role} {path}: {}", other.status());
        }
    }
    let act = rig.anonymous(Method::POST, &format!("/api/v1/alerts/{}/resolve", "0".repeat(32))).send().await.unwrap();
    assert_eq!(act.status(), 401);
}

async fn log_in(rig: &Rig) -> String {
    let entered = rig.anonymous(Method::GET, &rig.console.one_time_path()).send().await.unwrap();
    assert_eq!((entered.status().as_u16(), entered.headers()[LOCATION].to_str().unwrap()), (303, "/"));
    let cookie = entered.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_one_time_link_opens_one_session_once() {
    let rig = Rig::new().await;
    let path = rig.console.one_time_path();
    assert_eq!(rig.anonymous(Method::GET, &path).send().await.unwrap().status(), 303);
    assert_eq!(rig.anonymous(Method::GET, &path).send().await.unwrap().status(), 401);
    let late = rig.console.one_time_path();
    rig.clock.0.fetch_add(16 * 60_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(rig.anonymous(Method::GET, &late).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_session_changes_something_only_with_its_csrf_token() {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "r", NOW_MS, Priority::High)]).await;
    let cookie = log_in(&rig).await;
    let who = rig.anonymous(Method::GET, "/api/v1/me").header(COOKIE, &cookie).send().await.unwrap();
    let who: serde_json::Value = who.json().await.unwrap();
    assert_eq!(who["user"], "clinician");
    let act = format!("/api/v1/alerts/{}/acknowledge", id("p1", "r", NOW_MS));
    for (token, expected) in [(None, 403), (Some("guess"), 403), (who["csrf_token"].as_str(), 200)] {
        let mut request = rig.anonymous(Method::POST, &act).header(COOKIE, &cookie);
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        assert_eq!(request.send().await.unwrap().status(), expected, "{token:?}");
    }
    let out = rig.anonymous(Method::POST, "/logout").header(COOKIE, &cookie);
    let out = out.header("x-csrf-token", who["csrf_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(out.status(), 204);
    let after = rig.anonymous(Method::GET, "/api/v1/me").header(COOKIE, &cookie).send().await.unwrap();
    assert_eq!(after.status(), 401);
}

#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let rig = Rig::new().await;
    let form = "user=clinician&password=guess";
    let request = rig.anonymous(Method::POST, "/login").header("content-type", "application/x-www-form-urlencoded");
    let refused = request.body(form).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().get(SET_COOKIE).is_none());
}
