//! The form of a bundle: lines of JSON, the first of which says what it is about; a digest over all records in it ends it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use painwatch_domain::{AlertId, Finding, JournalTime, Offset, PatientId, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{decode_finding, encode_finding};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const FORMAT: &str = "painwatch evidence bundle 1";

pub struct Bundle {
    pub alert: AlertId,
    pub patient: PatientId,
    /// As the journal has them.
    pub findings: Vec<Finding>,
    /// What led to them, in order.
    pub records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    program: String,
    not_a_medical_device: String,
    alert: String,
    patient: String,
    findings: Vec<String>,
    records: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    offset: u64,
    at: i64,
    class: u8,
    payload: String,
}

#[derive(Serialize, Deserialize)]
struct Seal {
    sha256: String,
}

impl Bundle {
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut file = BufWriter::new(file);
        let mut hash = Sha256::new();
        let head = Head {
            format: FORMAT.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            not_a_medical_device: "Every threshold must be confirmed by a named clinician. Not for emergencies."
                .to_owned(),
            alert: self.alert.to_string(),
            patient: self.patient.to_string(),
            findings: self
                .findings
                .iter()
                .map(|one| BASE64_STANDARD.encode(encode_finding(one).encode_to_vec()))
                .collect(),
            records: self.records.len(),
        };
        let mut put = |text: String| -> Result<()> {
            hash.update(text.as_bytes());
            Ok(writeln!(file, "{text}")?)
        };
        put(serde_json::to_string(&head)?)?;
        for record in &self.records {
            let payload = BASE64_STANDARD.encode(&record.payload);
            let (offset, at) = (record.offset.0, record.journal_time.0);
            put(serde_json::to_string(&Line { offset, at, class: record.class as u8, payload })?)?;
        }
        writeln!(file, "{}", serde_json::to_string(&Seal { sha256: hex::encode(hash.finalize()) })?)?;
        file.flush().with_context(|| format!("cannot write {}", path.display()))
    }

    /// # Errors
    /// It is no bundle of this form, or not as it was written.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>().context("bundle")?;
        let [head, records @ .., seal] = lines.as_slice() else { bail!("{} is no bundle", path.display()) };
        let parsed: Head = serde_json::from_str(head).with_context(|| format!("{} is no bundle", path.display()))?;
        if parsed.format != FORMAT {
            bail!("{} is {:?}, this program reads {FORMAT:?}", path.display(), parsed.format);
        }
        let mut hash = Sha256::new();
        lines[..lines.len() - 1].iter().for_each(|line| hash.update(line.as_bytes()));
        let seal: Seal = serde_json::from_str(seal).context("the bundle has no end")?;
        if seal.sha256 != hex::encode(hash.finalize()) || parsed.records != records.len() {
            bail!("{} is not as it was written", path.display());
        }
        let findings = parsed.findings.iter().map(|text| {
            let bytes = BASE64_STANDARD.decode(text).context("finding")?;
            Ok(decode_finding(&TenantId::default(), &pb::Finding::decode(bytes.as_slice())?)?)
        });
        Ok(Self {
            alert: AlertId::parse(&parsed.alert).context("alert id")?,
            patient: PatientId::parse(&parsed.patient)?,
            findings: findings.collect::<Result<_>>()?,
            records: records.iter().map(|line| record(line)).collect::<Result<_>>()?,
        })
    }
}

fn record(line: &str) -> Result<Record> {
    let line: Line = serde_json::from_str(line).context("record of a bundle")?;
    Ok(Record {
        offset: Offset(line.offset),
        journal_time: JournalTime(line.at),
        class: Class::from_code(line.class).context("class of a record")?,
        tenant: TenantId::default(),
        key_id: 0,
        logic_version: 1,
        payload: BASE64_STANDARD.decode(&line.payload).context("payload of a record")?.into(),
    })
}
