//! A batch record: each series through intake, and what follows for rows, patients and technical findings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use painwatch_domain::reading::Mode;
use painwatch_domain::{
    BatchVerdict, Class as Verdict, DeviceId, Flags, GatewayId, JournalTime, Measure, Offset, PatientId, ReceivedAt,
    Roster,
};
use painwatch_journal::Record;
use painwatch_processor_core::intake::{self, Change, Incoming, Judged};
use painwatch_processor_core::patient::Sight;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, decode_problem, decode_series};
use painwatch_store::{QuarantineGone, QuarantineRow};
use prost::Message as _;

use crate::clocks::Claims;
use crate::engine::{Engine, Output};
use crate::rows::{self, Mark, Source, Standing};
use crate::technical::{About, Technical};

/// One series and where it came from.
pub(crate) struct Arrival<'a> {
    pub source: &'a Source<'a>,
    pub roster: &'a Roster,
    pub entry: &'a Entry,
    pub historical: bool,
    pub now: JournalTime,
    /// Samples to be careful with.
    pub marks: BTreeMap<u32, Mark>,
}

impl Arrival<'_> {
    fn measure(&self) -> Measure {
        self.entry.series.measure
    }
}

impl Engine {
    pub(crate) async fn batch(&mut self, record: &Record, out: &mut Output) -> Result<()> {
        let batch = pb::Batch::decode(record.payload.clone()).context("batch record")?;
        let gateway = GatewayId::parse(&batch.gateway)?;
        let source = Source {
            tenant: &record.tenant,
            gateway: &gateway,
            batch_id: &batch.batch_id,
            received_at: ReceivedAt(batch.received_at_ms),
            cause: record.offset,
        };
        let mut verdict =
            BatchVerdict { cause: record.offset, batch_id: batch.batch_id.clone(), ..BatchVerdict::default() };
        if !self.leave_quarantine(&source, &batch, out).await? {
            return Ok(());
        }
        let mut claims = Claims::default();
        // An import says nothing of now, and what leaves quarantine was brought before.
        let present = !batch.historical && batch.redrives.is_empty();
        if present {
            self.clinic(&record.tenant).came(&gateway, record.journal_time);
        }
        for section in &batch.sections {
            let device = DeviceId::parse(&section.device)?;
            if present {
                self.brought(record, &gateway, &device);
            }
            let mut marks = Vec::new();
            let readings = pb::DeviceReadings::decode(section.readings.clone()).context("device section")?;
            for entry in decode_series(&device, &readings)? {
                claims.add(&entry);
                marks.extend(entry.series.meta.boot_id.zip(entry.series.meta.seq));
                self.series(record.journal_time, &batch, &source, &entry, &mut verdict, out).await?;
            }
            self.sequences.note(&source, &device, &marks, &mut out.rows).await?;
        }
        for refused in &batch.quarantined {
            claims.add_refused(refused);
            self.quarantined(&source, record.journal_time, refused, &mut verdict, out)?;
            if let (Some(mark), Ok(device)) = (refused.boot_id.zip(refused.seq), DeviceId::parse(&refused.device)) {
                self.sequences.note(&source, &device, &[mark], &mut out.rows).await?;
            }
        }
        if !batch.historical && batch.redrives.is_empty() {
            self.see_clocks(&source, batch.sent_at_ms, claims, record, out);
        }
        verdict.problems.sort_by_key(|problem| (problem.index, problem.sample));
        out.rows.batches.push(rows::batch_row(&source, &batch.protocol, &verdict));
        let left = batch.redrives.iter().map(|item| item.count).sum();
        out.rows.ledger.push(rows::ledger_row(&source, &verdict, left));
        if batch.redrives.is_empty() {
            // A gateway that asks is answered about what it sent.
            rows::keep_verdict(&mut out.rows, &source, record.journal_time, &verdict);
        }
        out.verdict = Some(verdict);
        Ok(())
    }

    /// Items that are submitted again leave quarantine with this record. False when they had left before: then the
    /// record says nothing, whoever wrote it twice.
    async fn leave_quarantine(&mut self, source: &Source<'_>, batch: &pb::Batch, out: &mut Output) -> Result<bool> {
        for item in &batch.redrives {
            if !self.redriven.note(source.tenant, &item.id).await? {
                return Ok(false);
            }
            out.rows.quarantine_gone.push(QuarantineGone {
                tenant: source.tenant.clone(),
                id: item.id.clone(),
                cause: Offset(item.cause_offset),
                count: item.count,
            });
        }
        Ok(true)
    }

    async fn series(
        &mut self,
        now: JournalTime,
        batch: &pb::Batch,
        source: &Source<'_>,
        entry: &Entry,
        verdict: &mut BatchVerdict,
        out: &mut Output,
    ) -> Result<()> {
        let tenant = source.tenant;
        self.history.load_for(tenant, &entry.series).await?;
        let roster = self.roster(tenant);
        let incoming = Incoming {
            tenant,
            series: &entry.series,
            sent_at: batch.sent_at_ms,
            mode: if batch.historical { Mode::Historical } else { Mode::Live },
            index: entry.index,
            packed: !entry.positions.is_empty(),
            positions: &entry.positions,
        };
        let mut changes = Vec::new();
        intake::handle(&mut self.history.cache, &roster, &incoming, &mut changes, verdict)?;
        let marks = BTreeMap::new();
        let mut arrival = Arrival { source, roster: &roster, entry, historical: batch.historical, now, marks };
        let weighed = self.weighed(&mut arrival, &mut changes).await?;
        let shifted = self.mark_shifted_pressures(&mut arrival, &changes).await?;
        for change in &changes {
            match change {
                Change::Fresh { samples, wearer } => self.fresh(&arrival, samples.clone(), wearer.as_ref(), out),
                Change::Judged(judged) => self.judged(&arrival, judged, out),
            }
        }
        self.settle_weights(&arrival, weighed, out);
        self.ask_about_pressures(&arrival, shifted, out);
        if entry.series.samples.iter().any(|sample| sample.flags.has(Flags::CLOCK_AHEAD)) {
            self.raise(Technical::ClockWrong, &arrival, None, "it claims a time that has not come yet", out);
        }
        let unknown_medication =
            entry.series.meta.dose.as_ref().is_some_and(|dose| !roster.medications.contains_key(&dose.medication));
        if unknown_medication && !changes.is_empty() {
            self.raise(Technical::UnknownMedication, &arrival, None, "medication not in the roster", out);
        }
        Ok(())
    }

