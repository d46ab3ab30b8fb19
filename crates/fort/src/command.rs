//! From a message to a typed command of `tollgate-core`.

mod agreement;
mod invoice;
mod mpi;
mod payment_link;
mod report;
mod safe;

use crate::message::Message;
use crate::service::{Service, validate};
use tollgate_core::agreement::RecurringWish;
use tollgate_core::batch::{BatchCall, BatchCommand, BatchId};
use tollgate_core::card::SecurityCode;
use tollgate_core::code::{self, ResponseCode, refused};
use tollgate_core::command::{
    CardInput, CheckAgreementCommand, Eci, ListTokensCommand, MaintainCommand, MaintainKind, OrderTarget, PayCommand,
    RememberMe, StatusCommand, ThirdPartyCodes, ThreeDsWish, TokenizeCommand, TokenizeKind, UpdateAgreementCommand,
    UpdateTokenCommand, VerificationStatusCommand,
};
use tollgate_core::ident::FortId;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::PayKind;
use tollgate_core::payment_link::{LinkStatusCommand, PaymentLinkCommand, UpdateLinkCommand};
use tollgate_core::refusal::Refusal;
use tollgate_core::report::ReportCommand;
use tollgate_core::secret::Secret;
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenStatus;

pub use safe::{Strays, carries_card_data, mask_card_numbers, safe_params, stray_card_numbers};
pub(crate) use safe::{is_kept_back, safe_text};

/// What a merchant asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// AUTHORIZATION, PURCHASE or VERIFY_CARD.
    Pay(Box<PayCommand>),
    /// CAPTURE, VOID_AUTHORIZATION or REFUND.
    Maintain(Box<MaintainCommand>),
    /// CHECK_STATUS.
    Status(Box<StatusCommand>),
    /// UPDATE_TOKEN.
    UpdateToken(Box<UpdateTokenCommand>),
    /// GET_TOKENS.
    ListTokens(Box<ListTokensCommand>),
    /// TOKENIZATION or CREATE_TOKEN.
    Tokenize(Box<TokenizeCommand>),
    /// CHECK_VERIFY_CARD_STATUS.
    VerificationStatus(Box<VerificationStatusCommand>),
    /// UPLOAD_BATCH_FILE, GET_BATCH_RESULTS and PROCESS_BATCH.
    Batch(Box<BatchCommand>),
    /// PAYMENT_LINK.
    PaymentLink(Box<PaymentLinkCommand>),
    /// CHECK_PAYMENT_LINK_STATUS.
    LinkStatus(Box<LinkStatusCommand>),
    /// UPDATE_PAYMENT_LINK.
    UpdateLink(Box<UpdateLinkCommand>),
    /// UPDATE_AGREEMENT.
    UpdateAgreement(Box<UpdateAgreementCommand>),
    /// CHECK_AGREEMENT.
    CheckAgreement(Box<CheckAgreementCommand>),
    /// GENERATE_REPORT, DOWNLOAD_REPORT and GET_REPORT.
    Report(Box<ReportCommand>),
}

impl Request {
    /// Judges `message` by the table of `service` and makes the command of it.
    ///
    /// # Errors
    /// What [`validate`] says; and 00036 (12036 for CHECK_STATUS) for a `fort_id` that has more digits
    /// than any order's number.
    pub fn parse(service: Service, message: &Message) -> Result<Request, Refusal> {
        validate(service, message)?;
        match service {
            Service::Authorization => pay(PayKind::Authorization, message),
            Service::Purchase => pay(PayKind::Purchase, message),
            Service::Capture => maintain(MaintainKind::Capture, message),
            Service::VoidAuthorization => maintain(MaintainKind::Void, message),
            Service::Refund => maintain(MaintainKind::Refund, message),
            Service::CheckStatus => status(message),
            Service::UpdateToken => update_token(message),
            Service::GetTokens => list_tokens(message),
            Service::Tokenization => tokenize(TokenizeKind::Tokenization, message),
            Service::CreateToken => tokenize(TokenizeKind::CreateToken, message),
            Service::VerifyCard => verify_card(message),
            Service::CheckVerifyCardStatus => {
                let merchant_reference = mandatory(message, "merchant_reference")?;
                Ok(Request::VerificationStatus(Box::new(VerificationStatusCommand { merchant_reference })))
            }
            Service::UploadBatchFile => batch(BatchCall::Upload, message),
            Service::GetBatchResults => batch(BatchCall::Results, message),
            Service::ProcessBatch => batch(BatchCall::Process, message),
            Service::PaymentLink => payment_link::create(message),
            Service::CheckPaymentLinkStatus => payment_link::status(message),
            Service::UpdatePaymentLink => payment_link::update(message),
            Service::UpdateAgreement => agreement::update(message),
            Service::CheckAgreement => agreement::check(message),
            Service::GenerateReport => report::generate(message),
            Service::DownloadReport => report::download(message),
            Service::GetReport => report::status(message),
        }
    }
}

