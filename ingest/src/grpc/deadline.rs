//! The caller's own deadline (`grpc-timeout`): what is durable by then is answered, judged or not.

use std::time::Duration;

use tokio::time::Instant;
use tonic::codegen::http::HeaderMap;

/// Of the time a caller gives, so much is kept for the answer's way back: a tenth, at most this.
const WAY_BACK: Duration = Duration::from_millis(100);

/// When a call has to be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerBy {
    /// With what is durable by then, judged or not.
    pub durable: Option<Instant>,
    /// With whatever there is: half of the way back is left.
    pub at_all: Option<Instant>,
}

impl AnswerBy {
    /// Of a call that arrived at `now`. A timeout that cannot be read is none.
    pub fn of(headers: &HeaderMap, now: Instant) -> Self {
        let timeout = headers.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
        let left = |parts: u32| {
            let timeout = timeout?;
            now.checked_add(timeout - WAY_BACK.min(timeout / 10) / parts)
        };
        Self { durable: left(1), at_all: left(2) }
    }

    /// How long to wait at `now` for something that may take `limit`.
    pub fn at_most(self, limit: Duration, now: Instant) -> Duration {
        self.durable.map_or(limit, |by| limit.min(by.saturating_duration_since(now)))
    }
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count * 3_600)),
        'M' => Some(Duration::from_secs(count * 60)),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_at_most_eight_digits_and_a_unit() {
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!((parse("7u"), parse("7n")), (Some(Duration::from_micros(7)), Some(Duration::from_nanos(7))));
        for text in ["", "S", "100000000S", "-1S", "1.5S", "1x", "1", "é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_way_back_is_left_and_the_shorter_limit_holds() {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        assert_eq!(AnswerBy::of(&headers, now), AnswerBy::default());
        headers.insert("grpc-timeout", "100m".parse().unwrap());
        let by = AnswerBy::of(&headers, now);
        let after = |ms| Some(now + Duration::from_millis(ms));
        assert_eq!(by, AnswerBy { durable: after(90), at_all: after(95) });
        assert_eq!(by.at_most(Duration::from_secs(2), now), Duration::from_millis(90));
        assert_eq!(by.at_most(Duration::from_millis(5), now), Duration::from_millis(5));
        assert_eq!(by.at_most(Duration::from_secs(2), now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(AnswerBy::default().at_most(Duration::from_secs(2), now), Duration::from_secs(2));
    }
}
