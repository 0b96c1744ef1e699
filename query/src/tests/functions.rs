use super::*;

#[tokio::test]
async fn a_local_day_follows_the_zone_through_both_changes_of_the_clock() {
    let house = House::new().await;
    let day = async |time: &str, zone: &str| house.line(&format!("SELECT local_day('{time}', '{zone}')")).await;
    // Forward on 29 March 2026 at 01:00Z, back on 25 October at 01:00Z.
    assert_eq!(day("2026-03-28T22:59:59Z", "Europe/Paris").await, "2026-03-28");
    assert_eq!(day("2026-03-28T23:00:00Z", "Europe/Paris").await, "2026-03-29");
    assert_eq!(day("2026-03-29T21:59:59Z", "Europe/Paris").await, "2026-03-29");
    assert_eq!(day("2026-03-29T22:00:00Z", "Europe/Paris").await, "2026-03-30");
    assert_eq!(day("2026-10-25T22:59:59Z", "Europe/Paris").await, "2026-10-25");
    assert_eq!(day("2026-10-25T23:00:00Z", "Europe/Paris").await, "2026-10-26");
    assert_eq!(day("2026-03-01T03:00:00Z", "America/New_York").await, "2026-02-28");
    assert_eq!(day("1960-01-01T00:00:00.5Z", "UTC").await, "1960-01-01");
    assert!(house.refusal("SELECT local_day(now(), 'Mars/Olympus')").await.to_string().contains("IANA time zone"));
    assert!(house.refusal("SELECT local_day(1)").await.to_string().contains("two arguments"));
}

#[tokio::test]
async fn the_days_of_a_change_of_clock_have_23_and_25_hours_in_sql_too() {
    let house = House::new().await;
    let at = |hour: i64| EventTime(1_774_479_600_000 + hour * 3_600_000);
    // Twenty-minute steps are not needed: one reading an hour, for a week around the change in March.
    let readings = (0..7 * 24).map(|hour| ReadingRow { time: at(hour), ..reading(hour as u64, 1) }).collect();
    house.write(Rows { readings, ..Rows::default() }).await;
    let hours = "SELECT local_day(time, zone) AS day, count(*) FROM readings GROUP BY 1 ORDER BY 1 LIMIT 6";
    let expected =
        ["2026-03-26,24", "2026-03-27,24", "2026-03-28,24", "2026-03-29,23", "2026-03-30,24", "2026-03-31,24"];
    assert_eq!(house.lines(hours).await, expected);
    house.store.flush_lake(true).await.unwrap();
    assert_eq!(house.lines(hours).await, expected);
}

#[tokio::test]
async fn a_series_is_put_into_buckets() {
    let house = House::furnished(Options::default()).await;
    let buckets = "SELECT time_bucket('2 hours', time) AS bucket, count(*), avg(value) FROM readings \
                   WHERE measure = 'heart_rate' GROUP BY 1 ORDER BY 1";
    let expected = ["2026-03-01T00:00:00Z,80,60.0", "2026-03-01T02:00:00Z,80,180.0", "2026-03-01T04:00:00Z,40,270.0"];
    assert_eq!(house.lines(buckets).await, expected);
    assert_eq!(house.lines(&buckets.replace("'2 hours'", "INTERVAL '2 hours'")).await, expected);
    assert_eq!(house.lines(&buckets.replace("'2 hours'", "'1h 60 minutes'")).await, expected);
}

#[tokio::test]
async fn buckets_begin_on_mondays_and_before_their_members() {
    let house = House::new().await;
    let start = async |width: &str, time: &str| house.line(&format!("SELECT time_bucket('{width}', '{time}')")).await;
    assert_eq!(start("1 week", "2026-03-01T12:00:00Z").await, "2026-02-23T00:00:00Z");
    assert_eq!(start("1 day", "1969-12-31T23:59:59Z").await, "1969-12-31T00:00:00Z");
    assert_eq!(start("15 min", "2026-03-01T12:14:59Z").await, "2026-03-01T12:00:00Z");
    assert_eq!(house.line("SELECT time_bucket('1 day', NULL) IS NULL").await, "true");
    for width in ["", "0 s", "-1 day", "soon", "5", "1 month", "99999999999999999999 s", "9223372036854775807 weeks"] {
        let refusal = house.refusal(&format!("SELECT time_bucket('{width}', now())")).await;
        assert!(matches!(refusal, QueryError::Invalid(_)), "{width}: {refusal:?}");
    }
    assert!(house.refusal("SELECT time_bucket(measure, now()) FROM measures").await.to_string().contains("constant"));
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn wall_ms(&self) -> i64 {
        START
    }

    fn monotonic_ms(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn now_is_what_the_given_clock_says() {
    let house = House::with(Options { clock: Some(Arc::new(Stopped)), ..Options::default() }).await;
    assert_eq!(house.line("SELECT now()::timestamp(0), current_date").await, "2026-03-01T00:00:00,2026-03-01");
    let today = "SELECT count(*) FROM generate_series(1, 1) WHERE now() = TIMESTAMP '2026-03-01T00:00:00Z'";
    assert_eq!(house.line(today).await, "1");
}