fn pay(kind: PayKind, message: &Message) -> Result<Request, Refusal> {
    let params = safe_params(message);
    Ok(Request::Pay(Box::new(PayCommand {
        kind,
        merchant_reference: mandatory(message, "merchant_reference")?,
        money: money(message)?,
        eci: eci(message)?,
        card: card(message)?,
        encrypted_card: optional(message, "encrypted_card_data"),
        token_name: optional(message, "token_name"),
        token_security_code: token_security_code(message)?,
        remember_me: remember_me(message),
        payment_option: optional(message, "payment_option"),
        three_ds: match message.text("check_3ds").as_deref() {
            Some("NO") => ThreeDsWish::Off,
            _ => ThreeDsWish::Default,
        },
        authentication: mpi::result(message)?,
        settlement_reference: optional(message, "settlement_reference"),
        // What is kept of it may be masked.
        recurring: RecurringWish {
            agreement_id: optional(message, "agreement_id"),
            ..RecurringWish::of_params(&params)
        },
        params,
    })))
}

/// FORT verifies cards as mail order and telephone order, and knows nothing of tokens there.
fn verify_card(message: &Message) -> Result<Request, Refusal> {
    Ok(Request::Pay(Box::new(PayCommand {
        kind: PayKind::VerifyAccount,
        merchant_reference: mandatory(message, "merchant_reference")?,
        money: Money { amount: Amount::ZERO, currency: currency(&mandatory(message, "currency")?)? },
        eci: Eci::Moto,
        card: given_card(message)?,
        encrypted_card: optional(message, "encrypted_card_data"),
        token_name: None,
        token_security_code: None,
        remember_me: None,
        payment_option: None,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        settlement_reference: optional(message, "settlement_reference"),
        recurring: RecurringWish::default(),
        params: safe_params(message),
    })))
}

fn maintain(kind: MaintainKind, message: &Message) -> Result<Request, Refusal> {
    Ok(Request::Maintain(Box::new(MaintainCommand {
        kind,
        target: target(message, refused::ORDER_NOT_FOUND)?,
        money: match kind {
            MaintainKind::Capture | MaintainKind::Refund => Some(money(message)?),
            MaintainKind::Void => None,
        },
        maintenance_reference: match kind {
            MaintainKind::Refund => optional(message, "maintenance_reference"),
            MaintainKind::Capture | MaintainKind::Void => None,
        },
        params: safe_params(message),
    })))
}

fn status(message: &Message) -> Result<Request, Refusal> {
    Ok(Request::Status(Box::new(StatusCommand {
        target: target(message, code::STATUS_NOT_FOUND)?,
        third_party_codes: match message.text("return_third_party_response_codes").as_deref() {
            Some("YES") => ThirdPartyCodes::Wanted,
            _ => ThirdPartyCodes::Unwanted,
        },
    })))
}

fn update_token(message: &Message) -> Result<Request, Refusal> {
    let status = match message.text("token_status") {
        None => None,
        Some(name) => Some(TokenStatus::parse(&name).ok_or_else(|| {
            Refusal::request(refused::VALUE_NOT_ALLOWED, "token_status", "token_status is ACTIVE or INACTIVE")
        })?),
    };
    Ok(Request::UpdateToken(Box::new(UpdateTokenCommand {
        token_name: mandatory(message, "token_name")?,
        new_token_name: optional(message, "new_token_name"),
        expiry: optional(message, "expiry_date"),
        holder: optional(message, "card_holder_name"),
        currency: message.text("currency").map(|alpha| currency(&alpha)).transpose()?,
        status,
    })))
}

