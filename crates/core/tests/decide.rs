//! The guard ladders: one row per guard, each with its exact code, and the order in which they count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "decide/page.rs"]
mod page;
#[path = "decide/recurring.rs"]
mod recurring;

use tollgate_core::agreement::RecurringWish;
use tollgate_core::bin::Brand;
use tollgate_core::card::{CardFacts, SecurityCode};
use tollgate_core::code::{ResponseCode, UNCERTAIN, refused};
use tollgate_core::command::*;
use tollgate_core::decide::{self, CardForm, PayCard, TokenPlan};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::merchant::*;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::*;
use tollgate_core::page::{AfterPayment, CustomPage};
use tollgate_core::refusal::Guilty;
use tollgate_core::secret::Secret;
use tollgate_core::three_ds::*;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{OrderToken, Token, TokenId, TokenRole, TokenStatus};
use tollgate_core::verification::VerificationMethod;

fn now() -> Timestamp {
    Timestamp::parse_date("2026-11-20").unwrap()
}

fn money(minor: u64, alpha: &str) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(alpha).unwrap() }
}

fn merchant() -> Merchant {
    Merchant {
        id: MerchantId(1),
        name: "m".into(),
        merchant_identifier: "MID".into(),
        active: true,
        credentials: vec![],
        terms: Terms {
            currencies: vec![CurrencyTerms {
                currency: Currency::from_alpha("AED").unwrap(),
                amount_minor_max: Some(1_000_000),
            }],
            payment_options: vec![Brand::Visa, Brand::Mada],
            trusted_channel: Some(Attestation {
                level: 1,
                assessor: "QSA".into(),
                document: "aoc.pdf".into(),
                document_sha256: String::new(),
                valid_until: Timestamp::parse_date("2027-11-20").unwrap(),
                verified_by: "op".into(),
                verified_at: Timestamp(0),
            }),
            acquirer: AcquirerTerms {
                card_acceptor_id: "M".into(),
                terminal_id: "T".into(),
                category_code: "5999".into(),
                shop_name: "S".into(),
                city: "DUBAI".into(),
                country: "AE".into(),
            },
            feedback: FeedbackTerms::default(),
            channel: ChannelTerms::default(),
            tokens: TokenService::On,
            cards: CardTerms::default(),
            verification: VerificationTerms::default(),
            three_ds: ThreeDsTerms::default(),
            recurring: RecurringTerms::default(),
            batch: tollgate_core::batch::BatchTerms::default(),
            links: tollgate_core::merchant::LinkTerms::default(),
            seller: tollgate_core::invoice::Seller::default(),
        },
    }
}

fn purchase() -> PayCommand {
    PayCommand {
        kind: PayKind::Purchase,
        merchant_reference: "R1".into(),
        money: money(15000, "AED"),
        eci: Eci::Ecommerce,
        card: Some(CardInput {
            number: Some(Secret::new("4005550000000001")),
            expiry: Some("3005".into()),
            security_code: SecurityCode::parse("123"),
            holder: None,
        }),
        encrypted_card: None,
        token_name: None,
        token_security_code: None,
        remember_me: None,
        payment_option: None,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        settlement_reference: None,
        recurring: RecurringWish::default(),
        params: SafeParams::default(),
    }
}

fn with_card(change: impl FnOnce(&mut CardInput)) -> PayCommand {
    let mut command = purchase();
    change(command.card.as_mut().unwrap());
    command
}

#[test]
fn a_right_purchase_may_be_sent() {
    let intent = decide::pay(&merchant(), &purchase(), None, now()).unwrap();
    assert_eq!(intent.facts.mask, "400555******0001");
    assert_eq!(intent.facts.brand, Brand::Visa);
}

fn kept(name: &str) -> Token {
    Token {
        id: TokenId(7),
        merchant: MerchantId(1),
        name: name.into(),
        status: TokenStatus::Active,
        lapses_at: None,
        after_payment: AfterPayment::Keep,
        card: CardFacts {
            mask: "411111******1111".into(),
            expiry: "3005".into(),
            holder: Some("Jo Doe".into()),
            brand: Brand::Visa,
        },
        bin: "411111".into(),
        currency: None,
        first_payment: None,
        created_at: now(),
        updated_at: now(),
        version: 1,
    }
}

fn by_token() -> PayCommand {
    PayCommand { card: None, token_name: Some("t".into()), ..purchase() }
}

