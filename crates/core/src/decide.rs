//! What may be done. Each ladder below is a list of one-line guards in the order in which they count;
//! each has one exact response code.

mod own_mpi;
mod payment_link;
mod recurring;

pub use payment_link::{payment_link, update_payment_link};
pub use recurring::update_agreement;

use crate::bin::Brand;
use crate::card::{CardData, CardFacts, Expiry, Pan, PanError, SecurityCode};
use crate::card_scan::holds_card_number;
use crate::code::refused as code;
use crate::command::{
    CardInput, Eci, ListTokensCommand, MaintainCommand, MaintainKind, OrderTarget, PayCommand, RememberMe,
    TokenizeCommand, TokenizeKind, UpdateTokenCommand,
};
use crate::merchant::{Merchant, Terms, TokenService, TrustedChannel};
use crate::money::{Amount, Money};
use crate::order::{Order, PayKind, Phase};
use crate::page::{AfterPayment, CustomPage};
use crate::refusal::{Guilty, Refusal};
use crate::three_ds::Authentication;
use crate::time::Timestamp;
use crate::token::{OrderToken, PROVISIONAL_MS_MAX, Token, TokenRole, TokenStatus};

/// A payment that may be sent.
#[derive(Debug)]
pub struct PayIntent {
    /// The card, judged.
    pub card: PayCard,
    /// Its harmless part.
    pub facts: CardFacts,
    /// What the payment has to do with a token.
    pub token: TokenPlan,
    /// As what it is kept.
    pub kind: PayKind,
    /// How much the network is asked for.
    pub money: Money,
    /// What the merchant's own MPI proves to the network.
    pub authentication: Option<Authentication>,
}

/// Where the card of a payment comes from.
#[derive(Debug)]
pub enum PayCard {
    /// From the request.
    Sent(CardData),
    /// From a token, whose card number the vault has.
    Kept {
        /// The card's expiry.
        expiry: Expiry,
        /// The card's security code, where one was sent beside the token.
        security_code: Option<SecurityCode>,
    },
}

/// What a payment has to do with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlan {
    /// Nothing.
    None,
    /// Its card comes from this token.
    Use(OrderToken),
    /// When it succeeds, its card is kept: under this name, or under one of our own.
    Save(Option<String>),
}

/// Judges AUTHORIZATION and PURCHASE: everything but the merchant reference, which the store judges
/// when it claims it. `token` is what the store has under the command's `token_name`.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn pay(
    merchant: &Merchant,
    command: &PayCommand,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<PayIntent, Refusal> {
    free_of_any_card_number(command)?;
    own_mpi::may_bring(&merchant.terms, command)?;
    recurring::fits_eci(&merchant.terms, command, now)?;
    offered_tokens(&merchant.terms, command)?;
    channel_allows_card(&merchant.terms, command, now)?;
    with_a_card(merchant, command, token, now)
}

/// Judges what a customer has typed on the gateway's own page, for an AUTHORIZATION or a PURCHASE. No other channel of
/// the merchant's has to be open for it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn pay_on_page(
    merchant: &Merchant,
    command: &PayCommand,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<PayIntent, Refusal> {
    free_of_any_card_number(command)?;
    offered_tokens(&merchant.terms, command)?;
    let intent = with_a_card(merchant, command, token, now)?;
    match &intent.card {
        PayCard::Kept { security_code: None, .. } => Err(no_security_code()),
        _ => Ok(intent),
    }
}

/// Judges an AUTHORIZATION or a PURCHASE whose card the customer is to type on the gateway's page: all that can be judged
/// without it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn open_page(
    merchant: &Merchant,
    command: &PayCommand,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let terms = &merchant.terms;
    free_of_any_card_number(command)?;
    recurring::may_come_to_page(terms, command, now)?;
    offered_tokens(terms, command)?;
    no_card_yet(command)?;
    match token {
        // A name that is not known yet is one for the card that the customer will type.
        None => some_option(terms, command)?,
        Some(token) if token.has_lapsed(now) => some_option(terms, command)?,
        Some(_) => {
            with_a_card(merchant, command, token, now)?;
        }
    }
    taken_currency(terms, command.money)?;
    within_limit(terms, command.money)
}

