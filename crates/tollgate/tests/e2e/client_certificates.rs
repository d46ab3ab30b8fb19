//! From where a merchant's card data may come: client certificates over real TLS, source addresses, and what proxies
//! tell of both.

use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::{Gateway, Merchant, accounts, field, operation, payment, status, text};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme, StreamOwned};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_core::time::{DAY_US, Timestamp, Utc};
use tollgate_vault::{JweAlgorithm, Jwk};

const CARD: &str = "4005550000000001";

/// A certificate of a client with its key.
struct Client {
    pem: PathBuf,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: String,
    config: Option<Arc<ClientConfig>>,
}

impl Client {
    fn make(folder: &Path, name: &str, authority: &Path, until: Utc) -> Client {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until.year, until.month, until.day);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let pem = folder.join(format!("{name}.pem"));
        std::fs::write(&pem, certificate.pem()).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        std::fs::write(folder.join(format!("{name}-both.pem")), certificate.pem() + &key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let mut client =
            Client { pem, certificate: certificate.der().clone(), key, fingerprint: hex::encode(digest), config: None };
        client.config = Some(client.config_with_key(authority, client.key.clone_key()));
        client
    }

    /// TLS that shows the certificate and proves to hold `key`, be it its own or not.
    fn config_with_key(&self, authority: &Path, key: PrivateKeyDer<'static>) -> Arc<ClientConfig> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = Shown(Arc::new(CertifiedKey::new(vec![self.certificate.clone()], key)));
        Arc::new(trusting(authority).with_client_cert_resolver(Arc::new(shown)))
    }
}

/// Shows one certificate, whatever the server would like.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn trusting(authority: &Path) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots)
}

/// A gateway that speaks TLS.
struct Bed {
    folder: tempfile::TempDir,
    authority: PathBuf,
    gateway: Gateway,
    demo: Merchant,
    nobody: Arc<ClientConfig>,
}

impl Bed {
    fn open(environment: &[(&str, &str)]) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let authority = folder.path().join("server.pem");
        let key_file = folder.path().join("server-key.pem");
        std::fs::write(&authority, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let (chain, key) = (authority.display().to_string(), key_file.display().to_string());
        let mut all =
            vec![("TOLLGATE_SERVER_TLS_CERTIFICATE", chain.as_str()), ("TOLLGATE_SERVER_TLS_KEY", key.as_str())];
        all.extend_from_slice(environment);
        let gateway = Gateway::start_in(&folder.path().join("data"), &all);
        let demo = gateway.demo();
        let nobody = Arc::new(trusting(&authority).with_no_client_auth());
        Bed { folder, authority, gateway, demo, nobody }
    }

    /// A client whose certificate ends in 2099.
    fn client(&self, name: &str) -> Client {
        self.client_until(name, Timestamp::from_date(2099, 1, 1).unwrap().utc())
    }

    fn client_until(&self, name: &str, until: Utc) -> Client {
        Client::make(self.folder.path(), name, &self.authority, until)
    }

    /// Posts over TLS; the error of a handshake that failed.
    fn post(&self, config: &Arc<ClientConfig>, params: &[(&str, &str)]) -> std::io::Result<Map<String, Value>> {
        let body = self.demo.sign(params);
        let stream = TcpStream::connect(&self.gateway.address).unwrap();
        stream.set_read_timeout(Some(crate::support::WAIT_MAX)).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream);
        let answer = exchange_on(&mut stream, &self.gateway.address, "", &body)?;
        self.demo.check(&answer);
        Ok(answer)
    }

    fn code(&self, config: &Arc<ClientConfig>, params: &[(&str, &str)]) -> String {
        field(&self.post(config, params).unwrap(), "response_code").to_owned()
    }

    fn set(&self, arguments: &[&str]) {
        accounts::set(&self.gateway, "demo", arguments);
    }

    fn encrypted(&self, nonce: &str) -> String {
        let shown = self.gateway.run_well(&["clock", "show", "--format", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let now = Timestamp::parse_utc(shown["now"].as_str().unwrap()).unwrap();
        let content = serde_json::json!({
            "card_number": CARD, "expiry_date": "3005", "card_security_code": "737",
            "jti": format!("{nonce}-0123456789abcdef"), "iat": now.unix_seconds(),
        });
        tollgate_vault::encrypt(content.to_string().as_bytes(), &self.key()).unwrap()
    }

    fn key(&self) -> Jwk {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.nobody), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(&self.gateway.address).unwrap());
        let request = "GET /.well-known/tollgate/jwks.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let shown: Value = serde_json::from_slice(&body_of(&mut stream).unwrap()).unwrap();
        let keys: Vec<Jwk> = serde_json::from_value(shown["keys"].clone()).unwrap();
        keys.into_iter().find(|key| key.algorithm() == Some(JweAlgorithm::EcdhEsA256Kw)).unwrap()
    }
}

