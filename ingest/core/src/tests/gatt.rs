use painwatch_domain::Measure;

use super::*;

/// A notification of a device in Paris, received at eleven.
fn value(characteristic: &str, hex: &str) -> String {
    format!(
        r#"{{"device": "paris-1", "characteristic": "{characteristic}", "received_at": "2026-03-01T11:00:00Z", "hex": "{hex}"}}"#
    )
}

fn of(characteristic: &str, hex: &str) -> Vec<Series> {
    translated(Format::Gatt, &value(characteristic, hex))
}

fn one(characteristic: &str, hex: &str) -> Series {
    translated_one(Format::Gatt, &value(characteristic, hex))
}

fn no(characteristic: &str, hex: &str) -> (&'static str, String) {
    refused_as(Format::Gatt, &value(characteristic, hex))
}

fn numbers(series: &Series) -> Vec<f64> {
    let number = |sample: &Sample| series.measure.to_canonical(sample.value.number().unwrap());
    series.samples.iter().map(number).collect()
}

const RECEIVED: &str = "2026-03-01T11:00:00Z";

#[test]
fn a_weight_comes_in_steps_of_five_grams_or_hundredths_of_a_pound() {
    // 81.4 kg and 179.45 lb.
    let metric = one("2a9d", "00983f");
    assert_eq!(
        (metric.measure, canonical(&metric), metric.samples[0].device_time),
        (Measure::BodyWeight, 81.4, ms(RECEIVED))
    );
    assert_eq!(canonical(&one("2a9d", "011946")), 81.397_150_8);
    assert_eq!(no("2a9d", "00ffff").0, "value_missing");
}

