//! ARCHITECTURE.md and the README name what exists.

use std::collections::BTreeSet;

use crate::{has_word, none, read, root, sources};

/// The longest a reading's way may be told.
const HOPS_MAX: usize = 11;

/// Lines outside code blocks, or those inside.
fn lines(text: &str, wanted_inside: bool) -> Vec<&str> {
    let mut inside = false;
    let wanted = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !fence && inside == wanted_inside
    });
    wanted.collect()
}

/// Texts between backticks outside code blocks.
fn quoted(text: &str) -> Vec<String> {
    let spans = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    lines(text, false).into_iter().flat_map(spans).collect()
}

/// Looks like a file or directory of this repository.
fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    let known = [".rs", ".md", ".toml", ".proto", ".sql", ".sh", ".py", ".hex", ".bin", "/"];
    let ours = !text.starts_with(['/', '.']) && !text.starts_with("painwatch-data/");
    plain && ours && text.contains('/') && known.iter().any(|end| text.ends_with(end))
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let documents = sources(&[".md"]);
    let mut faults = Vec::new();
    for document in documents.iter().filter(|document| !document.path.starts_with("docs/decisions/")) {
        let here = document.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let missing = quoted(&document.text)
            .into_iter()
            .filter(|path| is_path(path))
            .filter(|path| !root().join(path).exists() && !root().join(here).join(path).exists());
        faults.extend(missing.map(|path| format!("{}: {path}", document.path)));
    }
    none(&faults, "documents name files that are not there");
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut faults = Vec::new();
    for document in sources(&[".md"]) {
        let here = document.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        for link in document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') && !root().join(here).join(file).exists() {
                faults.push(format!("{}: {link}", document.path));
            }
        }
    }
    none(&faults, "links");
}

/// Rows `| 3 | `path` | `symbol` | … |` of "Life of a reading".
fn hops() -> Vec<(String, String)> {
    let text = read("ARCHITECTURE.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Life of a reading")).expect("the section");
    let rows = section
        .lines()
        .filter(|line| line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    rows.map(|row| {
        let mut names = quoted(row).into_iter();
        (names.next().expect("a file"), names.next().expect("a symbol"))
    })
    .collect()
}

#[test]
fn the_life_of_a_reading_is_told_in_files_and_symbols_that_exist() {
    let hops = hops();
    assert!((5..=HOPS_MAX).contains(&hops.len()), "{} hops", hops.len());
    assert_eq!(hops.iter().map(|(file, _)| file).collect::<BTreeSet<_>>().len(), hops.len(), "a file a hop");
    let keywords = ["fn", "struct", "enum", "trait", "message", "service", "rpc", "type", "const"];
    let defines = |file: &str, symbol: &str| {
        let text = read(file);
        let name = symbol.rsplit("::").next().unwrap_or(symbol);
        text.lines().any(|line| keywords.iter().any(|keyword| has_word(line, &format!("{keyword} {name}"))))
    };
    let missing = hops.iter().filter(|(file, symbol)| !defines(file, symbol));
    none(&missing.map(|(file, symbol)| format!("{file} › {symbol}")).collect::<Vec<_>>(), "hops that do not exist");
}

#[test]
fn every_crate_and_its_never_is_told() {
    let text = read("ARCHITECTURE.md");
    let libraries = sources(&["src/lib.rs"]);
    let rooms = libraries.iter().map(|source| source.path.trim_end_matches("/src/lib.rs"));
    let untold = rooms.filter(|room| !text.contains(&format!("`{room}/`")));
    none(&untold.map(str::to_owned).collect::<Vec<_>>(), "rooms ARCHITECTURE.md does not tell of");
}

#[test]
fn the_program_knows_every_command_the_documents_show() {
    let commands = read("src/commands/mod.rs");
    let body = commands.split("enum Command {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the commands");
    let known: BTreeSet<String> =
        body.lines().filter_map(|line| Some(line.trim().split_once('(')?.0.to_lowercase())).collect();
    let mut faults = Vec::new();
    for document in sources(&[".md"]).iter().filter(|document| !document.path.starts_with("docs/decisions/")) {
        let shown =
            quoted(&document.text).into_iter().chain(lines(&document.text, true).into_iter().map(str::to_owned));
        for text in shown {
            let rest = ["painwatch ", "cargo run -- "].iter().find_map(|start| text.strip_prefix(start));
            let Some(word) = rest.and_then(|rest| rest.split_whitespace().next()) else { continue };
            if word.chars().all(|c| c.is_ascii_lowercase()) && !known.contains(word) {
                faults.push(format!("{}: {text}", document.path));
            }
        }
    }
    none(&faults, "commands that do not exist");
}
