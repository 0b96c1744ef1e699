//! Death at each place in the sources where dying is hardest.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::bad_input::post;
use crate::clinic::{Clinic, opened};
use crate::crash::{queues, undisturbed};
use crate::gateways::Gateways;
use crate::outcome;
use crate::program::Installation;
use crate::receiver::Receiver;

/// Each point that a server passes, and at which time it dies there, once it has died at the first.
const SERVING: [(&str, u32); 14] = [
    ("ingest::before_append", 150),
    ("ingest::after_durable", 150),
    ("journal::before_write", 25),
    ("journal::after_write", 25),
    ("journal::after_sync", 25),
    ("journal::segment_created", 2),
    ("store::before_commit", 5),
    ("store::after_commit", 5),
    ("processor::before_findings", 2),
    ("processor::after_findings", 2),
    ("alerts::before_commit", 3),
    ("alerts::after_commit", 3),
    ("alerts::before_send", 2),
    ("alerts::after_send", 2),
];
/// The lake is written once a minute when serving, at once at the end of a demo.
const LAKE: [&str; 2] = ["lake::file_written", "lake::after_commit"];
/// Passed by what is taken out of quarantine.
const REDRIVE: [&str; 2] = ["ingest::before_redrive", "ingest::after_redrive"];
/// Nothing asks the journal to remove segments yet; its own tests die here.
const UNREACHABLE: [&str; 1] = ["journal::trim"];

/// Small segments, so that their making is among what is interrupted.
const SEGMENT_BYTES: &str = "262144";

#[test]
fn f1_killed_at_every_failpoint_it_loses_and_repeats_no_reading_no_alert_and_no_page() {
    let clinic = Clinic::of(5 * SERVING.len());
    let directory = tempfile::tempdir().expect("a directory");
    let expected = undisturbed(&Installation::below(directory.path(), "undisturbed"), &clinic);

    let installation = Installation::below(directory.path(), "killed").on_a_fixed_port();
    let installation = installation.with("PAINWATCH__JOURNAL__SEGMENT_BYTES", SEGMENT_BYTES);
    let receiver = Receiver::start();
    let server = opened(&installation, &clinic, Some(&receiver.url));
    let (address, token) = (server.mqtt.clone(), installation.token("gateway"));
    server.stop();
    let gateways = Gateways::start(&address, &token, queues(&clinic));
    // The first time is often while it still recovers from the death before.
    for (point, passes) in SERVING.into_iter().flat_map(|(point, passes)| [(point, 1), (point, passes)]) {
        let before = gateways.acknowledged();
        let mut server = installation.begin_to_serve(&[("PAINWATCH_DIE_AT", &format!("{point}:{passes}"))]);
        let died = server.dies_within(Duration::from_secs(60));
        let status = died.unwrap_or_else(|| {
            panic!("{point} was not reached; {} messages acknowledged in it", gateways.acknowledged() - before)
        });
        assert!(!status.success() && status.code().is_none(), "{point}: {status}\n{}", installation.log_tail());
        assert!(!gateways.done(), "{point}: too little was left to send");
    }
    let server = installation.serve();
    gateways.finish();
    outcome::wait_until_told(&receiver, &clinic);
    server.stop();

    let outcome = outcome::of(&installation, &clinic);
    outcome.must_be(&expected);
    outcome::one_page_an_alert(&receiver, &outcome);
}

#[test]
fn a_demo_killed_while_it_writes_the_lake_ends_as_if_it_had_not_been() {
    let directory = tempfile::tempdir().expect("a directory");
    let demo = ["demo", "--once", "--json", "--patients", "1", "--weeks", "1"];
    let last = |installation: &Installation| {
        let told = installation.told(&demo);
        serde_json::from_str::<serde_json::Value>(told.lines().last().expect("a line")).expect("JSON")
    };
    let expected = last(&Installation::below(directory.path(), "undisturbed"));
    for point in LAKE {
        let installation = Installation::below(directory.path(), &point.replace("::", "-"));
        let dying = installation.with("PAINWATCH_DIE_AT", &format!("{point}:1"));
        let died = dying.run(&demo).status;
        assert!(!died.success() && died.code().is_none(), "{point}: {died}");
        let installation = dying.with("PAINWATCH_DIE_AT", "nowhere");
        let ended = last(&installation);
        assert_eq!(ended["books"]["stored"], expected["books"]["stored"], "{point}");
        for figure in ["identities", "alerts", "canonical_hash"] {
            assert_eq!(ended[figure], expected[figure], "{point} {figure}");
        }
        let rows = installation.figure("SELECT count(*) FROM readings");
        assert_eq!(rows, expected["identities"], "{point}: rows of the lake are there once");
        installation.verified();
    }
}

