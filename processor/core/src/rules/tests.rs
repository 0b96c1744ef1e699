use painwatch_domain::{Measure, Priority};
use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = r#"
[[rule]]
id = "spo2-sustained-low"
title = "Oxygen saturation low"
domain = "safety"                       # safety | medication | pain | …
signal = "oxygen_saturation"            # a measure or a metric
condition = { below = 90 }
for = "3m"
max_gap = "90s"
clear = { at_least = 92, for = "5m" }
priority = "medium"
priority_when = [{ exposure = "opioid", priority = "high" }]
stale_after = "30m"
refractory = "60m"
min_data = "2 samples"
escalation_policy = "respiratory"
audience = ["nurse", "prescriber"]
action = "Call the patient."
source = "PRODIGY, Khanna 2020"
accepted_by = ""
"#;

fn one(text: &str) -> Rule {
    parse(text, "clinic.toml").unwrap().pop().unwrap()
}

/// The example with one line replaced by others.
fn with(key: &str, line: &str) -> String {
    let lines = EXAMPLE.lines().map(|old| if old.starts_with(&format!("{key} =")) { line } else { old });
    lines.collect::<Vec<_>>().join("\n")
}

fn errors(text: &str) -> Vec<RuleError> {
    parse(text, "clinic.toml").expect_err("the text is at fault")
}

#[test]
fn the_example_of_the_contract_means_what_it_says() {
    let rule = one(EXAMPLE);
    assert_eq!((rule.signal, rule.pack.as_str()), (Signal::Measure(Measure::OxygenSaturation), "clinic"));
    assert_eq!(rule.condition, Condition::Threshold(Comparison::Below(90.0)));
    assert_eq!(
        (rule.for_ms, rule.max_gap_ms, rule.stale_after_ms, rule.refractory_ms),
        (180_000, 90_000, 1_800_000, 3_600_000)
    );
    assert_eq!(rule.clear, Some(Clear { comparison: Comparison::AtLeast(92.0), for_ms: 300_000 }));
    assert_eq!(rule.min_data, MinData { count: 2, unit: MinDataUnit::Samples });
    assert_eq!(
        (rule.is_shadow(), rule.priority_given(|_| false), rule.priority_given(|_| true)),
        (true, Priority::Medium, Priority::High)
    );
    assert_eq!(rule.condition_text(), "oxygen_saturation < 90 % for 3m");
}

/// Clinical catalogue section 1: whoever may be told of a high alert is told not to rely on it.
#[test]
fn a_rule_that_may_be_high_says_not_to_rely_on_it_and_no_sentence_twice() {
    let text = |action: &str, raises: &str| {
        let rule = with("action", &format!("action = \"{action}\""));
        one(&rule.replace("\"opioid\", priority = \"high\"", &format!("\"opioid\", priority = \"{raises}\"")))
            .action_text()
    };
    let both = "Call. Not for emergencies. Do not rely on this for emergencies.";
    assert_eq!(
        (text("Call.", "high").as_str(), text("Call.", "medium").as_str()),
        (both, "Call. Not for emergencies.")
    );
    assert_eq!(text("Call. Not for emergencies.", "high"), both);
    assert_eq!(text(both, "high"), both);
    // As the contract writes its example.
    let written = "Call the patient; no answer in 5 min: emergency pathway. Not for emergencies.";
    assert_eq!(text(written, "high"), format!("{written} {NO_RELIANCE}"));
}