#[test]
fn a_payment_by_token_takes_the_tokens_card_and_the_code_beside_it() {
    let command = PayCommand { token_security_code: SecurityCode::parse("737"), ..by_token() };
    let intent = decide::pay(&merchant(), &command, Some(&kept("t")), now()).unwrap();
    let PayCard::Kept { expiry, security_code } = intent.card else { panic!("the card is the token's") };
    assert_eq!((expiry.to_string().as_str(), security_code), ("3005", SecurityCode::parse("737")));
    assert_eq!(intent.facts, kept("t").card);
    assert_eq!(intent.token, TokenPlan::Use(OrderToken { name: "t".into(), role: TokenRole::Uses }));
    let provisional = Token { lapses_at: Some(Timestamp(now().0 + 1)), ..kept("t") };
    let intent = decide::pay(&merchant(), &by_token(), Some(&provisional), now()).unwrap();
    assert_eq!(intent.token, TokenPlan::Use(OrderToken { name: "t".into(), role: TokenRole::Keeps }));
}

#[test]
fn each_guard_of_a_payment_by_token_has_its_code() {
    let no_tokens = {
        let mut merchant = merchant();
        merchant.terms.tokens = TokenService::Off;
        merchant
    };
    let no_visa = {
        let mut merchant = merchant();
        merchant.terms.payment_options = vec![Brand::Mada];
        merchant
    };
    let with_card = PayCommand { token_name: Some("t".into()), ..purchase() };
    let as_mastercard = PayCommand { payment_option: Some("MASTERCARD".into()), ..by_token() };
    let card_as_name = PayCommand { token_name: Some("4005550000000001".into()), ..by_token() };
    let inactive = Token { status: TokenStatus::Inactive, ..kept("t") };
    let lapsed = Token { lapses_at: Some(now()), ..kept("t") };
    let expired = Token { card: CardFacts { expiry: "2001".into(), ..kept("t").card }, ..kept("t") };
    let unreadable = Token { card: CardFacts { expiry: String::new(), ..kept("t").card }, ..kept("t") };
    let table = [
        ("unknown", merchant(), by_token(), None, refused::TOKEN_NOT_FOUND),
        ("inactive", merchant(), by_token(), Some(inactive.clone()), refused::TOKEN_NOT_FOUND),
        ("inactive, with a new card", merchant(), with_card.clone(), Some(inactive), refused::TOKEN_NOT_FOUND),
        ("lapsed", merchant(), by_token(), Some(lapsed), refused::TOKEN_NOT_FOUND),
        ("expired", merchant(), by_token(), Some(expired), refused::CARD_EXPIRED),
        ("no expiry", merchant(), by_token(), Some(unreadable), refused::CARD_EXPIRED),
        ("service off", no_tokens.clone(), by_token(), Some(kept("t")), refused::NO_TOKEN_SERVICE),
        ("service off, with a card", no_tokens, with_card, None, refused::NO_TOKEN_SERVICE),
        ("another brand", merchant(), as_mastercard, Some(kept("t")), refused::INVALID_PAYMENT_OPTION),
        ("brand off", no_visa, by_token(), Some(kept("t")), refused::OPTION_NOT_AVAILABLE),
        ("a card number as name", merchant(), card_as_name, None, refused::VALUE_NOT_ALLOWED),
    ];
    for (what, merchant, command, token, code) in table {
        assert_eq!(decide::pay(&merchant, &command, token.as_ref(), now()).unwrap_err().code, code, "{what}");
    }
}

#[test]
fn a_card_is_kept_only_when_the_merchant_asks_for_it() {
    let mine = || Some("mine".to_owned());
    for (token_name, remember_me, plan) in [
        (None, None, TokenPlan::None),
        (None, Some(RememberMe::No), TokenPlan::None),
        (None, Some(RememberMe::Yes), TokenPlan::Save(None)),
        (mine(), None, TokenPlan::Save(mine())),
        (mine(), Some(RememberMe::Yes), TokenPlan::Save(mine())),
        (mine(), Some(RememberMe::No), TokenPlan::None),
    ] {
        let command = PayCommand { token_name: token_name.clone(), remember_me, ..purchase() };
        // A name that is known already means the same: its card is replaced.
        let lapsed = Token { lapses_at: Some(now()), ..kept("mine") };
        for known in [None, Some(kept("mine")), Some(lapsed)] {
            let intent = decide::pay(&merchant(), &command, known.as_ref(), now()).unwrap();
            assert_eq!(intent.token, plan, "{token_name:?} {remember_me:?}");
            assert_eq!(intent.facts.mask, "400555******0001", "the card that was sent pays");
        }
    }
    let mut off = merchant();
    off.terms.tokens = TokenService::Off;
    let command = PayCommand { remember_me: Some(RememberMe::Yes), ..purchase() };
    assert_eq!(decide::pay(&off, &command, None, now()).unwrap().token, TokenPlan::None, "the wish is no order");
}

