//! What an import tells whoever runs it: what was read, what became of it, what was left out and why. Names devices and
//! files, nothing about a person.

use std::collections::BTreeMap;

use painwatch_gateway::import::{FileReport, Import, Skipped};
use painwatch_proto::ingest::v1::{BatchVerdict, Problem};

/// Lines of one kind that are shown; the rest is counted. `--json` has them all.
const LINES_MAX: usize = 30;
/// Refusals that are kept to be shown.
const PROBLEMS_MAX: usize = 10;

pub fn judged(total: &BatchVerdict) -> u64 {
    total.stored + total.duplicate + total.conflict + total.quarantined
}

pub fn add(total: &mut BatchVerdict, verdict: BatchVerdict) {
    total.stored += verdict.stored;
    total.duplicate += verdict.duplicate;
    total.conflict += verdict.conflict;
    total.quarantined += verdict.quarantined;
    let room = PROBLEMS_MAX.saturating_sub(total.problems.len());
    total.problems.extend(verdict.problems.into_iter().take(room));
}

pub fn print(import: &Import, total: &BatchVerdict, json: bool) {
    if json {
        println!("{}", as_json(import, total));
        return;
    }
    for file in &import.report.files {
        told(file);
    }
    limited(import.report.notes.iter().cloned());
    limited(left_out(import).into_iter().map(|(reason, files)| format!("{files} files left out: {reason}")));
    limited(total.problems.iter().map(refusal));
    println!("{}", summary(import, total));
}

fn limited(lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    lines.iter().take(LINES_MAX).for_each(|line| eprintln!("{line}"));
    if lines.len() > LINES_MAX {
        eprintln!("… and {} more; --json has them all", lines.len() - LINES_MAX);
    }
}

fn told(file: &FileReport) {
    let name = &file.file;
    limited(
        file.problems
            .iter()
            .map(|bad| format!("{name}:{}: column {}: {}: {}", bad.line, bad.column, bad.problem, bad.fix)),
    );
    let line = |what: &str, skipped: &Skipped| {
        format!("{name}: {} {what}, the first in line {}: {}", skipped.count, skipped.first_line, skipped.reason)
    };
    limited(file.skipped.iter().map(|skipped| line("skipped", skipped)));
    limited(file.remarks.iter().map(|remark| line("sent", remark)));
}

fn left_out(import: &Import) -> BTreeMap<&str, usize> {
    import.report.left_out.iter().fold(BTreeMap::new(), |mut files, (_, reason)| {
        *files.entry(reason.as_str()).or_default() += 1;
        files
    })
}

fn refusal(problem: &Problem) -> String {
    format!("{}: {}: {}", problem.result, problem.code, problem.detail)
}

fn summary(import: &Import, total: &BatchVerdict) -> String {
    let devices = import.subjects.iter().flat_map(|subject| {
        subject.devices.iter().map(|device| {
            let measures: Vec<&str> = device.measures.iter().map(|measure| measure.name()).collect();
            format!("  device {} for patient {}: {}\n", device.id, subject.patient, measures.join(" "))
        })
    });
    let measures = import.report.measures();
    let measures = measures.iter().map(|(measure, readings)| format!("  {measure:<22} {readings:>10}\n"));
    format!(
        "{}{}{} rows read, {} readings submitted: {} stored, {} duplicate, {} conflict, {} quarantined",
        devices.collect::<String>(),
        measures.collect::<String>(),
        import.report.rows(),
        import.report.readings(),
        total.stored,
        total.duplicate,
        total.conflict,
        total.quarantined
    )
}

fn as_json(import: &Import, total: &BatchVerdict) -> serde_json::Value {
    let devices: Vec<_> =
        import.subjects.iter().flat_map(|subject| &subject.devices).map(|device| &device.id).collect();
    serde_json::json!({
        "rows": import.report.rows(), "submitted": import.report.readings(), "stored": total.stored,
        "duplicate": total.duplicate, "conflict": total.conflict, "quarantined": total.quarantined,
        "measures": import.report.measures(), "devices": devices, "report": import.report,
    })
}