#[test]
fn card_data_without_the_pinned_certificate_is_refused_and_everything_else_goes_on() {
    let mut bed = Bed::open(&[]);
    let (own, other) = (bed.client("own"), bed.client("other"));
    let [own_config, other_config] = [&own, &other].map(|client| client.config.clone().unwrap());
    let pay = |reference| payment("PURCHASE", reference, "1000", CARD);
    let with_token = [pay("first"), vec![("remember_me", "YES")]].concat();
    let first = bed.post(&bed.nobody, &with_token).unwrap();
    assert_eq!(field(&first, "response_code"), "14000", "asked for a certificate, a client may have none: {first:?}");
    assert_eq!(bed.code(&other_config, &pay("any")), "14000", "of an unlimited merchant any certificate is taken");

    bed.set(&["--client-cert", &format!("add:{}", own.pem.display())]);
    assert_eq!(bed.code(&bed.nobody, &pay("pinned")), "00040");
    assert_eq!(bed.code(&other_config, &pay("pinned")), "00040");
    let encrypted = bed.encrypted("pinned");
    let mut as_jwe = pay("encrypted");
    as_jwe.retain(|(name, _)| !name.starts_with("card_") && *name != "expiry_date");
    as_jwe.push(("encrypted_card_data", &encrypted));
    assert_eq!(bed.code(&bed.nobody, &as_jwe), "00040");
    // Nothing of a refused request was kept: neither the reference nor the nonce is used up.
    assert_eq!(bed.code(&own_config, &pay("pinned")), "14000");
    assert_eq!(bed.code(&own_config, &as_jwe), "14000");

    // By token and on orders: from anywhere, but for a security code beside a token.
    let token = field(&first, "token_name");
    let mut by_token = pay("by-token");
    by_token.retain(|(name, _)| !name.starts_with("card_") && *name != "expiry_date");
    by_token.push(("token_name", token));
    let with_code = [by_token.clone(), vec![("card_security_code", "123")]].concat();
    assert_eq!(bed.code(&bed.nobody, &with_code), "00040");
    assert_eq!(bed.code(&bed.nobody, &by_token), "14000");
    assert_eq!(bed.code(&bed.nobody, &operation("REFUND", "pinned", "1000")), "06000");
    assert_eq!(bed.code(&bed.nobody, &status("pinned")), "12000");

    let (ca, both) =
        (bed.authority.display().to_string(), bed.folder.path().join("own-both.pem").display().to_string());
    let pay_command = ["pay", "--amount", "10", "--card", CARD, "--expiry", "3005", "--cvv", "737", "--ca", &ca];
    let paid = bed.gateway.run_well(&[&pay_command[..], &["--client-cert", &both]].concat());
    assert!(paid.ends_with("paid\n"), "{paid}");
    let said = bed.gateway.run_badly(&[&pay_command[..], &["--client-cert", &own.pem.display().to_string()]].concat());
    assert!(said.contains("its private key"), "{said}");

    bed.set(&["--source-applies-to", "all"]);
    assert_eq!(bed.code(&bed.nobody, &status("pinned")), "00040");
    assert_eq!(bed.code(&own_config, &status("pinned")), "12000");

    let refusals = "tollgate_source_refusals_total{merchant=\"demo\",reason=\"certificate\"}";
    assert_eq!(bed.gateway.metric(refusals), Some(5.0));
    let story = bed.gateway.run_well(&["explain", "pinned"]);
    for part in ["00040", "without the client certificate", "none of this merchant's", other.fingerprint.as_str()] {
        assert!(story.contains(part), "{part} is missing: {story}");
    }
    assert!(bed.gateway.stop());
    let log = bed.gateway.output();
    assert!(log.contains("00040") && log.contains(&other.fingerprint), "the log names it");
    let log: Vec<&str> = log.lines().filter(|line| !line.trim_start().starts_with("tollgate pay ")).collect();
    let mut sinks = vec![Sink::text("the log", log.join("\n")), Sink::text("explain", story)];
    sinks.extend(files(&bed.gateway.data));
    Forbidden::new(&[CARD.to_owned()], &["737"]).assert_in_none(&sinks);
}