#[test]
fn a_stamp_of_the_device_is_read_in_its_zone_and_a_zero_one_is_not_known() {
    // 2026-03-01 09:30:15 on the device's clock, in Paris.
    let stamped = one("2a9d", "02983fea070301091e0f");
    assert_eq!(stamped.samples[0].device_time, ms("2026-03-01T08:30:15Z"));
    assert!(stamped.samples[0].flags.has(Flags::ZONE_ASSUMED));
    for unknown in ["02983f00000301091e0f", "02983fea070001091e0f", "02983fea070300091e0f"] {
        assert_eq!(one("2a9d", unknown).samples[0].device_time, ms(RECEIVED), "{unknown}");
    }
    let homeless = value("2a9d", "02983fea070301091e0f").replace("paris-1", "scale-1");
    assert_eq!(refused_as(Format::Gatt, &homeless).0, "time_missing");
    let said = homeless.replace(r#""hex""#, r#""zone": "Europe/Paris", "hex""#);
    assert_eq!(translated_one(Format::Gatt, &said).samples[0].device_time, ms("2026-03-01T08:30:15Z"));
    // A clock that starts in 1970 when its battery is changed.
    assert_eq!(no("2a9d", "02983fb2070301091e0f").0, "clock_not_set");
}

#[test]
fn intervals_between_beats_end_when_the_notification_came() {
    // 60/min, contact felt, intervals of 1 s, 0.5 s and one cut in the middle.
    let [rate, intervals] = of("2a37", "163c00040002ff").try_into().unwrap();
    assert_eq!((rate.measure, canonical(&rate)), (Measure::HeartRate, 60.0));
    assert_eq!((intervals.measure, numbers(&intervals)), (Measure::RrInterval, vec![1000.0, 500.0]));
    let times: Vec<_> = intervals.samples.iter().map(|sample| sample.device_time).collect();
    assert_eq!(times, [ms(RECEIVED) - 500, ms(RECEIVED)]);
    // Sixteen bits of rate and the energy before the intervals.
    let wide = of("2a37", "19480001000004");
    assert_eq!(canonical(&wide[0]), 72.0);
    assert_eq!(numbers(&wide[1]), [1000.0]);
}

#[test]
fn without_contact_a_strap_says_only_that_it_is_not_worn() {
    let series = one("2a37", "0448");
    assert_eq!((series.measure, series.samples[0].value.clone()), (Measure::DeviceWorn, Value::Code("false".into())));
    assert_eq!(no("2a37", "0000").0, "value_missing");
}

#[test]
fn a_cuff_gives_pressure_and_pulse_and_doubts_itself() {
    // 142/91 mmHg, pulse 66, the cuff too loose.
    let [pressure, pulse] = of("2a35", "148e005b00ff0742000200").try_into().unwrap();
    assert_eq!(pressure.samples[0].value, Value::Pressure { systolic: 142_000, diastolic: 91_000 });
    assert_eq!((pulse.measure, canonical(&pulse)), (Measure::HeartRate, 66.0));
    assert!(pressure.samples[0].flags.has(Flags::VERIFY) && pulse.samples[0].flags.has(Flags::VERIFY));
    // 18.9 and 12.1 kPa.
    let [kilopascal] = of("2a35", "01bdf079f0ff07").try_into().unwrap();
    assert_eq!(kilopascal.samples[0].value, Value::Pressure { systolic: 141_762, diastolic: 90_758 });
    assert_eq!(no("2a35", "00ff075b00ff07").0, "value_missing");
    assert_eq!(no("2a36", "008e000000ff07").0, "unknown_measure");
}

#[test]
fn a_thermometer_says_where_it_was_held() {
    let ear = one("2a1c", "04720100ff03");
    assert_eq!((canonical(&ear), ear.meta.body_site.as_deref()), (37.0, Some("ear")));
    assert_eq!(canonical(&one("2a1c", "01da0300ff")), 37.0);
    assert!(one("2a1c", "04720100ff04").samples[0].flags.has(Flags::VERIFY));
    for none in ["00ffff7f00", "0000008000", "0001008000"] {
        assert_eq!(no("2a1c", none).0, "value_missing", "{none}");
    }
    for infinite in ["00feff7f00", "0002008000"] {
        assert_eq!(no("2a1c", infinite).0, "value_out_of_range", "{infinite}");
    }
}

#[test]
fn an_oximeter_that_is_not_on_the_person_measures_nothing() {
    let [saturation, pulse] = of("2a5f", "0061004800").try_into().unwrap();
    assert_eq!((canonical(&saturation), canonical(&pulse)), (97.0, 72.0));
    // Sensor status: unconnected to the user; then low perfusion, which is a doubt.
    assert_eq!(no("2a5f", "0861004800000800").0, "value_missing");
    assert!(of("2a5f", "0861004800200000")[0].samples[0].flags.has(Flags::VERIFY));
    // A pulse that was not found leaves the saturation.
    assert_eq!(one("2a5f", "006100ff07").measure, Measure::OxygenSaturation);
    assert_eq!(no("2a5f", "00ff07ff07").0, "value_missing");
}

#[test]
fn a_spot_check_out_of_the_memory_of_an_unset_clock_cannot_be_placed() {
    // Clock not set, and a stamp all the same; then with the status that says "from memory".
    let now = of("2a5e", "1161006000e1070101012213");
    assert_eq!(now[0].samples[0].device_time, ms(RECEIVED));
    assert_eq!(no("2a5e", "1361006000e10701010122130002").0, "clock_not_set");
}

#[test]
fn body_fat_of_zero_was_not_measured() {
    assert_eq!(canonical(&one("2a9c", "0000c200")), 19.4);
    assert_eq!(no("2a9c", "00000000").0, "value_missing");
    // The weight beside it still counts.
    let weight = one("2a9c", "00040000983f");
    assert_eq!((weight.measure, canonical(&weight)), (Measure::BodyWeight, 81.4));
}

#[test]
fn one_weighing_of_a_mi_scale_is_one_reading_however_often_it_is_told() {
    // 81.4 kg at 09:30:15 on a scale that was set; settled, then stepped off.
    let settled = one("181d", "22983fea070301091e0f");
    let removed = one("181d", "a2983fea070301091e0f");
    let tenant = TenantId::default();
    let id = |series: &Series| series.reading_id(&tenant, &series.samples[0]);
    assert_eq!((canonical(&settled), id(&settled)), (81.4, id(&removed)));
    assert_eq!(no("181d", "02983fea070301091e0f").0, "value_missing");
    // A scale that was never set tells the same weighing at other moments.
    let first = one("181d", "22983fb2070301091e0f");
    let later = value("181d", "a2983fb2070301091e0f").replace("11:00:00", "11:00:09");
    let later = translated_one(Format::Gatt, &later);
    assert_eq!((id(&first), first.samples[0].device_time), (id(&later), ms(RECEIVED)));
    assert!(later.samples[0].flags.has(Flags::VERIFY) && !first.samples[0].flags.has(Flags::VERIFY));
    // The second model, in pounds.
    let pounds = one("181b", "0326ea070301091e0f00001946");
    assert_eq!(canonical(&pounds), 81.397_150_8);
}

#[test]
fn battery_and_all_spellings_of_a_characteristic() {
    for spelling in ["2a19", "2A19", "0x2A19", "00002A19-0000-1000-8000-00805F9B34FB"] {
        let series = one(spelling, "29");
        assert_eq!((series.measure, canonical(&series)), (Measure::DeviceBattery, 41.0));
    }
}

#[test]
fn what_cannot_be_decoded_says_what_would_mend_it() {
    for (entry, code, detail) in [
        (value("2a63", "0000"), "unknown_measure", "characteristic 2a63 has no measure here; there are 2a35 2a37"),
        (value("weight", "00"), "decode_failed", r#"characteristic "weight" is not a UUID such as 2a9d"#),
        (value("2a9d", "0098"), "decode_failed", "the value ends before its weight"),
        (value("2a9d", "009"), "decode_failed", "hex holds 3 digits"),
        (value("2a9d", "00zz3f"), "decode_failed", "hex holds something that is not a hexadecimal digit"),
        (
            value("2a9d", "00983f").replace("received_at", "recieved_at"),
            "decode_failed",
            r#"unknown field "recieved_at", the nearest known one is "received_at""#,
        ),
        (
            value("2a9d", "00983f").replace("00:00Z", "00:00"),
            "decode_failed",
            "received_at is not an ISO 8601 time with an offset",
        ),
        (
            r#"{"device": "d", "characteristic": "2a19", "hex": "29"}"#.to_owned(),
            "time_missing",
            "send received_at with an offset",
        ),
        (value("2a9d", "02983fea0703ff091e0f"), "decode_failed", "vendor framing"),
    ] {
        let (found, said) = refused_as(Format::Gatt, &entry);
        assert_eq!(found, code, "{entry}");
        assert!(said.contains(detail), "{said}");
    }
    // More than the layout announces is kept, in doubt.
    assert!(one("2a9d", "00983f00").samples[0].flags.has(Flags::VERIFY));
}

#[test]
fn an_array_is_judged_value_by_value() {
    let payload = format!("[{}, {}, 7]", value("2a19", "29"), value("2a19", "ff"));
    let submission = try_judge(payload.as_bytes(), Format::Gatt).unwrap();
    let problems: Vec<_> = submission.problems.iter().map(|problem| (problem.index, problem.code.as_str())).collect();
    assert_eq!(submission.admitted, 1);
    assert_eq!(problems, [(1, "value_out_of_range"), (2, "decode_failed")]);
    assert_eq!(submission.batch.quarantined[0].payload, value("2a19", "ff").as_bytes());
}