fn free_of_any_card_number(command: &PayCommand) -> Result<(), Refusal> {
    free_of_card_numbers("merchant_reference", Some(&command.merchant_reference))?;
    free_of_card_numbers("settlement_reference", command.settlement_reference.as_deref())?;
    free_of_card_numbers("card_holder_name", command.card.as_ref().and_then(|card| card.holder.as_deref()))?;
    free_of_card_numbers("agreement_id", command.recurring.agreement_id.as_deref())?;
    free_of_card_numbers("token_name", command.token_name.as_deref())
}

fn no_card_yet(command: &PayCommand) -> Result<(), Refusal> {
    let parameter = match command {
        PayCommand { card: Some(_), .. } => "card_number",
        PayCommand { encrypted_card: Some(_), .. } => "encrypted_card_data",
        PayCommand { authentication: Some(_), .. } => "3ds_status",
        _ => return Ok(()),
    };
    let detail =
        "on the gateway's page the customer types the card: leave card data out, or send it to the payment API";
    Err(Refusal::request(code::INVALID_EXTRA_PARAMETERS, parameter, detail))
}

/// Whether the merchant takes anything that the customer could choose.
fn some_option(terms: &Terms, command: &PayCommand) -> Result<(), Refusal> {
    let takes = |brand: &Brand| {
        let fits = command.payment_option.as_deref().is_none_or(|option| option == brand.name());
        fits && brand_allows_kind(command, *brand).is_ok()
    };
    if terms.payment_options.is_empty() {
        return Err(no_option());
    }
    if terms.payment_options.iter().any(takes) {
        return Ok(());
    }
    let detail = "the merchant takes no card that fits payment_option and command";
    Err(Refusal::of(code::OPTION_NOT_AVAILABLE, Guilty::MerchantConfiguration, detail).at("payment_option"))
}

/// The guards that need to know the card.
fn with_a_card(
    merchant: &Merchant,
    command: &PayCommand,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<PayIntent, Refusal> {
    let terms = &merchant.terms;
    let usable = usable_token(command, token, now)?;
    recurring::paid_before(command, usable)?;
    let mut intent = match (&command.card, usable) {
        (Some(input), _) => with_given_card(terms, command, input, now)?,
        (None, Some(token)) => with_token(command, token, now)?,
        (None, None) => return Err(nothing_to_pay_with()),
    };
    let brand = intent.facts.brand;
    fits_payment_option(command, brand)?;
    enabled_brand(terms, brand)?;
    brand_allows_kind(command, brand)?;
    recurring::brand_fits_eci(command, brand)?;
    taken_currency(terms, command.money)?;
    within_limit(terms, command.money)?;
    intent.authentication = own_mpi::brought(terms, command, brand)?;
    Ok(intent)
}

/// Judges VERIFY_CARD. The amount of the command does not count: what is asked for is the merchant's choice.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn verify(merchant: &Merchant, command: &PayCommand, now: Timestamp) -> Result<PayIntent, Refusal> {
    let terms = &merchant.terms;
    free_of_card_numbers("merchant_reference", Some(&command.merchant_reference))?;
    free_of_card_numbers("settlement_reference", command.settlement_reference.as_deref())?;
    free_of_card_numbers("card_holder_name", command.card.as_ref().and_then(|card| card.holder.as_deref()))?;
    channel_allows_card(terms, command, now)?;
    let Some(input) = &command.card else { return Err(nothing_to_verify()) };
    let card = readable_card(input, now)?;
    let brand = known_brand(&card)?;
    enabled_brand(terms, brand)?;
    brand_allows_verification(brand)?;
    let money = terms.verification.money(command.money.currency);
    taken_currency(terms, money)?;
    within_limit(terms, money)?;
    let facts = card.facts(brand);
    Ok(PayIntent {
        card: PayCard::Sent(card),
        facts,
        token: TokenPlan::None,
        kind: terms.verification.kind(),
        money,
        authentication: None,
    })
}

/// Judges CAPTURE, VOID_AUTHORIZATION and REFUND of an order that was found.
///
/// Gives the money that the operation moves: of a void, all that is still held.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn maintain(order: &Order, command: &MaintainCommand) -> Result<Money, Refusal> {
    is_payment(order)?;
    names_agree(order, &command.target)?;
    free_of_card_numbers("maintenance_reference", command.maintenance_reference.as_deref())?;
    order_currency(order, command)?;
    order_confirmed(order)?;
    match command.kind {
        MaintainKind::Capture => capture(order, given_money(command)?),
        MaintainKind::Void => void(order),
        MaintainKind::Refund => refund(order, given_money(command)?),
    }
}