#[test]
fn a_certificate_is_changed_without_a_break_while_the_gateway_runs() {
    let bed = Bed::open(&[]);
    let (old, new) = (bed.client("old"), bed.client("new"));
    let [old_config, new_config] = [&old, &new].map(|client| client.config.clone().unwrap());
    let pay =
        |config: &Arc<ClientConfig>, reference: &str| bed.code(config, &payment("PURCHASE", reference, "1000", CARD));
    bed.set(&["--client-cert", &format!("add:{}", old.pem.display())]);
    assert_eq!((pay(&old_config, "1"), pay(&new_config, "2")), ("14000".into(), "00040".into()));
    let colons: Vec<String> = new.fingerprint.as_bytes().chunks(2).map(text).collect();
    bed.set(&["--client-cert", &format!("add:{}", colons.join(":").to_uppercase())]);
    assert_eq!((pay(&old_config, "3"), pay(&new_config, "4")), ("14000".into(), "14000".into()));
    let shown = bed.gateway.run_well(&["merchant", "show", "demo"]);
    assert!(shown.contains(&old.fingerprint) && shown.contains("until 2099-01-01"), "{shown}");
    assert!(shown.contains(&new.fingerprint) && shown.contains("its end is not known"), "{shown}");
    bed.set(&["--client-cert", &format!("remove:{}", old.fingerprint)]);
    assert_eq!((pay(&old_config, "5"), pay(&new_config, "6")), ("00040".into(), "14000".into()));
    // The last one does not go without a word.
    let remove = format!("remove:{}", new.pem.display());
    let said = bed.gateway.run_badly(&["merchant", "set", "demo", "--client-cert", &remove]);
    assert!(said.contains("--client-cert none"), "{said}");
    assert_eq!((pay(&bed.nobody, "7"), pay(&new_config, "8")), ("00040".into(), "14000".into()));
    bed.set(&["--client-cert", "none"]);
    assert_eq!(pay(&bed.nobody, "9"), "14000");
}

#[test]
fn whoever_shows_a_certificate_has_to_hold_its_key() {
    let bed = Bed::open(&[]);
    let (own, thief) = (bed.client("own"), bed.client("thief"));
    bed.set(&["--client-cert", &format!("add:{}", own.pem.display())]);
    let stolen = own.config_with_key(&bed.authority, thief.key.clone_key());
    let failed = bed.post(&stolen, &payment("PURCHASE", "stolen", "1000", CARD));
    assert!(failed.is_err(), "the handshake fails: {failed:?}");
    let own_config = own.config.clone().unwrap();
    // The second connection resumes the session of the first, and with it what was proven there.
    for reference in ["first", "resumed"] {
        assert_eq!(bed.code(&own_config, &payment("PURCHASE", reference, "1000", CARD)), "14000");
    }
}

