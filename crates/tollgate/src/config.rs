//! The configuration: defaults, then one TOML file, then the environment, then flags.
//!
//! An environment variable is named after its setting: `TOLLGATE_SERVER_LISTEN` is `listen` in
//! `[server]`. A setting that does not exist is an error, in the file and in the environment alike.

use crate::passphrases::PassphraseSource;
use crate::sandbox::Mode;
use crate::three_ds_link::ThreeDsConfig;
use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tollgate_acquirer::{ANSWER_TIMEOUT_MS_MAX, LinkSettings};
use tollgate_app::{BatchSettings, GatewaySettings, PUBLIC_URL_CHARS_MAX, ReportSettings, ScheduleSettings};
use tollgate_core::page::WebOrigin;
use tollgate_core::source::Network;
use tollgate_feedback::FeedbackSettings;
use tollgate_http::pages::view::{Transport, World};
use tollgate_http::{ClientCertificates, PageHost, ProxySettings};
use tollgate_notify::{MailSettings, MessageSettings, SmsSettings};

/// The whole configuration.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where merchants connect.
    pub server: ServerConfig,
    /// Where operators connect.
    pub admin: AdminConfig,
    /// The link to the card network.
    pub acquirer: LinkSettings,
    /// Numbers and times of the gateway.
    pub gateway: GatewaySettings,
    /// Times and limits of transaction feedback.
    pub feedback: FeedbackSettings,
    /// How often messages to customers are tried, and how many there may be.
    pub messages: MessageSettings,
    /// The mail server.
    pub mail: MailSettings,
    /// The provider of text messages.
    pub sms: SmsSettings,
    /// Where key-encryption keys are.
    pub keys: KeysConfig,
    /// How files of rows are taken and carried out.
    pub batch: BatchSettings,
    /// How due dates are charged that the gateway charges by itself.
    pub schedules: ScheduleSettings,
    /// Limits of the reports that merchants order.
    pub report: ReportSettings,
    /// The way to a directory server of 3-D Secure.
    pub three_ds: ThreeDsConfig,
    /// Logs.
    pub log: LogSettings,
}

/// Where merchants connect.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// The address at which customers' browsers reach the server, where it is not the one it listens on: for example
    /// `https://pay.example`.
    pub public_url: Option<String>,
    /// PEM file of the certificate chain; with `tls_key`, the server speaks TLS.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of the private key.
    pub tls_key: Option<PathBuf>,
    /// Whether clients are asked for a certificate in the TLS handshake.
    pub client_certificates: ClientCertificates,
    /// What stands in front of a server that speaks plain HTTP.
    pub plain_http: PlainHttp,
    /// The addresses of proxies in front, whose headers are believed.
    #[serde(deserialize_with = "networks")]
    pub proxy_networks: Vec<Network>,
    /// The header in which they tell the client's address, as X-Forwarded-For does.
    pub proxy_address_header: Option<String>,
    /// The header in which they tell the client's certificate.
    pub proxy_certificate_header: Option<String>,
    /// Connections at once.
    pub connections_max: usize,
    /// How long a stop waits for requests under way, in milliseconds.
    pub stop_timeout_ms: u64,
}

/// Where plain HTTP may be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlainHttp {
    /// On loopback addresses only.
    LoopbackOnly,
    /// On any address: a TLS proxy stands in front, on a network that only it reaches.
    BehindTlsProxy,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            tls_certificate: None,
            tls_key: None,
            client_certificates: ClientCertificates::default(),
            plain_http: PlainHttp::LoopbackOnly,
            proxy_networks: Vec::new(),
            proxy_address_header: None,
            proxy_certificate_header: None,
            connections_max: 4096,
            stop_timeout_ms: 60_000,
        }
    }
}

impl ServerConfig {
    fn check_public_url(&self) -> anyhow::Result<()> {
        let Some(url) = &self.public_url else { return Ok(()) };
        let address = url.trim_end_matches('/');
        if WebOrigin::parse(address).is_none() || address.len() > PUBLIC_URL_CHARS_MAX {
            bail!(
                "server.public_url = \"{url}\" is not the origin of a website: write https:// and a host, and a port if need \
                 be, at most {PUBLIC_URL_CHARS_MAX} characters, for example https://pay.example"
            );
        }
        Ok(())
    }

