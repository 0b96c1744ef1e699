#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| painwatch_fuzz::exports::import("pmdata", "pmdata", file));
