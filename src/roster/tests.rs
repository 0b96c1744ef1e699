use super::*;

const CLINIC: &str = r#"
    [[patient]]
    id = "p-1"
    zone = "Europe/Paris"
    packs = ["pain"]
    [[device]]
    id = "watch-1"
    streams = [{ measure = "heart_rate", every = "5s" }]
    [[pairing]]
    device = "watch-1"
    patient = "p-1"
    from = 2026-03-01
    [[medication]]
    id = "oxycodone-5mg"
    ingredient = "oxycodone"
    [[prescription]]
    patient = "p-1"
    medication = "oxycodone-5mg"
    dose = 1.0
    start = 2026-03-01
    times = ["20:00", "08:00"]
"#;

#[test]
fn a_date_in_the_roster_is_midnight_where_the_patient_lives() {
    let roster = parse(CLINIC, &TenantId::default()).unwrap();
    assert_eq!(roster.pairings[0].from.to_string(), "2026-02-28T23:00:00Z");
    assert_eq!(roster.prescriptions[0].times_min, [480, 1200]);
}

#[test]
fn combinations_fills_and_events_are_read_and_what_makes_no_sense_is_refused() {
    let more = r#"
        [[medication]]
        id = "percocet"
        ingredient = "oxycodone/acetaminophen"
        strength = "5/325"
        [[dispense]]
        patient = "p-1"
        medication = "percocet"
        date = 2026-03-01
        days_supply = 30
        [[patient_event]]
        patient = "p-1"
        kind = "surgery"
        start = 2026-03-01
    "#;
    let text = format!("{CLINIC}{more}");
    let roster = parse(&text, &TenantId::default()).unwrap();
    let combined = &roster.medications[&MedicationId::parse("percocet").unwrap()];
    assert_eq!(combined.ingredient, "oxycodone 5 mg/acetaminophen 325 mg");
    assert_eq!((roster.dispenses[0].days_supply, roster.patient_events[0].kind.as_str()), (30, "surgery"));
    for (right, wrong, said) in [("5/325", "5", "one number"), ("surgery", "party", "admission")] {
        let error = format!("{:#}", parse(&text.replace(right, wrong), &TenantId::default()).unwrap_err());
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn an_error_names_the_entry_and_what_was_expected() {
    let broken = CLINIC.replace("[\"20:00\", \"08:00\"]", "[\"25:00\"]");
    let error = format!("{:#}", parse(&broken, &TenantId::default()).unwrap_err());
    assert!(error.contains("[[prescription]] of \"oxycodone-5mg\"") && error.contains("25:00"), "{error}");
    let error = format!("{:#}", parse(&CLINIC.replace("zone =", "zoen ="), &TenantId::default()).unwrap_err());
    assert!(error.contains("zoen"), "{error}");
}

#[test]
fn an_override_names_its_numbers_its_clinician_and_its_reason() {
    let own = r#"
        [[override]]
        patient = "p-1"
        rule = "spo2-sustained-low"
        from = 2026-03-01
        by = "Dr. A. Example"
        reason = "chronic hypercapnia"
        condition = { below = 86 }
        for = "5m"
    "#;
    let text = format!("{CLINIC}{own}");
    let roster = parse(&text, &TenantId::default()).unwrap();
    let set = &roster.overrides[0];
    assert_eq!(set.from.to_string(), "2026-02-28T23:00:00Z");
    assert_eq!(set.numbers["condition"], "{ below = 86 }");
    assert_eq!(set.numbers["for"], "\"5m\"");
    let twice = format!("{text}{own}");
    for (text, said) in [
        (text.replace("for =", "fro ="), "did you mean `for`?"),
        (text.replace("condition = { below = 86 }\n        for = \"5m\"", ""), "it changes nothing"),
        (text.replace("chronic hypercapnia", " "), "reason is empty"),
        (text.replace("patient = \"p-1\"\n        rule", "patient = \"p-2\"\n        rule"), "no [[patient]] p-2"),
        (twice, "two from the same moment"),
    ] {
        let error = format!("{:#}", parse(&text, &TenantId::default()).unwrap_err());
        assert!(error.contains("[[override]] of \"spo2-sustained-low\"") && error.contains(said), "{error}");
    }
}

#[test]
fn a_goal_is_set_on_a_metric_that_may_have_one() {
    let goal = r#"
        [[goal]]
        patient = "p-1"
        metric = "step_count.daily_sum"
        target = 6000
        by = 2026-06-30
    "#;
    let text = format!("{CLINIC}{goal}");
    let roster = parse(&text, &TenantId::default()).unwrap();
    assert_eq!(roster.goals[0].target.get(), 6000.0);
    assert_eq!(roster.goals[0].by.unwrap().to_string(), "2026-06-29T22:00:00Z");
    let error = format!("{:#}", parse(&text.replace("daily_sum", "daily_sun"), &TenantId::default()).unwrap_err());
    assert!(error.contains("did you mean step_count.daily_sum?"), "{error}");
    let error = format!(
        "{:#}",
        parse(&text.replace("\"p-1\"\n        metric", "\"p-2\"\n        metric"), &TenantId::default()).unwrap_err()
    );
    assert!(error.contains("p-2"), "{error}");
}

#[test]
fn a_stream_may_be_expected_at_some_hours_and_needs_both_of_them() {
    let with =
        |hours: &str| parse(&CLINIC.replace("every = \"5s\"", &format!("every = \"5s\"{hours}")), &TenantId::default());
    let roster = with(r#", from = "22:00", until = "07:00""#).unwrap();
    let hours = roster.devices.values().next().unwrap().streams[0].hours;
    assert_eq!(hours, Some(Hours { from_min: 1320, until_min: 420 }));
    for (wrong, said) in [
        (r#", from = "22:00""#, "come together"),
        (r#", from = "22:00", until = "22:00""#, "expected all day"),
        (r#", from = "25:00", until = "07:00""#, "is not a time of day"),
    ] {
        let error = format!("{:#}", with(wrong).unwrap_err());
        assert!(error.contains(said), "{error}");
    }
}
