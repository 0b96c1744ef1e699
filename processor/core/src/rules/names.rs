//! Whether the rules that combinations name exist, and whether none looks at itself.

use std::collections::BTreeMap;

use painwatch_domain::RuleId;

use super::nearest::nearest;
use super::reader::Reader;

/// What each rule of a file names, and where.
pub type Names = [(RuleId, Vec<(RuleId, usize)>)];

pub fn check_names(reader: &mut Reader<'_>, names: &Names, beside: Option<&[String]>) {
    let own: BTreeMap<&RuleId, &Vec<(RuleId, usize)>> = names.iter().map(|(id, named)| (id, named)).collect();
    if let Some(beside) = beside {
        let known: Vec<&str> = own.keys().map(|id| id.as_str()).chain(beside.iter().map(String::as_str)).collect();
        for (named, at) in own.values().copied().flatten().filter(|(named, _)| !known.contains(&named.as_str())) {
            let near = nearest(named.as_str(), known.iter().copied()).map(str::to_owned);
            reader.error(*at, format!("unknown rule `{named}`: neither in this file nor in a default pack"), near);
        }
    }
    for (id, named) in names {
        let Some((at, way)) = named.iter().find_map(|(next, at)| Some((*at, way_back(id, next, &own)?))) else {
            continue;
        };
        let way: Vec<&str> = std::iter::once(id.as_str()).chain(way.iter().map(|id| id.as_str())).collect();
        reader.error(at, format!("`{id}` looks at itself: {}", way.join(" -> ")), None);
    }
}

/// The shortest way from `from` to `home` along what each names.
fn way_back<'a>(
    home: &RuleId,
    from: &'a RuleId,
    own: &BTreeMap<&RuleId, &'a Vec<(RuleId, usize)>>,
) -> Option<Vec<&'a RuleId>> {
    let (mut ways, mut seen) = (vec![vec![from]], vec![from]);
    while !ways.is_empty() {
        if let Some(found) = ways.iter().find(|way| way.last().is_some_and(|last| *last == home)) {
            return Some(found.clone());
        }
        let mut longer = Vec::new();
        for way in &ways {
            let next = way.last().and_then(|last| own.get(last)).into_iter().flat_map(|named| named.iter());
            for (id, _) in next {
                if !seen.contains(&id) {
                    seen.push(id);
                    longer.push(way.iter().copied().chain([id]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}