    /// The proxies in front, and what they tell.
    ///
    /// # Errors
    /// When a header's name is none, or is believed of nobody or of everybody.
    pub fn proxies(&self) -> anyhow::Result<ProxySettings> {
        let header = |setting: &str, name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => http::HeaderName::try_from(name.as_str())
                .map(Some)
                .with_context(|| format!("server.{setting} is the name of a header, not {name:?}")),
        };
        let address_header = header("proxy_address_header", &self.proxy_address_header)?;
        let certificate_header = header("proxy_certificate_header", &self.proxy_certificate_header)?;
        let names_header = address_header.is_some() || certificate_header.is_some();
        if names_header && self.proxy_networks.is_empty() {
            bail!("server.proxy_networks is empty: name the proxies whose headers are to be believed");
        }
        if let Some(network) = self.proxy_networks.iter().find(|network| network.is_everything()) {
            bail!("server.proxy_networks has {network}: then everybody could claim to be anybody");
        }
        Ok(ProxySettings { networks: self.proxy_networks.clone(), address_header, certificate_header })
    }

    /// Whether a client's certificate can come to be seen at all.
    pub fn sees_certificates(&self) -> bool {
        let asks = self.tls_certificate.is_some() && self.client_certificates == ClientCertificates::Ask;
        asks || self.proxy_certificate_header.is_some()
    }
}

/// Networks as a list, or, as the environment has it, as one text with commas.
fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let texts = match <Written as serde::Deserialize>::deserialize(deserializer)? {
        Written::Text(text) => text.split(',').map(|text| text.trim().to_owned()).collect(),
        Written::List(texts) => texts,
    };
    let read = |text: &String| {
        Network::parse(text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no address and no network such as 10.0.0.0/8 or 2001:db8::/32, its other bits zero"
            ))
        })
    };
    texts.iter().filter(|text| !text.is_empty()).map(read).collect()
}

/// Where operators connect.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port of health and metrics.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8081)) }
    }
}

/// Where key-encryption keys are. Every command that opens cards reads it, not only the gateway.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// Who holds them.
    pub provider: KeysProvider,
    /// The module of the HSM: a shared library.
    pub pkcs11_module: Option<PathBuf>,
    /// The token's label; this or `pkcs11_slot`.
    pub pkcs11_token_label: Option<String>,
    /// The token's slot.
    pub pkcs11_slot: Option<u64>,
    /// A file with the PIN of the token's user, readable by its owner alone.
    pub pkcs11_pin_file: Option<PathBuf>,
    /// The name of an environment variable that holds it, instead of a file.
    pub pkcs11_pin_env: Option<String>,
    /// Keys are labelled `LABEL-VERSION` [default: tollgate-kek].
    pub pkcs11_key_label: Option<String>,
    /// How long a call of the module may take, in milliseconds [default: 5000].
    pub pkcs11_call_ms_max: Option<u64>,
    /// Where the passphrases of custodians are, for a start without them: `NAME=FILE` or `NAME=env:VARIABLE`, with
    /// commas between. Whoever reads them all has the key.
    pub custodian_passphrases: Option<String>,
}

/// Who holds key-encryption keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeysProvider {
    /// The folder `keys` in the data folder.
    #[default]
    File,
    /// A PKCS#11 token, which they never leave.
    Pkcs11,
}

/// Logs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,tollgate_acquirer=debug`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For machines.
    Json,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { level: "info".into(), format: LogFormat::Text }
    }
}

/// The longest time after which a merchant may have an answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 50_000;
/// What the store may take of it, before and after the network, in milliseconds.
const STORE_MS: u64 = ANSWER_MS_MAX - ANSWER_TIMEOUT_MS_MAX;
/// What every environment variable of ours begins with.
const ENVIRONMENT_PREFIX: &str = "TOLLGATE_";
/// Variables with that beginning which are no settings.
const ENVIRONMENT_OTHERS: &[&str] = &["TOLLGATE_DATA", "TOLLGATE_CONFIG"];

