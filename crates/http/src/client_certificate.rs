//! Certificates that clients show: in the TLS handshake, or told by a proxy in a header.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::borrow::Cow;
use tollgate_core::source::{ClientCertificate, Fingerprint};
use tollgate_core::time::Timestamp;

/// The largest certificate that a proxy may tell, in bytes of the header; a header is 32 KiB at most anyway.
const TOLD_BYTES_MAX: usize = 16 * 1024;

/// The certificate in `der`: its fingerprint, and its dates where they can be read.
#[must_use]
pub fn client_certificate(der: &[u8]) -> ClientCertificate {
    let mut fingerprint = Fingerprint([0; 32]);
    fingerprint.0.copy_from_slice(digest(&SHA256, der).as_ref());
    let validity = validity(der);
    ClientCertificate {
        fingerprint,
        valid_from: validity.as_ref().map(|validity| validity.from),
        valid_until: validity.map(|validity| validity.until),
    }
}

/// The first certificate of a text in PEM; `None` when it holds none.
#[must_use]
pub fn client_certificate_of_pem(pem: &[u8]) -> Option<ClientCertificate> {
    CertificateDer::from_pem_slice(pem).ok().map(|der| client_certificate(&der))
}

/// The certificate that a proxy tells in a header, as nginx (`$ssl_client_escaped_cert`), haproxy
/// (`%[ssl_c_der,base64]` or `%[ssl_c_der,sha2(256),hex]`), Envoy (`x-forwarded-client-cert`) and others write it. `None`
/// when it tells none, or something else, a SHA-1 for example.
pub(crate) fn told_by_proxy(value: &[u8]) -> Option<ClientCertificate> {
    if value.len() > TOLD_BYTES_MAX {
        return None;
    }
    let value = std::str::from_utf8(value).ok()?.trim();
    if let Some(hash) = envoy_hash(value) {
        return Fingerprint::parse(hash).map(of_fingerprint);
    }
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if let Some(fingerprint) = Fingerprint::parse(value) {
        return Some(of_fingerprint(fingerprint));
    }
    let value = unescaped(value)?;
    let body = match value.split_once("-----BEGIN CERTIFICATE-----") {
        None => &*value,
        Some((_, rest)) => rest.split_once("-----END CERTIFICATE-----")?.0,
    };
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).ok()?;
    // What is no certificate would have a fingerprint too, and the right one could be made of nothing else, but
    // then nobody could say what was shown.
    validity(&der).map(|_| client_certificate(&der))
}

fn of_fingerprint(fingerprint: Fingerprint) -> ClientCertificate {
    ClientCertificate { fingerprint, valid_from: None, valid_until: None }
}

/// The `Hash` in Envoy's header. Each proxy on the way may add an element; only the last one is of the connection
/// that the nearest proxy saw itself. Names of the client's own choice stand in quotes, where nothing counts.
fn envoy_hash(value: &str) -> Option<&str> {
    fn hash_in(pair: &str) -> Option<&str> {
        let (name, hash) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("hash").then_some(hash)
    }
    let (mut quoted, mut escaped, mut start, mut hash) = (false, false, 0, None);
    for (place, character) in value.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' | ',' if !quoted => {
                let pair = value.get(start..place)?;
                hash = hash.or_else(|| hash_in(pair));
                start = place + 1;
                if character == ',' {
                    hash = None;
                }
            }
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    let last = value.get(start..)?;
    hash.or_else(|| hash_in(last)).map(|hash| hash.trim().trim_matches('"'))
}

/// `text` with `%41` as `A`. A plus sign stays: it belongs to base64.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// From when to when a certificate counts.
struct Validity {
    from: Timestamp,
    until: Timestamp,
}

/// Reads the dates out of a certificate (RFC 5280, 4.1): the fifth part of its first part, or the fourth where
/// it names no version.
fn validity(der: &[u8]) -> Option<Validity> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let certificate = Element::first(der)?.of(SEQUENCE)?;
    let mut rest = Element::first(certificate.content)?.of(SEQUENCE)?.content;
    if Element::first(rest)?.tag == VERSION {
        rest = Element::first(rest)?.rest;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = Element::first(rest)?.rest;
    }
    let dates = Element::first(rest)?.of(SEQUENCE)?;
    let from = Element::first(dates.content)?;
    let until = Element::first(from.rest)?;
    Some(Validity { from: moment(&from)?, until: moment(&until)? })
}

/// A value in DER with what follows it.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn first(der: &'a [u8]) -> Option<Element<'a>> {
        let (tag, der) = der.split_first()?;
        let (length, der) = der.split_first()?;
        let (length, der) = match length {
            0..=0x7f => (usize::from(*length), der),
            // A certificate is shorter than 2^24 bytes.
            0x81..=0x83 => {
                let (digits, der) = der.split_at_checked(usize::from(length & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), der)
            }
            _ => return None,
        };
        let (content, rest) = der.split_at_checked(length)?;
        Some(Element { tag: *tag, content, rest })
    }

    fn of(self, tag: u8) -> Option<Element<'a>> {
        (self.tag == tag).then_some(self)
    }
}

