//! The packs that come with the program. Every threshold in them is a default: it runs in shadow until a named clinician
//! accepts it.

use std::sync::LazyLock;

use super::{Rule, parse};

/// Name and text of each pack.
pub const PACKS: [(&str, &str); 7] = [
    ("opioid-safety", include_str!("../../../rules/opioid-safety.toml")),
    ("post-op", include_str!("../../../rules/post-op.toml")),
    ("function", include_str!("../../../rules/function.toml")),
    ("adherence", include_str!("../../../rules/adherence.toml")),
    ("sleep", include_str!("../../../rules/sleep.toml")),
    ("fluid", include_str!("../../../rules/fluid.toml")),
    ("pain", include_str!("../../../rules/pain.toml")),
];

/// The rules of all packs. A test parses each, so that a fault cannot leave the house; should one, the others still run.
pub fn default_packs() -> Vec<Rule> {
    PACKS.iter().flat_map(|(name, text)| parse(text, &format!("{name}.toml")).unwrap_or_default()).collect()
}

static IDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    // Read as lines: the packs are parsed with these ids known.
    let lines = PACKS.iter().flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| Some(line.strip_prefix("id = \"")?.strip_suffix('"')?.to_owned())).collect()
});

/// The ids of all their rules.
pub fn default_ids() -> &'static [String] {
    &IDS
}
