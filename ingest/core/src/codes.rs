//! The code lists of coded measures, and the other spellings that devices use for the same thing.

use painwatch_domain::Measure;

struct List {
    codes: &'static [&'static str],
    aliases: &'static [(&'static str, &'static str)],
}

const SLEEP_STAGE: List = List {
    codes: &["awake", "light", "deep", "rem", "asleep", "restless", "in_bed"],
    aliases: &[("wake", "awake"), ("sleep", "asleep"), ("core", "light")],
};

/// Responsiveness as NEWS2 records it (clinical catalogue A1).
const ACVPU: List = List {
    codes: &["A", "C", "V", "P", "U"],
    aliases: &[("alert", "A"), ("confusion", "C"), ("voice", "V"), ("pain", "P"), ("unresponsive", "U")],
};

/// Pasero opioid-induced sedation scale: the codes only (clinical catalogue A3).
const POSS: List = List { codes: &["S", "1", "2", "3", "4"], aliases: &[] };

fn list(measure: Measure) -> Option<&'static List> {
    match measure {
        Measure::SleepStage => Some(&SLEEP_STAGE),
        Measure::Acvpu => Some(&ACVPU),
        Measure::Poss => Some(&POSS),
        _ => None,
    }
}

/// The code as we keep it; an error names the codes there are. A measure without a list takes any.
pub(crate) fn canonical(measure: Measure, sent: &str) -> Result<&str, String> {
    let Some(list) = list(measure) else { return Ok(sent) };
    let code = list.aliases.iter().find(|(alias, _)| *alias == sent).map_or(sent, |(_, code)| *code);
    if list.codes.contains(&code) { Ok(code) } else { Err(list.codes.join(" ")) }
}
