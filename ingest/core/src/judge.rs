//! The loop over a payload's entries, and the books of it.

use std::collections::HashMap;

use painwatch_domain::{Class, DeviceId, Problem, ProblemCode};
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::json::{self, Header};
use painwatch_proto::record;
use prost::Message as _;

use crate::decode::{self, Source, Stop};
use crate::envelope::{Envelope, Format, Kept, Refused, Submission};
use crate::formats::{Bundle, Language, Meaning};
use crate::quarantine::{self, Item};
use crate::reading::{self, BadSample, Judged, Refusal};
use crate::times::SentAt;
use painwatch_domain::order::{Fill, Order};

/// Judges a payload as it came off a wire.
///
/// # Errors
/// [`Refused`] when nothing of it may be kept. Whatever is merely wrong is quarantined instead.
pub fn judge_bytes(payload: &[u8], format: Format, envelope: &Envelope<'_>) -> Result<Submission, Refused> {
    let limit = envelope.limits.max_payload_bytes;
    if payload.len() > limit {
        return Err(Refused::TooLarge { what: "bytes", limit, actual: payload.len() });
    }
    or_undecodable(run_bytes(payload, format, &|own| own, envelope), payload, format, envelope)
}

/// What a payload's own header is completed to.
type Complete<'a> = dyn Fn(Header) -> Header + 'a;

fn run_bytes(
    payload: &[u8],
    format: Format,
    complete: &Complete<'_>,
    envelope: &Envelope<'_>,
) -> Result<Submission, Stop> {
    match format {
        Format::Json => {
            let document = decode::json(payload, envelope.limits)?;
            let entries = document.entries.into_iter().map(Source::Json);
            run(&complete(document.header), entries, format, envelope)
        }
        Format::Protobuf => run_batch(&decode::protobuf(payload, envelope.limits)?, complete, envelope),
        Format::Omh => run_foreign(payload, format, Language::Omh, complete, envelope),
        Format::Gatt => run_foreign(payload, format, Language::Gatt, complete, envelope),
        Format::Fhir => run_fhir(payload, complete, envelope),
    }
}

fn run_foreign(
    payload: &[u8],
    format: Format,
    language: Language<'_>,
    complete: &Complete<'_>,
    envelope: &Envelope<'_>,
) -> Result<Submission, Stop> {
    let document = decode::foreign(payload, envelope.limits)?;
    let entries = document.entries.into_iter().map(|text| Source::Foreign(text, language));
    run(&complete(document.header), entries, format, envelope)
}

fn run_fhir(payload: &[u8], complete: &Complete<'_>, envelope: &Envelope<'_>) -> Result<Submission, Stop> {
    let document = decode::foreign(payload, envelope.limits)?;
    let (bundle, header) = Bundle::open(document).map_err(|refusal| Stop::undecodable(refusal.detail))?;
    decode::check_entries(bundle.entries.len(), envelope.limits).map_err(Stop::Refused)?;
    let entries = bundle.entries.iter().map(|text| Source::Foreign(text, Language::Fhir(&bundle)));
    run(&complete(header), entries, Format::Fhir, envelope)
}

/// Judges a batch that gRPC has already decoded. `raw` is the message as it came, where the door still has it.
///
/// # Errors
/// [`Refused`] when nothing of it may be kept.
pub fn judge_batch(batch: &ReadingBatch, raw: Option<&[u8]>, envelope: &Envelope<'_>) -> Result<Submission, Refused> {
    decode::check_entries(batch.readings.len(), envelope.limits)?;
    let judged = run_batch(batch, &|own| own, envelope);
    let encoded;
    let payload = match (raw, &judged) {
        (Some(raw), _) => raw,
        (None, Ok(_)) => &[],
        (None, Err(_)) => {
            encoded = batch.encode_to_vec();
            &encoded
        }
    };
    or_undecodable(judged, payload, Format::Protobuf, envelope)
}

