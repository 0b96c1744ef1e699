//! One build of everything, and the test programs that came out of it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A test program.
#[derive(Clone, Debug)]
pub struct Program {
    /// `package` for the tests inside it, `package::target` for those beside it.
    pub name: String,
    pub package: String,
    pub package_dir: PathBuf,
    /// The file the target begins with.
    pub source: PathBuf,
    pub executable: PathBuf,
}

/// The one set of features that lints and tests share, so that nothing is compiled twice. It includes the failpoints.
pub const SCOPE: &[&str] = &["--workspace", "--all-features"];

/// Builds every test program and what it runs, the `painwatch` binary among them; `None` where something does not compile.
pub fn tests(root: &Path) -> Result<Option<Vec<Program>>> {
    let mut cargo = cargo(root);
    cargo.args(["test", "--no-run"]);
    programs(cargo)
}

/// Builds the test programs that `chosen` (arguments of cargo) names in another workspace, beside what is built for this one.
pub fn tests_chosen(workspace: &Path, target: &Path, chosen: &[&str]) -> Result<Option<Vec<Program>>> {
    let mut cargo = cargo(workspace);
    cargo.args(["test", "--no-run"]).args(chosen).env("CARGO_TARGET_DIR", target);
    programs(cargo)
}

fn programs(mut cargo: Command) -> Result<Option<Vec<Program>>> {
    cargo.args(["--message-format", "json-render-diagnostics"]).args(SCOPE).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cargo test --no-run")?;
    let output = child.stdout.take().context("cargo's output")?;
    let mut programs = Vec::new();
    for line in BufReader::new(output).lines() {
        programs.extend(program(&serde_json::from_str(&line?)?));
    }
    let status = child.wait()?;
    if !status.success() {
        return Ok(None);
    }
    // What costs least first; the whole system last.
    programs.sort_by_key(|program: &Program| {
        (program.package == "painwatch", program.package != "xtask", program.name.clone())
    });
    Ok(Some(programs))
}

fn program(message: &Value) -> Option<Program> {
    let target = &message["target"];
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let package_dir = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let manifest = std::fs::read_to_string(package_dir.join("Cargo.toml")).ok()?;
    let package = manifest.lines().find_map(|line| line.strip_prefix("name = "))?.trim_matches('"').to_owned();
    let inside = target["kind"].as_array()?.iter().any(|kind| kind == "lib" || kind == "bin");
    let name = if inside { package.clone() } else { format!("{package}::{}", target["name"].as_str()?) };
    let source = PathBuf::from(target["src_path"].as_str()?);
    Some(Program { name, package, package_dir, source, executable: message["executable"].as_str()?.into() })
}

/// Cargo in the workspace.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a step of cargo's; true if it passed.
pub fn step(root: &Path, args: &[&str]) -> Result<bool> {
    println!("$ cargo {}", args.join(" "));
    Ok(cargo(root).args(args).status().with_context(|| format!("cargo {}", args.join(" ")))?.success())
}