fn update() -> UpdateTokenCommand {
    UpdateTokenCommand {
        token_name: "t".into(),
        new_token_name: None,
        expiry: None,
        holder: None,
        currency: None,
        status: None,
    }
}

#[test]
fn an_update_changes_what_was_sent_and_nothing_else() {
    let terms = merchant().terms;
    let later = Timestamp(now().0 + 1);
    let token = Token { currency: Some(money(1, "SAR").currency), ..kept("t") };
    let bare = decide::update_token(&terms, &update(), Some(&token), later).unwrap();
    assert_eq!(bare, Token { updated_at: later, version: 2, ..token.clone() });
    let all = UpdateTokenCommand {
        new_token_name: Some("n".into()),
        expiry: Some("3112".into()),
        holder: Some("Jo Roe".into()),
        currency: Some(money(1, "KWD").currency),
        status: Some(TokenStatus::Inactive),
        ..update()
    };
    let updated = decide::update_token(&terms, &all, Some(&token), later).unwrap();
    let card = CardFacts { expiry: "3112".into(), holder: Some("Jo Roe".into()), ..token.card.clone() };
    let (name, status, currency) = ("n".into(), TokenStatus::Inactive, Some(money(1, "KWD").currency));
    assert_eq!(updated, Token { name, status, currency, card, ..bare });
    let on = UpdateTokenCommand { status: Some(TokenStatus::Active), ..update() };
    assert_eq!(decide::update_token(&terms, &on, Some(&updated), later).unwrap().status, TokenStatus::Active);
}

#[test]
fn each_guard_of_an_update_has_its_code() {
    let on = merchant().terms;
    let off = Terms { tokens: TokenService::Off, ..on.clone() };
    let lapsed = Token { lapses_at: Some(now()), ..kept("t") };
    let expiry = |expiry: &str| UpdateTokenCommand { expiry: Some(expiry.into()), ..update() };
    let named_by_a_card = UpdateTokenCommand { new_token_name: Some("4005550000000001".into()), ..update() };
    let held_by_a_card = UpdateTokenCommand { holder: Some("4005 5500 0000 0001".into()), ..update() };
    for (what, terms, command, token, code) in [
        ("unknown", &on, update(), None, refused::TOKEN_NOT_FOUND),
        ("lapsed", &on, update(), Some(lapsed), refused::TOKEN_NOT_FOUND),
        ("service off", &off, update(), Some(kept("t")), refused::NO_TOKEN_SERVICE),
        ("month 13", &on, expiry("3013"), Some(kept("t")), refused::INVALID_EXPIRY),
        ("expired", &on, expiry("2001"), Some(kept("t")), refused::CARD_EXPIRED),
        ("a card number as name", &on, named_by_a_card, Some(kept("t")), refused::VALUE_NOT_ALLOWED),
        ("a card number as holder", &on, held_by_a_card, Some(kept("t")), refused::VALUE_NOT_ALLOWED),
    ] {
        assert_eq!(decide::update_token(terms, &command, token.as_ref(), now()).unwrap_err().code, code, "{what}");
    }
}

