//! Which addresses may be called. A merchant's URL makes the gateway call a server of the merchant's
//! choice; without a guard that could be one inside the gateway's own network.
//!
//! In production a URL is `https`, with a public domain name and no port of its own, and every address
//! that the name stands for has to be a public one. The connection then goes to an address that was
//! checked, so that a name which means another address a moment later gains nothing.

use http::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most characters of a URL.
pub const URL_CHARS_MAX: usize = 2_048;

/// How far feedback may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public names and addresses, over TLS.
    Public,
    /// Anything, in clear too: the sandbox on a developer's machine.
    Sandbox,
}

/// A URL that may be called, as far as it alone can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackUrl {
    uri: Uri,
    host: String,
    port: u16,
    scheme: Scheme,
}

/// How a receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// Why a URL can never be delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// No URL.
    #[error("it is no URL of the form https://shop.example.com/path, in ASCII (an international name goes in as xn--)")]
    Unreadable,
    /// Too long.
    #[error("it has more than {URL_CHARS_MAX} characters")]
    TooLong,
    /// A user or a password in it.
    #[error("it holds a user or a password, which would be shown in logs: put a secret into the path")]
    Credentials,
    /// A fragment.
    #[error("it has a fragment (#), which no server ever sees")]
    Fragment,
    /// Another scheme.
    #[error("it begins neither with https:// nor with http://")]
    Scheme,
    /// In clear.
    #[error("it is not https, and feedback is not sent in clear")]
    Clear,
    /// A literal address.
    #[error("it names an address, and only a domain name is called")]
    Literal,
    /// No public name.
    #[error("its name is not a public domain name")]
    PrivateName,
    /// A port.
    #[error("it names a port other than 443")]
    Port,
}

impl FeedbackUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Why it can never be delivered to within `reach`.
    pub fn parse(text: &str, reach: Reach) -> Result<FeedbackUrl, UrlFault> {
        if text.len() > URL_CHARS_MAX {
            return Err(UrlFault::TooLong);
        }
        if text.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlFault::Unreadable)?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(_) => return Err(UrlFault::Scheme),
            None => return Err(UrlFault::Unreadable),
        };
        let authority = uri.authority().ok_or(UrlFault::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(UrlFault::Credentials);
        }
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        let usual = if scheme == Scheme::Https { 443 } else { 80 };
        let port = match authority.as_str().rsplit_once(':') {
            // A colon inside brackets belongs to the address.
            Some((_, after)) if !after.ends_with(']') => authority.port_u16().ok_or(UrlFault::Port)?,
            _ => usual,
        };
        if host.is_empty() || port == 0 {
            return Err(UrlFault::Unreadable);
        }
        if reach == Reach::Public {
            if scheme == Scheme::Http {
                return Err(UrlFault::Clear);
            }
            check_name(&host)?;
            if port != 443 {
                return Err(UrlFault::Port);
            }
        }
        Ok(FeedbackUrl { uri, host, port, scheme })
    }

    /// The URL itself.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The name or the literal address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Scheme, host and port: what may be kept and shown, since a path may hold a secret.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }
}

/// Names that are never public (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476 and ICANN's private use).
const PRIVATE_ENDINGS: &[&str] = &[
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "test",
    "example",
    "invalid",
    "onion",
    "alt",
];

fn check_name(host: &str) -> Result<(), UrlFault> {
    if host.parse::<IpAddr>().is_ok() {
        return Err(UrlFault::Literal);
    }
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    // What ends in a number is read as an address by many resolvers: 127.1, 2130706433, 0x7f.1.
    if last.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
        return Err(UrlFault::Literal);
    }
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_public =
        labels.len() >= 2 && host.len() <= 253 && labels.iter().all(is_label) && !PRIVATE_ENDINGS.contains(&last);
    if is_public { Ok(()) } else { Err(UrlFault::PrivateName) }
}

/// Why an address may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {why}, and only public addresses are called")]
pub struct AddressFault {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub why: &'static str,
}

/// Whether an address may be called from production.
///
/// # Errors
/// What kind of address it is, when it is not a public one.
pub fn check_address(address: IpAddr) -> Result<(), AddressFault> {
    let why = match address {
        IpAddr::V4(v4) => not_public_v4(v4),
        IpAddr::V6(v6) => not_public_v6(v6),
    };
    why.map_or(Ok(()), |why| Err(AddressFault { address, why }))
}