/// Judges UPDATE_TOKEN, with `token` as the store has it: the token as it shall be, one version on. Whether its new
/// name is taken the store says when it writes it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn update_token(
    terms: &Terms,
    command: &UpdateTokenCommand,
    token: Option<&Token>,
    now: Timestamp,
) -> Result<Token, Refusal> {
    free_of_card_numbers("new_token_name", command.new_token_name.as_deref())?;
    free_of_card_numbers("card_holder_name", command.holder.as_deref())?;
    if terms.tokens == TokenService::Off {
        return Err(no_token_service());
    }
    let Some(token) = token.filter(|token| !token.has_lapsed(now)) else {
        return Err(Refusal::request(code::TOKEN_NOT_FOUND, "token_name", "no token of this name exists"));
    };
    let mut updated = token.clone();
    if let Some(expiry) = &command.expiry {
        updated.card.expiry = unexpired(expiry, now)?.to_string();
    }
    if let Some(holder) = &command.holder {
        updated.card.holder = Some(holder.clone());
    }
    if let Some(name) = &command.new_token_name {
        updated.name.clone_from(name);
    }
    updated.currency = command.currency.or(updated.currency);
    updated.status = command.status.unwrap_or(updated.status);
    updated.updated_at = now;
    updated.version = updated.version.saturating_add(1);
    Ok(updated)
}

/// A card that may be kept under a token without a payment.
#[derive(Debug)]
pub struct TokenizeIntent {
    /// The card, judged by its look alone: nobody asked its issuer.
    pub card: CardData,
    /// Its harmless part.
    pub facts: CardFacts,
    /// Until when it lives without a payment; `None` is for good.
    pub lapses_at: Option<Timestamp>,
    /// What becomes of it by the payment that follows.
    pub after_payment: AfterPayment,
}

/// Whose form a card was typed into that is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardForm {
    /// The merchant's own, in a page of its own.
    Merchants,
    /// The gateway's.
    Gateways,
}

/// Judges TOKENIZATION and CREATE_TOKEN whose card the customer is to type on the gateway's page: all that can be judged
/// without it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn open_token_page(terms: &Terms, command: &TokenizeCommand) -> Result<(), Refusal> {
    free_of_card_numbers("merchant_reference", Some(&command.merchant_reference))?;
    free_of_card_numbers("token_name", command.token_name.as_deref())?;
    if terms.tokens == TokenService::Off {
        return Err(no_token_service());
    }
    if terms.payment_options.is_empty() {
        return Err(no_option());
    }
    Ok(())
}

/// Judges TOKENIZATION and CREATE_TOKEN. Whether the name is taken the store says when it writes it.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn tokenize(
    terms: &Terms,
    command: &TokenizeCommand,
    form: CardForm,
    now: Timestamp,
) -> Result<TokenizeIntent, Refusal> {
    free_of_card_numbers("merchant_reference", Some(&command.merchant_reference))?;
    free_of_card_numbers("card_holder_name", command.card.as_ref().and_then(|card| card.holder.as_deref()))?;
    free_of_card_numbers("token_name", command.token_name.as_deref())?;
    let input = match form {
        CardForm::Merchants => given_on_own_form(terms, command)?,
        CardForm::Gateways => given(command)?,
    };
    if terms.tokens == TokenService::Off {
        return Err(no_token_service());
    }
    let card = readable_card(input, now)?;
    if command.kind == TokenizeKind::Tokenization {
        with_security_code(input)?;
    }
    let brand = known_brand(&card)?;
    enabled_brand(terms, brand)?;
    Ok(TokenizeIntent {
        facts: card.facts(brand),
        card,
        lapses_at: match command.kind {
            TokenizeKind::Tokenization => Some(now.plus_ms(PROVISIONAL_MS_MAX)),
            TokenizeKind::CreateToken => None,
        },
        after_payment: match command.remember_me {
            Some(RememberMe::Yes) => AfterPayment::Keep,
            Some(RememberMe::No) => AfterPayment::Forget,
            None => terms.channel.page.token_after_payment,
        },
    })
}

