#![no_main]

libfuzzer_sys::fuzz_target!(|archive: &[u8]| painwatch_fuzz::exports::import_archive(archive));
