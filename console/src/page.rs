//! The page and what it is made of, all inside the program.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{Inner, auth};

const PAGE: &str = include_str!("../assets/index.html");
const LOGIN: &str = include_str!("../assets/login.html");
const STYLE: &str = include_str!("../assets/console.css");
const ICON: &str = include_str!("../assets/icon.svg");
const SCRIPTS: [(&str, &str); 4] = [
    ("/assets/api.js", include_str!("../assets/api.js")),
    ("/assets/chart.js", include_str!("../assets/chart.js")),
    ("/assets/views.js", include_str!("../assets/views.js")),
    ("/assets/console.js", include_str!("../assets/console.js")),
];

pub fn router() -> Router<Arc<Inner>> {
    // The shell holds no data: whoever is not logged in gets nothing but it, and is sent to the login by the script.
    let shell = || get(|| async { text("text/html; charset=utf-8", PAGE) });
    let mut router = Router::new()
        .route("/", shell())
        .route("/alerts/{id}", shell())
        .route("/login", get(auth::login_page).post(auth::login))
        .route("/logout", axum::routing::post(auth::logout))
        .route("/assets/icon.svg", get(|| async { text("image/svg+xml", ICON) }))
        .route("/assets/console.css", get(|| async { text("text/css; charset=utf-8", STYLE) }));
    for (path, script) in SCRIPTS {
        router = router.route(path, get(move || async move { text("text/javascript; charset=utf-8", script) }));
    }
    router
}

pub fn login(status: StatusCode) -> Response {
    let told = if status == StatusCode::OK { "" } else { "That link or password is not valid. Links work once." };
    let body = LOGIN.replace("{{message}}", told);
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

fn text(content_type: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// On every answer: nothing foreign runs here, nothing of ours is framed, guessed at, cached or named to others.
pub async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
