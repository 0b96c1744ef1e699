use super::*;

/// Written by earlier programs (see the processor's golden test): format 1, which version 0.1.0 wrote, and format 2.
const OLD: [[(Part, &[u8]); 2]; 2] = [
    [
        (Part::Now, include_bytes!("../../../tests/golden/patient-now-1.bin")),
        (Part::Past, include_bytes!("../../../tests/golden/patient-past-1.bin")),
    ],
    [
        (Part::Now, include_bytes!("../../../tests/golden/patient-now-2.bin")),
        (Part::Past, include_bytes!("../../../tests/golden/patient-past-2.bin")),
    ],
];

/// Written by this one.
const TODAY: [(Part, &[u8]); 2] = [
    (Part::Now, include_bytes!("../../../tests/golden/patient-now-3.bin")),
    (Part::Past, include_bytes!("../../../tests/golden/patient-past-3.bin")),
];

fn restored<'a>(parts: impl IntoIterator<Item = (Part, &'a [u8])>) -> PatientState {
    let mut state = PatientState::default();
    parts.into_iter().for_each(|(part, bytes)| state.restore(part, bytes.to_vec()).unwrap());
    state
}

#[test]
fn a_snapshot_of_today_is_read_and_written_back_unchanged() {
    let mut state = restored(TODAY);
    TODAY.into_iter().for_each(|(part, bytes)| assert_eq!(state.encode(part), bytes));
    let past = state.past.take().unwrap();
    state.past = Shelf::Open(past);
    TODAY.into_iter().for_each(|(part, bytes)| assert_eq!(state.encode(part), bytes, "unpacked"));
}

#[test]
fn a_snapshot_of_an_earlier_program_is_read_in_either_order_and_written_in_todays_format() {
    for parts in OLD {
        let mut state = restored(parts);
        let mut again = restored(parts.into_iter().rev());
        let written = parts.map(|(part, _)| (part, state.encode(part)));
        let mut rewritten = restored(written.iter().map(|(part, bytes)| (*part, bytes.as_slice())));
        let (past, other) = (state.past.take().unwrap(), rewritten.past.take().unwrap());
        assert_eq!(past, other);
        assert_eq!(past, again.past.take().unwrap());
        assert!(!past.days.is_empty() && !past.told.is_empty() && !past.opioids.is_empty() && !past.folded.is_empty());
        assert!(!state.holds.is_empty() && state.holds == rewritten.holds && state.holds == again.holds);
        assert!(!state.agenda.owed.is_empty() && state.agenda == rewritten.agenda);
    }
}

#[test]
fn a_snapshot_of_a_later_format_or_cut_short_is_refused_by_name() {
    for (part, bytes) in TODAY.into_iter().chain(OLD.into_iter().flatten()) {
        let later = [&[FORMAT + 1], &bytes[1..]].concat();
        assert!(matches!(PatientState::default().restore(part, later), Err(SnapshotError::Format { .. })));
        for length in 0..bytes.len() {
            let cut = bytes[..length].to_vec();
            assert!(PatientState::default().restore(part, cut).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_bit_that_fell_over_in_a_packed_past_is_found_at_once() {
    let (part, bytes) = TODAY[1];
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(PatientState::default().restore(part, bytes).is_err(), "bit {bit}");
    }
}
