//! `ingest.mqtt.broker`: where an existing broker is, read and checked before anything starts.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use painwatch_access::Secret;
use painwatch_domain::TenantId;
use painwatch_ingest::BrokerConfig;

use crate::config::Mqtt;

const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

impl Mqtt {
    /// The broker to take readings from, if there is one.
    ///
    /// # Errors
    /// What is wrong with the URL or the files beside it, by the name of the key; never the password.
    pub fn existing_broker(&self) -> Result<Option<BrokerConfig>> {
        if self.broker.is_empty() {
            return Ok(None);
        }
        let Url { tls, user, host, port } = Url::parse(&self.broker)?;
        if !tls && !is_loopback(&host) {
            bail!("ingest.mqtt.broker: {host} is not this machine: use mqtts:// and ingest.mqtt.broker_ca_file");
        }
        let ca_pem = tls.then(|| read(&self.broker_ca_file, "ingest.mqtt.broker_ca_file")).transpose()?;
        Ok(Some(BrokerConfig {
            host,
            port,
            client_id: self.broker_client_id.clone(),
            login: user.map(|user| Ok::<_, anyhow::Error>((user, self.password()?))).transpose()?,
            ca_pem,
            tenant: TenantId::default(),
            packet_bytes: self.broker_packet_bytes,
        }))
    }

    fn password(&self) -> Result<Secret> {
        let bytes = read(&self.broker_password_file, "ingest.mqtt.broker_password_file")?;
        let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the broker's password is not UTF-8"))?;
        Ok(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

fn read(file: &Path, key: &str) -> Result<Vec<u8>> {
    ensure!(!file.as_os_str().is_empty(), "ingest.mqtt.broker needs {key}");
    std::fs::read(file).with_context(|| format!("{key}: cannot read {}", file.display()))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[derive(Debug, PartialEq, Eq)]
struct Url {
    tls: bool,
    user: Option<String>,
    host: String,
    port: u16,
}

impl Url {
    fn parse(text: &str) -> Result<Self> {
        let plain = text.strip_prefix("mqtt://").map(|rest| (false, rest));
        let scheme = plain.or_else(|| text.strip_prefix("mqtts://").map(|rest| (true, rest)));
        let (tls, rest) = scheme.context("ingest.mqtt.broker: expected mqtt://HOST or mqtts://HOST")?;
        let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
        if user.is_some_and(|user| user.contains(':')) {
            bail!("ingest.mqtt.broker: the password belongs in the file that ingest.mqtt.broker_password_file names");
        }
        let address = address.trim_end_matches('/');
        let (host, port) = match address.rsplit_once(':') {
            // An IPv6 address without a port ends in a bracket.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().with_context(|| format!("ingest.mqtt.broker: {port:?} is no port"))?)
            }
            _ => (address, if tls { TLS_PORT } else { PORT }),
        };
        let host = host.trim_matches(['[', ']']);
        ensure!(!host.is_empty(), "ingest.mqtt.broker: no host in {text:?}");
        Ok(Self { tls, user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(tls: bool, user: Option<&str>, host: &str, port: u16) -> Url {
        Url { tls, user: user.map(str::to_owned), host: host.to_owned(), port }
    }

    #[test]
    fn a_broker_url_names_scheme_user_host_and_port() {
        let read = |text| Url::parse(text).unwrap();
        assert_eq!(read("mqtt://localhost"), url(false, None, "localhost", 1883));
        assert_eq!(read("mqtts://pw@broker.example:1884/"), url(true, Some("pw"), "broker.example", 1884));
        assert_eq!(read("mqtts://[2001:db8::1]"), url(true, None, "2001:db8::1", 8883));
        assert_eq!(read("mqtt://[::1]:1884"), url(false, None, "::1", 1884));
        for wrong in ["localhost:1883", "http://localhost", "mqtt://", "mqtt://host:port", "mqtt://:1883"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = Url::parse("mqtt://pw:hunter2@localhost").unwrap_err().to_string();
        assert!(error.contains("broker_password_file") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_broker_elsewhere_needs_tls() {
        let mqtt = |broker: &str| Mqtt {
            listen: "127.0.0.1:0".parse().unwrap(),
            broker: broker.to_owned(),
            broker_client_id: "painwatch".to_owned(),
            broker_password_file: "".into(),
            broker_ca_file: "".into(),
            broker_packet_bytes: 16 << 20,
        };
        assert!(mqtt("").existing_broker().unwrap().is_none());
        assert!(mqtt("mqtt://127.0.0.1:1").existing_broker().unwrap().is_some());
        for (broker, key) in [
            ("mqtt://10.0.0.1", "mqtts://"),
            ("mqtts://b", "broker_ca_file"),
            ("mqtt://u@[::1]", "broker_password_file"),
        ] {
            let error = mqtt(broker).existing_broker().unwrap_err().to_string();
            assert!(error.contains(key), "{broker}: {error}");
        }
    }
}