fn list_tokens(message: &Message) -> Result<Request, Refusal> {
    Ok(Request::ListTokens(Box::new(ListTokensCommand {
        from: moment(message, "from_date")?,
        to: moment(message, "to_date")?,
        token_name: optional(message, "token_name"),
    })))
}

fn tokenize(kind: TokenizeKind, message: &Message) -> Result<Request, Refusal> {
    let number = message.text("card_number").map(|number| Secret::new(number.into_owned()));
    let (expiry, security_code) = (optional(message, "expiry_date"), security_code(message)?);
    let any = number.is_some() || expiry.is_some() || security_code.is_some();
    let holder = optional(message, "card_holder_name");
    Ok(Request::Tokenize(Box::new(TokenizeCommand {
        kind,
        merchant_reference: mandatory(message, "merchant_reference")?,
        card: any.then_some(CardInput { number, expiry, security_code, holder }),
        token_name: optional(message, "token_name"),
        currency: message.text("currency").map(|alpha| currency(&alpha)).transpose()?,
        remember_me: remember_me(message),
    })))
}

fn batch(call: BatchCall, message: &Message) -> Result<Request, Refusal> {
    Ok(Request::Batch(Box::new(BatchCommand {
        call,
        reference: mandatory(message, "batch_reference")?,
        // A number with more digits than any batch has names no batch.
        id: message.text("batch_id").map(|digits| BatchId::parse(&digits)),
        file_name: optional(message, "file"),
        execution_date: optional(message, "execution_date"),
    })))
}

fn remember_me(message: &Message) -> Option<RememberMe> {
    match message.text("remember_me").as_deref() {
        Some("YES") => Some(RememberMe::Yes),
        Some("NO") => Some(RememberMe::No),
        _ => None,
    }
}

fn moment(message: &Message, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = message.text(name) else { return Ok(None) };
    let refusal = || Refusal::request(refused::INVALID_FORMAT, name, "a date is YYYY-MM-DDThh:mm:ss with an offset");
    Timestamp::parse_with_offset(&text).map(Some).ok_or_else(refusal)
}

fn optional(message: &Message, name: &str) -> Option<String> {
    message.text(name).map(String::from)
}

fn mandatory(message: &Message, name: &'static str) -> Result<String, Refusal> {
    optional(message, name).ok_or_else(|| Refusal::request(refused::MISSING_PARAMETER, name, "it was not sent"))
}

fn money(message: &Message) -> Result<Money, Refusal> {
    let amount = Amount::parse_positive(&mandatory(message, "amount")?).ok_or_else(|| {
        Refusal::request(refused::INVALID_AMOUNT, "amount", "an amount is 1 to 10 digits and above zero")
    })?;
    Ok(Money { amount, currency: currency(&mandatory(message, "currency")?)? })
}

fn currency(alpha: &str) -> Result<Currency, Refusal> {
    Currency::from_alpha(alpha).ok_or_else(|| {
        Refusal::request(refused::INVALID_CURRENCY, "currency", "a currency is three capitals of ISO 4217")
    })
}

fn eci(message: &Message) -> Result<Eci, Refusal> {
    let Some(name) = message.text("eci") else {
        return Ok(Eci::Ecommerce);
    };
    Eci::parse(&name)
        .ok_or_else(|| Refusal::request(refused::VALUE_NOT_ALLOWED, "eci", "eci is ECOMMERCE, MOTO or RECURRING"))
}

/// Card data, when a card was given: its number, or parts of it without a token in its place.
fn card(message: &Message) -> Result<Option<CardInput>, Refusal> {
    if stands_for_card(message) { Ok(None) } else { given_card(message) }
}