/// Card data from a form of the merchant's own, if there may be any.
fn given_on_own_form<'a>(terms: &Terms, command: &'a TokenizeCommand) -> Result<&'a CardInput, Refusal> {
    let input = given(command)?;
    if terms.channel.page.custom_page == CustomPage::On {
        return Ok(input);
    }
    let detail = "card data came from a form of the merchant's own, which is off for this merchant: `tollgate merchant \
                  set NAME --custom-page on` allows it";
    Err(Refusal::of(code::INVALID_EXTRA_PARAMETERS, Guilty::MerchantConfiguration, detail).at("card_number"))
}

fn given(command: &TokenizeCommand) -> Result<&CardInput, Refusal> {
    let missing = || Refusal::request(code::MISSING_PARAMETER, "card_number", "no card data was sent");
    command.card.as_ref().ok_or_else(missing)
}

/// Judges GET_TOKENS: the half-open interval that it asks for.
///
/// # Errors
/// The first guard that fails, with its code.
pub fn list_tokens(terms: &Terms, command: &ListTokensCommand) -> Result<TokensAsked, Refusal> {
    if terms.tokens == TokenService::Off {
        return Err(no_token_service());
    }
    let from = command.from.unwrap_or(Timestamp(i64::MIN));
    // Dates are told to the second, so the last one counts to its end.
    let before = command.to.map_or(Timestamp(i64::MAX), |to| to.plus_ms(1_000));
    if from >= before {
        let detail = "to_date lies before from_date";
        return Err(Refusal::request(code::INVALID_INTERVAL, "to_date", detail));
    }
    Ok(TokensAsked { from, before })
}

/// The tokens that GET_TOKENS asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensAsked {
    /// Made at this moment or later.
    pub from: Timestamp,
    /// Made before this moment.
    pub before: Timestamp,
}

/// Whether `merchant_reference` and `fort_id`, when both are given, name one order.
///
/// # Errors
/// 00036 when they do not.
pub fn names_agree(order: &Order, target: &OrderTarget) -> Result<(), Refusal> {
    let agree = match target {
        OrderTarget::Reference(reference) => *reference == order.merchant_reference,
        OrderTarget::FortId(fort_id) => *fort_id == order.fort_id,
        OrderTarget::Both(reference, fort_id) => *reference == order.merchant_reference && *fort_id == order.fort_id,
    };
    if agree {
        return Ok(());
    }
    Err(Refusal::request(code::ORDER_NOT_FOUND, "fort_id", "merchant_reference and fort_id name different orders"))
}

/// What a verification holds is given up by the gateway alone.
fn is_payment(order: &Order) -> Result<(), Refusal> {
    if !order.kind.is_verification() {
        return Ok(());
    }
    Err(Refusal::request(
        code::ORDER_NOT_FOUND,
        "merchant_reference",
        "it names the verification of a card, not an order",
    ))
}

/// References and names are kept and sent on as they are, so that a card number in one cannot be masked.
fn free_of_card_numbers(parameter: &'static str, reference: Option<&str>) -> Result<(), Refusal> {
    if !reference.is_some_and(holds_card_number) {
        return Ok(());
    }
    let detail = "it holds what looks like a card number, which may be stored nowhere but in the vault: send another";
    Err(Refusal::request(code::VALUE_NOT_ALLOWED, parameter, detail))
}

fn channel_allows_card(terms: &Terms, command: &PayCommand, now: Timestamp) -> Result<(), Refusal> {
    if command.card.is_none() {
        return Ok(());
    }
    open_channel(terms, now).map_err(|refusal| refusal.at("card_number"))
}

/// Whether card data may come over the trusted channel at all.
///
/// # Errors
/// 00027 when the channel is off.
pub fn open_channel(terms: &Terms, now: Timestamp) -> Result<(), Refusal> {
    let detail = match terms.trusted_channel_at(now) {
        TrustedChannel::Active { .. } => return Ok(()),
        TrustedChannel::NotActivated => {
            "card data came over the trusted channel, which is not activated for this merchant: verify its PCI DSS \
             attestation with `tollgate merchant activate-trusted-channel`"
        }
        TrustedChannel::Expired => {
            "the merchant's PCI DSS attestation has expired, so its trusted channel is off: verify a new one with \
             `tollgate merchant activate-trusted-channel`"
        }
    };
    Err(Refusal::of(code::INVALID_EXTRA_PARAMETERS, Guilty::MerchantConfiguration, detail))
}