#[test]
fn each_guard_of_a_payment_has_its_code() {
    let table: Vec<(&str, PayCommand, _)> = vec![
        (
            "a card number as reference",
            PayCommand { merchant_reference: "O-4005550000000001".into(), eci: Eci::Moto, ..purchase() },
            refused::VALUE_NOT_ALLOWED,
        ),
        (
            "a card number as settlement reference",
            PayCommand { settlement_reference: Some("4005-5500-0000-0001".into()), ..purchase() },
            refused::VALUE_NOT_ALLOWED,
        ),
        (
            "a card number as holder",
            with_card(|card| card.holder = Some("4005 5500 0000 0001".into())),
            refused::VALUE_NOT_ALLOWED,
        ),
        ("nothing to pay with", PayCommand { card: None, ..purchase() }, refused::MISSING_PARAMETER),
        ("token", PayCommand { card: None, token_name: Some("t".into()), ..purchase() }, refused::TOKEN_NOT_FOUND),
        ("no number", with_card(|card| card.number = None), refused::MISSING_PARAMETER),
        (
            "check digit",
            with_card(|card| card.number = Some(Secret::new("4005550000000002"))),
            refused::INVALID_CARD_NUMBER,
        ),
        (
            "unknown brand",
            with_card(|card| card.number = Some(Secret::new("6011000000000004"))),
            refused::INVALID_CARD_NUMBER,
        ),
        ("no expiry", with_card(|card| card.expiry = None), refused::MISSING_PARAMETER),
        ("month 13", with_card(|card| card.expiry = Some("3013".into())), refused::INVALID_EXPIRY),
        ("past", with_card(|card| card.expiry = Some("2610".into())), refused::CARD_EXPIRED),
        ("no security code", with_card(|card| card.security_code = None), refused::MISSING_PARAMETER),
        (
            "other option",
            PayCommand { payment_option: Some("MASTERCARD".into()), ..purchase() },
            refused::INVALID_PAYMENT_OPTION,
        ),
        (
            "brand off",
            with_card(|card| card.number = Some(Secret::new("5123456789012346"))),
            refused::OPTION_NOT_AVAILABLE,
        ),
        (
            "mada authorization",
            PayCommand {
                kind: PayKind::Authorization,
                ..with_card(|card| card.number = Some(Secret::new("5297412542005689")))
            },
            refused::NOT_VALID_FOR_OPTION,
        ),
        ("currency off", PayCommand { money: money(1, "USD"), ..purchase() }, refused::CURRENCY_NOT_ACCEPTED),
        ("limit", PayCommand { money: money(1_000_001, "AED"), ..purchase() }, refused::LIMIT_EXCEEDED),
    ];
    for (what, command, code) in table {
        assert_eq!(decide::pay(&merchant(), &command, None, now()).unwrap_err().code, code, "{what}");
    }
    let mut nothing_enabled = merchant();
    nothing_enabled.terms.payment_options.clear();
    assert_eq!(decide::pay(&nothing_enabled, &purchase(), None, now()).unwrap_err().code, refused::NO_ACTIVE_OPTION);
}

/// The demo of an own MPI: it may bring results, and takes Mastercard besides.
fn with_own_mpi() -> Merchant {
    let mut merchant = merchant();
    merchant.terms.three_ds.own_mpi = OwnMpi::On;
    merchant.terms.payment_options.push(Brand::Mastercard);
    merchant
}

fn authenticated() -> MpiResult {
    MpiResult {
        enrolled: Some(Enrolled::Yes),
        status: Some(AuthenticationStatus::Authenticated),
        eci: Some("05".into()),
        value: AuthenticationValue::parse("AAABBWcSNIdjeUZThmNHAAAAAAA="),
        xid: Some("MDAwMDAwMDAwMDAwMDAwMzIyNzY=".into()),
        value_kind: Some(ValueKind::ThreeDs),
    }
}

fn bringing(result: MpiResult, number: &str) -> PayCommand {
    PayCommand { authentication: Some(result), ..with_card(|card| card.number = Some(Secret::new(number))) }
}

const VISA: &str = "4005550000000001";
const MASTERCARD: &str = "5123456789012346";
const MADA: &str = "5297412542005689";

fn unproven(status: AuthenticationStatus) -> MpiResult {
    MpiResult { status: Some(status), eci: None, value: None, ..authenticated() }
}

#[test]
fn what_the_merchants_own_mpi_proves_goes_to_the_network() {
    let attempted = MpiResult { status: Some(AuthenticationStatus::Attempted), ..authenticated() };
    let eci = |eci: &str, result: &MpiResult| MpiResult { eci: Some(eci.into()), ..result.clone() };
    let spa = MpiResult { value_kind: Some(ValueKind::Spa), ..eci("02", &authenticated()) };
    let not_enrolled =
        MpiResult { status: None, enrolled: Some(Enrolled::No), ..unproven(AuthenticationStatus::Unavailable) };
    for (result, card, shifts) in [
        (authenticated(), VISA, true),
        (eci("06", &attempted), VISA, true),
        (MpiResult { enrolled: Some(Enrolled::No), ..eci("06", &attempted) }, VISA, true),
        (authenticated(), MASTERCARD, true),
        (spa.clone(), MASTERCARD, true),
        (eci("01", &attempted), MASTERCARD, true),
        (spa, MADA, true),
        (MpiResult { xid: None, value_kind: None, enrolled: None, ..authenticated() }, VISA, true),
        (unproven(AuthenticationStatus::Unavailable), VISA, false),
        (eci("07", &unproven(AuthenticationStatus::Unavailable)), VISA, false),
        (eci("00", &unproven(AuthenticationStatus::Unavailable)), MASTERCARD, false),
        (not_enrolled, VISA, false),
    ] {
        let intent = decide::pay(&with_own_mpi(), &bringing(result.clone(), card), None, now()).unwrap();
        let brought = intent.authentication.unwrap();
        assert_eq!(brought.by, AuthenticatedBy::Merchant);
        assert_eq!(brought.shifts_liability(), shifts, "{result:?}");
        assert_eq!((brought.eci, brought.value, brought.xid), (result.eci, result.value, result.xid));
    }
    assert_eq!(decide::pay(&with_own_mpi(), &purchase(), None, now()).unwrap().authentication, None);
}

