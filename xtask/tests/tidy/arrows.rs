//! Who may depend on whom.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{none, read, sources};

const PREFIX: &str = "painwatch-";

/// The allowed arrows. What is not here may use anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("proto", &["domain"]),
    ("journal", &["domain"]),
    ("store", &["domain"]),
    ("access", &["domain"]),
    ("ingest-core", &["domain", "proto"]),
    ("processor-core", &["domain"]),
    ("alerts-core", &["domain"]),
    ("ingest", &["ingest-core", "journal", "store", "access", "proto", "domain"]),
    ("processor", &["processor-core", "journal", "store", "access", "proto", "domain"]),
    ("alerts", &["alerts-core", "journal", "store", "access", "proto", "domain"]),
    // Analysts read; commands, which are journalled, come from clinicians alone.
    ("query", &["store", "access", "domain"]),
    ("console", &["store", "access", "journal", "proto", "domain"]),
    // Of ingest-core the translation of other languages, which decides nothing.
    ("gateway", &["ingest-core", "proto", "domain"]),
];
const FREE: &[&str] = &["painwatch", "painwatch-benches", FUZZ, "painwatch-sim", "painwatch-evidence", "xtask"];
/// A workspace of its own: it can take neither lints nor versions from ours.
const FUZZ: &str = "painwatch-fuzz";

/// Tests may look further, where a whole is tested at its seam.
const IN_TESTS: &[(&str, &[&str])] = &[("console", &["alerts"])];

/// Third-party crates that one room keeps for itself: the query engine because it takes minutes to compile, the client
/// because we are the server.
const KEPT: &[(&str, &[&str])] = &[
    ("datafusion", &["painwatch-query"]),
    ("mqtt-endpoint-tokio", &["painwatch-ingest"]),
    ("mqtt-protocol-core", &["painwatch-ingest"]),
    ("rcgen", &["painwatch-access", "painwatch-benches"]),
    ("rumqttc", &["painwatch", "painwatch-gateway", "painwatch-ingest"]),
    ("sqlx", &["painwatch-store"]),
    ("x509-parser", &["painwatch-access"]),
];

/// What a core or the domain must not even be able to do.
const IMPURE: &[&str] = &["tokio", "rand", "reqwest", "sqlx", "tonic", "axum", "tracing"];
const PURE: &[&str] = &["domain", "ingest-core", "processor-core", "alerts-core"];

struct Manifest {
    name: String,
    table: Table,
}

impl Manifest {
    fn dependencies(&self, section: &str) -> Vec<&str> {
        let table = self.table.get(section).and_then(Value::as_table);
        table.into_iter().flat_map(Table::keys).map(String::as_str).collect()
    }
}

fn manifests() -> Vec<Manifest> {
    let parsed = sources(&["Cargo.toml"]).into_iter().map(|source| {
        let table: Table = source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let name = table["package"]["name"].as_str().expect("a package name").to_owned();
        Manifest { name, table }
    });
    parsed.collect()
}

#[test]
fn no_crate_depends_on_a_room_it_has_no_arrow_to() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let in_tests: BTreeMap<_, _> = IN_TESTS.iter().copied().collect();
    let mut faults = Vec::new();
    for manifest in manifests().iter().filter(|manifest| !FREE.contains(&manifest.name.as_str())) {
        let room = manifest.name.strip_prefix(PREFIX).unwrap_or(&manifest.name);
        let Some(arrows) = allowed.get(room) else {
            faults.push(format!("{room} is not in the list of arrows"));
            continue;
        };
        let wider = in_tests.get(room).copied().unwrap_or_default();
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let test = section == "dev-dependencies";
            let ours = manifest.dependencies(section).into_iter().filter_map(|name| name.strip_prefix(PREFIX));
            let wrong = ours.filter(|name| !arrows.contains(name) && *name != room && !(test && wider.contains(name)));
            faults.extend(wrong.map(|name| format!("{room} → {name} ({section})")));
        }
    }
    none(&faults, "forbidden arrows");
}

#[test]
fn a_heavy_or_foreign_crate_stays_in_its_room() {
    let mut faults = Vec::new();
    for manifest in manifests() {
        for (name, rooms) in KEPT {
            if manifest.dependencies("dependencies").contains(name) && !rooms.contains(&manifest.name.as_str()) {
                faults.push(format!("{} uses {name}, which belongs to {rooms:?}", manifest.name));
            }
        }
    }
    none(&faults, "kept crates");
}

#[test]
fn the_pure_crates_cannot_do_io_or_throw_dice() {
    let mut faults = Vec::new();
    for manifest in
        manifests().iter().filter(|manifest| PURE.iter().any(|room| manifest.name == format!("{PREFIX}{room}")))
    {
        let impure = manifest.dependencies("dependencies").into_iter().filter(|name| IMPURE.contains(name));
        faults.extend(impure.map(|name| format!("{} → {name}", manifest.name)));
    }
    none(&faults, "impure dependencies of pure crates");
}

#[test]
fn the_domain_knows_no_wire_and_no_table() {
    let domain = manifests().into_iter().find(|manifest| manifest.name == "painwatch-domain").expect("the domain");
    let faults: Vec<String> = domain
        .dependencies("dependencies")
        .into_iter()
        .filter(|name| matches!(*name, "serde" | "prost" | "serde_json"))
        .map(str::to_owned)
        .collect();
    none(&faults, "formats in the domain");
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    let mut faults = Vec::new();
    for manifest in manifests().into_iter().filter(|manifest| manifest.name != FUZZ) {
        if manifest.table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) != Some(true) {
            faults.push(format!("{}: lints.workspace = true is missing", manifest.name));
        }
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let table = manifest.table.get(section).and_then(Value::as_table);
            let own = table
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.get("workspace").and_then(Value::as_bool) != Some(true));
            faults.extend(own.map(|(name, _)| format!("{}: {name} is not `workspace = true`", manifest.name)));
        }
    }
    none(&faults, "manifests");
}

#[test]
fn only_one_file_names_concrete_engines() {
    let engines = ["FileJournal", "InlineJournal", "MemoryJournal", "SqliteTables", "PostgresTables"];
    let mut faults = Vec::new();
    for source in sources(&[".rs"]) {
        let inside =
            ["journal/", "store/", "xtask/", "tests/", "benches/"].iter().any(|room| source.path.starts_with(room));
        if inside || crate::is_test(&source.path) || source.path == "src/compose.rs" {
            continue;
        }
        let named = engines.iter().filter(|engine| crate::has_word(crate::production(&source.text), engine));
        faults.extend(named.map(|engine| format!("{} names {engine}", source.path)));
    }
    none(&faults, "engines named outside src/compose.rs");
}

#[test]
fn deny_toml_keeps_the_same_crates_in_their_rooms() {
    let deny: Table = read("deny.toml").parse().expect("deny.toml");
    let bans = deny["bans"]["deny"].as_array().expect("bans.deny");
    let wrapped =
        |name: &str| bans.iter().any(|ban| ban["crate"].as_str() == Some(name) && ban.get("wrappers").is_some());
    let faults: Vec<_> =
        ["datafusion", "rumqttc"].iter().filter(|name| !wrapped(name)).map(|name| (*name).to_owned()).collect();
    none(&faults, "wrappers missing in deny.toml");
}
