//! A gateway in production: a folder made by `tollgate init`, TLS of a private authority everywhere, and the card network,
//! its directory server and its ACS in a process of their own behind proxies that end TLS.

use crate::support::card_network::CardNetwork;
use crate::support::customer::{Customer, Form, went_back};
use crate::support::shop::assert_code;
use crate::support::wire::HttpAnswer;
use crate::support::{Gateway, Merchant, accounts, command, field, payment, text};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const CHALLENGED: &str = "4557012345678902";
const BACK: &str = "https://shop.example/pay/return";

#[test]
fn a_production_folder_is_made_on_purpose_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let run = |words: &[&str]| command().args(words).arg("--data").arg(&data).output().unwrap();
    let started = run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let said = text(&started.stderr);
    assert!(!started.status.success() && said.contains("tollgate init"), "{said}");
    assert!(!data.join("tollgate.db").exists() && !data.join("keys").exists(), "nothing was begun");
    let made = run(&["init"]);
    assert!(made.status.success() && text(&made.stdout).contains("merchant add"), "{}", text(&made.stderr));
    let keys = std::fs::read_dir(data.join("keys")).unwrap().count();
    let again = run(&["init"]);
    assert!(!again.status.success() && text(&again.stderr).contains("already"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_dir(data.join("keys")).unwrap().count(), keys, "its keys are as they were");
    assert!(text(&run(&["audit", "verify"]).stdout).contains("unbroken"), "its log is begun");
    assert!(!text(&run(&["merchant", "list"]).stdout).contains("demo"), "nobody's account");
    assert!(!data.join("sandbox").exists());
}

#[test]
fn customers_are_authenticated_over_https_with_a_private_authority() {
    let bed = Bed::open();
    let params = [("return_url", BACK), ("eci", "ECOMMERCE"), ("expiry_date", "3005"), ("card_security_code", "123")];
    let params = crate::support::shop::with(payment("PURCHASE", "by-API", "15000", CHALLENGED), &params);
    let params: Vec<_> = params.into_iter().filter(|(name, _)| *name != "check_3ds").collect();
    let answer = bed.gateway.call(&bed.shop, &params);
    assert_code(&answer, "20064", "by the API");
    let url = field(&answer, "3ds_url");
    let path = url.strip_prefix(&bed.public_url).unwrap_or_else(|| panic!("{url}"));
    let customer = Customer::sent_to(&bed.gateway, &format!("http://{}{path}", bed.gateway.address));
    assert_code(&bed.passes(&customer, customer.look()), "14000", "by the API");

    let order = [
        ("command", "AUTHORIZATION"),
        ("merchant_reference", "on-the-page"),
        ("amount", "15000"),
        ("currency", "AED"),
        ("customer_email", "jo@example.org"),
        ("return_url", BACK),
    ];
    let customer = Customer::arrive(&bed.gateway, &bed.shop, &order);
    let page = customer.look();
    let policy = page.header("strict-transport-security").expect("browsers come by https only");
    assert!(policy.starts_with("max-age="), "{policy}");
    assert_code(&bed.passes(&customer, customer.type_card(CHALLENGED, &[])), "02000", "on-the-page");

    for reference in ["by-API", "on-the-page"] {
        let story = bed.gateway.run_well(&["explain", reference]);
        assert!(story.contains("the customer passed the challenge") && story.contains("liability"), "{story}");
    }
    let said = [bed.gateway.output(), bed.network.output()].concat();
    assert!(said.contains("the 3DS Server has the RReq") && !said.contains("could not"), "{said}");
    assert!(!said.contains(CHALLENGED), "no card number in a log");
}

/// Everything that runs.
struct Bed {
    _folder: tempfile::TempDir,
    _relays: [Relay; 3],
    network: CardNetwork,
    /// Its address is that of a relay which speaks TLS to it.
    gateway: Gateway,
    public_url: String,
    acs_url: String,
    acs: String,
    shop: Merchant,
}

impl Bed {
    fn open() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let files = Certificates::make(folder.path());
        let (ds, acs) = (Relay::ending_tls(&files), Relay::ending_tls(&files));
        let acs_url = format!("https://{}", acs.address);
        let authority = files.authority.display().to_string();
        let options = ["--acs-url", &acs_url, "--ds-ca-certificates", &authority];
        let network = CardNetwork::start(&folder.path().join("network"), &options);
        ds.lead_to(&network.ds);
        acs.lead_to(&network.acs);

