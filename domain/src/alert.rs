//! The words of an alert's life.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// IEC 60601-1-8 order: a greater one is more urgent. `Info` never pages.
    Priority { Info = "info", Low = "low", Medium = "medium", High = "high" }
}
words! { AlertKind { Physiological = "physiological", Technical = "technical" } }
words! {
    RuleDomain {
        Safety = "safety", Medication = "medication", Pain = "pain", Function = "function", Sleep = "sleep",
        Technical = "technical", PatientRequest = "patient_request",
    }
}
words! {
    /// What people did about it.
    AlertState {
        Open = "open", Acknowledged = "acknowledged", Snoozed = "snoozed", Resolved = "resolved", Retracted = "retracted",
    }
}
words! {
    /// What the patient's data say, whatever people did.
    Condition { Active = "active", Cleared = "cleared" }
}
words! {
    Disposition {
        Actionable = "actionable", TrueNotActionable = "true_not_actionable", FalseSensor = "false_sensor",
        FalseOther = "false_other", Duplicate = "duplicate",
    }
}
