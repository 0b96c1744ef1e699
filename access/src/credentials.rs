//! `credentials.toml`: made on first start, so that the embedded default is never open and needs no set-up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Secret;

pub const FILE_NAME: &str = "credentials.toml";

/// Bytes of randomness in a token: beyond guessing.
const TOKEN_BYTES: usize = 32;
/// Bytes of randomness in a password a person may have to type once.
const PASSWORD_BYTES: usize = 12;
/// Shortest secret accepted from an edited file.
const SHORTEST_SECRET: usize = 12;

/// Why the credentials cannot be used. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: mode {mode:o} lets others read the secrets: chmod 600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: {what}")]
    Malformed { path: PathBuf, what: String },
}

#[derive(Debug)]
pub struct Credentials {
    pub gateway_token: Secret,
    pub clinician_user: String,
    pub clinician_password: Secret,
    pub clinician_token: Secret,
    pub analyst_token: Secret,
    pub operator_token: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    gateway: TokenForm,
    clinician: ClinicianForm,
    analyst: TokenForm,
    operator: TokenForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenForm {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClinicianForm {
    user: String,
    password: String,
    token: String,
}

pub fn load_or_create(data_dir: &Path, path: &Path) -> Result<Credentials, CredentialsError> {
    if !path.exists() {
        create(data_dir, path).map_err(|source| CredentialsError::Io { path: path.to_owned(), source })?;
    }
    load(path)
}

fn load(path: &Path) -> Result<Credentials, CredentialsError> {
    let io = |source| CredentialsError::Io { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Exposed { path: path.to_owned(), mode });
    }
    let malformed = |what: &str| CredentialsError::Malformed { path: path.to_owned(), what: what.to_owned() };
    let text = fs::read_to_string(path).map_err(io)?;
    // The parser's own message quotes the line it stumbled over, which may be a secret.
    let form: FileForm = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count());
        malformed(&format!(
            "not of the form [gateway] token, [clinician] user password token, [analyst] token, [operator] token (near line {line})"
        ))
    })?;
    accept(form).map_err(|what| malformed(&what))
}

fn accept(form: FileForm) -> Result<Credentials, String> {
    let secrets = [
        ("gateway.token", &form.gateway.token),
        ("clinician.password", &form.clinician.password),
        ("clinician.token", &form.clinician.token),
        ("analyst.token", &form.analyst.token),
        ("operator.token", &form.operator.token),
    ];
    for (name, secret) in secrets {
        if secret.len() < SHORTEST_SECRET {
            return Err(format!("{name} has fewer than {SHORTEST_SECRET} characters"));
        }
        if secrets.iter().any(|(other, text)| *other != name && *text == secret) {
            return Err(format!("{name} is used twice: one secret must not open two doors"));
        }
    }
    Ok(Credentials {
        gateway_token: Secret::new(form.gateway.token),
        clinician_user: form.clinician.user,
        clinician_password: Secret::new(form.clinician.password),
        clinician_token: Secret::new(form.clinician.token),
        analyst_token: Secret::new(form.analyst.token),
        operator_token: Secret::new(form.operator.token),
    })
}

fn fresh_text() -> String {
    let token = || Secret::random(TOKEN_BYTES);
    format!(
        "[gateway]                    # accepted for any gateway id, from loopback only\ntoken = \"{}\"\n\
         [clinician]                  # console login, password to be changed at first use; token = API bearer\n\
         user = \"clinician\"\npassword = \"{}\"\ntoken = \"{}\"\n\
         [analyst]\ntoken = \"{}\"\n[operator]\ntoken = \"{}\"\n",
        token().reveal(),
        Secret::random(PASSWORD_BYTES).reveal(),
        token().reveal(),
        token().reveal(),
        token().reveal(),
    )
}

/// Readable by nobody else from its first byte, and either whole or absent after a power cut. Where two processes start
/// at once, the file that was linked first wins and both read that one.
fn create(data_dir: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(data_dir)?;
    let draft = data_dir.join(format!(".{FILE_NAME}.{}", Secret::random(8).reveal()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(fresh_text().as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(data_dir)?.sync_all()
}