#[test]
fn what_does_not_fit_together_is_refused_at_its_parameter() {
    let attempted =
        MpiResult { status: Some(AuthenticationStatus::Attempted), eci: Some("06".into()), ..authenticated() };
    let eci = |eci: &str, result: &MpiResult| MpiResult { eci: Some(eci.into()), ..result.clone() };
    let unavailable = unproven(AuthenticationStatus::Unavailable);
    let value = authenticated().value;
    let not_enrolled = |result: MpiResult| MpiResult { enrolled: Some(Enrolled::No), ..result };
    let (missing, wrong) = (refused::MISSING_PARAMETER, refused::VALUE_NOT_ALLOWED);
    for (result, card, code, parameter) in [
        (MpiResult { status: None, ..authenticated() }, VISA, missing, "3ds_status"),
        (MpiResult { status: Some(AuthenticationStatus::Rejected), ..authenticated() }, VISA, wrong, "3ds_status"),
        (not_enrolled(authenticated()), VISA, wrong, "3ds_enrolled"),
        (not_enrolled(unproven(AuthenticationStatus::NotAuthenticated)), VISA, wrong, "3ds_enrolled"),
        (MpiResult { value: None, ..authenticated() }, VISA, missing, "ver_token"),
        (MpiResult { value: None, ..attempted.clone() }, VISA, missing, "ver_token"),
        (MpiResult { value: value.clone(), ..unavailable.clone() }, VISA, wrong, "ver_token"),
        (not_enrolled(MpiResult { status: None, value, ..unavailable.clone() }), VISA, wrong, "ver_token"),
        (MpiResult { eci: None, ..authenticated() }, VISA, missing, "3ds_eci"),
        (eci("06", &authenticated()), VISA, wrong, "3ds_eci"),
        (eci("07", &authenticated()), VISA, wrong, "3ds_eci"),
        (eci("05", &attempted), VISA, wrong, "3ds_eci"),
        (eci("02", &attempted), MASTERCARD, wrong, "3ds_eci"),
        (eci("05", &unavailable), VISA, wrong, "3ds_eci"),
        (eci("02", &authenticated()), VISA, wrong, "3ds_eci"),
        (eci("00", &unavailable), VISA, wrong, "3ds_eci"),
        (MpiResult { value_kind: Some(ValueKind::Spa), ..authenticated() }, VISA, wrong, "ver_type"),
    ] {
        let refusal = decide::pay(&with_own_mpi(), &bringing(result.clone(), card), None, now()).unwrap_err();
        assert_eq!((refusal.code, refusal.parameter.as_deref()), (code, Some(parameter)), "{result:?}");
    }
}

#[test]
fn who_was_not_authenticated_does_not_pay_and_who_could_not_be_does_as_the_terms_say() {
    let refusing = {
        let mut merchant = with_own_mpi();
        merchant.terms.three_ds.unavailable = UnavailableThreeDs::Refuse;
        merchant
    };
    let failed = unproven(AuthenticationStatus::NotAuthenticated);
    for (merchant, result, guilty) in [
        (&with_own_mpi(), failed, Guilty::Cardholder),
        (&refusing, unproven(AuthenticationStatus::Unavailable), Guilty::MerchantConfiguration),
    ] {
        for (kind, code) in [(PayKind::Purchase, "13030"), (PayKind::Authorization, "03030")] {
            let command = PayCommand { kind, ..bringing(result.clone(), VISA) };
            let refusal = decide::pay(merchant, &command, None, now()).unwrap_err();
            assert_eq!((refusal.code, refusal.guilty), (ResponseCode::parse(code).unwrap(), guilty));
            assert_eq!(refusal.parameter.as_deref(), Some("3ds_status"));
        }
    }
}