/// Judges again what was kept in quarantine, after whatever stood in its way was mended: the measure table, the roster,
/// an estimate of the device's clock. `envelope` is the one it first came in, receipt included.
///
/// # Errors
/// [`Refused`] when the gateway may not send it any more.
pub fn judge_again(kept: &Kept<'_>, envelope: &Envelope<'_>) -> Result<Submission, Refused> {
    let judged = run_bytes(kept.payload, kept.format, &|own| kept.complete(own), envelope);
    or_undecodable(judged, kept.payload, kept.format, envelope)
}

fn run_batch(batch: &ReadingBatch, complete: &Complete<'_>, envelope: &Envelope<'_>) -> Result<Submission, Stop> {
    let header = complete(decode::header(batch)?);
    run(&header, batch.readings.iter().map(Source::Message), Format::Protobuf, envelope)
}

/// A payload that cannot be read is one reading: quarantined, its bytes kept.
fn or_undecodable(
    judged: Result<Submission, Stop>,
    payload: &[u8],
    format: Format,
    envelope: &Envelope<'_>,
) -> Result<Submission, Refused> {
    match judged {
        Ok(submission) => Ok(submission),
        Err(Stop::Refused(refused)) => Err(refused),
        Err(Stop::Undecodable(detail)) => {
            let header = Header::default();
            let mut books = Books::new(&header, SentAt::Absent, format, envelope);
            let refusal = Refusal::new(ProblemCode::DecodeFailed, detail);
            let item = Item { index: 0, sample: None, device: "", mark: None, count: 1, format, payload, refusal };
            books.quarantine(item);
            Ok(books.close())
        }
    }
}

fn run<'a>(
    header: &Header,
    entries: impl Iterator<Item = Source<'a>>,
    format: Format,
    envelope: &Envelope<'_>,
) -> Result<Submission, Stop> {
    if !header.gateway.is_empty() && header.gateway != envelope.gateway.as_str() {
        return Err(Stop::Refused(Refused::GatewayMismatch { credential: envelope.gateway.clone() }));
    }
    let mut books = Books::new(header, SentAt::parse(&header.sent_at), format, envelope);
    for (index, source) in (0u32..).zip(entries) {
        books.entry(index, source).map_err(Stop::Refused)?;
    }
    Ok(books.close())
}

/// The readings of one device.
struct Section {
    device: DeviceId,
    entries: Vec<record::Entry>,
}

struct Books<'e> {
    header: &'e Header,
    sent_at: SentAt,
    format: Format,
    envelope: &'e Envelope<'e>,
    sections: Vec<Section>,
    section_of: HashMap<String, usize>,
    quarantined: Vec<pb::Quarantined>,
    problems: Vec<Problem>,
    /// Readings, not entries.
    admitted: u64,
    refused: u64,
    listed_samples: usize,
    orders: Vec<Order>,
    fills: Vec<Fill>,
    /// Readings out of entries that meant several, and their bytes as messages.
    translated: usize,
    translated_bytes: usize,
}

impl<'e> Books<'e> {
    fn new(header: &'e Header, sent_at: SentAt, format: Format, envelope: &'e Envelope<'e>) -> Self {
        Self {
            header,
            sent_at,
            format,
            envelope,
            sections: Vec::new(),
            section_of: HashMap::new(),
            quarantined: Vec::new(),
            problems: Vec::new(),
            admitted: 0,
            refused: 0,
            listed_samples: 0,
            orders: Vec::new(),
            fills: Vec::new(),
            translated: 0,
            translated_bytes: 0,
        }
    }

    fn entry(&mut self, index: u32, source: Source<'_>) -> Result<(), Refused> {
        match source {
            Source::Message(reading) | Source::Translated(reading) => self.reading(index, source, reading),
            Source::Foreign(text, language) => match language.translate(text, self.envelope.roster) {
                Ok(meaning) => self.meaning(index, source, meaning),
                Err(refusal) => {
                    self.refuse_entry(index, source, None, (None, 1), refusal);
                    Ok(())
                }
            },
            Source::Json(text) => match json::reading_from_json(text) {
                Ok(reading) => self.reading(index, source, &reading),
                Err(error) => {
                    let refusal = Refusal::new(ProblemCode::DecodeFailed, error.to_string());
                    self.refuse_entry(index, source, None, (None, 1), refusal);
                    Ok(())
                }
            },
        }
    }

