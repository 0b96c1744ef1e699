//! One person through the pipeline without its shells: a journal applied by the processor's engine, findings by the alert
//! service's core, at the times at which they would have come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use painwatch_alerts_core::{AlertView, AlertsCore, Effects, Input, Routing};
use painwatch_domain::{AlertId, Finding, JournalTime, Offset, Priority};
use painwatch_gateway::outgoing::Step;
use painwatch_gateway::roster::RosterDraft;
use painwatch_journal::Record;
use painwatch_processor::{Engine, Output};
use painwatch_processor_core::rules::default_packs;
use painwatch_store::{CoverageDay, MemoryStore, Store};

use crate::journal::{self, Journal, PAGER};
use crate::roster;

/// What reached people.
#[derive(Debug, Default)]
pub struct Rung {
    pub alerts: BTreeMap<AlertId, AlertView>,
    /// (alert, when, how urgent), once for each time that the pager went off.
    pub pages: Vec<(AlertId, i64, Priority)>,
}

/// How often a rule rang.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rings {
    pub pages: u32,
    pub items: u32,
}

pub type RingsByRule = BTreeMap<String, Rings>;

/// What came of one person.
#[derive(Debug, Default)]
pub struct Followed {
    /// As the packs ship: of a rule that ships in shadow, in shadow.
    pub findings: Vec<Finding>,
    pub rung: Rung,
    /// Of the rules that ship in shadow, had they been accepted like all others.
    pub of_shadow: Rung,
    /// Of rules whose coverage is kept: what each could see of a day.
    pub coverage: Vec<CoverageDay>,
    /// Readings admitted, and those that were not.
    pub admitted: u64,
    pub quarantined: u64,
}

impl Rung {
    /// What of it stands in somebody's inbox, by rule, of alerts that `counts`.
    pub fn by_rule(&self, counts: impl Fn(&AlertView) -> bool) -> RingsByRule {
        let mut rules = RingsByRule::new();
        for (id, alert) in self.alerts.iter().filter(|(_, alert)| is_item(alert) && counts(alert)) {
            let rule = rules.entry(alert.rule.to_string()).or_default();
            rule.items += 1;
            rule.pages += self.pages.iter().filter(|(of, ..)| of == id).count() as u32;
        }
        rules
    }

    /// As the alert service takes it out of the journal, at the moment at which it was found.
    fn take(&mut self, core: &mut AlertsCore, finding: &Finding, offset: Offset) {
        let mut effects = Effects::default();
        let now = finding.detected_at;
        core.handle(now, offset, Input::Finding(finding.clone()), &mut effects);
        let first = effects.pages.iter().filter(|page| page.attempt == 1 && page.recipient.starts_with(PAGER));
        self.pages.extend(first.map(|page| (page.alert_id, now.0, page.priority)));
        self.alerts.extend(effects.alerts.into_iter().map(|view| (view.alert_id, view)));
    }
}

/// Adds what rang somewhere else.
pub fn add_rings(rules: &mut RingsByRule, others: RingsByRule) {
    for (rule, rings) in others {
        let known = rules.entry(rule).or_default();
        known.pages += rings.pages;
        known.items += rings.items;
    }
}

/// Whether an alert is in somebody's inbox: it left the shadow, and is of now.
fn is_item(alert: &AlertView) -> bool {
    !alert.shadow && !alert.historical && alert.priority > Priority::Info
}

/// The rules that ship in shadow.
pub fn ship_in_shadow() -> BTreeSet<String> {
    let shadowed = default_packs().into_iter().filter(|rule| rule.shadow_because.is_some());
    shadowed.map(|rule| rule.id.to_string()).collect()
}

struct Pipeline {
    engine: Engine,
    alerts: AlertsCore,
    /// Of a clinic that accepted what ships in shadow, and nothing else.
    of_shadow: AlertsCore,
    shadowed: BTreeSet<String>,
    followed: Followed,
}

/// Follows the `steps` of the people of one roster, in clock order, with every default rule accepted; what ships in shadow
/// rings apart.
///
/// # Errors
/// The roster cannot be read, or the engine does not take what the doors let in.
pub fn follow(draft: RosterDraft, steps: &[Step]) -> Result<Followed> {
    let journal = journal::of(draft, steps)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut pipeline = Pipeline::begin(&journal).await?;
        for record in &journal.records {
            pipeline.apply(record).await?;
        }
        Ok(pipeline.followed)
    })
}

impl Pipeline {
    async fn begin(journal: &Journal) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = Engine::open(store, roster::parse).await?;
        let followed = Followed { admitted: journal.admitted, quarantined: journal.quarantined, ..Followed::default() };
        let (mut alerts, mut of_shadow) = (AlertsCore::default(), AlertsCore::default());
        for core in [&mut alerts, &mut of_shadow] {
            let routing = Input::Roster(Routing::of(&journal.roster));
            core.handle(JournalTime(journal.begins), Offset(0), routing, &mut Effects::default());
        }
        Ok(Self { engine, alerts, of_shadow, shadowed: ship_in_shadow(), followed })
    }

    async fn apply(&mut self, record: &Record) -> Result<()> {
        let Output { findings, rows, .. } = self.engine.apply(record).await?;
        let followed = &mut self.followed;
        followed.coverage.extend(rows.coverage);
        for mut finding in findings {
            if self.shadowed.contains(finding.rule.as_str()) {
                followed.of_shadow.take(&mut self.of_shadow, &finding, record.offset);
                finding.shadow = true;
            }
            followed.rung.take(&mut self.alerts, &finding, record.offset);
            followed.findings.push(finding);
        }
        Ok(())
    }
}
