//! How connections reach the listeners: TLS, whose certificates are believed, and which listener may be plain.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use painwatch_access::tls::{self, Authority, ClientAuthority, Security, Tls, TlsFiles};
use painwatch_domain::{Clock, TenantId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::config::Config;

/// Files that journal, tables, lake and calls to others may have open beside the connections of the doors; at most half of all.
const OWN_FILES: usize = 256;
/// The only value of `tls.auto` beside none.
const SELF_SIGNED: &str = "self-signed";
/// What is revoked is cut within 60 s (reliability F29); this leaves as much again for looking.
const RELOAD_MS_MAX: u64 = 30_000;
const RELOAD_MS_MIN: u64 = 100;
/// Names by which the server is reached on its own machine.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listen {
    pub trusted_proxy: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TlsConfig {
    pub auto: String,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub names: String,
    pub client_ca: Vec<ClientCa>,
    pub crl: Vec<PathBuf>,
    pub min_version: String,
    pub reload_ms: u64,
}

/// An authority that somebody else runs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCa {
    pub file: PathBuf,
    /// For whose gateways it speaks.
    #[serde(default = "main_tenant")]
    pub tenant: String,
}

fn main_tenant() -> String {
    TenantId::default().to_string()
}

/// The texts between commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl TlsConfig {
    /// Whether the listeners speak TLS.
    pub fn is_on(&self) -> bool {
        !self.auto.is_empty() || !self.certificate.as_os_str().is_empty()
    }

    pub fn turn_off(&mut self) {
        (self.auto, self.certificate, self.key) = Default::default();
        (self.client_ca, self.crl) = Default::default();
    }

    fn check(&self) -> Result<()> {
        let (certificate, key) = (!self.certificate.as_os_str().is_empty(), !self.key.as_os_str().is_empty());
        if !["", SELF_SIGNED].contains(&self.auto.as_str()) {
            bail!("tls.auto = {:?}: expected {SELF_SIGNED:?} or nothing", self.auto);
        }
        if !self.auto.is_empty() && certificate {
            bail!("tls.auto makes a certificate and tls.certificate names one: choose");
        }
        if certificate != key {
            bail!("tls.certificate and tls.key belong together: one of them is missing");
        }
        let authorities = !self.client_ca.is_empty() || !self.crl.is_empty();
        if authorities && !self.is_on() {
            bail!(
                "tls.client_ca and tls.crl need a server certificate: tls.auto = {SELF_SIGNED:?}, or tls.certificate and tls.key"
            );
        }
        if !["1.2", "1.3"].contains(&self.min_version.as_str()) {
            bail!("tls.min_version = {:?}: expected \"1.2\" or \"1.3\"", self.min_version);
        }
        if !(RELOAD_MS_MIN..=RELOAD_MS_MAX).contains(&self.reload_ms) {
            bail!("tls.reload_ms = {}: expected {RELOAD_MS_MIN} to {RELOAD_MS_MAX}", self.reload_ms);
        }
        for authority in &self.client_ca {
            let tenant = TenantId::parse(&authority.tenant);
            let tenant = tenant.with_context(|| format!("tls.client_ca: tenant {:?}", authority.tenant))?;
            if tenant.is_canary() {
                bail!("tls.client_ca: the tenant {tenant} belongs to the probes of the server's own inputs");
            }
        }
        Ok(())
    }
}

impl Config {
    /// Loopback may be plain; any other address needs TLS, ours or that of a proxy that is named.
    ///
    /// # Errors
    /// The listener that would be open, with the ways out; or what is wrong in `tls` or `listen`.
    pub fn check_listeners(&self) -> Result<()> {
        self.tls.check()?;
        let proxies = self.trusted_proxies()?;
        if self.tls.is_on() || !proxies.is_empty() {
            return Ok(());
        }
        let listeners = [
            ("ingest.mqtt.listen", self.ingest.mqtt.listen),
            ("ingest.grpc.listen", self.ingest.grpc.listen),
            ("http.listen", self.http.listen),
            ("admin.listen", self.admin.listen),
        ];
        for (key, listen) in listeners {
            if !listen.ip().to_canonical().is_loopback() {
                bail!(
                    "{key} = {}: an address that is not loopback needs TLS. Set tls.auto = {SELF_SIGNED:?}, or tls.certificate and \
                     tls.key; or name the TLS proxy in front in listen.trusted_proxy; or listen on 127.0.0.1",
                    listen
                );
            }
        }
        Ok(())
    }

