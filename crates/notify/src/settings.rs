//! Settings: who carries mails and text messages, how often and how many.

use std::net::IpAddr;
use std::path::PathBuf;
use tollgate_feedback::guard::{FeedbackUrl, Reach, Scheme};

/// The longest time a try may take, in milliseconds.
const TIMEOUT_MS_MAX: u64 = 120_000;
/// The most characters of a sender's name at an SMS provider.
const SMS_SENDER_CHARS_MAX: usize = 20;

/// What is wrong with the settings, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A setting.
    #[error("{0}")]
    Setting(String),
    /// A file.
    #[error("{setting} = {}: {why}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A mail server.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// Its name; without one no mails are sent.
    pub server: Option<String>,
    /// Its port [default: 587, with `implicit` 465, with `none` 25].
    pub port: Option<u16>,
    /// How the connection is secured.
    pub tls: MailTls,
    /// Who logs in; nobody where it is not set.
    pub user: Option<String>,
    /// A file with the password, readable by its owner alone.
    pub password_file: Option<PathBuf>,
    /// The name of an environment variable that holds it, instead of a file.
    pub password_env: Option<String>,
    /// The sender's address, for example `payments@gateway.example`.
    pub from: Option<String>,
    /// A PEM file of the certificate authorities that are trusted instead of the system's.
    pub ca_certificates: Option<PathBuf>,
    /// The longest time for one mail, in milliseconds.
    pub timeout_ms: u64,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// It begins in clear, and TLS follows before anything is said; without TLS nothing is sent.
    #[default]
    Starttls,
    /// TLS from its first byte.
    Implicit,
    /// In clear: on this machine alone.
    None,
}

impl Default for MailSettings {
    fn default() -> MailSettings {
        MailSettings {
            server: None,
            port: None,
            tls: MailTls::default(),
            user: None,
            password_file: None,
            password_env: None,
            from: None,
            ca_certificates: None,
            timeout_ms: 30_000,
        }
    }
}

impl MailSettings {
    /// The checks that need no file and no network.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> Result<(), NotifyError> {
        let wrong = |text: String| Err(NotifyError::Setting(text));
        let Some(server) = &self.server else {
            if self.from.is_some() || self.user.is_some() || self.port.is_some() {
                return wrong("mail.server is missing: name the mail server, or leave [mail] out".to_owned());
            }
            return Ok(());
        };
        if server.is_empty() || server.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':' | '@')) {
            return wrong(format!("mail.server = {server:?} is the name of a server, without a scheme and a port"));
        }
        let Some(from) = &self.from else {
            return wrong(
                "mail.from is missing: the address that mails come from, such as pay@gateway.example".to_owned(),
            );
        };
        if from.parse::<lettre::Address>().is_err() {
            return wrong(format!("mail.from = {from:?} is an address alone, such as pay@gateway.example"));
        }
        if self.tls == MailTls::None && !is_this_machine(server) {
            return wrong(format!(
                "mail.tls = \"none\" would send links and addresses in clear to {server}: write \"starttls\" or \
                 \"implicit\"; in clear only localhost is spoken to"
            ));
        }
        if self.password_file.is_some() && self.password_env.is_some() {
            return wrong("mail.password_file and mail.password_env are one too many: set one of them".to_owned());
        }
        let has_password = self.password_file.is_some() || self.password_env.is_some();
        if self.user.is_some() != has_password {
            return wrong("mail.user goes with mail.password_file or mail.password_env: set both or none".to_owned());
        }
        check_timeout("mail.timeout_ms", self.timeout_ms)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        })
    }
}

/// A provider of text messages.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsSettings {
    /// Where messages are posted to; without one no text messages are sent.
    pub url: Option<String>,
    /// The header that carries the secret.
    pub header: String,
    /// A file with the header's value, readable by its owner alone.
    pub header_value_file: Option<PathBuf>,
    /// The name of an environment variable that holds it, instead of a file.
    pub header_value_env: Option<String>,
    /// The sender that the customer sees, as the provider knows it.
    pub sender: Option<String>,
    /// A PEM file of the certificate authorities that are trusted instead of the system's.
    pub ca_certificates: Option<PathBuf>,
    /// The longest time for one message, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for SmsSettings {
    fn default() -> SmsSettings {
        SmsSettings {
            url: None,
            header: "Authorization".to_owned(),
            header_value_file: None,
            header_value_env: None,
            sender: None,
            ca_certificates: None,
            timeout_ms: 15_000,
        }
    }
}

