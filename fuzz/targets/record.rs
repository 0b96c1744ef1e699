#![no_main]

libfuzzer_sys::fuzz_target!(|payload: &[u8]| painwatch_fuzz::read_record(payload));
