use reqwest::Method;

use crate::rig::Rig;

const FILES: [&str; 9] = [
    "/",
    "/login",
    "/alerts/00000000000000000000000000000000",
    "/assets/console.css",
    "/assets/api.js",
    "/assets/chart.js",
    "/assets/views.js",
    "/assets/console.js",
    "/api/v1/me",
];

#[tokio::test]
async fn every_answer_forbids_what_does_not_come_from_this_program() {
    let rig = Rig::new().await;
    for path in FILES {
        let answer = rig.anonymous(Method::GET, path).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn the_pages_need_nothing_that_the_policy_forbids_and_all_they_ask_for_is_there() {
    let rig = Rig::new().await;
    for path in ["/", "/login"] {
        let page = rig.anonymous(Method::GET, path).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Not a medical device"), "{path}");
        assert!(page.contains("Not for emergencies"), "{path}");
        assert!(!page.contains(" style=") && !page.contains(" onclick=") && !page.contains("http"), "{path}");
        for asked in page.split('"').filter(|text| text.starts_with("/assets/")) {
            let there = rig.anonymous(Method::GET, asked).send().await.unwrap();
            assert_eq!(there.status(), 200, "{asked}");
        }
    }
}
