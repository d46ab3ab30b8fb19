//! Where a request came from: the other end of the connection, or what a trusted proxy tells of it.

use crate::client_certificate::told_by_proxy;
use http::{HeaderMap, HeaderName};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use tollgate_app::Account;
use tollgate_core::refusal::Refusal;
use tollgate_core::source::{
    ClientCertificate, Fingerprint, GuardedRequests, Network, RequestSource, certificate_days_left,
};
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_fort::command::carries_card_data;
use tollgate_fort::message::Message;

/// The most addresses of `X-Forwarded-For` that are looked at, from the right.
const FORWARDED_ADDRESSES_MAX: usize = 32;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The certificate that it showed in the TLS handshake.
    pub certificate: Option<ClientCertificate>,
}

/// Lets requests pass that come from where their merchant's come from.
#[derive(Default)]
pub(crate) struct SourceGuard {
    proxies: ProxySettings,
    /// The day on which it was last said that a certificate ends soon. Only pinned ones come here, so they are few.
    told: Mutex<HashMap<Fingerprint, i64>>,
}

impl SourceGuard {
    /// A guard behind these proxies.
    pub(crate) fn new(proxies: ProxySettings) -> SourceGuard {
        SourceGuard { proxies, told: Mutex::default() }
    }

    /// The address of whoever sent a request, as far as it is known.
    pub(crate) fn address_of(&self, arrival: &Arrival) -> Option<IpAddr> {
        self.proxies.source(&arrival.peer, &arrival.headers).address
    }

    /// Judges a signed request. Of a merchant without limits nothing is looked at.
    ///
    /// # Errors
    /// 00040 when it came from the wrong place.
    pub(crate) fn judge(
        &self,
        account: &Account,
        message: &Message,
        arrival: &Arrival,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let terms = &account.merchant.terms.channel.source;
        if terms.is_open() || (terms.requests == GuardedRequests::CardData && !carries_card_data(message)) {
            return Ok(());
        }
        let source = self.proxies.source(&arrival.peer, &arrival.headers);
        let merchant = account.merchant.name.as_str();
        terms.judge(&source, now).map_err(|misplaced| {
            let reason = misplaced.what.name();
            metrics::counter!("tollgate_source_refusals_total", "merchant" => merchant.to_owned(), "reason" => reason)
                .increment(1);
            misplaced.refusal
        })?;
        if !terms.certificates.is_empty()
            && let Some(certificate) = source.certificate
        {
            self.tell_of_end(merchant, certificate, now);
        }
        Ok(())
    }

    /// Warns once a day of a certificate in use that ends soon: where it was pinned by its fingerprint alone, nobody
    /// could know before.
    fn tell_of_end(&self, merchant: &str, certificate: ClientCertificate, now: Timestamp) {
        let Some(days_left) = certificate.valid_until.and_then(|until| certificate_days_left(until, now)) else {
            return;
        };
        let today = now.0.div_euclid(DAY_US);
        let before = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(certificate.fingerprint, today);
        if before != Some(today) {
            let fingerprint = certificate.fingerprint;
            tracing::warn!(merchant, days_left, %fingerprint, "a client certificate ends soon, and is refused then");
        }
    }
}

/// What is known of a request's way here.
pub(crate) struct Arrival {
    /// The other end of its connection.
    pub(crate) peer: Peer,
    /// Its headers.
    pub(crate) headers: HeaderMap,
}

/// The proxies in front of the gateway, and what they tell.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// From where a request is a proxy's. Headers of anybody else tell nothing.
    pub networks: Vec<Network>,
    /// The header in which they tell the client's address, as `X-Forwarded-For` does.
    pub address_header: Option<HeaderName>,
    /// The header in which they tell the client's certificate, or its SHA-256.
    pub certificate_header: Option<HeaderName>,
}