#[test]
fn an_own_mpi_is_for_merchants_that_may_for_ecommerce_and_for_a_card_that_comes_with_it() {
    let refusal = decide::pay(&merchant(), &bringing(authenticated(), VISA), None, now()).unwrap_err();
    assert_eq!((refusal.code, refusal.guilty), (refused::INVALID_EXTRA_PARAMETERS, Guilty::MerchantConfiguration));
    assert_eq!(refusal.parameter.as_deref(), Some("3ds_xid"), "the first that was sent");
    let moto = PayCommand { eci: Eci::Moto, ..bringing(authenticated(), VISA) };
    let refusal = decide::pay(&with_own_mpi(), &moto, None, now()).unwrap_err();
    assert_eq!(refusal.code, refused::NOT_FOR_ECI);
    assert!(refusal.detail.contains("MPI"), "{refusal}");
    let by_token = PayCommand { authentication: Some(authenticated()), ..by_token() };
    let refusal = decide::pay(&with_own_mpi(), &by_token, Some(&kept("t")), now()).unwrap_err();
    assert_eq!((refusal.code, refusal.parameter.as_deref()), (refused::MISSING_PARAMETER, Some("card_number")));
}

#[test]
fn card_data_on_a_channel_that_is_off_is_00027_whatever_the_card() {
    let mut off = merchant();
    off.terms.trusted_channel = None;
    let refusal = decide::pay(&off, &with_card(|card| card.number = Some(Secret::new("1"))), None, now()).unwrap_err();
    assert_eq!(refusal.code, refused::INVALID_EXTRA_PARAMETERS);
    assert_eq!(refusal.guilty, Guilty::MerchantConfiguration);
    let later = Timestamp::parse_date("2027-11-20").unwrap();
    let refusal = decide::pay(&merchant(), &purchase(), None, later).unwrap_err();
    assert_eq!(refusal.code, refused::INVALID_EXTRA_PARAMETERS);
    assert!(refusal.detail.contains("expired"), "{refusal}");
}

#[test]
fn a_refusal_never_holds_the_card_number() {
    let number = "4005550000000002";
    let refusal =
        decide::pay(&merchant(), &with_card(|card| card.number = Some(Secret::new(number))), None, now()).unwrap_err();
    assert!(!format!("{refusal} {refusal:?}").contains(number));
}

