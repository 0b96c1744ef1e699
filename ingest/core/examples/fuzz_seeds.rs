//! Writes the seed corpora under `fuzz/corpus/` out of the examples that the tests use: one file an entry, or one a file of an
//! export, behind a byte that says which file it is.

use std::path::{Path, PathBuf};

use prost::Message as _;
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (fuzz, tests) = (here.join("../../fuzz"), here.join("tests"));
    for target in ["omh", "fhir", "gatt"] {
        let text = std::fs::read_to_string(tests.join("seeds").join(format!("{target}.json")))?;
        let entries: Vec<Box<RawValue>> = serde_json::from_str(&text)?;
        for (nth, entry) in entries.iter().enumerate() {
            write(&fuzz.join("corpus").join(target), nth, entry.get().as_bytes())?;
        }
    }
    let batch = std::fs::read_to_string(tests.join("golden/batch.json"))?;
    write(&fuzz.join("corpus/json"), 0, batch.as_bytes())?;
    // Without the entry that is wrong on purpose.
    let good = r#"{"batch_id": "b", "readings": [{"device": "w", "measure": "heart_rate", "time": "2026-03-01T11:00:00Z",
        "period_ms": 1000, "values": [71, null, 72], "unit": "/min"}, {"device": "c", "measure": "blood_pressure",
        "time": "2026-03-01T11:00:00Z", "components": {"systolic": 142, "diastolic": 91}, "unit": "mm[Hg]"}]}"#;
    let message = painwatch_proto::json::batch_from_json(good)?.encode_to_vec();
    write(&fuzz.join("corpus/protobuf"), 0, &message)?;
    let hexadecimal: String = std::fs::read_to_string(tests.join("golden/batch.hex"))?.split_whitespace().collect();
    let digits =
        hexadecimal.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16));
    write(&fuzz.join("corpus/record"), 0, &digits.collect::<Result<Vec<_>, _>>()?)?;
    exports(&fuzz.join("corpus"), &here.join("../../gateway/tests/fixtures"))
}

/// The importers' fixtures, in the order in which `fuzz/src/exports.rs` numbers them; archives as they are.
fn exports(corpus: &Path, fixtures: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for format in std::fs::read_dir(fixtures)? {
        let format = format?;
        let name = format.file_name().to_string_lossy().replace('-', "_");
        let mut files = Vec::new();
        list(&format.path(), &mut files)?;
        files.sort();
        for (nth, file) in files.iter().enumerate() {
            let number = if name == "archive" { Vec::new() } else { vec![u8::try_from(nth)?] };
            write(&corpus.join(format!("import_{name}")), nth, &[number, std::fs::read(file)?].concat())?;
        }
    }
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn write(directory: &Path, nth: usize, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(directory)?;
    let path: PathBuf = directory.join(format!("seed-{nth}"));
    Ok(std::fs::write(path, bytes)?)
}
