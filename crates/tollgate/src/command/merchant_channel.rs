//! The options of `tollgate merchant set` that say how a merchant's requests may come.

use anyhow::{Context, bail};
use clap::Args;
use tollgate_core::channel::{CardDataRule, ChannelTerms, StrayCardNumbers};
use tollgate_core::scope::Questionnaire;
use tollgate_core::source::{
    CERTIFICATES_MAX, Fingerprint, GuardedRequests, NETWORKS_MAX, Network, PinnedCertificate, SourceTerms,
    certificate_days_left,
};
use tollgate_core::time::Timestamp;
use tollgate_http::client_certificate_of_pem;

/// How a merchant's requests may come.
#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// A card number where none belongs: refuse (00033) or count; both count it
    #[arg(long, value_name = "refuse|count")]
    stray_card_numbers: Option<String>,
    /// How card data may come: any, or encrypted-only (as encrypted_card_data)
    #[arg(long, value_name = "any|encrypted-only")]
    card_data: Option<String>,
    /// Client certificates that it may show, then one has to be shown: add:X or remove:X, where X is a file in PEM or a
    /// SHA-256 in hex; none lifts it. A running server asks every client, and demands it of nobody else
    #[arg(long, value_name = "add:X|remove:X|none")]
    client_cert: Vec<String>,
    /// Where its requests may come from: add:X or remove:X, where X is an address or a network such as 192.0.2.0/24;
    /// none lifts it
    #[arg(long, value_name = "add:X|remove:X|none")]
    source: Vec<String>,
    /// Which requests --client-cert and --source are about: card-data (in clear, encrypted, a security code beside a
    /// token), or all
    #[arg(long, value_name = "card-data|all")]
    source_applies_to: Option<String>,
    /// The PCI DSS questionnaire that it says it answers: saq-a, saq-a-ep, saq-d, saq-d-sp (service provider) or none; a
    /// merchant of the first two is told of when it sends card data all the same
    #[arg(long, value_name = "saq-a|saq-a-ep|saq-d|saq-d-sp|none")]
    pci_scope: Option<String>,
}

impl ChannelArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut ChannelTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.stray_card_numbers {
            terms.stray_card_numbers = StrayCardNumbers::parse(name)
                .with_context(|| format!("--stray-card-numbers is refuse or count, not {name:?}"))?;
        }
        if let Some(name) = &self.card_data {
            terms.card_data = CardDataRule::parse(name)
                .with_context(|| format!("--card-data is any or encrypted-only, not {name:?}"))?;
        }
        for text in &self.client_cert {
            change_certificates(&mut terms.source, Edit::parse("--client-cert", text)?)?;
        }
        not_opened_by_chance("--client-cert", &self.client_cert, terms.source.certificates.len())?;
        for text in &self.source {
            change_networks(&mut terms.source, Edit::parse("--source", text)?)?;
        }
        not_opened_by_chance("--source", &self.source, terms.source.networks.len())?;
        if let Some(name) = &self.source_applies_to {
            terms.source.requests = GuardedRequests::parse(name)
                .with_context(|| format!("--source-applies-to is card-data or all, not {name:?}"))?;
        }
        if let Some(name) = &self.pci_scope {
            terms.pci_scope = match name.as_str() {
                "none" => None,
                name => Some(Questionnaire::parse(name).with_context(|| {
                    format!("--pci-scope is saq-a, saq-a-ep, saq-d, saq-d-sp or none, not {name:?}")
                })?),
            };
        }
        Ok(())
    }
}

/// A change of a list.
enum Edit<'a> {
    Add(&'a str),
    Remove(&'a str),
    Clear,
}

impl Edit<'_> {
    fn parse<'a>(option: &str, text: &'a str) -> anyhow::Result<Edit<'a>> {
        match (text, text.split_once(':')) {
            ("none", _) => Ok(Edit::Clear),
            (_, Some(("add", what))) => Ok(Edit::Add(what)),
            (_, Some(("remove", what))) => Ok(Edit::Remove(what)),
            _ => bail!("{option} is add:X, remove:X or none, not {text:?}"),
        }
    }
}

