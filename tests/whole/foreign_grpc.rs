//! Gateways in other languages, which know the server by reflection alone.

use serde_json::json;

use crate::program::Installation;
use crate::python;

#[test]
fn foreign_clients_submit_stream_and_ask_for_verdicts_and_gaps_through_reflection() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "foreign");
    let server = installation.serve();
    let (script, token) = ("whole/foreign_grpc.py", installation.token("gateway"));
    let told = python::run(&python::with_grpc(), script, &[&server.grpc, &token]);
    assert_eq!(told["submitted"], json!({"final": true, "stored": 3}));
    assert_eq!(told["streamed"], json!(["py/2", "py/3"]));
    assert_eq!(told["asked"], told["first"]);
    assert_eq!(told["through_reflection"], told["first"]);
    assert_eq!(told["missing"], json!([[3, 8]]));
    assert_eq!(told["unknown"], "NOT_FOUND");
    assert_eq!(told["stranger"], "UNAUTHENTICATED");
    server.stop();
    installation.verified();
    let books = installation.sql("SELECT submitted, stored, refused FROM ledger ORDER BY gateway_id");
    assert_eq!(
        books,
        [json!({"submitted": 0, "stored": 0, "refused": 1}), json!({"submitted": 5, "stored": 5, "refused": 0})]
    );
}