impl SmsSettings {
    /// The checks that need no file and no network.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> Result<(), NotifyError> {
        let wrong = |text: String| Err(NotifyError::Setting(text));
        let has_value = self.header_value_file.is_some() || self.header_value_env.is_some();
        let Some(url) = &self.url else {
            if has_value || self.sender.is_some() {
                return wrong(
                    "sms.url is missing: name where the provider takes messages, or leave [sms] out".to_owned(),
                );
            }
            return Ok(());
        };
        let read = match FeedbackUrl::parse(url, Reach::Sandbox) {
            Ok(read) => read,
            Err(fault) => return wrong(format!("sms.url cannot be called: {fault}")),
        };
        if read.scheme() == Scheme::Http && !is_this_machine(read.host()) {
            return wrong(format!("sms.url would send links in clear to {}: write https://", read.host()));
        }
        if http::HeaderName::try_from(self.header.as_str()).is_err() {
            return wrong(format!("sms.header = {:?} is the name of a header", self.header));
        }
        if self.header_value_file.is_some() && self.header_value_env.is_some() {
            return wrong("sms.header_value_file and sms.header_value_env are one too many: set one".to_owned());
        }
        if self.sender.as_ref().is_some_and(|sender| sender.chars().count() > SMS_SENDER_CHARS_MAX) {
            return wrong(format!("sms.sender has at most {SMS_SENDER_CHARS_MAX} characters"));
        }
        check_timeout("sms.timeout_ms", self.timeout_ms)
    }
}

/// How often messages are tried, and how many there may be.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessageSettings {
    /// The wait after the first try that failed, in milliseconds; it doubles with each one.
    pub retry_ms_min: u64,
    /// The longest wait, in milliseconds.
    pub retry_ms_max: u64,
    /// For how long a message to a customer is tried before it is given up, in milliseconds.
    pub tried_for_ms_max: u64,
    /// How many messages may be under way at once.
    pub in_flight_max: usize,
    /// How many of them on behalf of one merchant by one way.
    pub lane_in_flight_max: usize,
    /// How many messages customers are sent about one thing, a link with its reminders.
    pub per_thing_max: u32,
    /// How many messages the customers of one merchant are sent within a day.
    pub merchant_day_max: u32,
}

impl Default for MessageSettings {
    fn default() -> MessageSettings {
        MessageSettings {
            retry_ms_min: 30_000,
            retry_ms_max: 3_600_000,
            tried_for_ms_max: 86_400_000,
            in_flight_max: 16,
            lane_in_flight_max: 4,
            per_thing_max: 20,
            merchant_day_max: 10_000,
        }
    }
}

impl MessageSettings {
    /// The checks that need no file and no network.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> Result<(), NotifyError> {
        if self.retry_ms_min == 0 || self.retry_ms_min > self.retry_ms_max {
            let text = "messages.retry_ms_min is above zero and at most messages.retry_ms_max";
            return Err(NotifyError::Setting(text.to_owned()));
        }
        if self.in_flight_max == 0 || self.lane_in_flight_max == 0 {
            let text =
                "messages.in_flight_max and messages.lane_in_flight_max are above zero, or nothing would be sent";
            return Err(NotifyError::Setting(text.to_owned()));
        }
        Ok(())
    }
}

fn check_timeout(setting: &str, timeout_ms: u64) -> Result<(), NotifyError> {
    if (1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
        return Ok(());
    }
    Err(NotifyError::Setting(format!("{setting} is 1 to {TIMEOUT_MS_MAX}")))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mail(change: impl FnOnce(&mut MailSettings)) -> Result<(), String> {
        let mut settings = MailSettings {
            server: Some("mail.example".into()),
            from: Some("pay@gateway.example".into()),
            ..MailSettings::default()
        };
        change(&mut settings);
        settings.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_mail_server_is_named_with_a_sender_and_never_spoken_to_in_clear() {
        assert_eq!(mail(|_| {}), Ok(()));
        assert!(MailSettings::default().check().is_ok(), "no mails are sent");
        assert!(mail(|mail| mail.from = None).unwrap_err().contains("mail.from"));
        assert!(mail(|mail| mail.from = Some("Shop <a@b.example>".into())).unwrap_err().contains("mail.from"));
        assert!(mail(|mail| mail.server = None).unwrap_err().contains("mail.server"));
        assert!(mail(|mail| mail.server = Some("smtp://mail.example".into())).unwrap_err().contains("mail.server"));
        assert!(mail(|mail| mail.tls = MailTls::None).unwrap_err().contains("in clear"));
        let own = |mail: &mut MailSettings| (mail.tls, mail.server) = (MailTls::None, Some("127.0.0.1".into()));
        assert_eq!(mail(own), Ok(()));
        assert!(mail(|mail| mail.user = Some("gateway".into())).unwrap_err().contains("password"));
        assert!(mail(|mail| mail.timeout_ms = 0).unwrap_err().contains("timeout"));
    }

    #[test]
    fn a_provider_is_called_over_tls() {
        let sms = |url: &str| {
            let settings = SmsSettings { url: Some(url.into()), ..SmsSettings::default() };
            settings.check().map_err(|error| error.to_string())
        };
        assert_eq!(sms("https://sms.example/send"), Ok(()));
        assert_eq!(sms("https://10.0.0.7:8443/send"), Ok(()), "an operator may name a server inside");
        assert_eq!(sms("http://127.0.0.1:9000/send"), Ok(()));
        assert!(sms("http://sms.example/send").unwrap_err().contains("in clear"));
        assert!(sms("https://user:word@sms.example/").unwrap_err().contains("password"));
        let nameless = SmsSettings { sender: Some("Shop".into()), ..SmsSettings::default() };
        assert!(nameless.check().unwrap_err().to_string().contains("sms.url"));
    }
}
