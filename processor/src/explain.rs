//! The question to one patient's rules, with the readings it needs.

use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{EventTime, PatientId, TenantId};
use painwatch_processor_core::patient::explain::Explained;

use crate::engine::Engine;

impl Engine {
    /// Why each rule that looks at the patient rings or does not at event time `at`, by what is known now.
    ///
    /// # Errors
    /// The store cannot be read, or what is remembered of the patient is damaged.
    pub async fn explain(&mut self, tenant: &TenantId, patient: &PatientId, at: EventTime) -> Result<Vec<Explained>> {
        let roster = Arc::clone(self.clinic(tenant).roster());
        let needs = self.clinic(tenant).explain_needs(patient, at.0)?;
        let history = self.history.fetch(&roster, patient, &needs).await?;
        Ok(self.clinic(tenant).explain(patient, at.0, &history)?)
    }
}
