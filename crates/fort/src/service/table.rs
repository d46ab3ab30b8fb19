//! The tables of `data/services.toml`, read once.

use super::Service;
use super::charset::{Charset, Scripts};
use crate::message::{Message, Value};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// Places by name. Only our own names are ever in it, so its hash need not be a secret one.
type Places = HashMap<Box<str>, usize, FixedState>;

/// What a service takes and answers.
#[derive(Debug)]
pub(crate) struct Table {
    /// Parameters in the order in which they are judged.
    pub(crate) rules: Vec<ParameterRule>,
    /// Places in `rules`, by name.
    places: Places,
    /// At least one of these has to be sent; empty when there is no such rule.
    pub(crate) one_of: Vec<usize>,
    /// The fields of an answer, in order.
    pub(crate) answer: Vec<AnswerField>,
    /// Places in `answer`, by name.
    answer_places: Places,
}

/// What a parameter has to be.
#[derive(Debug)]
pub(crate) struct ParameterRule {
    pub(crate) name: Box<str>,
    pub(crate) presence: Presence,
    pub(crate) characters_min: usize,
    pub(crate) characters_max: usize,
    pub(crate) shape: Shape,
}

/// Whether a parameter has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Mandatory,
    Optional,
}

/// The form of a value.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// Characters of a set.
    Characters(Charset),
    /// One of a list; neither length nor form count besides.
    OneOf(Vec<Box<str>>),
    /// An amount in minor units, above zero, of at most ten digits.
    Amount,
    /// An ISO 4217 alphabetic code.
    Currency,
    /// 12 to 19 digits.
    CardNumber,
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// A moment, `YYYY-MM-DDThh:mm:ss` with an offset.
    DateTime,
    /// `local@domain` without blanks.
    Email,
    /// YYMM, judged by the core.
    Expiry,
    /// Hex digits.
    Hex,
    /// A list; what may be in it, the service's own reading judges.
    List,
    /// Anything at all, a list or an object too.
    Ignored,
    /// An http or https URL without blanks.
    Url,
}

/// One field of an answer.
#[derive(Debug)]
pub(crate) struct AnswerField {
    pub(crate) name: Box<str>,
    pub(crate) source: Source,
}

/// What a field of an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// What the client sent.
    Echo,
    /// What the client sent, when the request was refused before an order was made.
    EchoOnRefusal,
    /// What the client sent, else the reference of the order.
    OrderReference,
    /// The `fort_id` of the order.
    OrderNumber,
    /// The card's brand, else what the client sent.
    CardBrand,
    /// The indicator that counted, else what the client sent.
    Eci,
    /// The masked card number.
    CardMask,
    /// The card's expiry.
    CardExpiry,
    /// The name on the card.
    CardHolder,
    /// The token that counted, else what the client sent.
    Token,
    /// The token that was made.
    TokenMade,
    /// The agreement that the payment charged or opened; before one is there, the name that was sent.
    Agreement,
    /// The due date that the gateway charges by itself, and which attempt it is.
    DueDate,
    DueAttempt,
    /// Where the customer has to go to be authenticated.
    ThreeDsUrl,
    /// The authorization code.
    Authorization,
    /// The network's code, where it is told.
    // Named after the case that answers tell: a decline.
    DeclineCode,
    /// Its text.
    DeclineText,
    /// Status, code and text of an order's last operation.
    LastStatus,
    LastCode,
    LastText,
    /// The sums of an order.
    Authorized,
    Captured,
    Refunded,
    /// The authorization code of an order that is asked for.
    StatusAuthorization,
    /// A token's status, currency, leading digits and age; else what the client sent.
    TokenStatus,
    TokenCurrency,
    TokenBin,
    TokenCreated,
    /// The tokens that were asked for, and how many.
    TokenList,
    TokenCount,
    /// The number of a batch, and how many rows it has.
    BatchNumber,
    BatchRows,
    /// How many rows a report has.
    ReportRows,
    BatchDate,
    /// The payment link that a payment belongs to.
    PaidLink,
    /// A payment link's id, address, amount, state, end and openings.
    LinkName,
    LinkUrl,
    LinkAmount,
    LinkStatus,
    LinkExpiry,
    LinkOpenings,
    /// An agreement: how it stands and why, what was agreed and with which token.
    AgreementStatus,
    AgreementNote,
    AgreementMode,
    AgreementAmount,
    AgreementCurrency,
    AgreementToken,
    /// Its charges that succeeded, and how many may follow.
    ChargesDone,
    ChargesLeft,
    /// The days on which the gateway charges it, and when it does so next.
    AgreementCycle,
    NextChargeDay,
    NextAttempt,
    /// The gateway's newest charge that has an outcome.
    LastChargeDay,
    LastAttempt,
    LastChargeStatus,
    LastChargeCode,
    LastChargeText,
    /// The network's codes, when they were asked for.
    NetworkWord,
    NetworkCode,
}