/// What an IPv4 address is, when it is not public (IANA special-purpose registry, and the addresses at
/// which clouds answer their own machines).
fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let why = match address.octets() {
        [0, ..] => "of this network",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "behind a carrier's NAT",
        [127, ..] => "a loopback address",
        [169, 254, ..] => "link-local, where clouds keep their metadata",
        [168, 63, 129, 16] => "a cloud's metadata address",
        [192, 0, 0, _] => "reserved for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "for documentation",
        [192, 88, 99, _] => "a 6to4 relay",
        [198, 18..=19, ..] => "for benchmarks",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    };
    Some(why)
}

/// What an IPv6 address is, when it is not public. Where an IPv4 address is hidden in it, that one counts.
fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(v4) = address.to_ipv4_mapped() {
        return not_public_v4(v4);
    }
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        not_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0, ..] => Some("reserved"),
        // NAT64 (RFC 6052): the last 32 bits are the IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("for documentation"),
        [0x2001, 0..=0x1ff, ..] => Some("reserved for protocols"),
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => embedded(high, low),
        [0x2000..=0x3fff, ..] => None,
        [0xfc00..=0xfdff, ..] => Some("private"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn production_calls_https_and_a_public_name_and_nothing_else() {
        for url in [
            "https://shop.example.com/feedback",
            "https://shop.example.com",
            "https://shop.example.com:443/feedback?key=1",
            "https://SHOP.Example.COM/",
            "https://xn--mgbh0fb.example.org/",
            "https://3com.com/",
            "https://1.example.com/",
        ] {
            let read = FeedbackUrl::parse(url, Reach::Public);
            assert_eq!(read.map(|url| (url.port(), url.scheme())), Ok((443, Scheme::Https)), "{url}");
        }
        for (url, fault) in [
            ("http://shop.example.com/", UrlFault::Clear),
            ("ftp://shop.example.com/", UrlFault::Scheme),
            ("shop.example.com", UrlFault::Unreadable),
            ("/feedback", UrlFault::Unreadable),
            ("", UrlFault::Unreadable),
            ("https://", UrlFault::Unreadable),
            ("https:///path", UrlFault::Unreadable),
            ("https://متجر.example.com/", UrlFault::Unreadable),
            ("https://shop.example.com:8443/", UrlFault::Port),
            ("https://shop.example.com:80/", UrlFault::Port),
            ("https://shop.example.com:99999/", UrlFault::Port),
            ("https://shop.example.com:/", UrlFault::Port),
            ("https://user@shop.example.com/", UrlFault::Credentials),
            ("https://user:pass@shop.example.com/", UrlFault::Credentials),
            ("https://shop.example.com/#top", UrlFault::Fragment),
            ("https://93.184.216.34/", UrlFault::Literal),
            ("https://[2606:2800:220:1::1]/", UrlFault::Literal),
            ("https://[::1]/", UrlFault::Literal),
            ("https://127.1/", UrlFault::Literal),
            ("https://2130706433/", UrlFault::Literal),
            ("https://0x7f000001/", UrlFault::Literal),
            ("https://0x7f.1/", UrlFault::Literal),
            ("https://017700000001/", UrlFault::Literal),
            ("https://localhost/", UrlFault::PrivateName),
            ("https://shop.localhost/", UrlFault::PrivateName),
            ("https://printer.local/", UrlFault::PrivateName),
            ("https://metadata.google.internal/", UrlFault::PrivateName),
            ("https://router.home.arpa/", UrlFault::PrivateName),
            ("https://intranet/", UrlFault::PrivateName),
            ("https://shop.example.com./", UrlFault::PrivateName),
            ("https://-shop.example.com/", UrlFault::PrivateName),
            ("https://shop_1.example.com/", UrlFault::PrivateName),
            ("https://a..example.com/", UrlFault::PrivateName),
        ] {
            assert_eq!(FeedbackUrl::parse(url, Reach::Public), Err(fault), "{url}");
        }
        let long = format!("https://shop.example.com/{}", "a".repeat(URL_CHARS_MAX));
        assert_eq!(FeedbackUrl::parse(&long, Reach::Public), Err(UrlFault::TooLong));
    }

    #[test]
    fn the_sandbox_calls_literals_and_ports_in_clear_too() {
        for (url, origin) in [
            ("http://localhost:9000/x?secret=1", "http://localhost:9000"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://[::1]:9000/x", "http://[::1]:9000"),
            ("http://[::1]/x", "http://[::1]:80"),
            ("https://shop.test/", "https://shop.test:443"),
        ] {
            assert_eq!(FeedbackUrl::parse(url, Reach::Sandbox).unwrap().origin(), origin, "{url}");
        }
        for url in ["localhost:9000", "ftp://localhost/", "http://u@localhost/", "http://localhost/#x", "http://:80/"] {
            assert!(FeedbackUrl::parse(url, Reach::Sandbox).is_err(), "{url}");
        }
    }

    #[test]
    fn only_public_addresses_are_called() {
        for address in [
            "93.184.216.34",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "168.63.129.15",
            "2606:2800:220:1::1",
            "2a00:1450::1",
            "2001:200::1",
            "::ffff:93.184.216.34",
            "64:ff9b::93.184.216.34",
            "2002:5db8:d822::1",
            "2a00:1450::5efe:5db8:d822",
        ] {
            assert_eq!(check_address(address.parse().unwrap()), Ok(()), "{address}");
        }
        for (address, why) in [
            ("0.0.0.0", "of this network"),
            ("10.0.0.1", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "behind a carrier's NAT"),
            ("100.100.100.200", "behind a carrier's NAT"),
            ("100.127.255.255", "behind a carrier's NAT"),
            ("127.0.0.1", "a loopback address"),
            ("127.255.255.255", "a loopback address"),
            ("169.254.169.254", "link-local, where clouds keep their metadata"),
            ("168.63.129.16", "a cloud's metadata address"),
            ("192.0.0.192", "reserved for protocols"),
            ("192.0.2.1", "for documentation"),
            ("198.51.100.1", "for documentation"),
            ("203.0.113.1", "for documentation"),
            ("192.88.99.1", "a 6to4 relay"),
            ("198.18.0.1", "for benchmarks"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "unspecified"),
            ("::1", "a loopback address"),
            ("::127.0.0.1", "reserved"),
            ("::ffff:127.0.0.1", "a loopback address"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:169.254.169.254", "link-local, where clouds keep their metadata"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b::169.254.169.254", "link-local, where clouds keep their metadata"),
            ("64:ff9b:1::1", "reserved"),
            ("2002:7f00:1::1", "a loopback address"),
            ("2002:a00:1::", "private"),
            ("2002:a9fe:a9fe::1", "link-local, where clouds keep their metadata"),
            ("2001::1", "reserved for protocols"),
            ("2001:0:5ef5:79fd::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("3fff::1", "for documentation"),
            ("2a00:1450::5efe:10.0.0.1", "private"),
            ("2a00:1450::200:5efe:127.0.0.1", "a loopback address"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("100::1", "reserved"),
            ("4000::1", "reserved"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(check_address(address), Err(AddressFault { address, why }), "{address}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_address_is_judged_the_same_in_each_dress(octets in proptest::array::uniform4(0u8..)) {
            let v4 = Ipv4Addr::from(octets);
            let [a, b, c, d] = octets.map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let plain = check_address(IpAddr::V4(v4)).is_ok();
            for dressed in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
            ] {
                proptest::prop_assert_eq!(check_address(IpAddr::V6(dressed)).is_ok(), plain, "{} as {}", v4, dressed);
            }
        }

        #[test]
        fn what_the_standard_library_calls_inside_is_never_called(octets in proptest::array::uniform4(0u8..)) {
            let v4 = Ipv4Addr::from(octets);
            let inside = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            proptest::prop_assert!(!inside || check_address(IpAddr::V4(v4)).is_err());
        }

        #[test]
        fn no_text_makes_the_reading_fail_otherwise_than_by_a_reason(text in "(https?://)?[ -~]{0,40}") {
            for reach in [Reach::Public, Reach::Sandbox] {
                if let Ok(url) = FeedbackUrl::parse(&text, reach) {
                    proptest::prop_assert!(!url.host().is_empty() && url.port() > 0);
                }
            }
        }
    }
}
