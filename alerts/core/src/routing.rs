//! Who is told: the part of a roster that the alert service needs.

use std::collections::BTreeMap;

use painwatch_domain::{Priority, Roster, TenantId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    #[serde(with = "crate::serial::text")]
    pub tenant: TenantId,
    contacts: Vec<Recipient>,
    /// Care team by patient id.
    teams: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub id: String,
    care_team: String,
    pub url: String,
    #[serde(with = "crate::serial::text")]
    min_priority: Priority,
}

impl Routing {
    /// Contacts without a channel reach nobody and are left out.
    pub fn of(roster: &Roster) -> Self {
        let reachable = roster.contacts.iter().filter_map(|contact| {
            let url = contact.webhook_url.clone()?;
            let (id, care_team) = (contact.id.clone(), contact.care_team.clone());
            Some(Recipient { id, care_team, url, min_priority: contact.min_priority })
        });
        let teams = roster.patients.values().filter_map(|patient| {
            let team = patient.care_team.clone()?;
            Some((patient.id.to_string(), team))
        });
        Self { tenant: roster.tenant.clone(), contacts: reachable.collect(), teams: teams.collect() }
    }

    pub fn care_team(&self, patient: &str) -> Option<&String> {
        self.teams.get(patient)
    }

    /// An alert that belongs to no team goes to everyone: better one too many than nobody.
    pub fn recipients(&self, care_team: Option<&str>, priority: Priority) -> impl Iterator<Item = &Recipient> {
        let in_team = move |contact: &&Recipient| care_team.is_none_or(|team| contact.care_team == team);
        self.contacts.iter().filter(in_team).filter(move |contact| priority >= contact.min_priority)
    }
}