/// The table of `service`.
pub(crate) fn table(service: Service) -> &'static Table {
    let tables = &*TABLES;
    match service {
        Service::Authorization | Service::Purchase => &tables.pay,
        Service::Capture => &tables.capture,
        Service::VoidAuthorization => &tables.void,
        Service::Refund => &tables.refund,
        Service::CheckStatus => &tables.status,
        Service::UpdateToken => &tables.update_token,
        Service::GetTokens => &tables.get_tokens,
        Service::Tokenization => &tables.tokenization,
        Service::CreateToken => &tables.create_token,
        Service::VerifyCard => &tables.verify_card,
        Service::CheckVerifyCardStatus => &tables.verification_status,
        Service::UploadBatchFile => &tables.upload_batch,
        Service::GetBatchResults => &tables.batch_results,
        Service::ProcessBatch => &tables.process_batch,
        Service::PaymentLink => &tables.payment_link,
        Service::CheckPaymentLinkStatus => &tables.payment_link_status,
        Service::UpdatePaymentLink => &tables.update_payment_link,
        Service::UpdateAgreement => &tables.update_agreement,
        Service::CheckAgreement => &tables.check_agreement,
        Service::GenerateReport => &tables.generate_report,
        Service::DownloadReport => &tables.download_report,
        Service::GetReport => &tables.get_report,
    }
}

struct Tables {
    pay: Table,
    capture: Table,
    void: Table,
    refund: Table,
    status: Table,
    update_token: Table,
    get_tokens: Table,
    tokenization: Table,
    create_token: Table,
    verify_card: Table,
    verification_status: Table,
    upload_batch: Table,
    batch_results: Table,
    process_batch: Table,
    payment_link: Table,
    payment_link_status: Table,
    update_payment_link: Table,
    update_agreement: Table,
    check_agreement: Table,
    generate_report: Table,
    download_report: Table,
    get_report: Table,
}

// The file is compiled in and the tests below read it: no input can make this fail.
#[allow(clippy::expect_used)]
static TABLES: LazyLock<Tables> =
    LazyLock::new(|| read(include_str!("../../data/services.toml")).expect("data/services.toml is sound"));

/// What may be wrong with the file.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("it is no such TOML: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("{0} has no sound shape")]
    Shape(String),
    #[error("{0} is named but not described")]
    Unknown(String),
    #[error("{0} has no table of its own key")]
    Service(&'static str),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    parameters: BTreeMap<String, ParameterFacts>,
    services: Vec<ServiceFacts>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterFacts {
    max: Option<usize>,
    min: Option<usize>,
    chars: Option<String>,
    #[serde(default)]
    unicode: bool,
    values: Option<Vec<Box<str>>>,
    shape: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFacts {
    commands: Vec<String>,
    key: String,
    mandatory: Vec<String>,
    #[serde(default)]
    one_of: Vec<String>,
    optional: Vec<String>,
    #[serde(default)]
    ignored: Vec<String>,
    answer: AnswerFacts,
}

#[derive(serde::Deserialize)]
struct AnswerFacts {
    echo: Vec<Box<str>>,
    #[serde(flatten)]
    made: BTreeMap<Box<str>, Source>,
}

fn read(file: &str) -> Result<Tables, TableError> {
    let file: File = toml::from_str(file)?;
    let of = |service: Service| {
        let facts = file
            .services
            .iter()
            .find(|facts| facts.key == service.key() && facts.commands.iter().any(|command| command == service.name()));
        Table::new(facts.ok_or(TableError::Service(service.name()))?, &file.parameters)
    };
    Ok(Tables {
        pay: of(Service::Authorization).and(of(Service::Purchase))?,
        capture: of(Service::Capture)?,
        void: of(Service::VoidAuthorization)?,
        refund: of(Service::Refund)?,
        status: of(Service::CheckStatus)?,
        update_token: of(Service::UpdateToken)?,
        get_tokens: of(Service::GetTokens)?,
        tokenization: of(Service::Tokenization)?,
        create_token: of(Service::CreateToken)?,
        verify_card: of(Service::VerifyCard)?,
        verification_status: of(Service::CheckVerifyCardStatus)?,
        upload_batch: of(Service::UploadBatchFile)?,
        batch_results: of(Service::GetBatchResults)?,
        process_batch: of(Service::ProcessBatch)?,
        payment_link: of(Service::PaymentLink)?,
        payment_link_status: of(Service::CheckPaymentLinkStatus)?,
        update_payment_link: of(Service::UpdatePaymentLink)?,
        update_agreement: of(Service::UpdateAgreement)?,
        check_agreement: of(Service::CheckAgreement)?,
        generate_report: of(Service::GenerateReport)?,
        download_report: of(Service::DownloadReport)?,
        get_report: of(Service::GetReport)?,
    })
}

impl Table {
    /// What `message` sent of the parameters in `rules`, in their order.
    pub(crate) fn sent<'a>(&self, message: &'a Message) -> Vec<Option<Value<'a>>> {
        aligned(message, &self.places)
    }

    /// What `message` sent under the names of the fields in `answer`, in their order.
    pub(crate) fn echoed<'a>(&self, message: &'a Message) -> Vec<Option<Value<'a>>> {
        aligned(message, &self.answer_places)
    }

    /// Whether an answer has a field of this name.
    pub(crate) fn answers(&self, name: &str) -> bool {
        self.answer_places.contains_key(name)
    }

    fn new(facts: &ServiceFacts, parameters: &BTreeMap<String, ParameterFacts>) -> Result<Table, TableError> {
        let mut rules = Vec::new();
        for (names, presence) in [
            (&facts.mandatory, Presence::Mandatory),
            (&facts.one_of, Presence::Optional),
            (&facts.optional, Presence::Optional),
        ] {
            for name in names {
                let described = parameters.get(name).ok_or_else(|| TableError::Unknown(name.clone()))?;
                rules.push(ParameterRule::new(name, presence, described)?);
            }
        }
        for name in &facts.ignored {
            rules.push(ParameterRule {
                name: name.as_str().into(),
                presence: Presence::Optional,
                characters_min: 0,
                characters_max: usize::MAX,
                shape: Shape::Ignored,
            });
        }
        let one_of =
            facts.one_of.iter().filter_map(|name| rules.iter().position(|rule| *rule.name == **name)).collect();
        let places = rules.iter().enumerate().map(|(place, rule)| (rule.name.clone(), place)).collect();
        let echo = facts.answer.echo.iter().map(|name| AnswerField { name: name.clone(), source: Source::Echo });
        let made = facts.answer.made.iter().map(|(name, source)| AnswerField { name: name.clone(), source: *source });
        let answer: Vec<AnswerField> = echo.chain(made).collect();
        let answer_places = answer.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
        Ok(Table { places, one_of, answer, answer_places, rules })
    }
}

