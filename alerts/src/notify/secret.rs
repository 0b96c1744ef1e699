//! The Standard Webhooks signature: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// `whsec_` and base64, as the receiver has it too.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

/// Why a text is no secret. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("a webhook secret begins with whsec_")]
    Prefix,
    #[error("a webhook secret is base64 after whsec_")]
    Encoding,
    #[error("a webhook secret has 24 to 64 bytes, this one has {0}")]
    Length(usize),
}

impl WebhookSecret {
    /// # Errors
    /// [`SecretError`] when it is not `whsec_` followed by 24 to 64 bytes as base64.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// Writes random bytes the way receivers expect them.
    pub fn format(bytes: &[u8]) -> String {
        format!("whsec_{}", STANDARD.encode(bytes))
    }

    /// The `webhook-signature` header: `v1,` and the signature.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_of_standard_webhooks_is_signed_alike() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        assert_eq!(WebhookSecret::parse("abc").unwrap_err(), SecretError::Prefix);
        assert_eq!(WebhookSecret::parse("whsec_!").unwrap_err(), SecretError::Encoding);
        assert_eq!(WebhookSecret::parse("whsec_AAAA").unwrap_err(), SecretError::Length(3));
        let secret = WebhookSecret::parse(&WebhookSecret::format(&[7; 32])).unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
