//! The register's file, shared by a running server and the commands beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ChangeError, Registry};
use crate::durable::{self, Lock, Stamp};

/// Why the register cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {what}")]
    Malformed { path: PathBuf, what: String },
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// `<data>/gateways.toml`. No file means that no gateway is registered.
#[derive(Clone, Debug)]
pub struct RegistryFile {
    path: PathBuf,
}

impl RegistryFile {
    pub const NAME: &str = "gateways.toml";

    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(Self::NAME) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::of(&self.path)
    }

    /// # Errors
    /// [`RegistryError`] names the file and what is wrong with it.
    pub fn read(&self) -> Result<Registry, RegistryError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Registry::parse(&text).map_err(|what| self.malformed(what)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Registry::default()),
            Err(source) => Err(self.io(source)),
        }
    }

    /// Reads, changes and writes back while nobody else does. When this returns, the change survives a power cut; when
    /// `change` fails, the file is as it was.
    ///
    /// # Errors
    /// What `change` says, or [`RegistryError`].
    pub fn change<T, E: From<RegistryError>>(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = Lock::of(&self.path).map_err(|source| self.io(source))?;
        let mut registry = self.read()?;
        let before = registry.clone();
        let done = change(&mut registry)?;
        if registry != before {
            let text = registry.to_toml().map_err(|what| self.malformed(what))?;
            durable::replace(&self.path, text.as_bytes()).map_err(|source| self.io(source))?;
        }
        Ok(done)
    }

    fn io(&self, source: io::Error) -> RegistryError {
        RegistryError::Io { path: self.path.clone(), source }
    }

    fn malformed(&self, what: String) -> RegistryError {
        RegistryError::Malformed { path: self.path.clone(), what }
    }
}
