//! What stands between us and the devices, as the journal tells it: our own pauses, what gateways say of themselves, and
//! who brings whose readings. The patient core decides what follows (semantics 15, 16).

use anyhow::{Context as _, Result};
use painwatch_domain::{DeviceId, GatewayId};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::patient::GatewayState;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::Blob;
use prost::Message as _;

use crate::engine::Engine;

/// Blob kind of a checkpoint, by tenant.
pub const KIND: &str = "paths";

impl Engine {
    /// The program was not running, or its clock stepped: told to every clinic before the deadlines of that time fire, so that
    /// nobody's silence is ours.
    pub(crate) fn paused(&mut self, record: &Record) -> Result<()> {
        let (from, to) = match record.class {
            Class::Gap => {
                let gap = pb::Gap::decode(record.payload.clone()).context("gap record")?;
                (gap.from_ms, gap.to_ms)
            }
            Class::ClockStep => {
                let step = pb::ClockStep::decode(record.payload.clone()).context("clock-step record")?;
                (step.expected_ms, step.wall_ms)
            }
            _ => return Ok(()),
        };
        self.clinics_mut().for_each(|clinic| clinic.paused(from, to));
        Ok(())
    }

    /// A gateway says how it and its devices are.
    pub(crate) fn gateway_says(&mut self, record: &Record, status: &pb::GatewayStatus) {
        let clinic = self.clinic(&record.tenant);
        let state = GatewayState {
            gateway: &status.gateway,
            online: status.online,
            backlog: status.backlog,
            oldest_pending: status.oldest_pending_ms,
        };
        for device in &status.devices {
            clinic.device_is_said(&device.device, device.worn, device.charging, record.journal_time);
        }
        clinic.gateway_says(&state, record.journal_time);
    }

    /// A gateway brought readings of a device.
    pub(crate) fn brought(&mut self, record: &Record, gateway: &GatewayId, device: &DeviceId) {
        self.clinic(&record.tenant).brought(gateway, device, record.journal_time);
    }

    pub(crate) fn paths_changed(&mut self) -> Vec<Blob> {
        let changed = self.clinics_by_tenant().filter_map(|(tenant, clinic)| {
            let bytes = clinic.take_paths()?;
            Some(Blob { kind: KIND, key: tenant.to_string(), bytes: Some(bytes) })
        });
        changed.collect()
    }
}
