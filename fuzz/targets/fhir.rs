#![no_main]

use painwatch_ingest_core::Format;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| painwatch_fuzz::judge(payload, Format::Fhir));
