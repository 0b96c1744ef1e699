//! A copy of the workspace with every defect in it, each asleep until its name is in the environment. The sources of the
//! product know nothing of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::list::{Defect, Patch};

/// Names the defect that is switched on.
pub const VARIABLE: &str = "PAINWATCH_SEEDED_DEFECT";
/// Not part of the sources.
const LEFT_OUT: [&str; 2] = ["target", ".git"];
/// The file that asks which defect is on; every crate can reach it.
const SWITCH_FILE: &str = "domain/src/lib.rs";
/// The copy's crates have a version of their own, so that in the target directory that both workspaces share (third-party crates
/// are compiled once) neither takes the other's for its own.
const VERSION: (&str, &str) = ("\nversion = \"", "+seeded\"");

fn switch() -> String {
    format!(
        "\n/// Whether the defect of this name is switched on.\npub fn seeded(name: &str) -> bool {{\n    static ON: \
         std::sync::OnceLock<String> = std::sync::OnceLock::new();\n    ON.get_or_init(|| \
         std::env::var(\"{VARIABLE}\").unwrap_or_default()) == name\n}}\n"
    )
}

/// Writes the copy to `to`; a file that is there already and the same is left alone, so that it is not compiled again.
///
/// # Errors
/// A patch does not apply exactly once: the code has changed, and the defect must be seeded anew.
pub fn seed(root: &Path, to: &Path, defects: &[&Defect]) -> Result<()> {
    let mut files = BTreeSet::new();
    list(root, Path::new(""), &mut files)?;
    for file in &files {
        let bytes = fs::read(root.join(file)).with_context(|| file.display().to_string())?;
        write(&to.join(file), &patched(file, bytes, defects)?)?;
    }
    let mut stale = BTreeSet::new();
    list(to, Path::new(""), &mut stale)?;
    stale.difference(&files).try_for_each(|file| fs::remove_file(to.join(file)).context("old copy"))
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !root.join(folder).is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(root.join(folder)).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let (path, kind) = (folder.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() && !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            list(root, &path, files)?;
        } else if kind.is_file() && entry.file_name() != ".git" {
            files.insert(path);
        }
    }
    Ok(())
}

fn patched(file: &Path, bytes: Vec<u8>, defects: &[&Defect]) -> Result<Vec<u8>> {
    if file == Path::new("Cargo.toml") {
        return Ok(apart(&String::from_utf8(bytes)?)?.into_bytes());
    }
    let of_file = |patch: &&Patch| Path::new(patch.file) == file;
    let patches: Vec<(&str, &Patch)> = defects
        .iter()
        .flat_map(|defect| defect.patches.iter().filter(of_file).map(move |patch| (defect.name, patch)))
        .collect();
    let switch = if file == Path::new(SWITCH_FILE) { switch() } else { String::new() };
    if patches.is_empty() && switch.is_empty() {
        return Ok(bytes);
    }
    let mut text = String::from_utf8(bytes).context("a source file is UTF-8")?;
    for (name, patch) in patches {
        let found = text.matches(patch.from).count();
        if found != 1 {
            bail!("{name}: what it replaces is found {found} times in {}; seed it anew", patch.file);
        }
        let asked = format!("painwatch_domain::seeded({name:?})");
        text = text.replacen(patch.from, &patch.to.replace("SEEDED", &asked), 1);
    }
    Ok((text + &switch).into_bytes())
}

/// The workspace's manifest with the version that is the copy's.
fn apart(manifest: &str) -> Result<String> {
    let (before, rest) = manifest.split_once(VERSION.0).context("the workspace has a version")?;
    let (version, after) = rest.split_once('"').context("a version ends with a quote")?;
    Ok([before, VERSION.0, version, VERSION.1, after].concat())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::limits::LIMITS;
    use super::super::list::DEFECTS;
    use super::*;

    #[test]
    fn the_copy_has_a_version_of_its_own_so_that_its_crates_are_not_taken_for_the_workspaces() {
        let manifest = "[workspace.package]\nversion = \"1.2.3\"\nedition = \"2024\"\n[dependencies]\nserde = { version = \"1\" }\n";
        assert_eq!(apart(manifest).unwrap(), manifest.replace("1.2.3", "1.2.3+seeded"));
    }

    #[test]
    fn every_seeded_defect_still_applies_to_the_sources_exactly_once() {
        let root = crate::root();
        let all: Vec<&Defect> = DEFECTS.iter().chain(LIMITS).collect();
        for file in all.iter().flat_map(|defect| defect.patches).map(|patch| Path::new(patch.file)) {
            patched(file, fs::read(root.join(file)).unwrap(), &all).unwrap();
        }
    }
}