#[test]
fn an_expired_certificate_is_refused_and_said_before() {
    let bed = Bed::open(&[]);
    let expired = bed.client_until("expired", in_days(-1));
    let config = expired.config.clone().unwrap();
    bed.set(&["--client-cert", &format!("add:{}", expired.fingerprint)]);
    assert_eq!(bed.code(&config, &payment("PURCHASE", "expired", "1000", CARD)), "00040");
    let story = bed.gateway.run_well(&["explain", "expired"]);
    assert!(story.contains("has expired"), "{story}");
    let client = bed.client_until("ending", in_days(20));
    bed.set(&["--client-cert", "none", "--client-cert", &format!("add:{}", client.pem.display())]);
    let shown = bed.gateway.run_well(&["merchant", "show", "demo"]);
    assert!(shown.contains("ends in 19 days") || shown.contains("ends in 20 days"), "{shown}");
    let config = client.config.clone().unwrap();
    assert_eq!(bed.code(&config, &payment("PURCHASE", "good", "1000", CARD)), "14000");
    let log = bed.gateway.output();
    assert!(log.contains("a client certificate ends soon, and is refused then"), "it is said when it is used");
    bed.gateway.run_well(&["clock", "advance", "21d"]);
    crate::support::wait_for("the log tells the end without any request", || {
        let log = bed.gateway.output();
        log.lines().any(|line| line.contains("or has ended") && line.contains(&client.fingerprint)).then_some(())
    });
    assert_eq!(bed.code(&config, &payment("PURCHASE", "too-late", "1000", CARD)), "00040");
}

/// The day that so many days from now is.
fn in_days(days: i64) -> Utc {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_micros()).unwrap() + days * DAY_US).utc()
}

#[test]
fn mistakes_in_certificates_and_networks_are_refused_and_change_nothing() {
    let gateway = Gateway::start();
    let before = gateway.run_well(&["merchant", "show", "demo"]);
    let sha1 = format!("add:{}", "0".repeat(40));
    let no_pem = gateway.data.join("tollgate.db");
    let no_pem = format!("add:{}", no_pem.display());
    for (option, value, said) in [
        ("--client-cert", "01", "add:X, remove:X or none"),
        ("--client-cert", sha1.as_str(), "64 hex digits"),
        ("--client-cert", no_pem.as_str(), "no certificate in PEM"),
        ("--source", "add:10.0.0.1/8", "other bits zero"),
        ("--source", "add:example.org", "no network"),
        ("--source", "remove:10.0.0.0/8", "has no source network"),
        ("--source-applies-to", "some", "card-data or all"),
    ] {
        let error = gateway.run_badly(&["merchant", "set", "demo", option, value]);
        assert!(error.contains(said), "{option} {value}: {error}");
    }
    assert_eq!(gateway.run_well(&["merchant", "show", "demo"]), before);
}

#[test]
fn source_addresses_are_limited_per_merchant() {
    let gateway = Gateway::start();
    let demo = gateway.demo();
    let pay = |from: &str, reference: &str| code_from(&gateway, &demo, from, "", reference);
    assert_eq!(pay("127.0.0.3", "open"), "14000");
    accounts::set(&gateway, "demo", &["--source", "add:127.0.0.2/31", "--source", "add:2001:db8::/32"]);
    assert_eq!(pay("127.0.0.3", "inside"), "14000");
    assert_eq!(pay("127.0.0.1", "outside"), "00040");
    let forged = code_from(&gateway, &demo, "127.0.0.1", "X-Forwarded-For: 127.0.0.3\r\n", "forged");
    assert_eq!(forged, "00040", "no proxy is configured, so that nobody's header counts");
    let story = gateway.run_well(&["explain", "outside"]);
    assert!(story.contains("it came from 127.0.0.1"), "{story}");
    let refusals = "tollgate_source_refusals_total{merchant=\"demo\",reason=\"address\"}";
    assert_eq!(gateway.metric(refusals), Some(2.0));
    accounts::set(&gateway, "demo", &["--source", "remove:127.0.0.2/31", "--source", "add:127.0.0.1"]);
    assert_eq!((pay("127.0.0.1", "now-inside"), pay("127.0.0.3", "now-outside")), ("14000".into(), "00040".into()));
    accounts::set(&gateway, "demo", &["--source", "none"]);
    assert_eq!(pay("127.0.0.3", "open-again"), "14000");
}

