//! Identifiers, parsed once at the edge, so that the inside never meets an empty, oversized or control-character id.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an identifier may not be empty")]
    Empty,
    #[error("an identifier has at most {MAX_LEN} bytes, this one has {0}")]
    TooLong(usize),
    #[error("an identifier is made of letters, digits and . _ - : @, not {0:?}")]
    Character(char),
}

/// Longest identifier in bytes: a serial number, a UUID or a prefixed export id fits; a pasted document does not.
pub const MAX_LEN: usize = 64;

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(IdError::TooLong(text.len()));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-:@".contains(*c))) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// [`IdError`] when `text` is empty, longer than [`MAX_LEN`] bytes or holds another character than
            /// letters, digits and `. _ - : @`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )+};
}

text_id! {
    /// A clinic. Comes from the credential, never from a topic or a payload.
    TenantId,
    PatientId,
    /// The thing that measured: watch, scale, cuff, cap, phone.
    DeviceId,
    /// The thing that sent: hub, phone, importer.
    GatewayId,
    RuleId,
    /// A row of the roster's medication table, e.g. `oxycodone-5mg`.
    MedicationId,
}

/// Who probes every input of ours: it has a tenant and a book of its own (semantics 1).
const CANARY: (&str, &str) = ("canary", "painwatch-canary");

impl TenantId {
    /// Whose the probes of our own inputs are. No clinic can have this name.
    pub fn canary() -> Self {
        Self(CANARY.0.into())
    }

    pub fn is_canary(&self) -> bool {
        &*self.0 == CANARY.0
    }
}

impl GatewayId {
    /// Under which name the probes come in.
    pub fn canary() -> Self {
        Self(CANARY.1.into())
    }

    pub fn is_canary(&self) -> bool {
        &*self.0 == CANARY.1
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self("main".into())
    }
}

/// The first 128 bits of a SHA-256 over length-prefixed parts, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash128(pub [u8; 16]);

impl Hash128 {
    /// Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut out = [0; 16];
        out.copy_from_slice(&digest[..16]);
        Self(out)
    }

    /// Reads back what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut out = [0; 16];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(Self(out))
    }
}

impl fmt::Display for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// hash(tenant, device, measure, claimed time, end, discriminator): semantics 2.
pub type ReadingId = Hash128;
/// hash(tenant, patient, rule, first detected episode start): semantics 11.
pub type AlertId = Hash128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_bounded_and_printable() {
        assert_eq!(DeviceId::parse(""), Err(IdError::Empty));
        assert_eq!(DeviceId::parse(&"x".repeat(65)), Err(IdError::TooLong(65)));
        assert_eq!(DeviceId::parse("a/b"), Err(IdError::Character('/')));
        assert_eq!(DeviceId::parse("watch-0001").unwrap().as_str(), "watch-0001");
    }

    #[test]
    fn a_hash_prefixes_the_length_of_each_part_and_reads_back() {
        assert_ne!(Hash128::of(&[b"ab", b"c"]), Hash128::of(&[b"a", b"bc"]));
        let hash = Hash128::of(&[b"x"]);
        assert_eq!(Hash128::parse(&hash.to_string()), Some(hash));
        assert_eq!(Hash128::parse("zz"), None);
    }
}