/// A stamp without an offset, which nobody can read before the roster says in which zone its wearer lives.
const LOCAL_TIME: &[u8] = br#"{"readings": [
    {"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T11:00:00", "value": 71, "unit": "/min"},
    {"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T11:01:00", "value": 72, "unit": "/min"}]}"#;
const WEARER: &str = "[[patient]]\nid = \"p-1\"\nzone = \"Asia/Tokyo\"\ncare_team = \"ward\"\n[[device]]\nid = \"watch-0001\"\n\
                      [[pairing]]\ndevice = \"watch-0001\"\npatient = \"p-1\"\nfrom = \"2020-01-01\"\n";

#[test]
fn f1_killed_before_and_after_a_redrive_is_written_every_item_leaves_quarantine_once() {
    let directory = tempfile::tempdir().expect("a directory");
    for point in REDRIVE {
        let installation = Installation::below(directory.path(), &point.replace("::", "-"));
        let mut server = installation.serve_with(&[("PAINWATCH_DIE_AT", &format!("{point}:1"))]);
        let (status, verdict) = post(&server.http, &installation.token("gateway"), LOCAL_TIME);
        let verdict: serde_json::Value =
            serde_json::from_str(verdict.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
        assert_eq!((status, &verdict["quarantined"]), (200, &2.into()), "{verdict}");
        let roster = installation.data.with_extension("roster.toml");
        std::fs::write(&roster, WEARER).expect("the roster is written");
        installation.told(&["roster", "apply", roster.to_str().expect("a path")]);

        let asked = installation.run(&["quarantine", "redrive"]);
        let died = server.dies_within(Duration::from_secs(10)).expect("it was on the way");
        assert!(!asked.status.success() && died.code().is_none(), "{point}: {died}");
        // Written before it died, it left; not written, it leaves now. Either way asking again does no harm.
        let server = installation.serve();
        installation.told(&["quarantine", "redrive"]);
        installation.told(&["quarantine", "redrive"]);
        server.stop();

        let books = &installation.status()["books"];
        let figures = ["stored", "duplicate", "conflict", "quarantined"].map(|figure| books[figure].as_u64());
        assert_eq!(figures, [2, 0, 0, 0].map(Some), "{point}: {books}");
        let rows = installation.sql("SELECT patient_id, time FROM readings ORDER BY time");
        assert!(rows.len() == 2 && rows.iter().all(|row| row["patient_id"] == "p-1"), "{point}: {rows:?}");
        installation.verified();
    }
}

/// Every failpoint in the sources is one of those above, and every one of those is in the sources.
#[test]
fn no_failpoint_is_left_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for part in ["journal", "ingest", "processor", "store", "alerts", "query", "console", "access", "gateway"] {
        collect(&root.join(part).join("src"), &mut found);
        collect(&root.join(part).join("core/src"), &mut found);
    }
    collect(&root.join("src"), &mut found);
    let known = SERVING.iter().map(|(point, _)| *point).chain(LAKE).chain(REDRIVE).chain(UNREACHABLE);
    assert_eq!(found, known.map(str::to_owned).collect());
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let calls = text.split("fail_point!(\"").skip(1).chain(text.split("failpoint(\"").skip(1));
            let names = calls.filter_map(|rest| rest.split('"').next()).filter(|name| name.contains("::"));
            found.extend(names.map(str::to_owned));
        }
    }
}
