//! The services of the FORT API: which one a message asks for, what it takes and what it answers.
//!
//! The facts are data, in `data/services.toml`; a table of each service is made of them once.

pub(crate) mod charset;
pub(crate) mod table;
mod validate;

use crate::message::Message;
use crate::text::Language;
use std::borrow::Cow;
use tollgate_core::code::refused;
use tollgate_core::refusal::Refusal;

/// A service of the payment API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Hold money.
    Authorization,
    /// Take money at once.
    Purchase,
    /// Take held money.
    Capture,
    /// Give up a hold.
    VoidAuthorization,
    /// Give money back.
    Refund,
    /// Ask how an order stands.
    CheckStatus,
    /// Change a token.
    UpdateToken,
    /// List tokens.
    GetTokens,
    /// Keep a card for the payment that follows.
    Tokenization,
    /// Keep a card for later.
    CreateToken,
    /// Ask whether a card is good.
    VerifyCard,
    /// Ask what came of that.
    CheckVerifyCardStatus,
    /// Upload a file of rows.
    UploadBatchFile,
    /// Ask how a batch stands, and for its results.
    GetBatchResults,
    /// Have the rows of a batch carried out.
    ProcessBatch,
    /// Make an address at which a customer pays later.
    PaymentLink,
    /// Ask how one stands.
    CheckPaymentLinkStatus,
    /// Change or close one.
    UpdatePaymentLink,
    /// Pause, resume, change or cancel an agreement that the gateway charges by itself.
    UpdateAgreement,
    /// Ask how an agreement stands.
    CheckAgreement,
    /// Order a report.
    GenerateReport,
    /// Fetch one.
    DownloadReport,
    /// Ask whether one is ready.
    GetReport,
}

/// Where a message is posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/FortAPI/paymentApi`: a merchant's server asks, and is answered.
    PaymentApi,
    /// `/FortAPI/paymentPage`: a customer's browser posts a form, and goes back to the merchant.
    PaymentPage,
    /// `/FortAPI/upload`: a merchant's server uploads a file, as a form of parts.
    Upload,
    /// `/FortAPI/batchApi`: the same server asks about it.
    BatchApi,
    /// `/FortAPI/reportingApi`: a merchant's server orders and fetches reports.
    ReportingApi,
}

impl Endpoint {
    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Endpoint::PaymentApi => "/FortAPI/paymentApi",
            Endpoint::PaymentPage => "/FortAPI/paymentPage",
            Endpoint::Upload => "/FortAPI/upload",
            Endpoint::BatchApi => "/FortAPI/batchApi",
            Endpoint::ReportingApi => "/FortAPI/reportingApi",
        }
    }

    /// The endpoint of a path, with or without a slash at its end.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Endpoint> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let all =
            [Endpoint::PaymentApi, Endpoint::PaymentPage, Endpoint::Upload, Endpoint::BatchApi, Endpoint::ReportingApi];
        match all.into_iter().find(|endpoint| endpoint.path() == path) {
            None if path == BATCH_API_ALIAS => Some(Endpoint::BatchApi),
            found => found,
        }
    }
}

/// Where older texts of FORT post PROCESS_BATCH to.
const BATCH_API_ALIAS: &str = "/integration-batch/batchApi";

/// The parameters that a browser adds to a form that the merchant's server has signed.
const ADDED_BY_THE_BROWSER: [&str; 5] =
    ["card_number", "expiry_date", "card_security_code", "card_holder_name", "remember_me"];

/// The file of an upload, which is a part of its own.
const UPLOADED: [&str; 1] = ["file"];

/// The parameters that name a service; a message has exactly one of them.
const KEYS: [&str; 3] = ["command", "query_command", "service_command"];

impl Service {
    /// All services.
    pub const ALL: [Service; 23] = [
        Service::Authorization,
        Service::Purchase,
        Service::Capture,
        Service::VoidAuthorization,
        Service::Refund,
        Service::CheckStatus,
        Service::UpdateToken,
        Service::GetTokens,
        Service::Tokenization,
        Service::CreateToken,
        Service::VerifyCard,
        Service::CheckVerifyCardStatus,
        Service::UploadBatchFile,
        Service::GetBatchResults,
        Service::ProcessBatch,
        Service::PaymentLink,
        Service::CheckPaymentLinkStatus,
        Service::UpdatePaymentLink,
        Service::UpdateAgreement,
        Service::CheckAgreement,
        Service::GenerateReport,
        Service::DownloadReport,
        Service::GetReport,
    ];

