//! The question to one patient's rules, with the readings it needs.

use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{EventTime, PatientId, TenantId};
use painwatch_processor_core::patient::explain::{Explained, Sheet};

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

    /// What the patient's rules could not see in `[from, to)` of event time, by what is known now.
    ///
    /// # Errors
    /// As [`Self::explain`].
    pub async fn sheet(&mut self, tenant: &TenantId, patient: &PatientId, window: (i64, i64)) -> Result<Sheet> {
        let roster = Arc::clone(self.clinic(tenant).roster());
        let needs = self.clinic(tenant).sheet_needs(patient, window);
        let history = self.history.fetch(&roster, patient, &needs).await?;
        Ok(self.clinic(tenant).sheet(patient, window, &history)?)
    }
}
