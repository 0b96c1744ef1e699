#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| painwatch_fuzz::doors::status(bytes));