/// What `message` sent under the names in `places`, each at its place.
fn aligned<'a>(message: &'a Message, places: &Places) -> Vec<Option<Value<'a>>> {
    let mut values = vec![None; places.len()];
    for (name, value) in message.params().filter(|(_, value)| value.is_sent()) {
        if let Some(slot) = places.get(name).and_then(|place| values.get_mut(*place)) {
            *slot = Some(value);
        }
    }
    values
}

impl ParameterRule {
    fn new(name: &str, presence: Presence, facts: &ParameterFacts) -> Result<ParameterRule, TableError> {
        let shape = Shape::new(facts).ok_or_else(|| TableError::Shape(name.to_owned()))?;
        // A value of a list has no length of its own to be judged by.
        let characters_max = match (&shape, facts.max) {
            (Shape::OneOf(_) | Shape::List, _) => usize::MAX,
            (_, Some(max)) => max,
            (_, None) => return Err(TableError::Shape(name.to_owned())),
        };
        Ok(ParameterRule { name: name.into(), presence, characters_min: facts.min.unwrap_or(1), characters_max, shape })
    }
}

impl Shape {
    fn new(facts: &ParameterFacts) -> Option<Shape> {
        let scripts = if facts.unicode { Scripts::All } else { Scripts::AsciiOnly };
        match (&facts.chars, &facts.values, facts.shape.as_deref()) {
            (Some(chars), None, None) => Charset::parse(chars, scripts).map(Shape::Characters),
            (None, Some(values), None) => Some(Shape::OneOf(values.clone())),
            (None, None, Some(name)) => Some(match name {
                "amount" => Shape::Amount,
                "card_number" => Shape::CardNumber,
                "currency" => Shape::Currency,
                "date" => Shape::Date,
                "date_time" => Shape::DateTime,
                "email" => Shape::Email,
                "expiry" => Shape::Expiry,
                "hex" => Shape::Hex,
                "list" => Shape::List,
                "text" => Shape::Text,
                "url" => Shape::Url,
                _ => return None,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_service_has_a_sound_table_whose_echo_it_takes() {
        read(include_str!("../../data/services.toml")).unwrap();
        for service in Service::ALL {
            let table = table(service);
            assert_eq!(table.places.len(), table.rules.len(), "{service:?} describes a parameter twice");
            let mut names: Vec<&str> = table.answer.iter().map(|field| &*field.name).collect();
            names.sort_unstable();
            assert!(names.iter().zip(names.iter().skip(1)).all(|(a, b)| a < b), "{service:?}: {names:?}");
            for field in table.answer.iter().filter(|field| field.source == Source::Echo) {
                assert!(table.rules.iter().any(|rule| rule.name == field.name), "{service:?} {}", field.name);
            }
            assert!(!names.contains(&"card_security_code") && !names.contains(&"check_3ds"));
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_the_name_of_its_fault() {
        let broken = |change: (&str, &str)| {
            let file = include_str!("../../data/services.toml");
            assert!(file.contains(change.0));
            read(&file.replace(change.0, change.1)).err().unwrap().to_string()
        };
        assert!(broken(("shape = \"hex\"", "shape = \"hax\"")).contains("signature"));
        assert!(broken(("customer_ip = {", "customer_xp = {")).contains("customer_ip"));
        assert!(broken(("[\"REFUND\"]", "[\"REFOND\"]")).contains("REFUND"));
        assert!(broken(("\"card_mask\"", "\"card_clear\"")).contains("card_clear"));
    }
}
