//! `GetVerdict` and `Gaps`: what a gateway may ask about its own submissions and devices.

use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::{DeviceId, Offset, ReceivedAt};
use painwatch_proto::ingest::v1::get_verdict_request::By;
use painwatch_proto::ingest::v1::{
    BatchVerdict, BootGaps, GapsRequest, GapsResponse, GetVerdictRequest, SequenceRange,
};
use painwatch_proto::json::verdict_message;
use painwatch_store::{SequenceRow, VerdictKey};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::{Service, details};
use crate::kept::{Asked, NotTold, Told};
use crate::ledger::Refusal;

/// Devices of one question or one page of answers.
const DEVICES: usize = 100;
/// Rows of a page: as many devices with as many boots as are kept of each.
const PAGE_ROWS: usize = DEVICES * 16;
/// Ranges of one answer, some 20 bytes each: it stays below the 4 MiB that clients take.
const RANGES: usize = 100_000;

/// Names the gateway in a stream's metadata, where the token speaks for any.
pub const GATEWAY_KEY: &str = "painwatch-gateway";
const RESUME_AFTER: &str = "painwatch-resume-after";
const RESUME_AFTER_OFFSET: &str = "painwatch-resume-after-offset";

impl Service {
    pub(super) async fn verdict_of(
        &self,
        from: &GatewayPrincipal,
        request: GetVerdictRequest,
        limit: Duration,
    ) -> Result<BatchVerdict, Status> {
        let key = match request.by {
            Some(By::BatchId(batch_id)) if !batch_id.is_empty() => VerdictKey::Batch(batch_id),
            Some(By::Offset(offset)) => VerdictKey::Cause(Offset(offset)),
            _ => return Err(details::invalid("by", "batch_id or offset is required")),
        };
        let told = self.kept.verdict(from, key, limit).await.map_err(|error| status_of(&error))?;
        Ok(self.message(&told))
    }

    /// The verdicts since what the metadata name, if they name anything.
    pub(super) async fn resumed(
        &self,
        from: Option<&GatewayPrincipal>,
        metadata: &MetadataMap,
        limit: Duration,
    ) -> Result<Option<Vec<BatchVerdict>>, Status> {
        let Some(key) = resume_key(metadata)? else { return Ok(None) };
        let from =
            from.ok_or_else(|| details::invalid(GATEWAY_KEY, "required to resume: this token speaks for any"))?;
        let told = self.kept.since(from, key, limit).await.map_err(|error| status_of(&error))?;
        Ok(Some(told.iter().map(|told| self.message(told)).collect()))
    }

    pub(super) async fn gaps_of(
        &self,
        from: &GatewayPrincipal,
        request: GapsRequest,
        limit: Duration,
    ) -> Result<GapsResponse, Status> {
        if request.devices.is_empty() {
            return self.gaps_of_mine(from, &request.after_device, limit).await;
        }
        if request.devices.len() > DEVICES {
            return Err(details::invalid("devices", "at most 100"));
        }
        let mut boots = Vec::new();
        for device in &request.devices {
            let device = device_id("devices", device)?;
            if !self.admission.may_speak_for(from, &device) {
                self.admission.ledger().refuse_of(from, Refusal::NotYourDevice);
                let why = format!("gateway {} may not ask about that device", from.gateway);
                return Err(details::denied("not_your_device", &why));
            }
            let rows = self.kept.sequences(from, Asked::Device(device), limit).await;
            boots.extend(rows.map_err(|error| status_of(&error))?.iter().map(boot_gaps));
        }
        Ok(GapsResponse { boots, next_device: String::new() })
    }

    async fn gaps_of_mine(
        &self,
        from: &GatewayPrincipal,
        after: &str,
        limit: Duration,
    ) -> Result<GapsResponse, Status> {
        let after = if after.is_empty() { None } else { Some(device_id("after_device", after)?) };
        let asked = Asked::Mine { after, limit: PAGE_ROWS };
        let rows = self.kept.sequences(from, asked, limit).await.map_err(|error| status_of(&error))?;
        let (rows, next_device) = page(rows);
        let mine = rows.iter().filter(|row| self.admission.may_speak_for(from, &row.device));
        Ok(GapsResponse { boots: mine.map(boot_gaps).collect(), next_device })
    }

    fn message(&self, told: &Told) -> BatchVerdict {
        let now = ReceivedAt(self.admission.now_ms());
        match told {
            Told::Judged(verdict) => verdict_message(verdict, now, true),
            Told::Durable(verdict) => verdict_message(verdict, now, false),
        }
    }
}