        let data = folder.path().join("data");
        let made = command().args(["init", "--data"]).arg(&data).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let (chain, key) = (files.chain.display().to_string(), files.key.display().to_string());
        let ds_url = format!("https://{}/ds", ds.address);
        let environment = [
            ("TOLLGATE_SERVER_TLS_CERTIFICATE", chain.as_str()),
            ("TOLLGATE_SERVER_TLS_KEY", &key),
            ("TOLLGATE_ACQUIRER_ADDRESS", &network.iso),
            ("TOLLGATE_THREE_DS_DIRECTORY_SERVER_URL", &ds_url),
            ("TOLLGATE_THREE_DS_CA_CERTIFICATES", &authority),
            ("TOLLGATE_THREE_DS_ACQUIRER_BIN", "412345"),
            ("TOLLGATE_THREE_DS_REQUESTOR_ID", "R-1"),
            ("TOLLGATE_THREE_DS_REQUESTOR_NAME", "Shop"),
            ("TOLLGATE_THREE_DS_REQUESTOR_URL", "https://shop.example"),
            ("TOLLGATE_THREE_DS_SERVER_REFERENCE", "S-1"),
        ];
        let mut gateway = Gateway::serve(&data, &[], &environment);
        let shop = accounts::add(&gateway, "shop", &[]);
        accounts::set(&gateway, "shop", &["--three-ds", "always"]);
        crate::support::wait_for("the card ranges", || gateway.output().contains("card ranges of the").then_some(()));
        let public_url = format!("https://{}", gateway.address);
        let browser = Relay::speaking_tls(&files, &gateway.address);
        gateway.address.clone_from(&browser.address);
        let (acs_plain, relays) = (network.acs.clone(), [ds, acs, browser]);
        Bed { _folder: folder, _relays: relays, network, gateway, public_url, acs_url, acs: acs_plain, shop }
    }

    /// Goes to the issuer, types the code that it shows, and goes back to the shop with what comes then.
    fn passes(&self, customer: &Customer, answer: HttpAnswer) -> serde_json::Map<String, serde_json::Value> {
        let challenge = self.in_clear(customer.go_on(answer));
        let issuer = customer.at_the_issuer(&challenge);
        let end = self.in_clear(customer.send(&issuer.form("submit", Some(&issuer.shown_code()))));
        customer.send(&Form::to(&text(&end.body), "/challenged"));
        went_back(&self.shop, &customer.go_on(customer.look())).fields
    }

    /// A page whose https addresses are those of the relays, since the customer of these tests speaks no TLS.
    fn in_clear(&self, answer: HttpAnswer) -> HttpAnswer {
        let html = text(&answer.body)
            .replace(&self.acs_url, &format!("http://{}", self.acs))
            .replace(&self.public_url, &format!("http://{}", self.gateway.address));
        HttpAnswer { body: html.into_bytes(), ..answer }
    }
}

/// PEM files: an authority of its own, and a server at 127.0.0.1 that it vouches for.
struct Certificates {
    authority: PathBuf,
    chain: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn make(folder: &Path) -> Certificates {
        let authority_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &Issuer::new(params, authority_key)).unwrap();
        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            std::fs::write(&path, pem).unwrap();
            path
        };
        Certificates {
            authority: write("authority.pem", authority.pem()),
            chain: write("chain.pem", server.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}

/// Passes bytes on, with TLS on one side.
struct Relay {
    /// Where it listens.
    address: String,
    target: Arc<OnceLock<String>>,
    _runtime: tokio::runtime::Runtime,
}

/// On which side TLS is.
#[derive(Clone)]
enum Side {
    Caller(TlsAcceptor),
    Target(TlsConnector),
}

impl Relay {
    /// Callers come by TLS.
    fn ending_tls(files: &Certificates) -> Relay {
        let chain = CertificateDer::pem_file_iter(&files.chain).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Relay::start(Side::Caller(TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()))))
    }

    /// The target is spoken to by TLS.
    fn speaking_tls(files: &Certificates, target: &str) -> Relay {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.authority).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let relay = Relay::start(Side::Target(TlsConnector::from(Arc::new(config.with_no_client_auth()))));
        relay.lead_to(target);
        relay
    }

    fn lead_to(&self, target: &str) {
        self.target.set(target.to_owned()).expect("it leads to one place");
    }

    fn start(side: Side) -> Relay {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = Arc::new(OnceLock::new());
        let leads_to = Arc::clone(&target);
        runtime.spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(pass_on(caller, side.clone(), Arc::clone(&leads_to)));
            }
        });
        Relay { address, target, _runtime: runtime }
    }
}

/// A connection that breaks is for both of its ends to see.
async fn pass_on(mut caller: TcpStream, side: Side, target: Arc<OnceLock<String>>) -> std::io::Result<()> {
    let mut there = TcpStream::connect(target.get().expect("it leads somewhere")).await?;
    match side {
        Side::Caller(acceptor) => copy_bidirectional(&mut acceptor.accept(caller).await?, &mut there).await?,
        Side::Target(connector) => {
            let name = ServerName::try_from("127.0.0.1").expect("an address");
            copy_bidirectional(&mut caller, &mut connector.connect(name, there).await?).await?
        }
    };
    Ok(())
}
