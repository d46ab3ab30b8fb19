//! Merchant accounts made by the commands an operator has.

use super::{Gateway, Merchant};

/// Adds a merchant with these options of `merchant add` and switches its trusted channel on.
pub fn add(gateway: &Gateway, name: &str, options: &[&str]) -> Merchant {
    gateway.run_well(&[&["merchant", "add", name], options].concat());
    activate_trusted_channel(gateway, name);
    Merchant::show(gateway, name)
}

/// Records an attestation for the merchant that lasts to the end of the century.
pub fn activate_trusted_channel(gateway: &Gateway, name: &str) {
    let document = gateway.data.join(format!("attestation-{name}.txt"));
    std::fs::write(&document, "attestation of compliance").unwrap();
    gateway.run_well(&[
        "merchant",
        "activate-trusted-channel",
        name,
        "--level",
        "1",
        "--assessor",
        "Test Assessors Ltd",
        "--document",
        document.to_str().unwrap(),
        "--valid-until",
        "2099-12-31",
        "--verified-by",
        "A. Tester",
    ]);
}

/// Changes a merchant with these options of `merchant set`.
pub fn set(gateway: &Gateway, name: &str, options: &[&str]) {
    gateway.run_well(&[&["merchant", "set", name], options].concat());
}