fn offered_tokens(terms: &Terms, command: &PayCommand) -> Result<(), Refusal> {
    if terms.tokens == TokenService::On || command.token_name.is_none() {
        return Ok(());
    }
    Err(no_token_service())
}

fn no_token_service() -> Refusal {
    let detail = "the merchant has no token service: `tollgate merchant set NAME --tokens on` switches it on";
    Refusal::of(code::NO_TOKEN_SERVICE, Guilty::MerchantConfiguration, detail).at("token_name")
}

/// The token that a payment names, if it may be used. A name without a card beside it has to be one; with card
/// data it may be new, but what is switched off is not replaced behind the merchant's back.
fn usable_token<'a>(
    command: &PayCommand,
    token: Option<&'a Token>,
    now: Timestamp,
) -> Result<Option<&'a Token>, Refusal> {
    let refuse = |detail: &'static str| Err(Refusal::request(code::TOKEN_NOT_FOUND, "token_name", detail));
    if command.token_name.is_none() {
        return Ok(None);
    }
    match token {
        Some(token) if token.has_lapsed(now) && command.card.is_none() => {
            refuse("the token has lapsed: no payment made it permanent in time")
        }
        Some(token) if token.has_lapsed(now) => Ok(None),
        Some(token) if token.status == TokenStatus::Inactive => {
            refuse("the token is inactive: UPDATE_TOKEN with token_status=ACTIVE switches it on again")
        }
        None if command.card.is_none() => refuse("no token of this name exists"),
        token => Ok(token),
    }
}

fn nothing_to_pay_with() -> Refusal {
    Refusal::request(code::MISSING_PARAMETER, "card_number", "neither card_number nor token_name was sent")
}

fn nothing_to_verify() -> Refusal {
    Refusal::request(code::MISSING_PARAMETER, "card_number", "no card was sent: only card data can be verified")
}

fn with_given_card(
    terms: &Terms,
    command: &PayCommand,
    input: &CardInput,
    now: Timestamp,
) -> Result<PayIntent, Refusal> {
    let card = readable_card(input, now)?;
    // Who orders by mail or telephone may not be asked for it.
    if command.eci == Eci::Ecommerce {
        with_security_code(input)?;
    }
    let facts = card.facts(known_brand(&card)?);
    let token = match (&command.token_name, command.remember_me) {
        _ if terms.tokens == TokenService::Off => TokenPlan::None,
        (_, Some(RememberMe::No)) => TokenPlan::None,
        // The card of an agreement is kept.
        (None, None) if command.recurring.mode.is_none() => TokenPlan::None,
        (name, _) => TokenPlan::Save(name.clone()),
    };
    Ok(PayIntent {
        card: PayCard::Sent(card),
        facts,
        token,
        kind: command.kind,
        money: command.money,
        authentication: None,
    })
}

fn with_token(command: &PayCommand, token: &Token, now: Timestamp) -> Result<PayIntent, Refusal> {
    let expired = |detail| Err(Refusal::of(code::CARD_EXPIRED, Guilty::Cardholder, detail).at("token_name"));
    let expiry = match Expiry::parse(&token.card.expiry) {
        Some(expiry) if !expiry.is_past(now) => expiry,
        Some(_) => return expired("the token's card has expired: UPDATE_TOKEN takes a new expiry_date"),
        None => return expired("the token's card has no expiry date that can be read: UPDATE_TOKEN takes a new one"),
    };
    let after_payment = match command.remember_me {
        Some(RememberMe::Yes) => AfterPayment::Keep,
        Some(RememberMe::No) => AfterPayment::Forget,
        None if command.recurring.mode.is_some() => AfterPayment::Keep,
        None => token.after_payment,
    };
    let role = match after_payment {
        AfterPayment::Keep if token.lapses_at.is_some() => TokenRole::Keeps,
        AfterPayment::Keep | AfterPayment::Forget => TokenRole::Uses,
    };
    Ok(PayIntent {
        card: PayCard::Kept { expiry, security_code: command.token_security_code.clone() },
        facts: token.card.clone(),
        token: TokenPlan::Use(OrderToken { name: token.name.clone(), role }),
        kind: command.kind,
        money: command.money,
        authentication: None,
    })
}