/// Card data, as far as it was sent.
fn given_card(message: &Message) -> Result<Option<CardInput>, Refusal> {
    let number = message.text("card_number").map(|number| Secret::new(number.into_owned()));
    let security_code = security_code(message)?;
    let expiry = optional(message, "expiry_date");
    let holder = optional(message, "card_holder_name");
    let any = number.is_some() || expiry.is_some() || security_code.is_some() || holder.is_some();
    Ok(any.then_some(CardInput { number, expiry, security_code, holder }))
}

/// The security code beside a token that stands in the place of card data.
fn token_security_code(message: &Message) -> Result<Option<SecurityCode>, Refusal> {
    if stands_for_card(message) { security_code(message) } else { Ok(None) }
}

/// Whether a token was sent in the place of card data.
fn stands_for_card(message: &Message) -> bool {
    message.text("card_number").is_none() && message.text("token_name").is_some()
}

fn security_code(message: &Message) -> Result<Option<SecurityCode>, Refusal> {
    let Some(digits) = message.text("card_security_code") else { return Ok(None) };
    let refusal =
        || Refusal::request(refused::INVALID_FORMAT, "card_security_code", "a security code is 3 or 4 digits");
    SecurityCode::parse(&digits).map(Some).ok_or_else(refusal)
}

fn target(message: &Message, not_found: ResponseCode) -> Result<OrderTarget, Refusal> {
    let reference = optional(message, "merchant_reference");
    let fort_id = match message.text("fort_id") {
        None => None,
        Some(digits) => Some(
            FortId::parse(&digits)
                .ok_or_else(|| Refusal::request(not_found, "fort_id", "an order's number has at most 18 digits"))?,
        ),
    };
    match (reference, fort_id) {
        (Some(reference), Some(fort_id)) => Ok(OrderTarget::Both(reference, fort_id)),
        (Some(reference), None) => Ok(OrderTarget::Reference(reference)),
        (None, Some(fort_id)) => Ok(OrderTarget::FortId(fort_id)),
        (None, None) => Err(Refusal::request(
            refused::MISSING_PARAMETER,
            "merchant_reference",
            "neither merchant_reference nor fort_id was sent",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use tollgate_core::agreement::RecurringMode;

    fn message(fields: &[(&str, &str)]) -> Message {
        Message::from_json(&crate::client::json(fields)).unwrap()
    }

    fn base<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let fixed = [
            ("command", "PURCHASE"),
            ("access_code", "AC"),
            ("merchant_identifier", "MI"),
            ("merchant_reference", "R-1"),
            ("amount", "1000"),
            ("currency", "KWD"),
            ("language", "en"),
            ("customer_email", "a@b.c"),
            ("signature", "00"),
        ];
        fixed.into_iter().chain(extra.iter().copied()).collect()
    }

    fn pay(extra: &[(&str, &str)]) -> PayCommand {
        match Request::parse(Service::Purchase, &message(&base(extra))).unwrap() {
            Request::Pay(command) => *command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_payment_carries_what_was_sent_and_prints_no_card_data() {
        let command = pay(&[
            ("card_number", "4005550000000001"),
            ("expiry_date", "3005"),
            ("card_security_code", "737"),
            ("card_holder_name", "Jo Doe"),
            ("check_3ds", "NO"),
            ("settlement_reference", "S1"),
        ]);
        let card = command.card.clone().unwrap();
        assert_eq!(card.number.unwrap().reveal(), "4005550000000001");
        assert_eq!(card.security_code, SecurityCode::parse("737"));
        assert_eq!((command.eci, command.three_ds), (Eci::Ecommerce, ThreeDsWish::Off));
        assert_eq!(command.money.to_string(), "1.000 KWD");
        assert_eq!(command.params.get("card_number"), Some("400555******0001"));
        assert_eq!(command.params.get("card_security_code"), None);
        assert_eq!(command.params.get("signature"), None);
        let shown = format!("{command:?}");
        assert!(!shown.contains("4005550000000001") && !shown.contains("737"), "{shown}");
    }

    #[test]
    fn card_parts_beside_a_token_are_no_card() {
        let with_token = pay(&[("token_name", "t"), ("card_security_code", "123")]);
        assert!(with_token.card.is_none());
        assert_eq!(with_token.token_security_code, SecurityCode::parse("123"));
        let both = pay(&[("token_name", "t"), ("card_number", "4005550000000001"), ("card_security_code", "123")]);
        assert_eq!(both.card.unwrap().security_code, SecurityCode::parse("123"));
        assert_eq!(both.token_security_code, None);
        assert!(pay(&[("expiry_date", "3005")]).card.is_some());
        assert!(pay(&[]).card.is_none());
    }

    #[test]
    fn what_is_said_of_an_agreement_is_read_however_it_is_written() {
        let body = br#"{"command":"PURCHASE","access_code":"AC","merchant_identifier":"MI","merchant_reference":"R-1",
            "amount":1000,"currency":"AED","language":"en","customer_email":"a@b.c","signature":"00","eci":"RECURRING",
            "token_name":"t","agreement_id":"A-1","recurring_mode":"FIXED","recurring_transactions_count":12,
            "recurring_expiry_date":"2027-12-31","recurring_days_between_payments":"30","customer_ip":null}"#;
        let message = Message::from_json(body).unwrap();
        let Request::Pay(command) = Request::parse(Service::Purchase, &message).unwrap() else { panic!() };
        assert_eq!(command.eci, Eci::Recurring);
        let wish = &command.recurring;
        assert_eq!((wish.agreement_id.as_deref(), wish.mode), (Some("A-1"), RecurringMode::parse("FIXED")));
        assert_eq!((wish.charges_max, wish.days_between_min), (Some(12), Some(30)));
        assert_eq!(wish.last_day.map(|day| day.to_string()).as_deref(), Some("2027-12-31"));
        assert_eq!(pay(&[]).recurring, RecurringWish::default());
    }

    #[test]
    fn the_wish_to_remember_a_card_is_yes_no_or_unsaid() {
        assert_eq!(pay(&[("remember_me", "YES")]).remember_me, Some(RememberMe::Yes));
        assert_eq!(pay(&[("remember_me", "NO")]).remember_me, Some(RememberMe::No));
        assert_eq!(pay(&[]).remember_me, None);
    }

    #[test]
    fn orders_are_named_by_reference_number_or_both() {
        let parse = |fields: &[(&str, &str)]| {
            let fixed = [("access_code", "A"), ("merchant_identifier", "M"), ("language", "en"), ("signature", "00")];
            let all: Vec<_> = fixed.iter().chain(fields).copied().collect();
            let message = message(&all);
            Request::parse(Service::of(&message).unwrap(), &message)
        };
        let target = |fields: &[(&str, &str)]| match parse(fields).unwrap() {
            Request::Maintain(command) => command.target,
            Request::Status(command) => command.target,
            other => panic!("{other:?}"),
        };
        let void = ("command", "VOID_AUTHORIZATION");
        assert_eq!(target(&[void, ("merchant_reference", "R")]), OrderTarget::Reference("R".into()));
        assert_eq!(target(&[void, ("fort_id", "17")]), OrderTarget::FortId(FortId(17)));
        assert_eq!(
            target(&[void, ("fort_id", "17"), ("merchant_reference", "R")]),
            OrderTarget::Both("R".into(), FortId(17))
        );
        let long = ("fort_id", "1234567890123456789");
        assert_eq!(parse(&[void, long]).unwrap_err().code, refused::ORDER_NOT_FOUND);
        let status = ("query_command", "CHECK_STATUS");
        assert_eq!(parse(&[status, long]).unwrap_err().code, code::STATUS_NOT_FOUND);
        assert_eq!(parse(&[status]).unwrap_err().code, refused::MISSING_PARAMETER);
    }

    #[test]
    fn a_void_ignores_amount_and_currency_in_any_form() {
        let body = br#"{"command":"VOID_AUTHORIZATION","access_code":"A","merchant_identifier":"M","language":"en",
            "signature":"00","merchant_reference":"R","amount":["x"],"currency":"nonsense"}"#;
        match Request::parse(Service::VoidAuthorization, &Message::from_json(body).unwrap()).unwrap() {
            Request::Maintain(command) => assert_eq!(command.money, None),
            other => panic!("{other:?}"),
        }
    }
}
