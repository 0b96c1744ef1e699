//! Our own certificate authority, below `<data>/tls`: for installations that have none.
//!
//! ```text
//! ca.pem      certificates of the authority, the one that issues first; two while it is being replaced. Public.
//! ca.key      the issuing certificate and its key, together, so that no power cut can tear them apart
//! server.pem  the server's certificate and key, likewise
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use painwatch_domain::GatewayId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

use crate::durable::{self, Lock};
use crate::secret::{digest_of, random_bytes};

const DAY_MS: i64 = 24 * 3_600_000;
/// Ten years: longer than the devices it is burnt into.
const AUTHORITY_MS: i64 = 3_653 * DAY_MS;
/// What clients accept of a server at most (CA/Browser Forum), though no browser asks this authority.
const SERVER_MS: i64 = 397 * DAY_MS;
/// A server certificate with less than this left is made anew at the start.
const RENEW_MS: i64 = 30 * DAY_MS;
/// Clocks of gateways lag: what was issued now has to be valid for them.
const BACKDATED_MS: i64 = 3_600_000;
/// Longest signing request: an RSA key of 8,192 bits and its attributes.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Why a certificate is not made. Names files, never keys.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0}: there is an authority already; `--next-ca` begins to replace it")]
    Exists(PathBuf),
    #[error("{0}: there is no authority; `painwatch tls init` makes one")]
    Missing(PathBuf),
    #[error("{0}: an authority is being replaced already; `--retire-ca` ends that first")]
    BeingReplaced(PathBuf),
    #[error("{0}: no authority is being replaced; `--next-ca` begins it")]
    NotBeingReplaced(PathBuf),
    #[error("not a certificate signing request in PEM form that its own key has signed: {0}")]
    Request(String),
    #[error("{0:?} is no name or address that a certificate can hold")]
    Name(String),
    #[error("{0}")]
    Crypto(#[from] rcgen::Error),
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    pub pem: String,
    pub sha256: [u8; 32],
    /// End of its validity, UTC milliseconds since 1970.
    pub not_after_ms: i64,
}

#[derive(Clone, Debug)]
pub struct Authority {
    dir: PathBuf,
}