fn readable_card(input: &CardInput, now: Timestamp) -> Result<CardData, Refusal> {
    let Some(number) = &input.number else {
        return Err(Refusal::request(code::MISSING_PARAMETER, "card_number", "card data came without its number"));
    };
    let pan = Pan::parse(number.reveal()).map_err(|error| Refusal {
        code: code::INVALID_CARD_NUMBER,
        parameter: Some("card_number".into()),
        guilty: Guilty::Cardholder,
        detail: match error {
            PanError::NotDigits => "the card number is not 12 to 19 digits".into(),
            PanError::CheckDigit => "the card number's check digit is wrong: a digit was mistyped".into(),
        },
    })?;
    let Some(expiry) = &input.expiry else {
        return Err(Refusal::request(code::MISSING_PARAMETER, "expiry_date", "card_number came without expiry_date"));
    };
    let expiry = unexpired(expiry, now)?;
    Ok(CardData { pan, expiry, security_code: input.security_code.clone(), holder: input.holder.clone() })
}

fn with_security_code(input: &CardInput) -> Result<(), Refusal> {
    match input.security_code {
        Some(_) => Ok(()),
        None => Err(no_security_code()),
    }
}

fn no_security_code() -> Refusal {
    Refusal::request(code::MISSING_PARAMETER, "card_security_code", "ECOMMERCE payments need card_security_code")
}

fn unexpired(expiry: &str, now: Timestamp) -> Result<Expiry, Refusal> {
    let expiry = Expiry::parse(expiry).ok_or_else(|| {
        Refusal::request(code::INVALID_EXPIRY, "expiry_date", "expiry_date is YYMM with a month from 01 to 12")
    })?;
    if expiry.is_past(now) {
        return Err(Refusal::of(code::CARD_EXPIRED, Guilty::Cardholder, "the card has expired").at("expiry_date"));
    }
    Ok(expiry)
}

fn known_brand(card: &CardData) -> Result<Brand, Refusal> {
    card.pan.brand().ok_or_else(|| {
        Refusal::of(
            code::INVALID_CARD_NUMBER,
            Guilty::Cardholder,
            "the card number belongs to no brand that is known here",
        )
        .at("card_number")
    })
}

fn fits_payment_option(command: &PayCommand, brand: Brand) -> Result<(), Refusal> {
    match command.payment_option.as_deref() {
        Some(option) if option != brand.name() => {
            let detail = format!("payment_option {option} was sent with a card of {brand}");
            Err(Refusal::request(code::INVALID_PAYMENT_OPTION, "payment_option", detail))
        }
        _ => Ok(()),
    }
}

fn enabled_brand(terms: &Terms, brand: Brand) -> Result<(), Refusal> {
    if terms.payment_options.is_empty() {
        return Err(no_option());
    }
    if !terms.payment_options.contains(&brand) {
        let detail = format!("the merchant does not take {brand}");
        return Err(Refusal::of(code::OPTION_NOT_AVAILABLE, Guilty::MerchantConfiguration, detail).at("payment_option"));
    }
    Ok(())
}

fn no_option() -> Refusal {
    let detail = "the merchant has no payment option enabled";
    Refusal::of(code::NO_ACTIVE_OPTION, Guilty::MerchantConfiguration, detail).at("payment_option")
}

fn brand_allows_kind(command: &PayCommand, brand: Brand) -> Result<(), Refusal> {
    if command.kind == PayKind::Authorization && brand.is_purchase_only() {
        let detail = format!("{brand} takes PURCHASE only");
        return Err(Refusal::request(code::NOT_VALID_FOR_OPTION, "command", detail));
    }
    Ok(())
}

/// FORT verifies cards as mail order and telephone order, which these brands do not take.
fn brand_allows_verification(brand: Brand) -> Result<(), Refusal> {
    if brand.is_purchase_only() {
        let detail = format!("{brand} takes PURCHASE only: its cards cannot be verified");
        return Err(Refusal::request(code::NOT_VALID_FOR_OPTION, "service_command", detail));
    }
    Ok(())
}

fn taken_currency(terms: &Terms, money: Money) -> Result<(), Refusal> {
    match terms.currency(money.currency) {
        Some(_) => Ok(()),
        None => {
            let detail = format!("the merchant does not take {}", money.currency);
            Err(Refusal::of(code::CURRENCY_NOT_ACCEPTED, Guilty::MerchantConfiguration, detail).at("currency"))
        }
    }
}