    /// The service that `message` asks for.
    ///
    /// # Errors
    /// 00004 when none of `command`, `query_command` and `service_command` was sent, when several
    /// were, or when the value names no service here (compared exactly, upper case).
    pub fn of(message: &Message) -> Result<Service, Refusal> {
        let mut sent = KEYS.into_iter().filter_map(|key| message.value(key).filter(|v| v.is_sent()).map(|v| (key, v)));
        let refused = |key, detail: &'static str| Err(Refusal::request(refused::INVALID_COMMAND, key, detail));
        let Some((key, value)) = sent.next() else {
            return refused("command", "none of command, query_command and service_command was sent");
        };
        if let Some((other, _)) = sent.next() {
            return refused(other, "only one of command, query_command and service_command may be sent");
        }
        let name = value.scalar().unwrap_or_default();
        let found = Service::ALL.into_iter().find(|service| service.goes_by(key) && service.name() == name);
        match found {
            Some(service) => Ok(service),
            None => refused(key, "it names no service of this gateway; names are upper case"),
        }
    }

    /// The value of its key parameter, for example `PURCHASE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Service::Authorization => "AUTHORIZATION",
            Service::Purchase => "PURCHASE",
            Service::Capture => "CAPTURE",
            Service::VoidAuthorization => "VOID_AUTHORIZATION",
            Service::Refund => "REFUND",
            Service::CheckStatus => "CHECK_STATUS",
            Service::UpdateToken => "UPDATE_TOKEN",
            Service::GetTokens => "GET_TOKENS",
            Service::Tokenization => "TOKENIZATION",
            Service::CreateToken => "CREATE_TOKEN",
            Service::VerifyCard => "VERIFY_CARD",
            Service::CheckVerifyCardStatus => "CHECK_VERIFY_CARD_STATUS",
            Service::UploadBatchFile => "UPLOAD_BATCH_FILE",
            Service::GetBatchResults => "GET_BATCH_RESULTS",
            Service::ProcessBatch => "PROCESS_BATCH",
            Service::PaymentLink => "PAYMENT_LINK",
            Service::CheckPaymentLinkStatus => "CHECK_PAYMENT_LINK_STATUS",
            Service::UpdatePaymentLink => "UPDATE_PAYMENT_LINK",
            Service::UpdateAgreement => "UPDATE_AGREEMENT",
            Service::CheckAgreement => "CHECK_AGREEMENT",
            Service::GenerateReport => "GENERATE_REPORT",
            Service::DownloadReport => "DOWNLOAD_REPORT",
            Service::GetReport => "GET_REPORT",
        }
    }

    /// The parameter that names it: `command`, `query_command` or `service_command`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Service::CheckStatus
            | Service::GetTokens
            | Service::CheckVerifyCardStatus
            | Service::CheckPaymentLinkStatus
            | Service::CheckAgreement
            | Service::GenerateReport
            | Service::DownloadReport
            | Service::GetReport => "query_command",
            Service::UpdateToken
            | Service::Tokenization
            | Service::CreateToken
            | Service::VerifyCard
            | Service::PaymentLink
            | Service::UpdatePaymentLink
            | Service::UpdateAgreement
            | Service::UploadBatchFile
            | Service::GetBatchResults
            | Service::ProcessBatch => "service_command",
            _ => "command",
        }
    }

    /// Whether `key` names it: its own key, and for PAYMENT_LINK also `command`, by which some clients ask for it.
    fn goes_by(self, key: &str) -> bool {
        self.key() == key || (self == Service::PaymentLink && key == "command")
    }

    /// Whether `message`, which asks for it, may come without `merchant_identifier`: where it names a payment link, which
    /// the account of the access code has or has not.
    #[must_use]
    pub fn may_omit_merchant(self, message: &Message) -> bool {
        matches!(self, Service::CheckPaymentLinkStatus | Service::UpdatePaymentLink)
            && message.text("payment_link_id").is_some()
    }

    /// The service named `name` (`AUTHORIZATION`, `CHECK_STATUS` and so on).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Where it is posted to, if it is posted to one place alone; payments also go to the page, for the customer to type
    /// the card there.
    #[must_use]
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Service::Tokenization | Service::CreateToken => Endpoint::PaymentPage,
            Service::UploadBatchFile => Endpoint::Upload,
            Service::GetBatchResults | Service::ProcessBatch => Endpoint::BatchApi,
            Service::GenerateReport | Service::DownloadReport | Service::GetReport => Endpoint::ReportingApi,
            _ => Endpoint::PaymentApi,
        }
    }

    /// Whether it may be posted to `endpoint`.
    ///
    /// # Errors
    /// 00004 when it belongs to another one.
    pub fn at(self, endpoint: Endpoint) -> Result<Service, Refusal> {
        let has_a_page = matches!(self, Service::Authorization | Service::Purchase);
        if self.endpoint() == endpoint || (has_a_page && endpoint == Endpoint::PaymentPage) {
            return Ok(self);
        }
        let own = self.endpoint();
        let detail = match endpoint {
            Endpoint::PaymentApi if own == Endpoint::PaymentPage => {
                format!("{} is a form for {}", self.name(), own.path())
            }
            Endpoint::PaymentPage => format!("there is no page for {}: it goes to {}", self.name(), own.path()),
            _ => format!("{} goes to {}", self.name(), own.path()),
        };
        Err(Refusal::request(refused::INVALID_COMMAND, self.key(), detail))
    }

    /// The parameters that its clients leave out of the signature besides `signature` itself: none, but for forms
    /// to which the browser adds card data, and for an uploaded file.
    #[must_use]
    pub const fn signature_exclude(self) -> &'static [&'static str] {
        match self.endpoint() {
            Endpoint::PaymentPage => &ADDED_BY_THE_BROWSER,
            Endpoint::Upload => &UPLOADED,
            Endpoint::PaymentApi | Endpoint::BatchApi | Endpoint::ReportingApi => &[],
        }
    }
}