    fn trusted_proxies(&self) -> Result<Vec<IpAddr>> {
        let addresses = listed(&self.listen.trusted_proxy).map(|text| {
            let address: Result<IpAddr, _> = text.parse();
            address.map(|ip| ip.to_canonical()).with_context(|| format!("listen.trusted_proxy: {text:?} is no address"))
        });
        addresses.collect()
    }

    pub fn authority(&self) -> Authority {
        Authority::below(&self.data)
    }

    /// Names of the certificate that `tls.auto` makes: loopback, those configured, and the addresses listened on.
    pub fn server_names(&self) -> Vec<String> {
        let bound = [self.ingest.mqtt.listen, self.ingest.grpc.listen, self.http.listen, self.admin.listen];
        let bound = bound.map(|listen| listen.ip());
        let bound = bound.into_iter().filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
        let fixed = LOOPBACK_NAMES.into_iter().chain(listed(&self.tls.names)).map(str::to_owned);
        let mut names: Vec<String> = Vec::new();
        for name in fixed.chain(bound) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// PEM file of the certificate the server shows.
    pub fn server_certificate(&self) -> PathBuf {
        if self.tls.auto.is_empty() { self.tls.certificate.clone() } else { self.authority().server() }
    }

    fn tls_files(&self) -> Result<TlsFiles> {
        let client_authorities = self.tls.client_ca.iter().map(|authority| {
            Ok(ClientAuthority { file: authority.file.clone(), tenant: TenantId::parse(&authority.tenant)? })
        });
        let key = if self.tls.auto.is_empty() { self.tls.key.clone() } else { self.authority().server() };
        Ok(TlsFiles {
            certificate: self.server_certificate(),
            key,
            own_authority: self.authority().certificates(),
            client_authorities: client_authorities.collect::<Result<_>>()?,
            revoked: self.tls.crl.clone(),
            only_13: self.tls.min_version == "1.3",
        })
    }
}

/// Lets the process open as many files as the system allows it, and keeps enough of them for itself. `wanted`: connections
/// that the configuration allows.
fn sockets(wanted: usize) -> Option<Arc<Semaphore>> {
    let known = getrlimit(Resource::Nofile);
    if known.current != known.maximum {
        // Where that is not allowed, what there is has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: known.maximum, ..known });
    }
    let files = usize::try_from(getrlimit(Resource::Nofile).current?).unwrap_or(usize::MAX);
    let sockets = files.saturating_sub(OWN_FILES.min(files / 2)).min(Semaphore::MAX_PERMITS);
    if sockets < wanted {
        tracing::warn!(
            files,
            sockets,
            wanted,
            "open files allow fewer connections than ingest.limits.connections; raise `ulimit -n`"
        );
    }
    Some(Arc::new(Semaphore::new(sockets)))
}

/// Makes what `tls.auto` asks for and loads everything.
///
/// # Errors
/// What cannot be made, read or used, by its file.
pub fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Security> {
    let (trusted_proxies, sockets) = (config.trusted_proxies()?.into(), sockets(config.ingest.limits.connections));
    if !config.tls.is_on() {
        return Ok(Security { tls: None, trusted_proxies, sockets });
    }
    if !config.tls.auto.is_empty() {
        config.authority().ensure(&config.server_names(), clock.wall_ms()).context("tls.auto")?;
    }
    let tls = Tls::open(config.tls_files()?, Arc::clone(clock)).context("tls")?;
    Ok(Security { tls: Some(Arc::new(tls)), trusted_proxies, sockets })
}

/// How this machine reaches a listener of the running server: the address itself, or a way through TLS while it is held.
pub struct Way {
    pub address: SocketAddr,
    _tunnel: Option<tls::Tunnel>,
}

impl Way {
    /// `certificate` is the PEM file of the certificate that the server shows, where it speaks TLS.
    ///
    /// # Errors
    /// The server's certificate cannot be read, or no socket can be had.
    pub async fn to(to: SocketAddr, certificate: Option<&Path>, protocol: &[u8]) -> Result<Self> {
        let Some(certificate) = certificate else { return Ok(Self { address: to, _tunnel: None }) };
        let first = tls::certificates_in(certificate)?.into_iter().next().context("a certificate")?;
        let mut client = tls::pinned_client(first)?;
        client.alpn_protocols = if protocol.is_empty() { Vec::new() } else { vec![protocol.to_vec()] };
        let tunnel = tls::Tunnel::open(to, client).await?;
        Ok(Self { address: tunnel.address, _tunnel: Some(tunnel) })
    }
}

/// As [`Way::to`] for a command, which needs it as long as it lives.
///
/// # Errors
/// As [`Way::to`].
pub async fn local_way(config: &Config, to: SocketAddr, speaks_tls: bool, protocol: &[u8]) -> Result<SocketAddr> {
    let certificate = speaks_tls.then(|| config.server_certificate());
    let way = Way::to(to, certificate.as_deref(), protocol).await?;
    let address = way.address;
    std::mem::forget(way);
    Ok(address)
}

/// How often the server looks for what was revoked.
pub const fn reload_every(config: &Config) -> Duration {
    Duration::from_millis(config.tls.reload_ms)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::with_environment;

    #[test]
    fn the_default_configuration_is_on_loopback_and_plain() {
        let config = with_environment(&[]).unwrap();
        config.check_listeners().unwrap();
        assert!(!config.tls.is_on());
    }

    #[test]
    fn a_plain_listener_off_loopback_is_refused_and_told_the_ways_out() {
        for (key, name) in [
            ("PAINWATCH__INGEST__MQTT__LISTEN", "ingest.mqtt.listen"),
            ("PAINWATCH__INGEST__GRPC__LISTEN", "ingest.grpc.listen"),
            ("PAINWATCH__HTTP__LISTEN", "http.listen"),
            ("PAINWATCH__ADMIN__LISTEN", "admin.listen"),
        ] {
            for open in ["0.0.0.0:1883", "192.0.2.1:1883", "[::]:1883", "[::ffff:192.0.2.1]:1883"] {
                let error = with_environment(&[(key, open)]).unwrap().check_listeners().unwrap_err().to_string();
                let ways = ["tls.auto", "tls.certificate", "listen.trusted_proxy", "127.0.0.1"];
                assert!(error.contains(name) && ways.iter().all(|way| error.contains(way)), "{error}");
            }
        }
    }

    #[test]
    fn tls_or_a_named_proxy_opens_a_listener_to_the_world() {
        let open = ("PAINWATCH__INGEST__MQTT__LISTEN", "0.0.0.0:1883");
        for way in [
            &[("PAINWATCH__TLS__AUTO", "self-signed")][..],
            &[("PAINWATCH__TLS__CERTIFICATE", "server.pem"), ("PAINWATCH__TLS__KEY", "server.key")],
            &[("PAINWATCH__LISTEN__TRUSTED_PROXY", "192.0.2.9, 2001:db8::1")],
        ] {
            let given: Vec<(&str, &str)> = way.iter().copied().chain([open]).collect();
            with_environment(&given).unwrap().check_listeners().unwrap();
        }
    }

    #[test]
    fn what_contradicts_itself_in_tls_is_named() {
        for (given, named) in [
            (&[("PAINWATCH__TLS__AUTO", "selfsigned")][..], "tls.auto"),
            (&[("PAINWATCH__TLS__CERTIFICATE", "a.pem")], "tls.key"),
            (&[("PAINWATCH__TLS__KEY", "a.pem")], "tls.certificate"),
            (&[("PAINWATCH__TLS__MIN_VERSION", "one")], "tls.min_version"),
            (&[("PAINWATCH__TLS__RELOAD_MS", "60000")], "tls.reload_ms"),
            (&[("PAINWATCH__LISTEN__TRUSTED_PROXY", "proxy.example")], "listen.trusted_proxy"),
        ] {
            let error = format!("{:#}", with_environment(given).unwrap().check_listeners().unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }
}