/// `YYMMDDhhmmssZ` (UTCTime, of 1950 to 2049) or `YYYYMMDDhhmmssZ` (GeneralizedTime).
fn moment(element: &Element<'_>) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (element.tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let two = |place: usize| -> Option<u8> { rest.get(place..place + 2)?.parse().ok() };
    let (hours, minutes, seconds) = (i64::from(two(4)?), i64::from(two(6)?), i64::from(two(8)?));
    let day = Timestamp::from_date(year, two(0)?, two(2)?)?;
    Some(Timestamp(day.0.checked_add((hours * 3600 + minutes * 60 + seconds) * 1_000_000)?))
}

/// Takes every certificate whose key the client proves to hold, and says so of no name: who it is, is what each
/// merchant's pinned fingerprints tell. A client without one is served all the same.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // No chain: a fingerprint names exactly one certificate, whoever issued it.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn made(params: CertificateParams) -> rcgen::Certificate {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn escaped(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    #[test]
    fn the_dates_of_a_certificate_are_read_in_both_spellings() {
        for (from, until) in [((1999, 12, 31), (2049, 12, 31)), ((2026, 2, 28), (2050, 1, 1))] {
            let mut params = CertificateParams::new(vec!["shop".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from.0, from.1, from.2);
            params.not_after = date_time_ymd(until.0, until.1, until.2);
            let read = client_certificate(made(params).der());
            let day = |(year, month, day): (i32, u8, u8)| Timestamp::from_date(year, month, day);
            assert_eq!((read.valid_from, read.valid_until), (day(from), day(until)));
        }
    }

    #[test]
    fn a_certificate_cut_short_anywhere_or_with_any_byte_changed_does_no_harm() {
        let certificate = made(CertificateParams::new(vec!["shop".to_owned()]).unwrap());
        let der = certificate.der().to_vec();
        assert!(validity(&der).is_some());
        for end in 0..der.len() {
            assert!(validity(&der[..end]).is_none(), "{end}");
        }
        for place in 0..der.len().min(256) {
            for value in [0, 0x7f, 0x80, 0x82, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[place] = value;
                let _ = client_certificate(&changed);
            }
        }
    }

    #[test]
    fn what_nginx_haproxy_and_envoy_write_names_the_same_certificate() {
        let certificate = made(CertificateParams::new(vec!["shop".to_owned()]).unwrap());
        let whole = client_certificate(certificate.der());
        let hex = whole.fingerprint.to_string();
        let (pem, base64) = (certificate.pem(), STANDARD.encode(certificate.der()));
        for (who, value) in [
            ("nginx", escaped(&pem)),
            ("an older nginx", pem.replace('\n', "\n\t")),
            ("haproxy", base64.clone()),
            ("haproxy, quoted", format!("\"{base64}\"")),
            ("a balancer that leaves + and / alone", pem.replace('\n', "%0A").replace(' ', "%20").replace('=', "%3D")),
        ] {
            assert_eq!(told_by_proxy(value.as_bytes()), Some(whole), "{who}");
        }
        let other = "00".repeat(32);
        for (who, value) in [
            ("haproxy", hex.to_uppercase()),
            ("Envoy", format!("By=spiffe://a/b;Hash={hex};Subject=\"CN=shop,O=x;y\";URI=spiffe://c")),
            ("two Envoys", format!("Hash={other};Subject=\"a,b\",By=x;Hash={hex}")),
            ("Envoy with the certificate", format!("Hash={hex};Cert=\"{}\"", escaped(&pem))),
        ] {
            assert_eq!(told_by_proxy(value.as_bytes()).map(|told| told.fingerprint), Some(whole.fingerprint), "{who}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let sha1 = "0".repeat(40);
        for value in
            ["", "(null)", "-", "SUCCESS", sha1.as_str(), "Hash=;By=x", "Subject=\"Hash=00\"", "%4", "%zz", "AAAA"]
        {
            assert_eq!(told_by_proxy(value.as_bytes()), None, "{value}");
        }
        assert_eq!(told_by_proxy(&[0xff, 0xfe]), None);
        let (real, forged) = ("11".repeat(32), "00".repeat(32));
        for name in [format!(",Hash={forged}"), format!("\\\",Hash={forged};\\\""), format!("\\\";Hash={forged}")] {
            let value = format!("By=x;Hash={real};Subject=\"{name}\"");
            let told = told_by_proxy(value.as_bytes()).map(|told| told.fingerprint.to_string());
            assert_eq!(told.as_deref(), Some(real.as_str()), "a client's own name says nothing: {value}");
            let value = format!("By=x;Subject=\"{name}\"");
            assert_eq!(told_by_proxy(value.as_bytes()), None, "{value}");
        }
        assert_eq!(told_by_proxy(format!("By=\"x;Hash={real}").as_bytes()), None, "a quote that does not end");
    }
}
