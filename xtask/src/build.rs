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

/// What a build came to.
pub struct Built {
    pub programs: Vec<Program>,
    /// Compiler and linter had nothing to say.
    pub clean: bool,
}

/// Where the tests run: with the allocator that is shipped, or with that of the system, which need not be compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Allocator {
    Shipped,
    System,
}

/// Builds every test program and what it runs, the `painwatch` binary among them, with the failpoints that its tests ask for;
/// `None` where something does not compile.
/// Our crates are compiled by the linter, so that nothing is read through twice: a pass of its own would check every crate
/// of others once more.
pub fn tests(root: &Path, allocator: Allocator) -> Result<Option<Built>> {
    let mut cargo = cargo(root);
    cargo.args(["test", "--no-run"]).env("RUSTC_WORKSPACE_WRAPPER", root.join("xtask/compiler.sh"));
    programs(cargo, allocator)
}

/// Builds the test programs that `chosen` (arguments of cargo) names in another workspace, beside what is built for this one.
/// They are run a few times: compiling them fast is worth more than fast programs.
pub fn tests_chosen(workspace: &Path, target: &Path, chosen: &[&str]) -> Result<Option<Vec<Program>>> {
    let mut cargo = cargo(workspace);
    cargo.args(["test", "--no-run"]).args(chosen);
    cargo.env("CARGO_TARGET_DIR", target).env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
    Ok(programs(cargo, Allocator::System)?.map(|built| built.programs))
}

fn programs(mut cargo: Command, allocator: Allocator) -> Result<Option<Built>> {
    cargo.args(["--message-format", "json-diagnostic-rendered-ansi", "--workspace"]).stdout(Stdio::piped());
    if allocator == Allocator::System {
        cargo.arg("--no-default-features");
    }
    let mut child = cargo.spawn().context("cargo test --no-run")?;
    let output = child.stdout.take().context("cargo's output")?;
    let (mut programs, mut clean) = (Vec::new(), true);
    for line in BufReader::new(output).lines() {
        let message = serde_json::from_str(&line?)?;
        programs.extend(program(&message));
        if let Some(said) = diagnostic(&message) {
            eprint!("{said}");
            clean = false;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        return Ok(None);
    }
    // What costs least first; the whole system last.
    programs.sort_by_key(|program: &Program| {
        (program.package == "painwatch", program.package != "xtask", program.name.clone())
    });
    Ok(Some(Built { programs, clean }))
}

/// What the compiler or the linter says, of whatever weight.
fn diagnostic(message: &Value) -> Option<&str> {
    (message["reason"] == "compiler-message").then(|| message["message"]["rendered"].as_str()).flatten()
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