/// Whose message it is, before anything of it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `access_code`, which finds the account: `None` (not sent) and an unknown one are both 00010.
    pub access_code: Option<Cow<'a, str>>,
    /// `merchant_identifier`, which has to be that of the account, else 00009.
    pub merchant_identifier: Option<Cow<'a, str>>,
    /// The language of the answer's text.
    pub language: Language,
}

/// Reads who sent `message`. The values are as they were sent: look them up, do not store them.
#[must_use]
pub fn identify(message: &Message) -> Identity<'_> {
    Identity {
        access_code: message.text("access_code"),
        merchant_identifier: message.text("merchant_identifier"),
        language: Language::of(message.text("language").as_deref()),
    }
}

/// Judges every parameter of `message` by the table of `service`.
///
/// The kinds of fault count in this order, each over all parameters in table order before the next:
/// a mandatory one that is absent (00001), a value too long (00032), a value of a wrong form (00002),
/// a value outside its list (00033). With codes of their own, counted among the wrong forms: `amount`
/// (00005), `currency` (00013), `card_number` (00016). Not judged here: the check digit of a card
/// number and the expiry date, which the core judges, and parameters that the table does not know. A value that an
/// answer would repeat and that would let its signature fit other parameters ([`crate::recut`]) is of a wrong form.
///
/// # Errors
/// The fault that counts first.
pub fn validate(service: Service, message: &Message) -> Result<(), Refusal> {
    validate::validate(table::table(service), message)
}

/// The refusal of a request of `service` for a value that would let the signature of the answer fit other parameters as
/// well ([`crate::recut`]); `None` when there is none. [`validate`] says the same, unless another fault counts first.
#[must_use]
pub fn recut(service: Service, message: &Message) -> Option<Refusal> {
    validate::recut(table::table(service), message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn of(body: &str) -> Result<Service, Refusal> {
        Service::of(&Message::from_json(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_service_is_named_by_exactly_one_key_and_compared_exactly() {
        assert_eq!(of(r#"{"command":"PURCHASE"}"#), Ok(Service::Purchase));
        assert_eq!(of(r#"{"query_command":"CHECK_STATUS","command":""}"#), Ok(Service::CheckStatus));
        for body in [
            "{}",
            r#"{"command":null}"#,
            r#"{"command":"purchase"}"#,
            r#"{"command":"SELL"}"#,
            r#"{"command":"CHECK_STATUS"}"#,
            r#"{"query_command":"PURCHASE"}"#,
            r#"{"service_command":"CAPTURE"}"#,
            r#"{"command":["PURCHASE"]}"#,
            r#"{"command":"PURCHASE","service_command":"TOKENIZATION"}"#,
        ] {
            assert_eq!(of(body).expect_err(body).code, refused::INVALID_COMMAND, "{body}");
        }
    }

    #[test]
    fn an_identity_is_read_from_numbers_as_well() {
        let message = Message::from_json(br#"{"access_code":43287943278432,"language":"ar"}"#).unwrap();
        let identity = identify(&message);
        assert_eq!(identity.access_code.as_deref(), Some("43287943278432"));
        assert_eq!((identity.merchant_identifier, identity.language), (None, Language::Arabic));
    }
}
