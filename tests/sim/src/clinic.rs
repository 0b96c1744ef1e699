//! Three people who do not exist, what they wear and who looks after them. Their names occur nowhere else, so that a
//! single occurrence in a log line or a page is proof.

use painwatch_domain::LocalDay;

/// Monday 2026-01-05T00:00:00Z.
pub const START_MS: i64 = 1_767_571_200_000;
pub const START_DAY: LocalDay = LocalDay(20_458);
pub const PATIENTS: [Person; 3] = [
    Person { id: "amaryllis-vantongeren", mrn: "MRN-7731-A", born: "1961-03-04", zone: "Europe/Paris", naive: true },
    Person {
        id: "balthazar-quillfeather",
        mrn: "MRN-7732-B",
        born: "1948-11-23",
        zone: "America/New_York",
        naive: false,
    },
    Person { id: "calliope-ostrander", mrn: "MRN-7733-C", born: "1979-07-15", zone: "Asia/Kolkata", naive: false },
];
pub const SCHEDULED: &str = "morphine-er-15mg";
pub const AS_NEEDED: &str = "oxycodone-5mg";
/// Nobody wears it.
pub const STRAY_DEVICE: &str = "stray-1";

#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub id: &'static str,
    pub mrn: &'static str,
    pub born: &'static str,
    pub zone: &'static str,
    pub naive: bool,
}

/// What must not leave the house.
pub fn identifiers() -> Vec<&'static str> {
    PATIENTS.iter().flat_map(|person| [person.id, person.mrn, person.born]).collect()
}

pub fn device(number: usize, kind: &str) -> String {
    format!("{kind}-{}", number + 1)
}

pub fn gateway(number: usize) -> String {
    format!("gw-{}", number + 1)
}

/// The roster document.
pub fn roster() -> String {
    let mut text = String::new();
    for (number, person) in PATIENTS.iter().enumerate() {
        text += &patient(person);
        for (kind, streams) in DEVICES {
            let device = device(number, kind);
            text += &format!("[[device]]\nid = {device:?}\nkind = {kind:?}\nstreams = [{streams}]\n");
            text += &format!("[[pairing]]\ndevice = {device:?}\npatient = {:?}\nfrom = 2025-12-01\n", person.id);
        }
        let (id, doses) = (person.id, "times = [\"08:00\", \"20:00\"]");
        text += &format!(
            "[[prescription]]\npatient = {id:?}\nmedication = {SCHEDULED:?}\ndose = 1.0\nstart = 2025-12-01\n{doses}\n"
        );
    }
    text + MEDICATIONS + CONTACTS
}

fn patient(person: &Person) -> String {
    let Person { id, mrn, born, zone, naive } = person;
    format!(
        "[[patient]]\nid = {id:?}\nmrn = {mrn:?}\nbirth_date = {born:?}\nzone = {zone:?}\ncare_team = \"pain-clinic\"\n\
         packs = [\"opioid-safety\", \"pain\", \"function\", \"adherence\", \"fluid\", \"sleep\"]\n\
         opioid_naive = {naive}\nsynthetic = true\n"
    )
}

const DEVICES: [(&str, &str); 5] = [
    ("watch", r#"{ measure = "heart_rate", every = "10m" }, { measure = "step_count", every = "15m" }"#),
    ("oximeter", r#"{ measure = "oxygen_saturation", every = "1m" }, { measure = "respiratory_rate", every = "5m" }"#),
    ("scale", r#"{ measure = "body_weight", every = "1d" }"#),
    ("cap", r#"{ measure = "medication_event", every = "12h" }"#),
    ("phone", r#"{ measure = "pain_nrs", every = "8h" }"#),
];

const MEDICATIONS: &str = r#"
[[medication]]
id = "morphine-er-15mg"
ingredient = "morphine"
strength = 15.0
release = "er"
[[medication]]
id = "oxycodone-5mg"
ingredient = "oxycodone"
strength = 5.0
"#;

const CONTACTS: &str = r#"
[[contact]]
id = "nurse"
care_team = "pain-clinic"
webhook_url = "https://pages.example/nurse"
min_priority = "low"
[[contact]]
id = "physician"
care_team = "pain-clinic"
webhook_url = "https://pages.example/physician"
min_priority = "high"
"#;
