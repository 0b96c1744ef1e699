//! The published JSON Schema and the reader say the same. The schema uses few keywords; here is what they mean.

use painwatch_domain::reading::DoseEvent;
use painwatch_domain::{Measure, ProblemCode};
use serde_json::{Value, json};

use super::field::Object;
use crate::ingest::v1::Reading;
use crate::schemas;

fn document(name: &str) -> Value {
    let schema = schemas::ALL.iter().find(|schema| schema.name == name).unwrap();
    serde_json::from_str(schema.text).unwrap()
}

const UNDERSTOOD: [&str; 17] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "enum",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minimum",
    "maxLength",
    "maxItems",
    "const",
];

fn valid(schema: &Value, value: &Value, root: &Value) -> bool {
    for keyword in schema.as_object().unwrap().keys() {
        assert!(UNDERSTOOD.contains(&keyword.as_str()), "{keyword} is not understood here");
    }
    let list = |key: &str| schema[key].as_array().cloned();
    let referred = schema["$ref"].as_str().is_none_or(|at| valid(root.pointer(&at[1..]).unwrap(), value, root));
    let typed = schema.get("type").is_none_or(|types| match types {
        Value::Array(types) => types.iter().any(|name| is(name.as_str().unwrap(), value)),
        name => is(name.as_str().unwrap(), value),
    });
    let listed = list("enum").is_none_or(|values| values.contains(value));
    let any = list("anyOf").is_none_or(|schemas| schemas.iter().any(|schema| valid(schema, value, root)));
    let least = schema["minimum"].as_f64().is_none_or(|least| value.as_f64().is_none_or(|number| number >= least));
    let short =
        schema["maxLength"].as_u64().is_none_or(|most| value.as_str().is_none_or(|text| text.len() as u64 <= most));
    let few =
        schema["maxItems"].as_u64().is_none_or(|most| value.as_array().is_none_or(|list| list.len() as u64 <= most));
    let items = value.as_array().into_iter().flatten();
    let each = schema.get("items").is_none_or(|item| items.into_iter().all(|value| valid(item, value, root)));
    referred && typed && listed && any && least && short && few && each && object(schema, value, root)
}

fn object(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(members) = value.as_object() else { return true };
    let required = schema["required"].as_array().into_iter().flatten();
    let complete = required.into_iter().all(|name| members.contains_key(name.as_str().unwrap()));
    let closed = schema["additionalProperties"] == Value::Bool(false);
    complete
        && members.iter().all(|(name, value)| match schema["properties"].get(name) {
            Some(schema) => valid(schema, value, root),
            None => !closed,
        })
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_schema_has_the_fields_of_a_reading_and_every_measure() {
    let schema = document("batch.schema.json");
    let properties = &schema["$defs"]["reading"]["properties"];
    let fields: Vec<_> = properties.as_object().unwrap().keys().map(String::as_str).collect();
    let (mut fields, mut known) = (fields, Reading::NAMES.to_vec());
    fields.sort_unstable();
    known.sort_unstable();
    assert_eq!(fields, known);
    let measures: Vec<_> = Measure::ALL.iter().map(|measure| json!(measure.name())).collect();
    assert_eq!(properties["measure"]["enum"], Value::Array(measures));
    let events = properties["event"]["enum"].as_array().unwrap();
    assert!(DoseEvent::ALL.iter().all(|event| events.contains(&json!(event.as_str()))));
}

#[test]
fn what_the_schema_takes_the_reader_reads_and_what_it_refuses_the_reader_refuses() {
    let schema = document("batch.schema.json");
    let reading = json!({"device": "w", "measure": "mood", "value": 1, "revision": 2.0, "zone": null});
    for payload in [
        json!({"batch_id": "b", "mode": "historical", "readings": [reading]}),
        json!([reading, reading]),
        json!({"device": "w", "measure": "heart_rate", "period_ms": 1000, "values": [71, null], "unit": "bpm"}),
        json!({"device": "c", "measure": "blood_pressure", "components": {"systolic": 142, "diastolic": 91}}),
        reading.clone(),
    ] {
        assert!(valid(&schema, &payload, &schema), "{payload}");
        assert!(super::batch_from_json(&payload.to_string()).is_ok(), "{payload}");
    }
    for payload in [
        json!({"readings": [], "mod": "live"}),
        json!({"readings": {}}),
        json!({"readings": [], "mode": "dead"}),
        json!({"device": "w", "measure": "mood", "valu": 1}),
        json!({"device": 7, "measure": "mood", "value": 1}),
        json!({"device": "w", "measure": "mood", "value": "1"}),
        json!({"device": "w", "measure": "mood", "boot_id": -1}),
        json!({"device": "w", "measure": "mood", "seq": 1.5}),
        json!({"device": "w", "measure": "blood_pressure", "components": {"sys": 1}}),
        json!(7),
    ] {
        assert!(!valid(&schema, &payload, &schema), "{payload}");
        assert!(super::batch_from_json(&payload.to_string()).is_err(), "{payload}");
    }
}

#[test]
fn the_example_of_the_contract_is_valid() {
    let schema = document("batch.schema.json");
    let page = include_str!("../../../docs/gateway-developers.md");
    let example = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert!(valid(&schema, &example, &schema));
}

#[test]
fn the_topics_page_names_every_problem() {
    let page = document("asyncapi.json");
    let problem = &page["channels"]["verdicts"]["messages"]["verdict"]["payload"]["properties"]["problems"];
    let codes = problem["items"]["properties"]["code"]["enum"].as_array().unwrap();
    let known: Vec<_> = ProblemCode::ALL.iter().map(|code| json!(code.as_str())).collect();
    assert_eq!(*codes, known);
    let operations = page["operations"].as_object().unwrap();
    assert!(operations.values().all(|operation| {
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        page.pointer(&channel[1..]).is_some()
    }));
}
