//! Bounded fuzzing: seeds of every format, changed at random and judged. The same entry points are driven for hours, and
//! led by coverage, by the targets in `fuzz/`.

use super::*;

/// Inputs a run; PAINWATCH_FUZZ_INPUTS makes it longer.
const INPUTS: usize = 100_000;

const JSON: &str = include_str!("../../tests/golden/batch.json");
const OMH: &str = include_str!("../../tests/seeds/omh.json");
const FHIR: &str = include_str!("../../tests/seeds/fhir.json");
const GATT: &str = include_str!("../../tests/seeds/gatt.json");

/// Splitmix64: the same inputs on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

/// What breaks decoders: numbers at their edges, brackets, quotes, names from elsewhere.
const WORDS: [&[u8]; 16] = [
    b"null",
    b"-1",
    b"1e308",
    b"1e999",
    b"0.1",
    b"\"\"",
    b"[]",
    b"{}",
    b"}",
    b"\"",
    b"\\u0000",
    b"9223372036854775808",
    b"\"0000-00-00\"",
    b"\xff",
    b"NaN",
    b"#",
];

fn change(payload: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(payload.len().max(1)).min(payload.len().saturating_sub(1));
        match dice.roll(6) {
            _ if payload.is_empty() => payload.push(dice.roll(256) as u8),
            0 => payload[at] ^= 1 << dice.roll(8),
            1 => payload[at] = dice.roll(256) as u8,
            2 => drop(payload.splice(at..at, WORDS[dice.roll(WORDS.len())].iter().copied())),
            3 => drop(payload.drain(at..(at + 1 + dice.roll(16)).min(payload.len()))),
            4 => {
                drop(payload.splice(
                    at..(at + 1 + dice.roll(6)).min(payload.len()),
                    WORDS[dice.roll(WORDS.len())].iter().copied(),
                ))
            }
            _ => payload.extend_from_within(at..(at + dice.roll(64)).min(payload.len())),
        }
    }
}

/// Each entry of a seed is a payload of its own: changes then fall into what is interesting.
fn seeds(format: Format) -> Vec<Vec<u8>> {
    let entries = |text: &str| -> Vec<Vec<u8>> {
        let list: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
        list.iter().map(|entry| entry.get().as_bytes().to_vec()).collect()
    };
    match format {
        Format::Json => vec![JSON.as_bytes().to_vec()],
        Format::Protobuf => vec![painwatch_proto::json::batch_from_json(JSON).unwrap_or_default().encode_to_vec()],
        Format::Omh => entries(OMH),
        Format::Fhir => entries(FHIR),
        Format::Gatt => entries(GATT),
    }
}

#[test]
fn every_seed_is_admitted_as_it_stands() {
    for format in [Format::Omh, Format::Fhir, Format::Gatt] {
        for seed in seeds(format) {
            let roster = fhir_orders::clinic();
            let judged =
                with_roster(Limits::default(), &roster, true, NOON, |envelope| judge_bytes(&seed, format, envelope));
            let submission = judged.unwrap();
            assert_eq!(submission.problems, [], "{}", String::from_utf8_lossy(&seed));
            assert!(submission.admitted + submission.orders.len() as u64 + submission.fills.len() as u64 > 0);
        }
    }
}

/// The fenced block of the page for gateway developers with this language after its ticks.
fn example(language: &str) -> &'static str {
    let page = include_str!("../../../../docs/gateway-developers.md");
    let (_, rest) = page.split_once(&format!("```json{language}\n")).expect("an example");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_examples_for_gateway_developers_are_admitted() {
    for (language, format, readings) in
        [("", Format::Json, 8), (" omh", Format::Omh, 2), (" fhir", Format::Fhir, 5), (" gatt", Format::Gatt, 5)]
    {
        let submission = try_judge(example(language).as_bytes(), format).unwrap();
        assert_eq!((submission.problems.as_slice(), submission.admitted), (&[][..], readings), "{language}");
    }
}

#[test]
fn a_hundred_thousand_damaged_payloads_are_judged_and_every_book_balances() {
    let told = std::env::var("PAINWATCH_FUZZ_INPUTS").ok().and_then(|inputs| inputs.parse().ok());
    let inputs = told.unwrap_or(INPUTS);
    let roster = fhir_orders::clinic();
    let corpora: Vec<_> = Format::ALL.map(|format| (format, seeds(format))).into();
    let mut dice = Dice(inputs as u64);
    for nth in 0..inputs {
        let (format, seeds) = &corpora[nth % corpora.len()];
        let mut payload = seeds[dice.roll(seeds.len())].clone();
        change(&mut payload, &mut dice);
        let takes_orders = nth % 2 == 0;
        let judged = with_roster(Limits::default(), &roster, takes_orders, NOON, |envelope| {
            judge_bytes(&payload, *format, envelope)
        });
        if let Ok(submission) = judged {
            audit(&submission);
        }
    }
}
