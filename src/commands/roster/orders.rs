//! Prescriptions and dispenses as entries of a roster document: what gateways ordered, for whoever exports the roster.

use std::fmt::Write as _;

use anyhow::Result;
use painwatch_domain::Roster;
use painwatch_domain::roster::{Dispense, Prescription};

/// What gateways wrote beside the document that was applied last. Applied behind it, both are declared.
///
/// # Errors
/// The document can no longer be read.
pub fn beside(roster: &Roster) -> Result<String> {
    let declared = crate::roster::parse(&roster.source, &roster.tenant)?;
    let mut text = String::new();
    for order in roster.prescriptions.iter().filter(|order| !declared.prescriptions.contains(order)) {
        text.push_str(&prescription(order));
    }
    for fill in roster.dispenses.iter().filter(|fill| !declared.dispenses.contains(fill)) {
        text.push_str(&dispense(fill));
    }
    Ok(text)
}

fn prescription(order: &Prescription) -> String {
    let Prescription { patient, medication, dose, start, end, times_min, prn } = order;
    let mut entry = format!(
        "\n# Written by a gateway.\n[[prescription]]\npatient = \"{patient}\"\nmedication = \"{medication}\"\ndose = {:?}\n\
         start = \"{start}\"\n",
        dose.get()
    );
    if let Some(end) = end {
        let _ = writeln!(entry, "end = \"{end}\"");
    }
    if let Some(prn) = prn {
        let minutes = prn.min_interval_ms.div_euclid(60_000);
        let _ = writeln!(entry, "prn = {{ max_per_day = {}, min_interval = \"{minutes}m\" }}", prn.max_per_day);
    } else {
        let times = times_min.iter().map(|minute| format!("\"{:02}:{:02}\"", minute / 60, minute % 60));
        let _ = writeln!(entry, "times = [{}]", times.collect::<Vec<_>>().join(", "));
    }
    entry
}

fn dispense(fill: &Dispense) -> String {
    let Dispense { patient, medication, date, days_supply } = fill;
    format!(
        "\n# Written by a gateway.\n[[dispense]]\npatient = \"{patient}\"\nmedication = \"{medication}\"\ndate = \"{date}\"\n\
         days_supply = {days_supply}\n"
    )
}

#[cfg(test)]
mod tests {
    use painwatch_domain::roster::{F64Bits, Prn};
    use painwatch_domain::{EventTime, TenantId};

    use super::*;

    #[test]
    fn what_is_exported_declares_the_same_when_it_is_applied_again() {
        let declared = r#"
            [[patient]]
            id = "p-1"
            zone = "Europe/Paris"
            [[medication]]
            id = "oxycodone-5mg"
            ingredient = "oxycodone"
            [[prescription]]
            patient = "p-1"
            medication = "oxycodone-5mg"
            dose = 1.0
            start = 2026-03-01
            times = ["08:00"]
        "#;
        let mut roster = crate::roster::parse(declared, &TenantId::default()).unwrap();
        let scheduled = roster.prescriptions[0].clone();
        let (start, end) = (EventTime(1_775_000_000_123), Some(EventTime(1_776_000_000_000)));
        let prn = Some(Prn { max_per_day: 3, min_interval_ms: 4 * 3_600_000 });
        let dose = F64Bits::new(0.5);
        roster.prescriptions.extend([
            Prescription { start, end, dose, times_min: vec![485, 1_200], ..scheduled.clone() },
            Prescription { start, end: None, times_min: Vec::new(), prn, ..scheduled.clone() },
        ]);
        let (patient, medication) = (scheduled.patient, scheduled.medication);
        roster.dispenses.push(Dispense { patient, medication, date: start, days_supply: 14 });
        let exported = declared.to_owned() + &beside(&roster).unwrap();
        let again = crate::roster::parse(&exported, &TenantId::default()).unwrap();
        assert_eq!((again.prescriptions, again.dispenses), (roster.prescriptions, roster.dispenses));
    }
}
