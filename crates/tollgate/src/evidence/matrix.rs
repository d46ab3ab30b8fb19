//! Which requirements of PCI DSS 4.0.1 a gateway supports, and what stays with its operator.

use std::fmt::Write as _;

/// How far a requirement is met by running Tollgate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// Tollgate does its part; the operator has to run it so.
    Yes,
    /// Something of it.
    Part,
    /// Nothing: it is the operator's alone.
    No,
}

/// One line of the matrix.
struct Row {
    requirement: &'static str,
    about: &'static str,
    support: Support,
    here: &'static str,
    operator: &'static str,
}

const fn row(
    requirement: &'static str,
    about: &'static str,
    support: Support,
    here: &'static str,
    operator: &'static str,
) -> Row {
    Row { requirement, about, support, here, operator }
}

/// By requirement.
const ROWS: &[Row] = &[
    row(
        "1.2-1.5",
        "network security controls, segmentation",
        Support::No,
        "nothing; source addresses of merchants can be limited (`merchants.json`)",
        "firewalls, segments, their review twice a year",
    ),
    row(
        "2.2",
        "secure configuration, no vendor defaults",
        Support::Part,
        "no default credentials; keys and tokens are made at the first start; plain HTTP is refused beyond loopback (`configuration.toml`)",
        "hardening of the host and the container, its services and accounts",
    ),
    row(
        "3.2",
        "as little account data as possible, and not for ever",
        Support::Part,
        "cards are kept for orders and tokens only; tokens without a payment lapse",
        "retention periods, deletion of old orders, a review every three months",
    ),
    row(
        "3.3",
        "no sensitive authentication data after authorization",
        Support::Yes,
        "security codes live in memory for one authorization and have no column (`scan.json` searches for numbers only)",
        "core dumps and swap of the host; memory of proxies in front",
    ),
    row(
        "3.4",
        "card numbers masked when shown, copying restricted",
        Support::Yes,
        "first six and last four digits at most, in answers, commands, log and feedback",
        "who may see masks; the merchant's own displays",
    ),
    row(
        "3.5.1",
        "card numbers unreadable wherever stored",
        Support::Yes,
        "AES-256-GCM, one data key a merchant and month; fingerprints are keyed (HMAC-SHA-256) (`keys.json`, `scan.json`)",
        "backups of the database apart from those of the keys; disk encryption besides, which alone does not meet 3.5.1.2",
    ),
    row(
        "3.6",
        "keys protected against disclosure and misuse",
        Support::Part,
        "data keys are wrapped by key-encryption keys in a 0600 folder, or in an HSM (PKCS#11)",
        "the key folder's host and backups; the HSM and its PIN; as few custodians as possible",
    ),
    row(
        "3.7",
        "key management procedures",
        Support::Part,
        "generation, ages, online rotation and retirement (`keys.json`, `channel-keys.json`)",
        "written cryptoperiods, custodians who acknowledge their duty, destruction of old copies",
    ),
    row(
        "4.2.1",
        "strong cryptography over open networks",
        Support::Yes,
        "TLS 1.2 and 1.3 alone, by rustls; the end of the certificate (`tls.json`)",
        "renewal before the end; TLS of a proxy in front; the line to the acquirer, which is TCP in clear unless a tunnel carries it",
    ),
    row(
        "4.2.1.1",
        "inventory of trusted keys and certificates",
        Support::Part,
        "the server's certificate (`tls.json`), merchants' pinned client certificates (`merchants.json`)",
        "everything outside of Tollgate",
    ),
    row("5", "malware", Support::No, "nothing", "protection of the host"),
    row(
        "6.2",
        "software developed securely",
        Support::Part,
        "memory-safe code, parsers under fuzzing, a simulator with an auditor, rules checked at each change",
        "review of one's own changes and scripts around it",
    ),
    row(
        "6.3.2",
        "inventory of software components",
        Support::Yes,
        "`software.json`",
        "keeping up with advisories for them, and updating (6.3.3)",
    ),
    row(
        "6.4.1-6.4.2",
        "public web applications protected against attacks",
        Support::Part,
        "limits on size, time and connections; strict parsers",
        "a web application firewall or reviews; it is required in front of pages",
    ),
    row(
        "6.4.3, 11.6.1",
        "scripts and headers of payment pages",
        Support::No,
        "no pages are served by this version",
        "the merchant's own pages",
    ),
    row(
        "7",
        "access by need to know",
        Support::Part,
        "whoever may read the data folder is an operator; nobody else is",
        "accounts on the host and who is in which role: Tollgate has no users of its own in this version",
    ),
    row(
        "8.2-8.5",
        "identification and authentication of users",
        Support::No,
        "the operator API has one token for each start, refused guesses are counted (`counters.json`); people are named in attestations and corrections by what they type",
        "personal accounts and multi-factor authentication on the host",
    ),
    row(
        "8.6",
        "system and application accounts",
        Support::Part,
        "merchants sign each request; phrases are sealed, rotated without a break (`merchants.json`); client certificates can be demanded",
        "change of phrases at a set interval; secrets in the merchants' systems",
    ),
    row("9", "physical access", Support::No, "nothing", "the data centre, media, terminals"),
    row(
        "10.2",
        "audit logs of access to card data and of what operators do",
        Support::Part,
        "a chained log of each card that is opened, of key operations, changes of accounts, corrections by hand and refused operators, with who and why (`audit.json` counts them)",
        "log of the host; that nobody works under another's login",
    ),
    row(
        "10.3-10.7",
        "logs protected, reviewed, kept for a year, failures seen",
        Support::Part,
        "structured log without card data; health and metrics; `tollgate audit verify` finds changed and missing rows (`audit.json`)",
        "heads of the audit log kept on another machine; a log store, its retention and daily review; alerts",
    ),
    row("10.6", "time", Support::No, "the system's clock is taken as it is", "time synchronisation of the host"),
    row(
        "11.3-11.4",
        "vulnerability scans and penetration tests",
        Support::No,
        "nothing",
        "both, at the set intervals and after changes",
    ),
    row(
        "11.5.2",
        "change detection",
        Support::No,
        "nothing",
        "monitoring of the binary, the configuration and the key folder",
    ),
    row(
        "12.5.1-12.5.2",
        "inventory and scope, confirmed once a year",
        Support::Part,
        "scope of each merchant by what it really sends (`merchants.json`); a search of the data folder (`scan.json`); counted numbers where none belongs (`counters.json`)",
        "the whole of one's systems; the confirmation itself",
    ),
    row(
        "12.8",
        "third parties",
        Support::Part,
        "merchants' attestations, who verified them, when they end (`merchants.json`)",
        "agreements, and the list of one's own providers",
    ),
    row(
        "12.9",
        "a service provider's promise to its customers",
        Support::No,
        "this matrix may be handed on",
        "the written acknowledgement, and who is responsible for what",
    ),
    row(
        "12.10",
        "incident response",
        Support::Part,
        "a key that got out is ended at once; old keys are rotated out while payments run",
        "a plan, people, exercises",
    ),
    row(
        "A1",
        "multi-tenant providers separate their customers",
        Support::Part,
        "each merchant has data keys of its own; orders and tokens are read by merchant alone",
        "separation beside Tollgate; logs for each customer; a test of the separation twice a year (A1.1.4)",
    ),
];

