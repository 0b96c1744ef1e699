//! `consent.monitoring` of a file that is to be applied. The engines watch whoever is in the roster, so whoever must not be
//! watched is refused here. Rosters that are journalled already are read without this: what was in force stays readable.

use anyhow::{Result, bail};
use painwatch_domain::time::parse_stamp;
use painwatch_domain::{EventTime, PatientId, Roster, Zone};
use serde::Deserialize;
use toml::{Spanned, Value};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    patient: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    consent: Consent,
}

#[derive(Default, Deserialize)]
struct Consent {
    monitoring: Option<Spanned<Value>>,
}

/// Whether everybody in the file may be watched now.
///
/// # Errors
/// Somebody did not agree or not yet, or it cannot be read; with the line.
pub fn check(text: &str, roster: &Roster, now: EventTime) -> Result<()> {
    let file: File = toml::from_str(text)?;
    for entry in file.patient {
        let Some(said) = entry.consent.monitoring else { continue };
        let line = text[..said.span().start].lines().count().max(1);
        let zone = PatientId::parse(&entry.id).ok().and_then(|id| roster.patients.get(&id)).map(|it| it.zone_at(now));
        if let Some(why) = refusal(said.get_ref(), zone.unwrap_or(&Zone::utc()), now) {
            bail!("line {line}: [[patient]] {:?}: consent.monitoring {why}", entry.id);
        }
    }
    Ok(())
}

/// `None` where they may.
fn refusal(said: &Value, zone: &Zone, now: EventTime) -> Option<String> {
    let text = match said {
        Value::Boolean(true) => return None,
        Value::Boolean(false) => {
            return Some("is false: whoever is in the roster is watched, so leave them out of it".to_owned());
        }
        Value::Datetime(stamp) => stamp.to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match parse_stamp(&text, zone) {
        Err(_) => Some(format!("is {said}, expected a date such as 2026-03-01, true or false")),
        Ok(stamp) if stamp.utc_ms > now.0 => {
            Some(format!("begins at {text}: whoever is in the roster is watched, so add them then"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::TenantId;

    use super::*;

    /// What is said of a patient in Tokyo who agreed so, at noon of 2026-03-01 there.
    fn said(monitoring: &str) -> Result<(), String> {
        let text = format!(
            "[[patient]]\nid = \"p-0\"\nzone = \"UTC\"\n[[patient]]\nid = \"p-1\"\nzone = \"Asia/Tokyo\"\n\
             consent = {{ monitoring = {monitoring}, research = false }}\n"
        );
        let roster = crate::roster::parse(&text, &TenantId::default()).unwrap();
        let now = EventTime(parse_stamp("2026-03-01T12:00:00+09:00", &Zone::utc()).unwrap().utc_ms);
        check(&text, &roster, now).map_err(|error| error.to_string())
    }

    #[test]
    fn whoever_did_not_agree_to_be_watched_or_not_yet_is_refused_with_the_line() {
        for agreed in ["true", "2026-03-01", "\"2026-02-28\"", "2026-03-01T11:59:00+09:00"] {
            assert_eq!(said(agreed), Ok(()), "{agreed}");
        }
        for (refused, why) in [
            ("false", "is false"),
            ("2026-03-02", "begins at 2026-03-02"),
            ("2026-03-01T12:01:00", "begins at"),
            ("\"yes\"", "expected a date"),
            ("1", "expected a date"),
            ("[true]", "expected a date"),
        ] {
            let told = said(refused).unwrap_err();
            assert!(told.starts_with("line 7: [[patient]] \"p-1\"") && told.contains(why), "{refused}: {told}");
        }
    }
}