impl Config {
    /// Reads `file` if one is named, else `fallback` if it exists, then the environment.
    ///
    /// # Errors
    /// When a file or a variable cannot be read, or names a setting that does not exist.
    pub fn load(file: Option<&Path>, fallback: &Path, environment: &[(String, String)]) -> anyhow::Result<Config> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("the configuration {} cannot be read", path.display()))?,
            None => std::fs::read_to_string(fallback).unwrap_or_default(),
        };
        let shown = file.unwrap_or(fallback).display();
        let mut table: toml::Table = toml::from_str(&text).with_context(|| format!("{shown} is no TOML"))?;
        overlay(&mut table, environment)?;
        let config: Config = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| anyhow::anyhow!("{shown}: {}: {}", error.path(), error.inner()))?;
        config.check()?;
        Ok(config)
    }

    /// The checks that need no file and no network.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        let server = &self.server;
        if server.tls_certificate.is_some() != server.tls_key.is_some() {
            bail!("server.tls_certificate and server.tls_key go together: set both or none");
        }
        let plain = server.tls_certificate.is_none();
        if plain && !server.listen.ip().is_loopback() && server.plain_http == PlainHttp::LoopbackOnly {
            bail!(
                "{} is no loopback address and no TLS is set up: card data would cross the network in clear. Set \
                 server.tls_certificate and server.tls_key, or, if a TLS proxy stands in front, \
                 server.plain_http = \"behind-tls-proxy\"",
                server.listen
            );
        }
        server.proxies()?;
        if server.connections_max == 0 {
            bail!("server.connections_max is 0: nobody could connect");
        }
        if !(1..=ANSWER_MS_MAX).contains(&self.gateway.answer_ms_max) {
            bail!("gateway.answer_ms_max is 1 to {ANSWER_MS_MAX}: a merchant has an answer within 50 seconds");
        }
        if self.acquirer.answer_timeout_ms > ANSWER_TIMEOUT_MS_MAX {
            bail!(
                "acquirer.answer_timeout_ms = {} is more than {ANSWER_TIMEOUT_MS_MAX}: a merchant has an answer within 50 \
                 seconds, and the store may need 10 of them. An answer of the network that comes later still settles its \
                 payment, as a late one",
                self.acquirer.answer_timeout_ms
            );
        }
        self.keys.check()?;
        self.acquirer.check()?;
        self.three_ds.check()?;
        self.messages.check()?;
        self.mail.check()?;
        self.sms.check()?;
        self.server.check_public_url()?;
        self.check_three_ds_way_back()?;
        crate::logging::level(&self.log)?;
        Ok(())
    }

    /// Customers and the directory server are told an address, and nobody can come to 0.0.0.0, or to one behind a proxy.
    fn check_three_ds_way_back(&self) -> anyhow::Result<()> {
        let server = &self.server;
        let is_reached_as_it_listens =
            !server.listen.ip().is_unspecified() && server.plain_http != PlainHttp::BehindTlsProxy;
        if self.three_ds.directory_server_url.is_none() || server.public_url.is_some() || is_reached_as_it_listens {
            return Ok(());
        }
        bail!(
            "3-D Secure tells customers and the directory server where to come to, and server.listen = {} is no such address: set \
             server.public_url, for example https://pay.example",
            server.listen
        );
    }

    /// What works, but not as it is meant.
    pub fn warnings(&self) -> Vec<String> {
        let slowest_ms = self.acquirer.answer_timeout_ms.saturating_add(STORE_MS);
        if slowest_ms <= self.gateway.answer_ms_max {
            return Vec::new();
        }
        vec![format!(
            "acquirer.answer_timeout_ms = {} leaves no time before gateway.answer_ms_max = {}: an answer of the network that \
             comes after it reaches the merchant through CHECK_STATUS only, and 15777 before. At most {} fits",
            self.acquirer.answer_timeout_ms,
            self.gateway.answer_ms_max,
            self.gateway.answer_ms_max.saturating_sub(STORE_MS)
        )]
    }

    /// The address at which customers' browsers reach the gateway, without a slash at its end.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        match &self.server.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{listening}", self.scheme()),
        }
    }

    /// How the pages for customers are served.
    pub fn page_host(&self, mode: Mode) -> PageHost {
        PageHost {
            world: match mode {
                Mode::Sandbox => World::Sandbox,
                Mode::Production => World::Live,
            },
            transport: match (self.scheme(), self.server.plain_http) {
                ("https", _) | (_, PlainHttp::BehindTlsProxy) => Transport::Tls,
                _ => Transport::Clear,
            },
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.server.tls_certificate.is_some() { "https" } else { "http" }
    }
}

impl KeysConfig {
    /// The section of the configuration that commands go by: of the file that `TOLLGATE_CONFIG` names, else
    /// of `fallback` if it exists, and of the environment. Other sections are not looked at, because a
    /// command has no use for them.
    ///
    /// # Errors
    /// When the file cannot be read, or names a setting that does not exist.
    pub fn load(fallback: &Path) -> anyhow::Result<KeysConfig> {
        let named = std::env::var_os("TOLLGATE_CONFIG").map(PathBuf::from);
        let shown = named.as_deref().unwrap_or(fallback).display();
        let text = match &named {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?,
            None => std::fs::read_to_string(fallback).unwrap_or_default(),
        };
        let mut table: toml::Table = toml::from_str(&text).with_context(|| format!("{shown} is no TOML"))?;
        let ours = |(name, _): &(String, String)| name.starts_with("TOLLGATE_KEYS_");
        let environment: Vec<_> = environment().into_iter().filter(ours).collect();
        overlay(&mut table, &environment)?;
        let keys = table.remove("keys").unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
        serde_path_to_error::deserialize(keys)
            .map_err(|error| anyhow::anyhow!("{shown}: keys.{}: {}", error.path(), error.inner()))
    }