/// The devices of `rows` that fit into one answer, whole, and the last of them where there may be more.
fn page(mut rows: Vec<SequenceRow>) -> (Vec<SequenceRow>, String) {
    let mut ranges = 0;
    let mut fits = |row: &SequenceRow| {
        ranges += 1 + row.missing.iter().count();
        ranges <= RANGES
    };
    let fitting = rows.iter().take_while(|row| fits(row)).count();
    if fitting == rows.len() && rows.len() < PAGE_ROWS {
        return (rows, String::new());
    }
    rows.truncate(fitting);
    // The last device may have more rows than were read.
    if let Some(cut) = rows.last().map(|row| row.device.clone()) {
        rows.retain(|row| row.device != cut);
    }
    let next = rows.last().map(|row| row.device.to_string()).unwrap_or_default();
    (rows, next)
}

fn device_id(field: &str, text: &str) -> Result<DeviceId, Status> {
    DeviceId::parse(text).map_err(|error| details::invalid(field, &error.to_string()))
}

fn boot_gaps(row: &SequenceRow) -> BootGaps {
    BootGaps {
        device: row.device.to_string(),
        boot_id: row.boot_id,
        first_seq: row.first_seq,
        last_seq: row.last_seq,
        missing: row.missing.iter().map(|(first, last)| SequenceRange { first, last }).collect(),
        known_from: row.told_from,
    }
}

fn resume_key(metadata: &MetadataMap) -> Result<Option<VerdictKey>, Status> {
    let text = |name: &'static str| {
        let value = metadata.get(name).map(|value| value.to_str().map_err(|_| details::invalid(name, "not ASCII")));
        value.transpose()
    };
    match (text(RESUME_AFTER)?, text(RESUME_AFTER_OFFSET)?) {
        (None, None) => Ok(None),
        (Some(batch_id), None) if !batch_id.is_empty() => Ok(Some(VerdictKey::Batch(batch_id.to_owned()))),
        (None, Some(offset)) => {
            let offset = offset.parse().map_err(|_| details::invalid(RESUME_AFTER_OFFSET, "not a number"))?;
            Ok(Some(VerdictKey::Cause(Offset(offset))))
        }
        _ => Err(details::invalid(RESUME_AFTER, "a batch_id or an offset, one of them")),
    }
}

fn status_of(error: &NotTold) -> Status {
    match error {
        NotTold::Unknown => Status::not_found(error.to_string()),
        NotTold::TooMany => Status::out_of_range(error.to_string()),
        NotTold::Behind => details::unavailable(&error.to_string()),
        NotTold::Unreadable(cause) => {
            tracing::error!(%cause, "what was kept for gateways cannot be read");
            details::unavailable(&error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{GatewayId, SequenceRanges, TenantId};

    use super::*;

    fn row(device: usize, boot_id: u32, gaps: u64) -> SequenceRow {
        SequenceRow {
            tenant: TenantId::default(),
            device: DeviceId::parse(&format!("d-{device:05}")).unwrap(),
            boot_id,
            gateway: GatewayId::parse("gw-1").unwrap(),
            first_seq: 0,
            last_seq: 10 * gaps,
            missing: SequenceRanges::new((0..gaps).map(|n| (10 * n + 1, 10 * n + 5)).collect()).unwrap(),
            told_from: 0,
        }
    }

    #[test]
    fn a_page_ends_between_two_devices_and_names_the_last_it_tells_whole() {
        let few: Vec<_> = (0..3).map(|boot_id| row(1, boot_id, 2)).collect();
        assert_eq!(page(few.clone()), (few, String::new()));
        let many: Vec<_> = (0..PAGE_ROWS).map(|n| row(n / 3, (n % 3) as u32, 0)).collect();
        let (told, next) = page(many);
        assert_eq!(told.len(), PAGE_ROWS / 3 * 3);
        assert_eq!(next, told.last().unwrap().device.to_string());
        let wide: Vec<_> = (0..PAGE_ROWS - 1).map(|n| row(n / 16, (n % 16) as u32, 255)).collect();
        let (told, next) = page(wide);
        assert!(told.len() * 256 <= RANGES && told.len().is_multiple_of(16) && !told.is_empty());
        assert_eq!(next, told.last().unwrap().device.to_string());
    }
}