    /// An entry that means one reading is kept, where it is refused, as it came. One that means several is kept by those
    /// that were refused: sent again as a whole it would bring its neighbours along.
    fn meaning(&mut self, index: u32, source: Source<'_>, meaning: Meaning) -> Result<(), Refused> {
        match meaning {
            Meaning::Readings(readings) => match readings.as_slice() {
                [] => self.refuse_entry(index, source, None, (None, 1), Refusal::unreadable("it holds no reading")),
                [reading] => self.reading(index, source, reading)?,
                several => self.several(index, source, several)?,
            },
            Meaning::Context => {}
            Meaning::Order(_) | Meaning::Fill(_) if !(self.envelope.takes_orders)() => {
                let detail =
                    "this gateway may not write orders or fills: prescriptions and dispenses stand in the roster";
                self.refuse_entry(index, source, None, (None, 1), Refusal::unreadable(detail));
            }
            Meaning::Order(order) => self.orders.push(*order),
            Meaning::Fill(fill) => self.fills.push(*fill),
        }
        Ok(())
    }

    /// What an entry says once, such as its device, each of its readings repeats: what that may come to is bounded.
    fn several(&mut self, index: u32, source: Source<'_>, readings: &[Reading]) -> Result<(), Refused> {
        let limits = self.envelope.limits;
        self.translated += readings.len();
        self.translated_bytes += readings.iter().map(prost::Message::encoded_len).sum::<usize>();
        if self.translated > limits.max_readings || self.translated_bytes > limits.max_translated_bytes {
            let detail = "the payload means more readings than one may hold: send them in several";
            self.refuse_entry(index, source, None, (None, 1), Refusal::unreadable(detail));
            return Ok(());
        }
        readings.iter().try_for_each(|reading| self.reading(index, Source::Translated(reading), reading))
    }

    fn reading(&mut self, index: u32, source: Source<'_>, reading: &Reading) -> Result<(), Refused> {
        let section = match self.section(&reading.device)? {
            Ok(section) => section,
            Err(refusal) => {
                let counted = (quarantine::mark_of(reading), reading::count(reading));
                self.refuse_entry(index, source, None, counted, refusal);
                return Ok(());
            }
        };
        let device = self.sections[section].device.clone();
        match reading::judge(reading, index, &device, self.sent_at, self.envelope) {
            Err(refusal) => {
                let counted = (quarantine::mark_of(reading), reading::count(reading));
                self.refuse_entry(index, source, Some(&device), counted, refusal);
            }
            Ok(Judged { entries, bad_samples }) => {
                self.admitted += entries.iter().map(|entry| entry.series.samples.len() as u64).sum::<u64>();
                self.sections[section].entries.extend(entries);
                self.refuse_samples(index, reading, &device, &bad_samples);
            }
        }
        Ok(())
    }

    /// Where a device's readings go. A device is looked up in the roster once for each submission.
    fn section(&mut self, device: &str) -> Result<Result<usize, Refusal>, Refused> {
        if let Some(section) = self.section_of.get(device) {
            return Ok(Ok(*section));
        }
        let id = match DeviceId::parse(device) {
            Ok(id) => id,
            Err(error) => return Ok(Err(Refusal::new(ProblemCode::DecodeFailed, format!("device: {error}")))),
        };
        if !(self.envelope.may_speak_for)(&id) {
            let detail = format!("gateway {} may not send for device {id}", self.envelope.gateway);
            return Err(Refused::NotYourDevice { detail });
        }
        self.section_of.insert(device.to_owned(), self.sections.len());
        self.sections.push(Section { device: id, entries: Vec::new() });
        Ok(Ok(self.sections.len() - 1))
    }

