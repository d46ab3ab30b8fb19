//! A gateway whose key-encryption keys are in a PKCS#11 token: payments, commands and rotations, with no key on
//! the disk.

#[path = "../../../vault/tests/support/soft_token.rs"]
mod soft_token;

use crate::support::{Gateway, field, operation, payment, text};
use soft_token::MODULE;
use std::process::Output;

const TOKEN: &str = "gateway test";
const PIN: &str = "73195862";

#[test]
fn a_gateway_pays_and_rotates_with_keys_that_never_leave_their_token() {
    let folder = tempfile::tempdir().unwrap();
    let config = soft_token::make(folder.path(), TOKEN, PIN);
    let data = folder.path().join("data");
    let environment = [
        ("SOFTHSM2_CONF", config.to_str().unwrap()),
        ("TOLLGATE_KEYS_PROVIDER", "pkcs11"),
        ("TOLLGATE_KEYS_PKCS11_MODULE", MODULE),
        ("TOLLGATE_KEYS_PKCS11_TOKEN_LABEL", TOKEN),
        ("TOLLGATE_KEYS_PKCS11_PIN_ENV", "HSM_PIN"),
        ("HSM_PIN", PIN),
    ];
    let run = |arguments: &[&str]| -> Output {
        crate::support::command().args(arguments).arg("--data").arg(&data).envs(environment).output().unwrap()
    };
    let run_well = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let mut gateway = Gateway::start_in(&data, &environment);
    let shown = run_well(&["merchant", "show", "demo", "--format", "json"]);
    let demo = crate::support::Merchant::of_json(&serde_json::from_str(&shown).unwrap());
    let pay = |gateway: &Gateway, reference: &str| {
        let answer = gateway.call(&demo, &payment("PURCHASE", reference, "1000", "4005550000000001"));
        assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
    };
    pay(&gateway, "before");
    assert!(run_well(&["keys", "rotate", "--kek"]).contains("version 2 wraps"));
    run_well(&["keys", "retire", "--kek", "1"]);
    run_well(&["keys", "rotate", "--data-keys"]);
    pay(&gateway, "after");
    let listed: serde_json::Value = serde_json::from_str(&run_well(&["keys", "list", "--format", "json"])).unwrap();
    let states: Vec<_> = listed["key_encryption_keys"].as_array().unwrap().iter().map(|kek| &kek["state"]).collect();
    assert_eq!(states, ["retired", "in use"], "{listed}");
    assert!(gateway.stop());
    assert!(!data.join("keys").exists(), "no key is on the disk");

    let gateway = Gateway::start_in(&data, &environment);
    let answer = gateway.call(&demo, &operation("REFUND", "before", "1000"));
    assert_eq!(field(&answer, "response_code"), "06000", "{answer:?}");
    // Without the token's configuration nothing opens, and nothing is made in its place.
    let lost = gateway.run_badly(&["merchant", "show", "demo"]);
    assert!(lost.contains("no key-encryption key"), "{lost}");
    assert!(!gateway.output().contains(PIN));
}
