//! Exports of which one file is anything. Importers read files, so each run has a folder of its own below the folder for
//! temporary files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use painwatch_domain::Roster;
use painwatch_gateway::import::{ImportError, ImportOptions, import as read};
use painwatch_gateway::outgoing::sample_count;

/// An export with the files that the tests use.
struct Export {
    root: PathBuf,
    /// With what they hold, in path order: as the seeds count them.
    files: Vec<(PathBuf, Vec<u8>)>,
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("painwatch-fuzz-{}", std::process::id()))
}

impl Export {
    fn open(fixtures: &str) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/fixtures").join(fixtures);
        let root = folder();
        let mut files: Vec<PathBuf> = Vec::new();
        list(&fixtures, &mut files);
        files.sort();
        let copied = files.into_iter().map(|from| {
            let to = root.join(from.strip_prefix(&fixtures).expect("below it"));
            let bytes = fs::read(&from).expect("a fixture");
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::write(&to, &bytes).expect("written");
            (to, bytes)
        });
        Self { files: copied.collect(), root }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("fixtures") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

/// Imports an export in the shape of these fixtures, of which one file, told by the first byte of `input`, holds the rest of it.
///
/// # Panics
/// When the importer panics, or its report does not count what it read.
pub fn import(format: &str, fixtures: &str, input: &[u8]) {
    static EXPORT: OnceLock<Export> = OnceLock::new();
    let export = EXPORT.get_or_init(|| Export::open(fixtures));
    let Some((nth, bytes)) = input.split_first() else { return };
    let (path, sound) = &export.files[usize::from(*nth) % export.files.len()];
    fs::write(path, bytes).expect("written");
    audit(format, &export.root);
    fs::write(path, sound).expect("written");
}

/// Imports an export out of a zip archive that is anything.
///
/// # Panics
/// As [`import`].
pub fn import_archive(archive: &[u8]) {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        fs::create_dir_all(folder()).expect("a folder");
        folder().join("export.zip")
    });
    fs::write(path, archive).expect("written");
    audit("withings", path);
}

fn audit(format: &str, path: &Path) {
    let options = ImportOptions {
        device_prefix: "d".to_owned(),
        zone: "Europe/Paris".to_owned(),
        patient: None,
        roster: Roster::default(),
    };
    match read(format, path, &options) {
        Ok(import) => {
            let readings = import.subjects.iter().flat_map(|subject| &subject.readings);
            let sent: u64 = readings.map(|timed| sample_count(&timed.reading)).sum();
            assert_eq!(import.report.readings(), sent, "the report");
        }
        Err(ImportError::UnknownFormat { .. } | ImportError::Zone(_) | ImportError::Stopped) => panic!("not of a file"),
        Err(_) => {}
    }
}
