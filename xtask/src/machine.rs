//! What the tests need beyond Rust: installed where we may, named exactly where we may not.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

struct Need {
    what_for: &'static str,
    packages: &'static [&'static str],
    present: fn() -> bool,
    /// The tests that use it run as root only.
    root_only: bool,
}

const NEEDS: &[Need] = &[
    Need { what_for: "the tables on PostgreSQL", packages: &["postgresql"], present: has_postgres, root_only: false },
    Need {
        what_for: "the independent count with pandas",
        packages: &["python3-venv"],
        present: has_venv,
        root_only: false,
    },
    Need {
        what_for: "readings through an existing broker",
        packages: &["mosquitto"],
        present: || on_path("mosquitto"),
        root_only: false,
    },
    Need {
        what_for: "MQTT clients that are not ours",
        packages: &["mosquitto-clients"],
        present: || on_path("mosquitto_pub"),
        root_only: false,
    },
    Need {
        what_for: "MQTT.js, one of them",
        packages: &["nodejs", "npm"],
        present: || on_path("node") && on_path("npm"),
        root_only: false,
    },
    Need {
        what_for: "the example of a small hub in C",
        packages: &["gcc", "libc6-dev"],
        present: || on_path("cc"),
        root_only: false,
    },
    Need {
        what_for: "the power cut",
        packages: &["nbdkit", "libnbd-bin", "fuse3", "e2fsprogs", "mount"],
        present: || ["nbdkit", "nbdfuse", "fusermount3", "mkfs.ext4", "losetup"].iter().all(|program| on_path(program)),
        root_only: true,
    },
];

/// A main cluster would only be started, listen and be in the way: the tests start a private one.
const POSTGRES_POLICY: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs what is missing where this is root on Debian; elsewhere fails with the command to run.
pub fn prepare(root: &Path) -> Result<()> {
    let is_root = is_root();
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| (is_root || !need.root_only) && !(need.present)()).collect();
    if !missing.is_empty() {
        install(&missing, is_root)?;
    }
    say_what_is_skipped(root, is_root);
    Ok(())
}

fn install(missing: &[&Need], is_root: bool) -> Result<()> {
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    let reasons: Vec<&str> = missing.iter().map(|need| need.what_for).collect();
    let command = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !is_root || !on_path("apt-get") {
        bail!("missing for {}; on Debian run:\n  sudo sh -c '{command}'", reasons.join(", "));
    }
    println!("installing for {}: {command}", reasons.join(", "));
    if packages.contains(&"postgresql") && !Path::new(POSTGRES_POLICY).exists() {
        std::fs::create_dir_all("/etc/postgresql-common").context("/etc/postgresql-common")?;
        std::fs::write(POSTGRES_POLICY, "create_main_cluster = false\n").context(POSTGRES_POLICY)?;
    }
    let status = Command::new("sh")
        .args(["-c", &command])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("`{command}` failed: {status}");
    }
    let absent: Vec<&str> = missing.iter().filter(|need| !(need.present)()).map(|need| need.what_for).collect();
    if absent.is_empty() { Ok(()) } else { bail!("installed, and still missing for {}", absent.join(", ")) }
}

fn say_what_is_skipped(root: &Path, is_root: bool) {
    if recordings(root).is_none() {
        println!("skipped: no recordings (PAINWATCH_RECORDINGS, or ../shared/data beside this repository)");
    }
    if !is_root || !Path::new("/dev/fuse").exists() {
        println!("skipped: the power cut needs root and /dev/fuse");
    }
}

/// Where the recordings are, if they are here.
pub fn recordings(root: &Path) -> Option<std::path::PathBuf> {
    let named = std::env::var_os("PAINWATCH_RECORDINGS").map(std::path::PathBuf::from);
    let place = named.unwrap_or_else(|| root.join("../shared/data"));
    place.canonicalize().ok()
}

fn is_root() -> bool {
    let answer = Command::new("id").arg("-u").output();
    answer.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

pub fn on_path(program: &str) -> bool {
    // Debian keeps mkfs.ext4 and losetup where an ordinary PATH does not look.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}

fn has_postgres() -> bool {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return false };
    versions.flatten().any(|version| version.path().join("bin/initdb").is_file())
}

fn has_venv() -> bool {
    let imports = Command::new("python3").args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()).status();
    imports.is_ok_and(|status| status.success())
}
