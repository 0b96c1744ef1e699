//! Opens the listeners of a system: the gateways' doors, console and API, and the operator's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use painwatch_access::tls::{Door, Security};
use painwatch_console::{Check, Console};
use painwatch_domain::Clock;
use painwatch_ingest::http::HttpListener;
use painwatch_ingest::{Admission, IngestConfig, IngestHandle, IngestLimits};
use tokio::net::TcpListener;

use super::{Addresses, LOGIC_VERSION, System, bind};
use crate::admin::{self, Admin};
use crate::canary::{self, Canaries, Probe};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::redrive::Redrive;
use crate::security;

fn limits(config: &Config) -> IngestLimits {
    IngestLimits {
        max_packet_bytes: u32::try_from(config.ingest.max_payload_bytes).unwrap_or(u32::MAX),
        max_message_bytes: config.http.max_body_bytes,
        verdict_timeout: Duration::from_millis(config.ingest.verdict_timeout_ms),
        patience: Duration::from_millis(config.ingest.patience_ms),
        connections: config.ingest.limits.connections,
        connect_deadline: Duration::from_millis(config.ingest.limits.connect_deadline_ms),
        session_bytes: config.ingest.limits.session_bytes,
        payload: config.ingest.payload.limits(),
        mqtt: config.ingest.limits.mqtt.clone(),
        grpc: config.ingest.grpc.limits(),
        ..IngestLimits::default()
    }
}

impl System {
    pub(super) async fn listen(
        &mut self,
        config: &Config,
        (clock, canaries): (&Arc<dyn Clock>, bool),
        http: TcpListener,
        security: Security,
    ) -> Result<()> {
        let tls = security.tls.clone();
        self.watch_for_revocations(config, clock, &security);
        let deps = painwatch_ingest::Deps {
            journal: Arc::clone(&self.journal),
            access: Arc::clone(&self.access),
            clock: Arc::clone(clock),
            rosters: self.processor.rosters.clone(),
            clocks: self.processor.clocks.clone(),
            store: Arc::clone(&self.store),
            applied: self.processor.applied.clone(),
        };
        let (mqtt, grpc) = (config.ingest.mqtt.listen, config.ingest.grpc.listen);
        let doors = IngestConfig {
            mqtt_listen: Some(mqtt),
            grpc_listen: Some(grpc),
            broker: config.ingest.mqtt.existing_broker()?,
            limits: limits(config),
            security: security.clone(),
        };
        let beside_broker = doors.broker.as_ref().map(|broker| broker.beside("canary"));
        let ingest = painwatch_ingest::serve(doors, deps, self.stop.clone()).await?;
        let address = http.local_addr()?;
        // Of the services that run by now, before there is a listener.
        let (checks, same) = (admin::checks(&self.tasks, &self.canaries), admin::checks(&self.tasks, &self.canaries));
        let (admin, admin_address) = self.open_admin(config, &ingest, &security, same).await?;
        let console = Console::new(painwatch_console::Deps {
            store: Arc::clone(&self.store),
            journal: Arc::clone(&self.journal),
            access: Arc::clone(&self.access),
            clock: Arc::clone(clock),
            people_clock: Arc::new(SystemClock::new()),
            alerts_applied: self.alerts_applied.clone(),
            logic_version: LOGIC_VERSION,
            secure_cookies: tls.is_some() || !security.trusted_proxies.is_empty(),
            checks,
        });
        let redrive = self.follow_clocks(&ingest);
        let operator = crate::operator::router(self, Arc::clone(&ingest.ledger), redrive);
        let enrolment = crate::enrolment::router(&self.data, config.authority(), Arc::clone(clock));
        let router =
            ingest.http_router.clone().merge(console.router()).merge(operator).merge(enrolment).merge(admin.metrics());
        self.console = Some(console);
        self.serve_http(config, HttpListener::new(http, security.gate(Door::Http)), router);
        let (mqtt, grpc) = (ingest.mqtt_addr.unwrap_or(mqtt), ingest.grpc_addr.unwrap_or(grpc));
        let addresses = Addresses { mqtt, grpc, http: address, admin: admin_address, tls: tls.is_some() };
        std::fs::write(self.data.join("server.json"), serde_json::to_string(&addresses)?)?;
        if canaries && config.canary.is_on() {
            let probes = canary::probes(config, &addresses, &self.access, beside_broker);
            self.send_canaries(config, clock, probes, Arc::clone(ingest.admission()));
        }
        self.ingest = Some(ingest);
        self.addresses = Some(addresses);
        Ok(())
    }

    fn serve_http(&mut self, config: &Config, listener: HttpListener, router: axum::Router) {
        let serving = listener.serve(router, config.http.limits(), self.stop.clone());
        let task = tokio::spawn(async move {
            serving.await;
            Ok(())
        });
        self.tasks.push(("http", task));
    }

    fn watch_for_revocations(&mut self, config: &Config, clock: &Arc<dyn Clock>, security: &Security) {
        let (access, tls, clock) = (Arc::clone(&self.access), security.tls.clone(), Arc::clone(clock));
        let watching = painwatch_access::watch(access, tls, clock, security::reload_every(config), self.stop.clone());
        let task = tokio::spawn(async move {
            watching.await;
            Ok(())
        });
        self.tasks.push(("revocation", task));
    }

    async fn open_admin(
        &mut self,
        config: &Config,
        ingest: &IngestHandle,
        security: &Security,
        checks: Vec<Check>,
    ) -> Result<(Arc<Admin>, Option<SocketAddr>)> {
        let sources = admin::Sources {
            journal: Arc::clone(&self.journal),
            figures: Arc::clone(&self.figures),
            store: Arc::clone(&self.store),
            processor: self.processor.clone(),
            alerts_applied: self.alerts_applied.clone(),
            ledger: Arc::clone(&ingest.ledger),
            mqtt: Arc::clone(ingest.mqtt()),
            canaries: Arc::clone(&self.canaries),
            clock: Arc::new(SystemClock::new()),
        };
        let admin = Arc::new(Admin { sources, access: Arc::clone(&self.access), checks });
        let listener = bind("admin.listen", config.admin.listen)?;
        let address = listener.local_addr()?;
        let serving = admin.serve(listener, security, self.stop.clone())?;
        self.tasks.push(("admin", tokio::spawn(serving)));
        Ok((admin, Some(address)))
    }

    fn send_canaries(
        &mut self,
        config: &Config,
        clock: &Arc<dyn Clock>,
        probes: Vec<Probe>,
        admission: Arc<Admission>,
    ) {
        let (clock, report) = (Arc::clone(clock), Arc::clone(&self.canaries));
        let canaries = Canaries { config: config.canary.clone(), clock, admission, report };
        let singing = canaries.sing(probes, self.stop.clone());
        self.tasks.push((
            "canaries",
            tokio::spawn(async move {
                singing.await;
                Ok(())
            }),
        ));
    }

    /// What a wrong clock kept in quarantine is submitted again once the clock is known.
    fn follow_clocks(&mut self, ingest: &IngestHandle) -> Redrive {
        let redrive = self.redrive_with(Arc::clone(ingest.admission()));
        let following = redrive.clone().follow(self.processor.clocks.clone(), self.stop.clone());
        self.tasks.push(("redrive", tokio::spawn(following)));
        redrive
    }
}