fn within_limit(terms: &Terms, money: Money) -> Result<(), Refusal> {
    match terms.currency(money.currency) {
        Some(terms) if !terms.allows(money.amount) => {
            let detail = format!("{money} is above the merchant's limit per transaction");
            Err(Refusal::of(code::LIMIT_EXCEEDED, Guilty::MerchantConfiguration, detail).at("amount"))
        }
        _ => Ok(()),
    }
}

fn order_currency(order: &Order, command: &MaintainCommand) -> Result<(), Refusal> {
    match command.money {
        Some(money) if money.currency != order.money.currency && command.kind != MaintainKind::Void => {
            let detail = format!("the order is in {}", order.money.currency);
            Err(Refusal::request(code::INVALID_CURRENCY, "currency", detail))
        }
        _ => Ok(()),
    }
}

fn order_confirmed(order: &Order) -> Result<(), Refusal> {
    let refuse = |code, detail| Err(Refusal::of(code, Guilty::MerchantRequest, detail));
    match order.phase {
        Phase::Pending => refuse(code::STILL_PROCESSING, "the payment itself is still under way"),
        Phase::Open => refuse(code::ORDER_NOT_CONFIRMED, "the customer has not paid yet"),
        Phase::Unknown => refuse(code::ORDER_NOT_CONFIRMED, "the payment's outcome is not known yet; ask CHECK_STATUS"),
        Phase::Declined | Phase::Failed | Phase::Reversed => {
            refuse(code::ORDER_NOT_CONFIRMED, "the payment never succeeded")
        }
        Phase::Verified => refuse(code::ORDER_NOT_FOUND, "it is no payment: a card was verified"),
        _ if order.open_operation.is_some() => {
            refuse(code::STILL_PROCESSING, "another operation on this order is under way")
        }
        Phase::Authorized | Phase::Captured | Phase::Purchased | Phase::Voided => Ok(()),
    }
}

fn given_money(command: &MaintainCommand) -> Result<Money, Refusal> {
    command
        .money
        .ok_or_else(|| Refusal::request(code::MISSING_PARAMETER, "amount", "amount and currency are mandatory here"))
}

fn capture(order: &Order, money: Money) -> Result<Money, Refusal> {
    let refuse = |detail| Err(Refusal::of(code::OPERATION_NOT_ALLOWED, Guilty::MerchantRequest, detail));
    match order.phase {
        Phase::Purchased => return refuse("a PURCHASE is captured already"),
        Phase::Voided => return refuse("the authorization was voided"),
        _ => {}
    }
    if money.amount > order.totals.open_to_capture() {
        let detail = format!("{} of the authorized amount is open", shown(order, order.totals.open_to_capture()));
        return Err(Refusal::request(code::EXCEEDS_AUTHORIZED, "amount", detail));
    }
    Ok(money)
}

fn void(order: &Order) -> Result<Money, Refusal> {
    let refuse = |detail| Err(Refusal::of(code::OPERATION_NOT_ALLOWED, Guilty::MerchantRequest, detail));
    match order.phase {
        Phase::Purchased => refuse("a PURCHASE can be refunded, not voided"),
        Phase::Captured => refuse("some of it is captured already: refund it instead"),
        Phase::Voided => refuse("the authorization was voided already"),
        _ => Ok(Money { amount: order.totals.authorized, currency: order.money.currency }),
    }
}

fn refund(order: &Order, money: Money) -> Result<Money, Refusal> {
    if order.phase == Phase::Voided {
        return Err(Refusal::of(
            code::OPERATION_NOT_ALLOWED,
            Guilty::MerchantRequest,
            "the authorization was voided: nothing was taken",
        ));
    }
    let open = order.totals.open_to_refund();
    if open == Amount::ZERO && order.totals.refunded > Amount::ZERO {
        return Err(Refusal::of(
            code::TRANSACTION_CLOSED,
            Guilty::MerchantRequest,
            "everything captured is refunded already",
        ));
    }
    if money.amount > open {
        let detail = format!("{} of the captured amount is open", shown(order, open));
        return Err(Refusal::request(code::EXCEEDS_CAPTURED, "amount", detail));
    }
    Ok(money)
}

fn shown(order: &Order, amount: Amount) -> Money {
    Money { amount, currency: order.money.currency }
}