impl ProxySettings {
    /// Where a request came from.
    #[must_use]
    pub(crate) fn source(&self, peer: &Peer, headers: &HeaderMap) -> RequestSource {
        let mut source = RequestSource { address: Some(peer.address.to_canonical()), certificate: peer.certificate };
        if !self.is_proxy(peer.address) {
            return source;
        }
        if let Some(name) = &self.address_header {
            source.address = self.forwarded_address(headers, name);
        }
        if let Some(name) = &self.certificate_header {
            // A second one may be the client's own: then nobody can tell which is the proxy's.
            let mut values = headers.get_all(name).iter();
            let only = values.next().filter(|_| values.next().is_none());
            source.certificate = only.and_then(|value| told_by_proxy(value.as_bytes()));
        }
        source
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    /// Each proxy adds the address it was called from at the right end: what stands left of the first address that is
    /// no proxy's was written by a stranger.
    fn forwarded_address(&self, headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
        let mut farthest = None;
        let values = headers.get_all(name).iter().rev();
        let texts = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        for text in texts.take(FORWARDED_ADDRESSES_MAX) {
            let address = read_address(text.trim())?.to_canonical();
            if !self.is_proxy(address) {
                return Some(address);
            }
            farthest = Some(address);
        }
        farthest
    }
}

/// An address, with a port or without.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::source::Fingerprint;

    fn settings() -> ProxySettings {
        ProxySettings {
            networks: ["10.0.0.0/8", "2001:db8::/32"].map(|text| Network::parse(text).unwrap()).to_vec(),
            address_header: Some(HeaderName::from_static("x-forwarded-for")),
            certificate_header: Some(HeaderName::from_static("x-client-cert")),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    fn address_told(peer: &str, forwarded: &[&str]) -> Option<String> {
        let peer = Peer { address: peer.parse().unwrap(), certificate: None };
        let headers = headers(&forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect::<Vec<_>>());
        settings().source(&peer, &headers).address.map(|address| address.to_string())
    }

    #[test]
    fn forwarded_addresses_are_read_from_the_right_past_trusted_proxies_only() {
        for (peer, forwarded, expected) in [
            ("10.0.0.1", &["192.0.2.1"][..], Some("192.0.2.1")),
            ("::ffff:10.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("2001:db8::7", &["::ffff:192.0.2.1"], Some("192.0.2.1")),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.9, 10.1.1.1"], Some("198.51.100.9")),
            ("10.0.0.1", &["192.0.2.1", "198.51.100.9, 10.1.1.1"], Some("198.51.100.9")),
            ("10.0.0.1", &["192.0.2.1,10.1.1.1", "10.1.1.2"], Some("192.0.2.1")),
            ("10.0.0.1", &["192.0.2.1:4711"], Some("192.0.2.1")),
            ("10.0.0.1", &["[2001:db9::1]:443"], Some("2001:db9::1")),
            ("10.0.0.1", &["[2001:db9::1]"], Some("2001:db9::1")),
            ("10.0.0.1", &["10.2.2.2, 10.3.3.3"], Some("10.2.2.2")),
            // Not told, or not as it should be: not known.
            ("10.0.0.1", &[], None),
            ("10.0.0.1", &["192.0.2.1, unknown"], None),
            ("10.0.0.1", &["192.0.2.1, "], None),
            // From a stranger the header says nothing.
            ("203.0.113.5", &["192.0.2.1"], Some("203.0.113.5")),
            ("::ffff:203.0.113.5", &["192.0.2.1"], Some("203.0.113.5")),
        ] {
            assert_eq!(address_told(peer, forwarded).as_deref(), expected, "{peer} {forwarded:?}");
        }
        let many = vec!["10.1.1.1"; FORWARDED_ADDRESSES_MAX + 1].join(",");
        assert_eq!(address_told("10.0.0.1", &[&format!("192.0.2.1,{many}")]).as_deref(), Some("10.1.1.1"));
    }

    #[test]
    fn a_certificate_is_believed_of_a_proxy_only_and_only_when_it_is_told_once() {
        let (told, own) = ("11".repeat(32), Fingerprint([0x22; 32]));
        let certificate = Some(ClientCertificate { fingerprint: own, valid_from: None, valid_until: None });
        let seen = |peer: &str, pairs: &[(&'static str, &str)]| {
            let peer = Peer { address: peer.parse().unwrap(), certificate };
            settings().source(&peer, &headers(pairs)).certificate.map(|certificate| certificate.fingerprint)
        };
        let once = [("x-client-cert", told.as_str())];
        assert_eq!(seen("10.0.0.1", &once), Fingerprint::parse(&told));
        assert_eq!(seen("203.0.113.5", &once), Some(own), "a stranger's header says nothing");
        assert_eq!(seen("10.0.0.1", &[]), None, "a proxy's own certificate is not its client's");
        assert_eq!(seen("10.0.0.1", &[once[0], once[0]]), None);
    }
}