/// The matrix.
pub(super) fn markdown() -> String {
    let mut text = "# PCI DSS 4.0.1: what is supported here, and what stays with the operator\n\n\
                    No software makes anybody compliant. *Yes* means that Tollgate does its part when it is run as its \
                    manual says; *in part*, that something of it is here; *no*, that nothing is. What is not listed is the \
                    operator's.\n\n| requirement | about | supported | what there is, and where | with the operator |\n|---|---|---|---|---|\n"
        .to_owned();
    for row in ROWS {
        let support = match row.support {
            Support::Yes => "yes",
            Support::Part => "in part",
            Support::No => "no",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {} | {} | {support} | {} | {} |", row.requirement, row.about, row.here, row.operator);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_requirement_has_one_line_and_something_stays_with_the_operator_in_all() {
        for row in ROWS {
            assert_eq!(
                ROWS.iter().filter(|other| other.requirement == row.requirement).count(),
                1,
                "{}",
                row.requirement
            );
            assert!(!row.operator.is_empty() && !row.here.is_empty(), "{}", row.requirement);
            assert!(row.support == Support::No || row.here != "nothing", "{}", row.requirement);
        }
        assert_eq!(markdown().lines().filter(|line| line.starts_with("| ")).count(), ROWS.len() + 1);
    }
}
