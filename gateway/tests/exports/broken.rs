//! Files that something happened to: whatever it was, the answer is an import or an error, never a panic.

use std::path::{Path, PathBuf};

use painwatch_gateway::import::{ImportError, import};
use proptest::prelude::*;

use super::{EXPORTS, fixture, options};

#[derive(Clone, Debug)]
enum Harm {
    Cut(usize),
    Replace(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<usize>();
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..8),
        Just(b"\"".to_vec()),
        Just(b"99999999999999999999".to_vec()),
        Just(b"-".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"9999-12-31".to_vec()),
        Just("\u{202f}".as_bytes().to_vec()),
        Just(b"&#0;&x;".to_vec()),
    ];
    prop_oneof![
        at.prop_map(Harm::Cut),
        (at, any::<u8>()).prop_map(|(at, byte)| Harm::Replace(at, byte)),
        (at, 1usize..40).prop_map(|(at, count)| Harm::Remove(at, count)),
        (at, 1usize..200).prop_map(|(at, count)| Harm::Repeat(at, count)),
        (at, bytes).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

fn apply(bytes: &mut Vec<u8>, harm: &Harm) {
    let len = bytes.len().max(1);
    let span = |at: usize, count: usize| (at % len).min(bytes.len())..(at % len + count).min(bytes.len());
    match harm {
        Harm::Cut(at) => bytes.truncate(at % len),
        Harm::Replace(at, byte) => {
            let range = span(*at, 1);
            bytes[range].fill(*byte);
        }
        Harm::Remove(at, count) => {
            let range = span(*at, *count);
            bytes.drain(range);
        }
        Harm::Repeat(at, count) => {
            let range = span(*at, *count);
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, again);
        }
        Harm::Insert(at, more) => {
            let at = span(*at, 0).start;
            bytes.splice(at..at, more.iter().copied());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file of every format, with the folders that it needs above it.
fn targets() -> Vec<(&'static str, PathBuf)> {
    let of = |format: &'static str| files(&fixture(format)).into_iter().map(move |file| (format, file));
    let mut found: Vec<_> = EXPORTS.into_iter().flat_map(of).collect();
    found.extend(files(&fixture("counters")).into_iter().map(|file| ("csv", file)));
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_harm_to_a_file_makes_an_importer_panic(pick in any::<usize>(), harms in proptest::collection::vec(harm(), 1..6)) {
        let targets = targets();
        let (format, file) = &targets[pick % targets.len()];
        let mut bytes = std::fs::read(file).expect("a file");
        harms.iter().for_each(|harm| apply(&mut bytes, harm));
        let directory = tempfile::tempdir().expect("a directory");
        let below = file.strip_prefix(fixture("")).expect("a fixture");
        let path = directory.path().join(below);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("written");
        if path.extension().is_some_and(|extension| extension == "toml") {
            std::fs::copy(file.with_extension(""), path.with_extension("")).expect("copied");
        }
        match import(format, directory.path(), &options()) {
            Ok(_) | Err(ImportError::NotThisFormat { .. } | ImportError::Unreadable { .. } | ImportError::NothingFound { .. } | ImportError::Id { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