fn order(kind: PayKind, phase: Phase, authorized: u64, captured: u64, refunded: u64) -> Order {
    let amount = |minor| Amount::from_minor(minor).unwrap();
    let wire = WireReference { stan: Stan::folded(1), rrn: OperationId(1).rrn(), sent_at: now() };
    Order {
        fort_id: FortId(7),
        merchant: MerchantId(1),
        merchant_reference: "R1".into(),
        kind,
        money: money(15000, "AED"),
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".into(),
            expiry: "3005".into(),
            holder: None,
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase,
        totals: Totals { authorized: amount(authorized), captured: amount(captured), refunded: amount(refunded) },
        open_operation: None,
        version: 2,
        authorization_code: None,
        original: wire,
        last: LastOperation { kind: kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: now(),
    }
}

fn maintain(kind: MaintainKind, minor: u64) -> MaintainCommand {
    MaintainCommand {
        kind,
        target: OrderTarget::Reference("R1".into()),
        money: (kind != MaintainKind::Void).then(|| money(minor, "AED")),
        maintenance_reference: None,
        params: SafeParams::default(),
    }
}

#[test]
fn each_guard_of_maintenance_has_its_code() {
    use MaintainKind::{Capture, Refund, Void};
    use PayKind::{Authorization, Purchase};
    let authorized = || order(Authorization, Phase::Authorized, 15000, 0, 0);
    let captured = || order(Authorization, Phase::Captured, 15000, 5000, 0);
    let purchased = |refunded| order(Purchase, Phase::Purchased, 15000, 15000, refunded);
    let busy = Order { open_operation: Some(OperationId(9)), ..authorized() };
    let table = [
        ("capture within", authorized(), maintain(Capture, 15000), None),
        ("capture above", authorized(), maintain(Capture, 15001), Some(refused::EXCEEDS_AUTHORIZED)),
        ("second capture within", captured(), maintain(Capture, 10000), None),
        ("second capture above", captured(), maintain(Capture, 10001), Some(refused::EXCEEDS_AUTHORIZED)),
        ("capture of a purchase", purchased(0), maintain(Capture, 1), Some(refused::OPERATION_NOT_ALLOWED)),
        (
            "capture after void",
            order(Authorization, Phase::Voided, 15000, 0, 0),
            maintain(Capture, 1),
            Some(refused::OPERATION_NOT_ALLOWED),
        ),
        ("void", authorized(), maintain(Void, 0), None),
        ("void after capture", captured(), maintain(Void, 0), Some(refused::OPERATION_NOT_ALLOWED)),
        ("void of a purchase", purchased(0), maintain(Void, 0), Some(refused::OPERATION_NOT_ALLOWED)),
        (
            "void twice",
            order(Authorization, Phase::Voided, 15000, 0, 0),
            maintain(Void, 0),
            Some(refused::OPERATION_NOT_ALLOWED),
        ),
        ("refund of a purchase", purchased(0), maintain(Refund, 15000), None),
        (
            "a card number as maintenance reference",
            purchased(0),
            MaintainCommand { maintenance_reference: Some("4005550000000001".into()), ..maintain(Refund, 1) },
            Some(refused::VALUE_NOT_ALLOWED),
        ),
        ("refund above", purchased(4000), maintain(Refund, 11001), Some(refused::EXCEEDS_CAPTURED)),
        ("refund of the captured part", captured(), maintain(Refund, 5000), None),
        ("refund above the captured part", captured(), maintain(Refund, 5001), Some(refused::EXCEEDS_CAPTURED)),
        ("refund of nothing captured", authorized(), maintain(Refund, 1), Some(refused::EXCEEDS_CAPTURED)),
        ("refund after full refund", purchased(15000), maintain(Refund, 1), Some(refused::TRANSACTION_CLOSED)),
        ("pending", order(Purchase, Phase::Pending, 0, 0, 0), maintain(Refund, 1), Some(refused::STILL_PROCESSING)),
        ("unknown", order(Purchase, Phase::Unknown, 0, 0, 0), maintain(Refund, 1), Some(refused::ORDER_NOT_CONFIRMED)),
        (
            "declined",
            order(Purchase, Phase::Declined, 0, 0, 0),
            maintain(Refund, 1),
            Some(refused::ORDER_NOT_CONFIRMED),
        ),
        (
            "reversed",
            order(Purchase, Phase::Reversed, 0, 0, 0),
            maintain(Refund, 1),
            Some(refused::ORDER_NOT_CONFIRMED),
        ),
        ("busy", busy, maintain(Capture, 1), Some(refused::STILL_PROCESSING)),
    ];
    for (what, order, command, code) in table {
        assert_eq!(decide::maintain(&order, &command).err().map(|refusal| refusal.code), code, "{what}");
    }
}

#[test]
fn maintenance_in_another_currency_is_00013_and_names_must_agree() {
    let order = order(PayKind::Purchase, Phase::Purchased, 15000, 15000, 0);
    let mut other = maintain(MaintainKind::Refund, 100);
    other.money = Some(money(100, "USD"));
    assert_eq!(decide::maintain(&order, &other).unwrap_err().code, refused::INVALID_CURRENCY);
    let mut wrong = maintain(MaintainKind::Refund, 100);
    wrong.target = OrderTarget::Both("R1".into(), FortId(8));
    assert_eq!(decide::maintain(&order, &wrong).unwrap_err().code, refused::ORDER_NOT_FOUND);
}

#[test]
fn a_void_moves_all_that_is_held() {
    let order = order(PayKind::Authorization, Phase::Authorized, 15000, 0, 0);
    assert_eq!(decide::maintain(&order, &maintain(MaintainKind::Void, 0)).unwrap(), money(15000, "AED"));
}

#[test]
fn a_card_from_the_merchants_own_form_is_judged_by_its_look_alone() {
    let mut terms = merchant().terms;
    let command = |kind, number: &str, expiry: &str, code: Option<&str>| TokenizeCommand {
        kind,
        merchant_reference: "R".into(),
        card: Some(CardInput {
            number: Some(Secret::new(number)),
            expiry: Some(expiry.into()),
            security_code: code.map(|code| SecurityCode::parse(code).unwrap()),
            holder: None,
        }),
        token_name: None,
        currency: None,
        remember_me: None,
    };
    use TokenizeKind::{CreateToken, Tokenization};
    let visa = "4005550000000001";
    let judged = |terms: &Terms, command: &TokenizeCommand| {
        decide::tokenize(terms, command, CardForm::Merchants, now()).map_err(|refusal| refusal.code)
    };
    let good = command(Tokenization, visa, "3005", Some("123"));
    assert_eq!(judged(&terms, &good).unwrap_err(), refused::INVALID_EXTRA_PARAMETERS, "the form is off");
    terms.channel.page.custom_page = CustomPage::On;
    for (command, code) in [
        (TokenizeCommand { card: None, ..good.clone() }, refused::MISSING_PARAMETER),
        (TokenizeCommand { merchant_reference: visa.into(), ..good.clone() }, refused::VALUE_NOT_ALLOWED),
        (TokenizeCommand { token_name: Some(visa.into()), ..good.clone() }, refused::VALUE_NOT_ALLOWED),
        (command(Tokenization, "4005550000000002", "3005", Some("123")), refused::INVALID_CARD_NUMBER),
        (command(Tokenization, "6011000000000004", "3005", Some("123")), refused::INVALID_CARD_NUMBER),
        (command(Tokenization, visa, "3013", Some("123")), refused::INVALID_EXPIRY),
        (command(Tokenization, visa, "2001", Some("123")), refused::CARD_EXPIRED),
        (command(Tokenization, visa, "3005", None), refused::MISSING_PARAMETER),
        (command(Tokenization, "5123456789012346", "3005", Some("123")), refused::OPTION_NOT_AVAILABLE),
    ] {
        assert_eq!(judged(&terms, &command).unwrap_err(), code, "{command:?}");
    }
    let made = judged(&terms, &good).unwrap();
    assert_eq!((made.lapses_at, made.after_payment), (Some(now().plus_ms(60 * 60_000)), AfterPayment::Keep));
    let created = judged(&terms, &command(CreateToken, visa, "3005", None)).unwrap();
    assert_eq!(created.lapses_at, None, "for good, and without a security code");
    let forget = |remember_me| judged(&terms, &TokenizeCommand { remember_me, ..good.clone() }).unwrap().after_payment;
    assert_eq!(forget(Some(RememberMe::No)), AfterPayment::Forget);
    terms.channel.page.token_after_payment = AfterPayment::Forget;
    let rule = |remember_me| judged(&terms, &TokenizeCommand { remember_me, ..good.clone() }).unwrap().after_payment;
    assert_eq!((rule(None), rule(Some(RememberMe::Yes))), (AfterPayment::Forget, AfterPayment::Keep));
    terms.tokens = TokenService::Off;
    assert_eq!(judged(&terms, &good).unwrap_err(), refused::NO_TOKEN_SERVICE);
}

fn verification() -> PayCommand {
    PayCommand { kind: PayKind::VerifyAccount, money: money(0, "AED"), eci: Eci::Moto, ..purchase() }
}

#[test]
fn a_verification_asks_for_what_the_merchant_chose() {
    let mut merchant = merchant();
    let intent = decide::verify(&merchant, &verification(), now()).unwrap();
    assert_eq!((intent.kind, intent.money), (PayKind::VerifyAccount, money(0, "AED")));
    assert_eq!(intent.token, TokenPlan::None);
    merchant.terms.verification.method = VerificationMethod::SmallAmount;
    let intent = decide::verify(&merchant, &verification(), now()).unwrap();
    assert_eq!((intent.kind, intent.money), (PayKind::VerifyByHold, money(100, "AED")));
    let mut uncoded = verification();
    uncoded.card.as_mut().unwrap().security_code = None;
    assert!(decide::verify(&merchant, &uncoded, now()).is_ok(), "the security code may be left out");
    let cardless = PayCommand { card: None, ..verification() };
    assert_eq!(decide::verify(&merchant, &cardless, now()).unwrap_err().code, refused::MISSING_PARAMETER);
}

#[test]
fn nothing_that_a_merchant_asks_for_touches_a_verification() {
    for (kind, phase) in [(PayKind::VerifyByHold, Phase::Authorized), (PayKind::VerifyAccount, Phase::Verified)] {
        for asked in [MaintainKind::Capture, MaintainKind::Void, MaintainKind::Refund] {
            let refusal = decide::maintain(&order(kind, phase, 100, 0, 0), &maintain(asked, 100)).unwrap_err();
            assert_eq!(refusal.code, refused::ORDER_NOT_FOUND, "{kind:?} {asked:?}");
        }
    }
}

#[test]
fn only_the_hold_of_a_verification_at_rest_has_to_be_given_up() {
    let at_rest = Order { open_operation: None, ..order(PayKind::VerifyByHold, Phase::Authorized, 100, 0, 0) };
    assert_eq!(at_rest.hold_to_give_up(), Some(money(100, "AED")));
    let under_way = Order { open_operation: Some(OperationId(9)), ..at_rest.clone() };
    let voided = Order { phase: Phase::Voided, ..at_rest.clone() };
    let held = Order { kind: PayKind::Authorization, ..at_rest };
    for other in [under_way, voided, held] {
        assert_eq!(other.hold_to_give_up(), None, "{other:?}");
    }
}