    /// New identities that stand as they came.
    fn fresh(
        &mut self,
        arrival: &Arrival,
        samples: std::ops::Range<u32>,
        wearer: Option<&PatientId>,
        out: &mut Output,
    ) {
        let series = &arrival.entry.series;
        let first = samples.start;
        let samples = &series.samples[samples.start as usize..samples.end as usize];
        for (nth, sample) in (first..).zip(samples) {
            let mark = arrival.marks.get(&nth).copied();
            let standing = Standing { effective: true, supersedes: false, conflict: false, mark };
            rows::add_reading(&mut out.rows, arrival.source, arrival.roster, series, sample, wearer, standing);
        }
        let Some(patient) = wearer else {
            let shared = samples.first().is_some_and(|sample| arrival.is_shared_at(sample.time));
            return match shared {
                true => self.raise(Technical::Unassigned, arrival, None, "it fits nobody's past for certain", out),
                false => self.raise(Technical::Unpaired, arrival, None, "no pairing covers its readings", out),
            };
        };
        let sight = Sight { measure: arrival.measure(), new: true, historical: arrival.historical };
        let seen = samples.iter().map(|sample| (sample.time, Some(&sample.value)));
        let clinic = self.clinic(arrival.source.tenant);
        clinic.observe(patient, sight, seen, arrival.now);
        let times = samples.iter().map(|sample| sample.time.0);
        clinic.alive(patient, &series.device, series.measure, times, arrival.now);
    }

    fn judged(&mut self, arrival: &Arrival, judged: &Judged, out: &mut Output) {
        let series = &arrival.entry.series;
        let sample = &series.samples[judged.sample as usize];
        let conflict = judged.verdict == Verdict::Conflict;
        if judged.verdict != Verdict::Duplicate {
            let (effective, supersedes) = (judged.takes_over && !conflict, !judged.new_identity);
            let mark = arrival.marks.get(&judged.sample).copied();
            let standing = Standing { effective, supersedes, conflict, mark };
            rows::add_reading(
                &mut out.rows,
                arrival.source,
                arrival.roster,
                series,
                sample,
                judged.wearer.as_ref(),
                standing,
            );
        }
        if conflict && series.measure == Measure::MedicationEvent {
            self.raise(Technical::ConflictingDose, arrival, judged.wearer.as_ref(), "two doses, one moment", out);
        }
        if !judged.effective_changed() && !conflict {
            return;
        }
        let clinic = self.clinic(arrival.source.tenant);
        let before = judged.before.as_ref().map(|before| (before, judged.wearer_before.as_ref()));
        let after = judged.after.as_ref().map(|after| (after, judged.wearer.as_ref()));
        for (reading, patient) in [before, after].into_iter().flatten() {
            let Some(patient) = patient else { continue };
            let value = judged.after.as_ref().map(|after| &after.value);
            let sight = Sight { measure: reading.measure, new: false, historical: arrival.historical };
            clinic.observe(patient, sight, [(reading.time, value)].into_iter(), arrival.now);
        }
    }

    fn quarantined(
        &mut self,
        source: &Source,
        now: JournalTime,
        refused: &pb::Quarantined,
        verdict: &mut BatchVerdict,
        out: &mut Output,
    ) -> Result<()> {
        verdict.quarantined += refused.count;
        let problem = decode_problem(&pb::Problem {
            index: refused.index,
            sample: refused.sample,
            result: "quarantined".to_owned(),
            code: refused.code.clone(),
            detail: refused.detail.clone(),
            quarantine_id: refused.id.clone(),
        })?;
        if let (Some(technical), Ok(device)) = (Technical::of(problem.code), DeviceId::parse(&refused.device)) {
            let about = About { tenant: source.tenant, device: &device, patient: None, now };
            out.findings.extend(self.raised.raise(technical, &about, &refused.detail));
        }
        verdict.problems.push(problem);
        out.rows.quarantine.push(QuarantineRow {
            tenant: source.tenant.clone(),
            id: refused.id.clone(),
            cause: source.cause,
            received_at: source.received_at,
            gateway: source.gateway.clone(),
            device: refused.device.clone(),
            code: refused.code.clone(),
            detail: refused.detail.clone(),
            format: refused.format.clone(),
            payload: refused.payload.to_vec(),
            count: refused.count,
        });
        Ok(())
    }

    pub(crate) fn raise(
        &mut self,
        technical: Technical,
        arrival: &Arrival,
        patient: Option<&PatientId>,
        detail: &str,
        out: &mut Output,
    ) {
        let (tenant, device, now) = (arrival.source.tenant, &arrival.entry.series.device, arrival.now);
        let about = About { tenant, device, patient, now };
        out.findings.extend(self.raised.raise(technical, &about, detail));
    }
}
