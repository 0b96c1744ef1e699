//! How a payload is judged. Each file below looks at one side of it; here is what they share.

mod anything;
mod books;
mod fhir;
mod fhir_orders;
mod gatt;
mod gatt_vectors;
mod identity;
mod omh;
mod properties;
mod times;
mod values;

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{DeviceId, Flags, GatewayId, ReceivedAt, Roster, Sample, Series, TenantId, Value, Zone};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, decode_series};
use prost::Message as _;

use crate::*;

pub(crate) const NOON: &str = "2026-03-01T12:00:00Z";

pub(crate) fn ms(stamp: &str) -> i64 {
    parse_stamp(stamp, &Zone::utc()).unwrap().utc_ms
}

/// A gateway that may send for any device but `other-…`; `paris-…` devices have a zone in the roster.
pub(crate) fn with_envelope<T>(limits: Limits, judge: impl FnOnce(&Envelope<'_>) -> T) -> T {
    with_roster(limits, &Roster::default(), false, NOON, judge)
}

/// As [`with_envelope`], in a clinic that knows people and medications.
pub(crate) fn with_roster<T>(
    limits: Limits,
    roster: &Roster,
    takes_orders: bool,
    received_at: &str,
    judge: impl FnOnce(&Envelope<'_>) -> T,
) -> T {
    let (tenant, gateway) = (TenantId::default(), GatewayId::parse("gw-17").unwrap());
    let zone =
        |device: &DeviceId, _| device.as_str().starts_with("paris").then(|| Zone::parse("Europe/Paris").unwrap());
    judge(&Envelope {
        tenant: &tenant,
        gateway: &gateway,
        protocol: Protocol::Mqtt,
        received_at: ReceivedAt(ms(received_at)),
        number: 0,
        device_zone: &zone,
        device_clock: &|_| None,
        may_speak_for: &|device| !device.as_str().starts_with("other"),
        roster,
        takes_orders: &|| takes_orders,
        limits: &limits,
    })
}

/// Judges and audits: whatever a test looks at, the books must balance.
pub(crate) fn try_judge(payload: &[u8], format: Format) -> Result<Submission, Refused> {
    let judged = with_envelope(Limits::default(), |envelope| judge_bytes(payload, format, envelope));
    judged.inspect(audit)
}

/// The series of a payload in another language, all of which must be admitted.
pub(crate) fn translated(format: Format, payload: &str) -> Vec<Series> {
    let submission = try_judge(payload.as_bytes(), format).unwrap();
    assert_eq!(submission.problems, [], "{payload}");
    entries(&submission).into_iter().map(|entry| entry.series).collect()
}

/// The one series of a payload in another language.
pub(crate) fn translated_one(format: Format, payload: &str) -> Series {
    let [series] = translated(format, payload).try_into().unwrap();
    series
}

/// Code and detail of a payload in another language, refused for one reason.
pub(crate) fn refused_as(format: Format, payload: &str) -> (&'static str, String) {
    let submission = try_judge(payload.as_bytes(), format).unwrap();
    assert_eq!((submission.admitted, submission.problems.len()), (0, 1), "{payload} {:?}", submission.problems);
    (submission.problems[0].code.as_str(), submission.problems[0].detail.clone())
}

/// The first number of a series in canonical units.
pub(crate) fn canonical(series: &Series) -> f64 {
    match series.samples[0].value {
        Value::Number(number) => series.measure.to_canonical(number),
        ref other => panic!("{other:?}"),
    }
}

pub(crate) fn judge(json: &str) -> Submission {
    try_judge(json.as_bytes(), Format::Json).unwrap()
}

/// The books agree with the record that goes into the journal.
pub(crate) fn audit(submission: &Submission) {
    let entries = entries(submission);
    let samples: usize = entries.iter().map(|entry| entry.series.samples.len()).sum();
    assert_eq!(submission.admitted, samples as u64);
    assert_eq!(submission.quarantined, submission.batch.quarantined.iter().map(|item| item.count).sum::<u64>());
    assert_eq!(submission.problems.len(), submission.batch.quarantined.len());
    assert!(submission.batch.encoded_len() < 16 << 20, "larger than a journal record");
    for (problem, item) in submission.problems.iter().zip(&submission.batch.quarantined) {
        assert_eq!(
            (problem.index, problem.sample, problem.code.as_str()),
            (item.index, item.sample, item.code.as_str())
        );
        assert_eq!(problem.quarantine_id.as_deref(), Some(item.id.as_str()));
        assert!(item.count > 0 && problem.detail.len() < 300, "{problem:?}");
    }
}

pub(crate) fn entries(submission: &Submission) -> Vec<Entry> {
    let section = |section: &pb::DeviceSection| {
        let device = DeviceId::parse(&section.device).unwrap();
        let readings = pb::DeviceReadings::decode(section.readings.clone()).unwrap();
        decode_series(&device, &readings).unwrap()
    };
    submission.batch.sections.iter().flat_map(section).collect()
}

/// A payload of one reading that must be admitted.
pub(crate) fn admitted(json: &str) -> (Series, Sample) {
    let submission = judge(json);
    assert_eq!(submission.problems, [], "{json}");
    let [entry] = entries(&submission).try_into().unwrap();
    let sample = entry.series.samples[0].clone();
    (entry.series, sample)
}

/// Code and detail of a payload of one reading that must be refused.
pub(crate) fn refused(json: &str) -> (&'static str, String) {
    let submission = judge(json);
    assert_eq!((submission.admitted, submission.problems.len()), (0, 1), "{json}");
    (submission.problems[0].code.as_str(), submission.problems[0].detail.clone())
}

pub(crate) fn code(json: &str) -> &'static str {
    refused(json).0
}

/// A reading of `measure` at an unremarkable time, with these further members.
pub(crate) fn reading(measure: &str, rest: &str) -> String {
    format!(r#"{{"device": "watch-0001", "measure": "{measure}", "time": "2026-03-01T11:00:00Z", {rest}}}"#)
}

pub(crate) fn number(json: &str) -> (i64, Flags) {
    match admitted(json).1 {
        Sample { value: Value::Number(number), flags, .. } => (number, flags),
        other => panic!("{other:?}"),
    }
}
