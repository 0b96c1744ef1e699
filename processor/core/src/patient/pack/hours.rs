//! Folded hours: mostly there were some and nothing came of it.

use std::collections::BTreeMap;

use super::columns::{read_days, write_days};
use super::{In, Out, Result};
use crate::intake::codec::BlockError;
use crate::patient::signal::{Folded, FoldedHours};

pub(super) fn write(out: &mut Out, folded: &BTreeMap<String, FoldedHours>) {
    out.bytes.unsigned(folded.len() as u64);
    for (measure, FoldedHours(hours)) in folded {
        out.text(measure);
        write_days(out, &hours.keys().copied().collect::<Vec<_>>());
        let told: Vec<(&i32, &String, &Folded)> = hours
            .iter()
            .flat_map(|(hour, rules)| rules.iter().map(move |(rule, folded)| (hour, rule, folded)))
            .collect();
        out.bytes.unsigned(told.len() as u64);
        let mut last = 0_i64;
        for (hour, rule, folded) in told {
            out.bytes.signed(i64::from(*hour) - last);
            last = i64::from(*hour);
            out.text(rule);
            // Writing to memory cannot fail, and a fold holds nothing the format cannot express.
            out.bytes.bytes(&postcard::to_stdvec(folded).unwrap_or_default());
        }
    }
}

pub(super) fn read(from: &mut In) -> Result<BTreeMap<String, FoldedHours>> {
    let mut all = BTreeMap::new();
    for _ in 0..from.bytes.count()? {
        let measure = from.text()?.to_owned();
        let mut hours: BTreeMap<i32, BTreeMap<String, Folded>> =
            read_days(from)?.into_iter().map(|hour| (hour, BTreeMap::new())).collect();
        let mut hour = 0;
        for _ in 0..from.bytes.count()? {
            hour = from.bytes.moved(hour)?;
            let rule = from.text()?.to_owned();
            let folded = postcard::from_bytes(from.bytes.bytes()?);
            let folded = folded.map_err(|_| BlockError::Damaged("a folded hour cannot be read"))?;
            let rules = hours.get_mut(&hour).ok_or(BlockError::Damaged("an hour is missing"))?;
            rules.insert(rule, folded);
        }
        all.insert(measure, FoldedHours(hours));
    }
    Ok(all)
}