/// Whoever removes the last of a list would open the door without a word: that wants `none`.
fn not_opened_by_chance(option: &str, edits: &[String], left: usize) -> anyhow::Result<()> {
    if left == 0 && edits.last().is_some_and(|last| last != "none") {
        bail!("nothing of {option} would be left, and with it no limit: add another, or say {option} none");
    }
    Ok(())
}

fn change_certificates(terms: &mut SourceTerms, edit: Edit<'_>) -> anyhow::Result<()> {
    let certificates = &mut terms.certificates;
    match edit {
        Edit::Clear => certificates.clear(),
        Edit::Add(what) => {
            let pinned = certificate(what)?;
            certificates.retain(|known| known.fingerprint != pinned.fingerprint);
            certificates.push(pinned);
            if certificates.len() > CERTIFICATES_MAX {
                bail!("a merchant has at most {CERTIFICATES_MAX} client certificates: remove old ones first");
            }
        }
        Edit::Remove(what) => {
            let gone = certificate(what)?.fingerprint;
            let before = certificates.len();
            certificates.retain(|known| known.fingerprint != gone);
            if certificates.len() == before {
                bail!("the merchant has no client certificate {gone}");
            }
        }
    }
    Ok(())
}

/// A certificate by its fingerprint, or from a file, which tells its end too.
fn certificate(what: &str) -> anyhow::Result<PinnedCertificate> {
    if let Some(fingerprint) = Fingerprint::parse(what) {
        return Ok(PinnedCertificate { fingerprint, valid_until: None });
    }
    let pem = std::fs::read(what)
        .with_context(|| format!("{what:?} is neither a SHA-256 (64 hex digits) nor a file that can be read"))?;
    let read = client_certificate_of_pem(&pem).with_context(|| format!("{what} holds no certificate in PEM"))?;
    Ok(PinnedCertificate { fingerprint: read.fingerprint, valid_until: read.valid_until })
}

fn change_networks(terms: &mut SourceTerms, edit: Edit<'_>) -> anyhow::Result<()> {
    let networks = &mut terms.networks;
    match edit {
        Edit::Clear => networks.clear(),
        Edit::Add(what) => {
            let network = network(what)?;
            if !networks.contains(&network) {
                networks.push(network);
            }
            if networks.len() > NETWORKS_MAX {
                bail!("a merchant has at most {NETWORKS_MAX} source networks: remove old ones first");
            }
        }
        Edit::Remove(what) => {
            let gone = network(what)?;
            let before = networks.len();
            networks.retain(|known| *known != gone);
            if networks.len() == before {
                bail!("the merchant has no source network {gone}");
            }
        }
    }
    Ok(())
}

fn network(text: &str) -> anyhow::Result<Network> {
    Network::parse(text).with_context(|| {
        format!("{text:?} is no address and no network such as 192.0.2.0/24 or 2001:db8::/32, its other bits zero")
    })
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &ChannelTerms, now: Timestamp) {
    println!("{:<22}{}", "card data", terms.card_data.name());
    println!("{:<22}{}", "stray card numbers", terms.stray_card_numbers.name());
    if let Some(declared) = terms.pci_scope {
        println!("{:<22}{}", "declared PCI scope", declared.title());
    }
    let source = &terms.source;
    for pinned in &source.certificates {
        println!("{:<22}SHA-256 {}{}", "client certificate", pinned.fingerprint, end_words(pinned, now));
    }
    for network in &source.networks {
        println!("{:<22}{network}", "source network");
    }
    if !source.is_open() {
        println!("{:<22}{}", "source applies to", source.requests.name());
    }
}

fn end_words(pinned: &PinnedCertificate, now: Timestamp) -> String {
    let Some(until) = pinned.valid_until else { return "   (its end is not known)".to_owned() };
    match certificate_days_left(until, now) {
        Some(days_left) if days_left < 0 => format!("   (ended {until}: it is refused)"),
        Some(days_left) => format!("   (ends in {days_left} days: add the next one)"),
        None => format!("   (until {until})"),
    }
}