#[test]
fn every_default_pack_parses_runs_in_shadow_and_says_source_and_action() {
    let rules = default_packs();
    for (name, text) in PACKS {
        let parsed = parse(text, &format!("{name}.toml")).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert!(!parsed.is_empty() && parsed.iter().all(|rule| rule.pack == name));
    }
    let ids: std::collections::BTreeSet<_> = rules.iter().map(|rule| rule.id.clone()).collect();
    assert_eq!(ids.len(), rules.len(), "an id names one rule across packs");
    for rule in &rules {
        assert!(rule.is_shadow() && !rule.source.is_empty(), "{}", rule.id);
        assert!(rule.action.contains(NOT_FOR_EMERGENCIES), "{}", rule.id);
        assert_eq!(rule.action.contains(NO_RELIANCE), rule.may_be_high(), "{}", rule.id);
        assert_eq!(rule.action_text(), rule.action, "{}", rule.id);
        assert_eq!(parse(&rule.to_toml(), &format!("{}.toml", rule.pack)), Ok(vec![rule.clone()]));
    }
}

#[test]
fn a_fault_shows_its_line_and_the_nearest_known_word() {
    let cases = [
        (with("for", r#"fro = "3m""#), 8, "unknown key `fro`", Some("for")),
        (
            with("signal", r#"signal = "oxygen_saturaton""#),
            6,
            "unknown signal `oxygen_saturaton`",
            Some("oxygen_saturation"),
        ),
        (with("signal", r#"signal = "step_count.daily_summ""#), 6, "unknown signal", Some("step_count.daily_sum")),
        (with("domain", r#"domain = "safty""#), 5, "unknown domain", Some("safety")),
        (with("priority", r#"priority = "hihg""#), 11, "unknown priority", Some("high")),
        (with("condition", "condition = { belw = 90 }"), 7, "unknown key `belw`", Some("below")),
        (with("for", r#"for = "3 minutes""#), 8, "`for` is `3 minutes`", None),
        (with("min_data", r#"min_data = "some""#), 15, "`min_data` is `some`", None),
        (with("condition", "condition = { below = \"90\" }"), 7, "`below` is string, expected a number", None),
        (with("condition", "condition = { outside = [40, 30] }"), 7, "lo 40 above hi 30", None),
        (
            with("condition", r#"condition = { absent = "24h" }"#),
            8,
            "`for` and `max_gap` belong to a threshold on a measure",
            None,
        ),
        (with("condition", r#"condition = { absent = "30s" }"#), 7, "`absent` is at least a minute", None),
        (with("condition", "condition = { below = 90, above = 95 }"), 7, "a condition has one part", None),
        (
            with("condition", "condition = { deviates = { robust_z = 3.5 } }"),
            8,
            "`for` and `max_gap` belong to a threshold on a measure",
            None,
        ),
        (
            with("condition", r#"condition = { missed = { doses = 2 } }"#),
            7,
            "`missed` looks at the signal `medication_event`",
            None,
        ),
        (with("signal", r#"signal = "sleep_stage""#), 7, "has no number", None),
        (with("signal", r#"signal = "rr_interval.night_rmssd""#), 6, "no rule may look at it", None),
        (
            with("priority_when", r#"priority_when = [{ started = "nsaids", within = "14d", priority = "high" }]"#),
            12,
            "unknown started `nsaids`",
            Some("nsaid"),
        ),
        (
            with("priority_when", r#"priority_when = [{ event = "surgery", priority = "high" }]"#),
            12,
            "`event` needs `within`",
            None,
        ),
        (
            with("priority_when", r#"priority_when = [{ exposure = "opioid", within = "1d", priority = "high" }]"#),
            12,
            "`within` belongs to `started` or `event`",
            None,
        ),
        (
            with("condition", r#"condition = { score = { metric = "news2.totl", at_least = 7 } }"#),
            7,
            "unknown metric `news2.totl`",
            Some("news2.total"),
        ),
        (
            with("condition", r#"condition = { score = { metric = "news2.total", at_least = 7 } }"#),
            7,
            "`score` looks at `news2.total`, the rule's signal is `oxygen_saturation`",
            None,
        ),
        (
            with("condition", r#"condition = { score = { metric = "oxygen_saturation.daily_median" } }"#),
            7,
            "`score` needs one of",
            None,
        ),
        (
            with("priority_when", r#"priority_when = [{ exposure = "alcohol", priority = "high" }]"#),
            12,
            "not supported yet by this version: exposure `alcohol`",
            Some("opioid"),
        ),
        (with("title", ""), 2, "`title` is missing", None),
        (
            with("for", "")
                .replace("max_gap = \"90s\"", "")
                .replace("\"oxygen_saturation\"", "\"pain_nrs.daily_worst\""),
            10,
            "`clear` of a daily metric has no `for`",
            None,
        ),
        (with("source", r#"source = " ""#), 19, "`source` is empty", None),
        (with("id", r#"id = "a b""#), 3, "`id`", None),
        (format!("rules = 1\n{EXAMPLE}"), 1, "unknown key `rules`", Some("rule")),
        (EXAMPLE.replace("\"3m\"", "\"3m"), 8, "", None),
    ];
    for (text, line, message, suggestion) in cases {
        let found = errors(&text);
        let first = &found[0];
        assert!(first.line == line && first.message.contains(message), "{message:?} at {line}: {found:#?}");
        assert_eq!(first.suggestion.as_deref(), suggestion, "{first}");
    }
}

#[test]
fn all_faults_of_a_file_are_told_at_once_and_read_like_a_compiler() {
    let text = with("for", r#"fro = "3m""#).replace("medium", "middling");
    let found = errors(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].to_string(), "clinic.toml:8:1: unknown key `fro`; did you mean `for`?");
    let twice = format!("{EXAMPLE}{EXAMPLE}");
    assert!(errors(&twice)[0].message.contains("a second rule has the id `spo2-sustained-low`"));
}

fn weight_changes(within: &str) -> String {
    let fields = format!("by = 2, unit = \"lb\", within = \"{within}\", direction = \"up\"");
    let weight = with("signal", r#"signal = "body_weight""#)
        .replace("condition = { below = 90 }", &format!("condition = {{ changes = {{ {fields} }} }}"));
    let weight = weight.lines().filter(|line| !["for", "max_gap", "clear"].iter().any(|key| line.starts_with(key)));
    weight.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_measure_that_deviates_or_changes_means_its_daily_metric_and_a_pound_is_a_pound() {
    let rule = one(&weight_changes("1d"));
    assert_eq!(rule.signal, Signal::Metric("body_weight.day_value"));
    assert_eq!(rule.condition, Condition::Changes { by: 0.907_184_74, within_days: 1, direction: Direction::Up });
}

#[test]
fn a_version_follows_the_content_and_nothing_else() {
    let version = one(EXAMPLE).version();
    assert!(version.len() == 16 && version.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let same = [
        EXAMPLE.replace("refractory = \"60m\"", "refractory = \"1h\"  # the same hour"),
        EXAMPLE.replace("below = 90", "below = 90.0"),
        EXAMPLE.replace("accepted_by = \"\"", "accepted_by = \"Dr Example\""),
    ];
    for text in same {
        assert_eq!(one(&text).version(), version, "{text}");
    }
    assert_eq!(parse(EXAMPLE, "other.toml").unwrap()[0].version(), version);
    for text in [
        EXAMPLE.replace("below = 90", "below = 91"),
        EXAMPLE.replace("below", "at_most"),
        EXAMPLE.replace("Call the", "Visit the"),
    ] {
        assert_ne!(one(&text).version(), version);
    }
    assert!(!one(&EXAMPLE.replace("accepted_by = \"\"", "accepted_by = \"Dr Example\"")).is_shadow());
}

fn any_condition() -> impl Strategy<Value = (Signal, Condition)> {
    let number = || (-1_000_000i64..1_000_000).prop_map(|thousandths| thousandths as f64 / 1000.0);
    let direction = || prop_oneof![Just(Direction::Up), Just(Direction::Down), Just(Direction::Either)];
    let comparison = prop_oneof![
        number().prop_map(Comparison::Below),
        number().prop_map(Comparison::AtMost),
        number().prop_map(Comparison::Above),
        number().prop_map(Comparison::AtLeast),
        (number(), number()).prop_map(|(a, b)| Comparison::Outside { lo: a.min(b), hi: a.max(b) }),
    ];
    let deviates =
        (1u32..100, direction(), 1i32..=90, 1u32..=32, 1u32..=32).prop_map(|(z, direction, of_days, a, b)| {
            let on = DaysOf { k: a.min(b), n: a.max(b) };
            (
                Signal::Metric("step_count.daily_sum"),
                Condition::Deviates { robust_z: f64::from(z) / 8.0, direction, of_days, on },
            )
        });
    prop_oneof![
        comparison.prop_map(|comparison| (Signal::Measure(Measure::HeartRate), Condition::Threshold(comparison))),
        deviates,
        (number(), 1i32..=90, direction()).prop_map(|(by, within_days, direction)| {
            (Signal::Metric("body_weight.day_value"), Condition::Changes { by, within_days, direction })
        }),
        (1u32..=100).prop_map(|doses| (Signal::Measure(Measure::MedicationEvent), Condition::Missed { doses })),
    ]
}

proptest! {
    #[test]
    fn a_printed_rule_parses_back_to_itself(
        (signal, condition) in any_condition(), title in "[ -~é\\n\\t\"\\\\]{0,20}", millis in 0..=words::DURATION_MAX_MS, who in "[A-Z][a-z]{0,8}",
    ) {
        let held = matches!((signal, condition), (Signal::Measure(_), Condition::Threshold(_)));
        let rule = Rule {
            signal,
            condition,
            title: format!("x{title}"),
            for_ms: if held { millis } else { 0 },
            max_gap_ms: if held { millis / 3 } else { 43_200_000 },
            clear: held.then_some(Clear { comparison: Comparison::Within { lo: 1.0, hi: 2.5 }, for_ms: millis / 7 }),
            stale_after_ms: millis / 2,
            accepted_by: Some(who.clone()),
            shadow_because: (millis % 2 == 0).then_some(who),
            ..one(EXAMPLE)
        };
        let mut again = parse(&rule.to_toml(), "clinic.toml").map_err(|errors| TestCaseError::fail(format!("{errors:#?}")))?;
        // A rule that does not hold on samples has no gap to speak of: the default of its signal comes back.
        let again = Rule { max_gap_ms: if held { again[0].max_gap_ms } else { rule.max_gap_ms }, ..again.remove(0) };
        prop_assert_eq!(again, rule);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~\\n]{0,80}", at in 0usize..600, cut in 0usize..600) {
        let _ = parse(&text, "x.toml");
        let (at, cut) = (EXAMPLE.floor_char_boundary(at), EXAMPLE.floor_char_boundary(cut));
        let _ = parse(&format!("{}{text}{}", &EXAMPLE[..at], &EXAMPLE[cut..]), "x.toml");
    }
}

#[test]
fn a_score_names_its_metric_and_urgency_may_come_from_what_began_before() {
    let text = r#"
[[rule]]
id = "early-warning"
title = "Early warning score high"
domain = "safety"
condition = { score = { metric = "news2.total", at_least = 7 } }
priority = "medium"
priority_when = [
    { started = "nsaid", within = "14d", priority = "high" },
    { event = "surgery", within = "14d", priority = "high" },
]
action = "Call."
source = "Royal College of Physicians 2017"
"#;
    let rule = one(text);
    assert_eq!(
        (rule.signal, rule.condition),
        (Signal::Metric("news2.total"), Condition::Threshold(Comparison::AtLeast(7.0)))
    );
    let within_ms = 14 * 86_400_000;
    let when: Vec<_> = rule.priority_when.iter().map(|raise| raise.when.clone()).collect();
    let expected = [
        Circumstance::Started { class: "nsaid".to_owned(), within_ms },
        Circumstance::Event { kind: "surgery".to_owned(), within_ms },
    ];
    assert_eq!(when, expected);
    assert_eq!(parse(&rule.to_toml(), "clinic.toml"), Ok(vec![rule.clone()]));
    let plain = text.replace("{ score = { metric = \"news2.total\", at_least = 7 } }", "{ at_least = 7 }");
    let plain = plain.replace("domain =", "signal = \"news2.total\"\ndomain =");
    assert_eq!(one(&plain).version(), rule.version());
}

/// What stands in two places says the same: OIVI-5 looks for what the pack's rules look for.
#[test]
fn the_rules_on_one_signal_are_those_that_impaired_ventilation_is_made_of() {
    use crate::metrics::oivi;
    let rules = default_packs();
    for (id, expected) in [
        ("respiratory-rate-critical", oivi::RATE_CRITICAL),
        ("respiratory-rate-low", oivi::RATE_LOW),
        ("spo2-critical", oivi::SATURATION_CRITICAL),
        ("spo2-sustained-low", oivi::SATURATION_LOW),
    ] {
        let rule = rules.iter().find(|rule| rule.id.as_str() == id).unwrap();
        assert_eq!(rule.condition, Condition::Threshold(expected.comparison), "{id}");
        assert_eq!(
            (rule.for_ms, rule.max_gap_ms, rule.min_data.count),
            (expected.for_ms, expected.hold_ms, expected.min_samples),
            "{id}"
        );
    }
}

const COMBINED: &str = r#"
[[rule]]
id = "together"
title = "Together"
domain = "safety"
condition = { all_of = ["spo2-critical", { signal = "respiratory_rate", below = 8, for = "60s" }], within = "1h" }
priority = "high"
action = "Call."
source = "test"
"#;

fn combined(condition: &str) -> String {
    COMBINED
        .lines()
        .map(|old| if old.starts_with("condition") { condition } else { old })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_combination_reads_as_it_is_written_and_prints_in_one_form() {
    let rule = one(COMBINED);
    assert_eq!((rule.signal, rule.condition), (Signal::Rules, Condition::Combined { n: 2, within_ms: 3_600_000 }));
    assert_eq!(rule.condition_text(), "spo2-critical and (respiratory_rate < 8 /min for 1m) within 1h");
    assert_eq!(parse(&rule.to_toml(), "clinic.toml"), Ok(vec![rule.clone()]));
    let inner = r#"["spo2-critical", { signal = "respiratory_rate", below = 8.0, for = "1m", max_gap = "90s" }]"#;
    let same = combined(&format!("condition = {{ n_of = {{ n = 2, rules = {inner}, within = \"60m\" }} }}"));
    assert_eq!(one(&same).version(), rule.version());
    let nested = r#"condition = { any_of = ["spo2-critical", { all_of = ["rescue-3", { score = { metric = "news2.total", at_least = 7 } }] }] }"#;
    let nested = one(&combined(nested));
    assert_eq!(nested.inline_rules().len(), 2);
    assert_eq!(parse(&nested.to_toml(), "clinic.toml"), Ok(vec![nested.clone()]));
    assert_eq!(nested.condition_text(), "spo2-critical or (rescue-3 and (news2.total >= 7))");
}

#[test]
fn a_fault_in_a_combination_shows_its_place_and_the_nearest_rule() {
    let cases = [
        (r#"condition = { any_of = ["spo2-critcal"] }"#, "unknown rule `spo2-critcal`", Some("spo2-critical")),
        (r#"condition = { any_of = ["together"] }"#, "`together` looks at itself: together -> together", None),
        (r#"condition = { any_of = [] }"#, "`any_of` has 0 parts", None),
        (r#"condition = { any_of = ["rescue-3", "rescue-3"] }"#, "`any_of` names `rescue-3` twice", None),
        (r#"condition = { n_of = { n = 3, rules = ["rescue-3"] } }"#, "`n` is 3, and there are 1 rules", None),
        (r#"condition = { n_of = { rules = ["rescue-3"] } }"#, "`n_of` needs `n`", None),
        (r#"condition = { n_of = { n = 1 } }"#, "`n_of` needs `rules`", None),
        (r#"condition = { n_of = { n = 1, rules = ["rescue-3"] }, within = "1d" }"#, "stands inside it", None),
        (
            r#"condition = { any_of = [{ signal = "heart_rate", below = 8, within = "1d" }] }"#,
            "`within` belongs to",
            None,
        ),
        (r#"condition = { any_of = [{ signal = "heart_rate" }] }"#, "no condition, expected one of", None),
        (r#"condition = { any_of = [{ below = 8 }] }"#, "`signal` is missing", None),
        (
            r#"condition = { any_of = [{ signal = "hart_rate", below = 8 }] }"#,
            "unknown signal `hart_rate`",
            Some("heart_rate"),
        ),
        (r#"condition = { any_of = [{ signal = "heart_rate", belw = 8 }] }"#, "unknown key `belw`", Some("below")),
        (r#"condition = { any_of = [3] }"#, "`any_of` is integer", None),
        (r#"condition = { any_of = "rescue-3" }"#, "`any_of` is string", None),
    ];
    for (condition, message, suggestion) in cases {
        let found = errors(&combined(condition));
        let first = &found[0];
        assert!(first.line == 6 && first.message.contains(message), "{message:?}: {found:#?}");
        assert_eq!(first.suggestion.as_deref(), suggestion, "{first}");
    }
    let signal = COMBINED.replace("domain =", "signal = \"heart_rate\"\ndomain =");
    assert!(errors(&signal)[0].message.contains("it has no `signal`"));
    let ring = [("a", "b"), ("b", "c"), ("c", "a")].map(|(id, next)| {
        combined(&format!("condition = {{ any_of = [\"{next}\"] }}")).replace("\"together\"", &format!("\"{id}\""))
    });
    let found = errors(&ring.concat());
    assert_eq!(found[0].message, "`a` looks at itself: a -> b -> c -> a");
    assert!(parse_beside(&combined(r#"condition = { any_of = ["elsewhere"] }"#), "clinic.toml", None).is_ok());
    let deep = "{ any_of = [".repeat(6) + "\"rescue-3\"" + &"] }".repeat(6);
    assert!(errors(&combined(&format!("condition = {deep}")))[0].message.contains("deep"));
}

#[test]
fn s43_a_pack_has_five_hundred_rules_at_most() {
    let pack = |rules: usize| -> String {
        (0..rules).map(|nth| with("id", &format!("id = \"r-{nth}\""))).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(parse(&pack(500), "clinic.toml").unwrap().len(), 500);
    let errors = errors(&pack(501));
    assert!(errors.len() == 1 && errors[0].message.contains("501 rules, at most 500"), "{errors:?}");
}

#[test]
fn s43_no_rule_looks_over_or_waits_for_more_than_ninety_days() {
    for key in ["for", "max_gap", "stale_after", "refractory"] {
        assert!(parse(&with(key, &format!("{key} = \"90d\"")), "clinic.toml").is_ok(), "{key}");
        let errors = errors(&with(key, &format!("{key} = \"2161h\"")));
        assert!(errors[0].message.contains(key) && errors[0].message.contains("up to `90d`"), "{errors:?}");
    }
    let clear = |wait: &str| with("clear", &format!("clear = {{ at_least = 92, for = \"{wait}\" }}"));
    assert!(parse(&clear("90d"), "clinic.toml").is_ok());
    assert_eq!(errors(&clear("91d")).len(), 1);
    assert!(parse(&weight_changes("90d"), "clinic.toml").is_ok());
    assert_eq!(errors(&weight_changes("91d")).len(), 1);
}
