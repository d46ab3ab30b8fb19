//! Whatever lies in a row of the audit log is read or refused without a panic, and what is read has that one spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::audit::{AUDIT_TEXT_BYTES_MAX, AuditEntry, AuditWho, decode, encode};
use tollgate_core::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let Some((row_at, bytes)) = data.split_first_chunk() else { return };
    let row_at = Timestamp(i64::from_le_bytes(*row_at));
    let Ok(entries) = decode(bytes, row_at) else { return };
    assert!(encode(&entries, row_at) == bytes, "one entry has one spelling");
    // An entry takes at least action, reason, flags, time and who.
    assert!(entries.len() * 5 < bytes.len());
    for entry in &entries {
        assert!(texts(entry).iter().all(|text| text.len() <= AUDIT_TEXT_BYTES_MAX));
    }
    // Neither less nor more of it is a row.
    assert!(decode(&bytes[..bytes.len() - 1], row_at).is_err());
    assert!(decode(&[bytes, &[0]].concat(), row_at).is_err());
});

fn texts(entry: &AuditEntry) -> Vec<&str> {
    let mut texts = vec![entry.detail.as_str()];
    match &entry.who {
        AuditWho::Request => {}
        AuditWho::Gateway(job) => texts.push(job),
        AuditWho::Person { name, by } => texts.extend([name.as_str(), by.as_str()]),
    }
    texts
}