#[test]
fn headers_are_believed_of_the_named_proxies_and_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let client = {
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(vec!["shop".to_owned()]).unwrap().self_signed(&key).unwrap()
    };
    let pem = folder.path().join("client.pem");
    std::fs::write(&pem, client.pem()).unwrap();
    let gateway = Gateway::start_with(&[
        ("TOLLGATE_SERVER_PROXY_NETWORKS", "127.0.0.2,10.0.0.0/8"),
        ("TOLLGATE_SERVER_PROXY_ADDRESS_HEADER", "X-Forwarded-For"),
        ("TOLLGATE_SERVER_PROXY_CERTIFICATE_HEADER", "X-SSL-Client-Cert"),
    ]);
    let demo = gateway.demo();
    let pay = |from: &str, headers: &str, reference: &str| code_from(&gateway, &demo, from, headers, reference);
    accounts::set(&gateway, "demo", &["--source", "add:192.0.2.0/24"]);
    for (place, (from, forwarded, code)) in [
        ("127.0.0.2", "192.0.2.1", "14000"),
        ("127.0.0.2", "::ffff:192.0.2.1", "14000"),
        ("127.0.0.2", "198.51.100.1, 192.0.2.1, 10.1.1.1", "14000"),
        ("127.0.0.2", "192.0.2.1, 198.51.100.1", "00040"),
        ("127.0.0.2", "192.0.2.1, 198.51.100.1, 10.1.1.1", "00040"),
        ("127.0.0.2", "unknown", "00040"),
        ("127.0.0.1", "192.0.2.1", "00040"),
        ("127.0.0.3", "192.0.2.1", "00040"),
    ]
    .into_iter()
    .enumerate()
    {
        let header = format!("X-Forwarded-For: {forwarded}\r\n");
        assert_eq!(pay(from, &header, &format!("address-{place}")), code, "{from} {forwarded}");
    }
    assert_eq!(pay("127.0.0.2", "", "not-told"), "00040");

    let add = format!("add:{}", pem.display());
    accounts::set(&gateway, "demo", &["--source", "none", "--client-cert", &add]);
    let escaped: String = client.pem().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let told = format!("X-SSL-Client-Cert: {escaped}\r\n");
    assert_eq!(pay("127.0.0.2", &told, "told"), "14000");
    assert_eq!(pay("127.0.0.3", &told, "forged"), "00040", "the certificate is no secret: anybody may send it");
    assert_eq!(pay("127.0.0.2", &format!("{told}{told}"), "twice"), "00040");
    assert_eq!(pay("127.0.0.2", "", "none"), "00040");
}

/// The code of a payment sent from an address of this machine.
fn code_from(gateway: &Gateway, demo: &Merchant, from: &str, headers: &str, reference: &str) -> String {
    let body = demo.sign(&payment("PURCHASE", reference, "1000", CARD));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let to: SocketAddr = gateway.address.parse().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(crate::support::WAIT_MAX)).unwrap();
    let answer = exchange_on(&mut { stream }, &gateway.address, headers, &body).unwrap();
    demo.check(&answer);
    field(&answer, "response_code").to_owned()
}

/// Posts a body and reads the answer's JSON.
fn exchange_on(
    stream: &mut (impl Read + Write),
    host: &str,
    headers: &str,
    body: &[u8],
) -> std::io::Result<Map<String, Value>> {
    let head = format!(
        "POST /FortAPI/paymentApi HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let body = body_of(stream)?;
    Ok(serde_json::from_slice(&body).unwrap_or_else(|_| panic!("no JSON: {}", text(&body))))
}

/// The body of an answer, which has to be HTTP 200.
fn body_of(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(read.err().unwrap_or_else(|| std::io::Error::other("no answer")));
    };
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", text(&answer));
    Ok(answer[end + 4..].to_vec())
}