    /// The checks that need no file and no module.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        PassphraseSource::parse_all(self.custodian_passphrases.as_deref())?;
        if self.provider == KeysProvider::File {
            return Ok(());
        }
        if self.custodian_passphrases.is_some() {
            bail!("keys.custodian_passphrases is for keys in files: a token has ways of its own to share a key");
        }
        if self.pkcs11_module.is_none() {
            bail!("keys.provider is \"pkcs11\": name the module's shared library in keys.pkcs11_module");
        }
        if self.pkcs11_token_label.is_some() == self.pkcs11_slot.is_some() {
            bail!("name the token by keys.pkcs11_token_label or by keys.pkcs11_slot: one of the two");
        }
        if self.pkcs11_pin_file.is_some() == self.pkcs11_pin_env.is_some() {
            bail!("say where the PIN is, by keys.pkcs11_pin_file or keys.pkcs11_pin_env: one of the two");
        }
        Ok(())
    }
}

/// The environment of this process, as far as it is ours.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX) && !ENVIRONMENT_OTHERS.contains(&name.as_str()))
        .collect()
}

/// Puts environment variables over the table of the file.
fn overlay(table: &mut toml::Table, environment: &[(String, String)]) -> anyhow::Result<()> {
    for (name, value) in environment {
        let rest = name.trim_start_matches(ENVIRONMENT_PREFIX).to_ascii_lowercase();
        let in_section = |section: &&'static str| Some((*section, rest.strip_prefix(*section)?.strip_prefix('_')?));
        let Some((section, key)) = SECTIONS.iter().find_map(in_section) else {
            bail!(
                "{name} is no setting: a variable is TOLLGATE_<SECTION>_<SETTING>, with a section of {}",
                SECTIONS.join(", ")
            );
        };
        let entry = table.entry(section.to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(section) = entry else { bail!("{section} is no section in the configuration file") };
        section.insert(key.to_owned(), value_of(value));
    }
    Ok(())
}

/// The sections of the configuration.
const SECTIONS: &[&str] = &[
    "server",
    "admin",
    "acquirer",
    "gateway",
    "feedback",
    "keys",
    "batch",
    "schedules",
    "report",
    "messages",
    "mail",
    "sms",
    "three_ds",
    "log",
];

/// A number or a truth value where the text is one, else the text. Digits with zeros before them are a
/// name, not a number.
fn value_of(text: &str) -> toml::Value {
    match (text.parse::<i64>(), text) {
        (Ok(number), _) if number.to_string() == text => toml::Value::Integer(number),
        (_, "true") => toml::Value::Boolean(true),
        (_, "false") => toml::Value::Boolean(false),
        _ => toml::Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.toml");
        std::fs::write(&file, text).unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::load(Some(&file), &file, &environment)
    }

    #[test]
    fn nothing_given_is_the_default() {
        let config = load("", &[]).unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(config.scheme(), "http");
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let config =
            load("[server]\nlisten = \"127.0.0.1:1\"\n", &[("TOLLGATE_SERVER_LISTEN", "127.0.0.1:2")]).unwrap();
        assert_eq!(config.server.listen.port(), 2);
    }

    #[test]
    fn a_section_with_two_words_is_known_in_the_environment() {
        let environment =
            [("TOLLGATE_THREE_DS_ANSWER_TIMEOUT_MS", "7000"), ("TOLLGATE_THREE_DS_ACQUIRER_BIN", "412345")];
        let config = load("", &environment).unwrap();
        assert_eq!(config.three_ds.answer_timeout_ms, 7_000);
        let error = load("", &[("TOLLGATE_THREE_X", "1")]).unwrap_err().to_string();
        assert!(error.contains("TOLLGATE_THREE_X") && error.contains("three_ds"), "{error}");
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named() {
        let error = load("[server]\nlissen = \"127.0.0.1:1\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains("lissen"), "{error}");
        let error = load("", &[("TOLLGATE_SERVER_LISSEN", "x")]).unwrap_err().to_string();
        assert!(error.contains("lissen"), "{error}");
        assert!(load("", &[("TOLLGATE_NOWHERE_X", "1")]).unwrap_err().to_string().contains("TOLLGATE_NOWHERE_X"));
    }

    #[test]
    fn passphrases_of_custodians_are_named_and_never_written_here() {
        let keys = |text: &str| load(&format!("[keys]\n{text}"), &[]).map_err(|error| format!("{error:#}"));
        keys("custodian_passphrases = \"ada=/run/ada,grace=env:GRACE\"\n").unwrap();
        let written = keys("custodian_passphrases = \"five small owls ate a blue door\"\n").unwrap_err();
        assert!(written.contains("never an argument") && !written.contains("owls"), "{written}");
        let token = "provider = \"pkcs11\"\ncustodian_passphrases = \"ada=/run/ada\"\n";
        assert!(keys(token).unwrap_err().contains("for keys in files"));
    }

    #[test]
    fn proxies_are_named_by_networks_and_never_everybody() {
        let text = "[server]\nproxy_networks = [\"10.0.0.0/8\", \"::1\"]\nproxy_address_header = \"X-Forwarded-For\"\n";
        let proxies = load(text, &[]).unwrap().server.proxies().unwrap();
        assert_eq!(proxies.networks.len(), 2);
        assert_eq!(proxies.address_header.unwrap(), "x-forwarded-for");
        let environment = [("TOLLGATE_SERVER_PROXY_NETWORKS", "10.0.0.0/8, 192.0.2.1")];
        assert_eq!(load("", &environment).unwrap().server.proxy_networks.len(), 2);
        for (wrong, said) in [
            ("proxy_networks = [\"10.0.0.1/8\"]", "10.0.0.1/8"),
            ("proxy_networks = [\"0.0.0.0/0\"]", "everybody"),
            ("proxy_address_header = \"X-Forwarded-For\"", "proxy_networks is empty"),
            ("proxy_networks = [\"10.0.0.1\"]\nproxy_certificate_header = \"a b\"", "proxy_certificate_header"),
            ("client_certificates = \"demand\"", "client_certificates"),
        ] {
            let error = load(&format!("[server]\n{wrong}\n"), &[]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_merchant_has_an_answer_within_50_seconds_however_long_the_link_may_wait() {
        let longest = load("[acquirer]\nanswer_timeout_ms = 40000\n", &[]).unwrap();
        assert_eq!(longest.warnings(), Vec::<String>::new());
        let longer = load("[acquirer]\nanswer_timeout_ms = 40001\n", &[]).unwrap_err().to_string();
        assert!(longer.contains("more than 40000") && longer.contains("within 50 seconds"), "{longer}");
        let early = load("[gateway]\nanswer_ms_max = 25000\n", &[]).unwrap();
        assert!(early.warnings()[0].contains("At most 15000"), "{:?}", early.warnings());
        assert!(load("[gateway]\nanswer_ms_max = 50001\n", &[]).is_err());
        assert!(load("[gateway]\nanswer_ms_max = 0\n", &[]).is_err());
    }

    #[test]
    fn three_d_secure_needs_an_address_that_others_can_come_to() {
        let with = |server: &str| {
            let three_ds = "[three_ds]\ndirectory_server_url = \"https://ds.example\"\nacquirer_bin = \"4\"\n\
                            requestor_id = \"R\"\nrequestor_name = \"N\"\nrequestor_url = \"https://shop.example\"\n\
                            server_reference = \"S\"\n";
            load(&format!("[server]\n{server}\n{three_ds}"), &[]).map(|_| ())
        };
        let tls = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n";
        let proxy = "plain_http = \"behind-tls-proxy\"\n";
        for unreachable in
            [format!("listen = \"0.0.0.0:443\"\n{tls}"), format!("listen = \"[::]:443\"\n{tls}"), proxy.into()]
        {
            let error = with(&unreachable).unwrap_err().to_string();
            assert!(error.contains("server.public_url"), "{error}");
            with(&format!("{unreachable}public_url = \"https://pay.example\"\n")).unwrap();
        }
        with(&format!("listen = \"192.0.2.1:443\"\n{tls}")).unwrap();
    }

    #[test]
    fn plain_http_is_refused_off_loopback_unless_a_proxy_stands_in_front() {
        let open = "[server]\nlisten = \"0.0.0.0:80\"\n";
        assert!(load(open, &[]).unwrap_err().to_string().contains("behind-tls-proxy"));
        assert!(load(open, &[("TOLLGATE_SERVER_PLAIN_HTTP", "behind-tls-proxy")]).is_ok());
        assert!(load("[server]\ntls_key = \"k.pem\"\n", &[]).unwrap_err().to_string().contains("together"));
    }
}