    fn refuse_entry(
        &mut self,
        index: u32,
        source: Source<'_>,
        device: Option<&DeviceId>,
        (mark, count): (Option<(u32, u64)>, u64),
        refusal: Refusal,
    ) {
        let (format, payload) = self.entry_bytes(source);
        let device = device.map_or("", DeviceId::as_str);
        let item = Item { index, sample: None, device, mark, count, format, payload: &payload, refusal };
        self.quarantine(item);
    }

    /// The bytes of one entry, in a form that can be submitted again.
    fn entry_bytes(&self, source: Source<'_>) -> (Format, Vec<u8>) {
        match source {
            Source::Json(text) | Source::Foreign(text, _) => (self.format, text.as_bytes().to_vec()),
            Source::Message(reading) => (self.format, quarantine::message_bytes(reading.clone(), self.header)),
            Source::Translated(reading) => (Format::Json, json::reading_to_json(reading).into_bytes()),
        }
    }

    fn refuse_samples(&mut self, index: u32, reading: &Reading, device: &DeviceId, bad_samples: &[BadSample]) {
        let room = self.envelope.limits.max_listed_samples.saturating_sub(self.listed_samples);
        self.listed_samples += bad_samples.len().min(room);
        let (device, mark) = (device.as_str(), quarantine::mark_of(reading));
        let (listed, rest) = bad_samples.split_at(room.min(bad_samples.len()));
        for bad in listed {
            let (format, payload) = self.reading_bytes(quarantine::single_reading(reading, bad));
            let (sample, refusal) = (Some(bad.position), bad.refusal.clone());
            self.quarantine(Item { index, sample, device, mark, count: 1, format, payload: &payload, refusal });
        }
        if let Some(first) = rest.first() {
            let (count, refusal) = (rest.len() as u64, &first.refusal);
            let detail = format!("{} (and {} more samples of this series)", refusal.detail, count - 1);
            let refusal = Refusal { detail, ..refusal.clone() };
            let (format, payload) = self.reading_bytes(quarantine::remainder(reading, rest.iter()));
            self.quarantine(Item { index, sample: None, device, mark, count, format, payload: &payload, refusal });
        }
    }

    /// The bytes of a part of an entry. What came in another format is kept in ours.
    fn reading_bytes(&self, reading: Reading) -> (Format, Vec<u8>) {
        match self.format {
            Format::Protobuf => (Format::Protobuf, quarantine::message_bytes(reading, self.header)),
            _ => (Format::Json, json::reading_to_json(&reading).into_bytes()),
        }
    }

    fn quarantine(&mut self, item: Item<'_>) {
        let id = quarantine::id(&item, &self.header.batch_id, self.envelope);
        self.refused += item.count;
        self.problems.push(Problem {
            index: item.index,
            sample: item.sample,
            result: Class::Quarantined,
            code: item.refusal.code,
            detail: item.refusal.detail.clone(),
            quarantine_id: Some(id.clone()),
        });
        self.quarantined.push(item.into_message(id, self.envelope.limits));
    }

    fn close(self) -> Submission {
        let sections = self.sections.into_iter().filter(|section| !section.entries.is_empty());
        let unreadable = |problem: &Problem| problem.code == ProblemCode::DecodeFailed;
        Submission {
            decodable: self.admitted > 0 || self.problems.is_empty() || !self.problems.iter().all(unreadable),
            batch: pb::Batch {
                gateway: self.envelope.gateway.to_string(),
                batch_id: self.header.batch_id.clone(),
                received_at_ms: self.envelope.received_at.0,
                sent_at_ms: self.sent_at.known(),
                historical: self.header.mode == painwatch_proto::ingest::v1::Mode::Historical,
                protocol: self.envelope.protocol.as_str().to_owned(),
                sections: sections.map(encode_section).collect(),
                quarantined: self.quarantined,
                redrives: Vec::new(),
                exchange: None,
            },
            admitted: self.admitted,
            quarantined: self.refused,
            problems: self.problems,
            orders: self.orders,
            fills: self.fills,
        }
    }
}

fn encode_section(section: Section) -> pb::DeviceSection {
    let readings = record::encode_series(&section.entries).encode_to_vec().into();
    pb::DeviceSection { device: section.device.to_string(), readings }
}
