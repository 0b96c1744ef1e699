//! Question: what does a connection hold that says nothing, in a server that keeps 10,000 of them?
//!
//! Budget: 16 KiB over plain TCP, 48 KiB behind TLS with a client certificate. A clinic's gateways are connected all day and
//! speak for seconds of it, so that idle ones are what memory is for: 10,000 of them at 16 KiB are 156 MiB of the cap of 512.
//! The clients live in a process of their own; what the kernel holds for a socket is not counted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use painwatch_access::registry::{Grant, Kind, RegistryError};
use painwatch_access::tls::{Authority, Security, Tls, TlsFiles, certificates_in};
use painwatch_access::{GatewayPrincipal, RegistryFile};
use painwatch_domain::{Clock as _, GatewayId, TenantId};
use painwatch_ingest::{IngestConfig, IngestLimits};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::memory::resident_bytes;
use crate::system::{self, SystemClock};

const CONNECTIONS: usize = 10_000;
const WARM: usize = 100;
const GATEWAY: &str = "idle";
const VALID_MS: i64 = 24 * 3_600_000;

/// What the clients are told on their command line.
#[derive(clap::Args)]
pub struct Clients {
    address: SocketAddr,
    count: usize,
    token: String,
    /// Where certificates are, for TLS.
    wallet: Option<PathBuf>,
}

/// Which server a process of its own measures: what another has given back would be found again and not counted.
#[derive(clap::Args)]
pub struct Server {
    dir: PathBuf,
    count: usize,
    /// Behind TLS.
    #[arg(long)]
    tls: bool,
}

/// # Errors
/// Whatever does not run.
pub fn run(dir: &Path) -> Result<()> {
    for kind in [&[][..], &["--tls"]] {
        let mut command = Command::new(std::env::current_exe()?);
        let status = command.arg("idle-server").arg(dir).arg(CONNECTIONS.to_string()).args(kind).status()?;
        ensure!(status.success(), "the server of {kind:?} did not run: {status}");
    }
    Ok(())
}

/// # Errors
/// Whatever does not run.
pub async fn server(told: &Server) -> Result<()> {
    let &Server { ref dir, count, tls } = told;
    let data = tempfile::tempdir_in(dir)?;
    let (wallet, security) = if tls { secured(data.path())? } else { (None, Security::default()) };
    let mut limits = IngestLimits { connections: count + WARM, ..IngestLimits::default() };
    limits.mqtt.connects_per_s = NonZeroU32::MAX;
    let config = IngestConfig { limits, security, ..IngestConfig::default() };
    let system = system::start_in(data, crate::page::roster, config).await?;
    let address = system.ingest.mqtt_addr.context("mqtt")?;
    let token = system.access.gateway_token().reveal().to_owned();
    // What the first connections set up is there once.
    let warm = Idle::connect(address, &token, WARM, wallet.as_deref())?;
    let before = resident_bytes();
    let idle = Idle::connect(address, &token, count, wallet.as_deref())?;
    let held = resident_bytes().saturating_sub(before);
    let kind = if tls { "behind TLS with a client certificate" } else { "plain" };
    println!("idle    {count} connections, {kind}: {:.1} KiB each", held as f64 / count as f64 / 1024.0);
    drop((warm, idle));
    system.stop().await
}

/// An authority of our own, and a wallet with a certificate of it.
fn secured(data: &Path) -> Result<(Option<PathBuf>, Security)> {
    let (clock, authority) = (Arc::new(SystemClock::new()), Authority::below(data));
    let now_ms = clock.wall_ms();
    authority.create(&["127.0.0.1".into()], now_ms)?;
    let files = TlsFiles {
        certificate: authority.server(),
        key: authority.server(),
        own_authority: authority.certificates(),
        client_authorities: Vec::new(),
        revoked: Vec::new(),
        only_13: true,
    };
    let tls = Arc::new(Tls::open(files, clock)?);
    let who = GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(GATEWAY)? };
    let key = rcgen::KeyPair::generate()?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
    let issued = authority.issue(&request, &who.gateway, now_ms, VALID_MS)?;
    let until_ms = Some(issued.not_after_ms);
    let grant = Grant { kind: Kind::Certificate, digest: issued.sha256, from_ms: now_ms, until_ms, revoked_ms: None };
    RegistryFile::of(data).change::<_, RegistryError>(|registry| {
        registry.add(&who, now_ms);
        Ok(registry.issue(&who, grant)?)
    })?;
    let wallet = data.join("wallet");
    std::fs::create_dir(&wallet)?;
    std::fs::write(wallet.join("chain.pem"), &issued.pem)?;
    std::fs::write(wallet.join("key.pem"), key.serialize_pem())?;
    std::fs::copy(authority.certificates(), wallet.join("ca.pem"))?;
    Ok((Some(wallet), Security { tls: Some(tls), ..Security::default() }))
}

/// Clients in a process of their own; they go with it.
struct Idle {
    child: Child,
    _until_closed: ChildStdin,
}

impl Idle {
    fn connect(address: SocketAddr, token: &str, count: usize, wallet: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["idle-clients", &address.to_string(), &count.to_string(), token]);
        command.args(wallet).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take().context("stdin")?, child.stdout.take().context("stdout")?);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.trim() == "connected", "the clients could not connect: {line:?}");
        Ok(Self { child, _until_closed: stdin })
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: connects, says so, and is silent until its input ends.
///
/// # Errors
/// A connection that is not accepted.
pub fn clients(told: &Clients) -> Result<()> {
    let tls = told.wallet.as_deref().map(client_config).transpose()?;
    let pid = std::process::id();
    let mut plain = Vec::new();
    let mut secure = Vec::new();
    for nth in 0..told.count {
        let mut stream = TcpStream::connect(told.address)?;
        let connect = connect(&format!("{GATEWAY}/{pid}-{nth}"), tls.is_none().then_some(told.token.as_str()));
        if let Some(config) = &tls {
            let server = ServerName::from(told.address.ip());
            let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), server)?, stream);
            accepted(&mut stream, &connect)?;
            secure.push(stream);
        } else {
            accepted(&mut stream, &connect)?;
            plain.push(stream);
        }
    }
    println!("connected");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn client_config(wallet: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    certificates_in(&wallet.join("ca.pem"))?.into_iter().try_for_each(|root| roots.add(root))?;
    let chain = CertificateDer::pem_file_iter(wallet.join("chain.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(wallet.join("key.pem"))?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?))
}

fn accepted(stream: &mut (impl std::io::Read + std::io::Write), connect: &[u8]) -> Result<()> {
    stream.write_all(connect)?;
    stream.flush()?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    ensure!(head[0] == 0x20 && head[3] == 0, "CONNACK {head:02x?}");
    let mut rest = vec![0; usize::from(head[1]) - 2];
    stream.read_exact(&mut rest)?;
    Ok(())
}

/// MQTT 5, section 3.1: a clean start, a keep-alive of five minutes.
fn connect(client_id: &str, token: Option<&str>) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let flags = if token.is_some() { 0xc2 } else { 0x02 };
    let mut body = [&text("MQTT")[..], &[5, flags], &300_u16.to_be_bytes(), &[0]].concat();
    body.extend(text(client_id));
    if let Some(token) = token {
        body.extend([text(GATEWAY), text(token)].concat());
    }
    // A length above 127 takes two bytes.
    let length = body.len();
    let head = if length < 128 {
        vec![0x10, length as u8]
    } else {
        vec![0x10, (length % 128) as u8 | 0x80, (length / 128) as u8]
    };
    [head, body].concat()
}