impl Authority {
    pub fn below(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("tls") }
    }

    /// What gateways have to trust, and what their certificates are verified against.
    pub fn certificates(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    pub fn server(&self) -> PathBuf {
        self.dir.join("server.pem")
    }

    fn issuer(&self) -> PathBuf {
        self.dir.join("ca.key")
    }

    pub fn exists(&self) -> bool {
        self.issuer().exists()
    }

    /// Makes the authority and the server's certificate for `names` (host names and addresses).
    ///
    /// # Errors
    /// There is one already, or it cannot be written.
    pub fn create(&self, names: &[String], now_ms: i64) -> Result<(), AuthorityError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|source| AuthorityError::Io { path: self.dir.clone(), source })?;
        let _lock = self.lock()?;
        if self.exists() {
            return Err(AuthorityError::Exists(self.issuer()));
        }
        let (certificate, both) = fresh_authority(now_ms)?;
        self.write(&self.certificates(), &certificate)?;
        self.write(&self.issuer(), &both)?;
        self.issue_server(names, now_ms)
    }

    /// Makes what is missing, and a server certificate that soon ends anew.
    ///
    /// # Errors
    /// As [`Authority::create`].
    pub fn ensure(&self, names: &[String], now_ms: i64) -> Result<(), AuthorityError> {
        if !self.exists() {
            return self.create(names, now_ms);
        }
        let left = super::PeerCertificate::read(
            super::certificates_in(&self.server()).unwrap_or_default(),
            super::Origin::Own,
        )
        .map_or(0, |server| server.not_after_ms - now_ms);
        if left < RENEW_MS { self.issue_server(names, now_ms) } else { Ok(()) }
    }

    /// Begins to replace the authority: from now on the new one issues and both are trusted. The server still shows the
    /// certificate of the old one, which gateways trust until they have fetched the new `ca.pem`.
    ///
    /// # Errors
    /// There is none, or a replacement is under way.
    pub fn begin_replacing(&self, now_ms: i64) -> Result<(), AuthorityError> {
        let _lock = self.lock()?;
        let trusted = self.trusted()?;
        if trusted.len() > 1 {
            return Err(AuthorityError::BeingReplaced(self.certificates()));
        }
        let (certificate, both) = fresh_authority(now_ms)?;
        // Trusted before it issues: a power cut in between leaves an authority that nobody uses.
        self.write(&self.certificates(), &format!("{certificate}{}", trusted.concat()))?;
        self.write(&self.issuer(), &both)
    }

    /// Ends the replacement: the server shows a certificate of the new authority, the old one is trusted no more.
    ///
    /// # Errors
    /// No replacement is under way.
    pub fn end_replacing(&self, names: &[String], now_ms: i64) -> Result<(), AuthorityError> {
        let _lock = self.lock()?;
        let trusted = self.trusted()?;
        if trusted.len() < 2 {
            return Err(AuthorityError::NotBeingReplaced(self.certificates()));
        }
        self.issue_server(names, now_ms)?;
        self.write(&self.certificates(), &first_certificate(&self.read(&self.issuer())?))
    }

    /// Signs what a gateway asks for. Only the public key is taken from the request: name, use and time are ours to say.
    ///
    /// # Errors
    /// The request is not one, or is not signed by its own key.
    pub fn issue(
        &self,
        request: &str,
        gateway: &GatewayId,
        now_ms: i64,
        valid_ms: i64,
    ) -> Result<Issued, AuthorityError> {
        if request.len() > REQUEST_BYTES_MAX {
            return Err(AuthorityError::Request(format!("more than {REQUEST_BYTES_MAX} bytes")));
        }
        let parsed = CertificateSigningRequestParams::from_pem(request);
        let request = parsed.map_err(|error| AuthorityError::Request(error.to_string()))?;
        let uri = gateway.as_str().try_into().map_err(|_| AuthorityError::Name(gateway.to_string()))?;
        let mut params = leaf(gateway.as_str(), vec![SanType::URI(uri)], ExtendedKeyUsagePurpose::ClientAuth);
        set_validity(&mut params, now_ms, valid_ms);
        let certificate = params.signed_by(&request.public_key, &self.signing()?)?;
        let not_after_ms = (now_ms + valid_ms) / 1_000 * 1_000;
        Ok(Issued { pem: certificate.pem(), sha256: digest_of(certificate.der()), not_after_ms })
    }

    fn issue_server(&self, names: &[String], now_ms: i64) -> Result<(), AuthorityError> {
        let key = KeyPair::generate()?;
        let alternatives = names.iter().map(|name| alternative(name)).collect::<Result<Vec<_>, _>>()?;
        let mut params = leaf("painwatch", alternatives, ExtendedKeyUsagePurpose::ServerAuth);
        set_validity(&mut params, now_ms, SERVER_MS);
        let certificate = params.signed_by(&key, &self.signing()?)?;
        self.write(&self.server(), &format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    fn signing(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        if !self.exists() {
            return Err(AuthorityError::Missing(self.issuer()));
        }
        let both = self.read(&self.issuer())?;
        let certificate = first_certificate(&both);
        let key = KeyPair::from_pem(both.strip_prefix(&*certificate).unwrap_or(&both))?;
        Ok(Issuer::from_ca_cert_pem(&certificate, key)?)
    }

    /// The trusted certificates, each in PEM form.
    fn trusted(&self) -> Result<Vec<String>, AuthorityError> {
        if !self.exists() {
            return Err(AuthorityError::Missing(self.issuer()));
        }
        let text = self.read(&self.certificates())?;
        Ok(text.split_inclusive(PEM_END).filter(|part| part.contains(PEM_END)).map(str::to_owned).collect())
    }

    fn read(&self, path: &Path) -> Result<String, AuthorityError> {
        fs::read_to_string(path).map_err(|source| AuthorityError::Io { path: path.to_owned(), source })
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), AuthorityError> {
        let written = durable::replace(path, text.as_bytes());
        written.map_err(|source| AuthorityError::Io { path: path.to_owned(), source })
    }

    fn lock(&self) -> Result<Lock, AuthorityError> {
        if !self.dir.exists() {
            return Err(AuthorityError::Missing(self.issuer()));
        }
        Lock::of(&self.issuer()).map_err(|source| AuthorityError::Io { path: self.issuer(), source })
    }
}

const PEM_END: &str = "-----END CERTIFICATE-----\n";

fn first_certificate(text: &str) -> String {
    text.split_inclusive(PEM_END).next().unwrap_or_default().to_owned()
}

/// Its certificate, and its certificate with its key.
fn fresh_authority(now_ms: i64) -> Result<(String, String), AuthorityError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    // A name of its own, so that two of them can be told apart while one replaces the other.
    params.distinguished_name = named(&format!("painwatch CA {}", &hex::encode(random_bytes::<4>())));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now_ms, AUTHORITY_MS);
    let certificate = params.self_signed(&key)?.pem().replace("\r\n", "\n");
    let both = format!("{certificate}{}", key.serialize_pem());
    Ok((certificate, both))
}

fn leaf(name: &str, alternatives: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.subject_alt_names = alternatives;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A random serial number, because one made from the key would repeat with it.
fn set_validity(params: &mut CertificateParams, now_ms: i64, valid_ms: i64) {
    let at = |ms: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(ms / 1_000).unwrap_or(0));
    params.not_before = at(now_ms - BACKDATED_MS);
    params.not_after = at(now_ms + valid_ms);
    let mut serial = random_bytes::<16>();
    // Positive, and never shortened.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

fn alternative(name: &str) -> Result<SanType, AuthorityError> {
    match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => name.try_into().map(SanType::DnsName).map_err(|_| AuthorityError::Name(name.to_owned())),
    }
}
