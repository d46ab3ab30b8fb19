//! Payments without the customer at a browser, and what opens an agreement.

use super::{by_token, kept, merchant, money, now, purchase, with_card};
use tollgate_core::agreement::{AgreementRule, Day, RecurringMode, RecurringWish};
use tollgate_core::billing::TimeZoneName;
use tollgate_core::bin::Brand;
use tollgate_core::card::SecurityCode;
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::command::{Eci, PayCommand, RememberMe, ScheduleStatusWish, UpdateAgreementCommand};
use tollgate_core::decide::{self, PayCard, TokenPlan};
use tollgate_core::merchant::{Merchant, TokenService};
use tollgate_core::order::PayKind;
use tollgate_core::page::AfterPayment;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{FirstPayment, OrderToken, Token, TokenRole, TokenStatus};

/// A token that its customer has paid with.
fn paid() -> Token {
    Token { first_payment: Some(FirstPayment { at: now(), network_transaction_id: None }), ..kept("t") }
}

fn charge() -> PayCommand {
    PayCommand { eci: Eci::Recurring, ..by_token() }
}

fn opening(mode: RecurringMode, charges_max: Option<u32>) -> RecurringWish {
    RecurringWish { mode: Some(mode), charges_max, ..RecurringWish::default() }
}

fn of_brand(brand: Brand) -> Token {
    let mut token = paid();
    token.card.brand = brand;
    token
}

fn code(merchant: &Merchant, command: &PayCommand, token: Option<&Token>) -> Option<(ResponseCode, String)> {
    let refusal = decide::pay(merchant, command, token, now()).err()?;
    Some((refusal.code, refusal.parameter.unwrap_or_default().into_owned()))
}

#[test]
fn a_charge_is_a_purchase_by_a_token_that_its_customer_has_paid_with() {
    let intent = decide::pay(&merchant(), &charge(), Some(&paid()), now()).unwrap();
    let PayCard::Kept { security_code: None, .. } = intent.card else { panic!("{intent:?}") };
    assert_eq!(intent.token, TokenPlan::Use(OrderToken { name: "t".into(), role: TokenRole::Uses }));
    let unpaid = kept("t");
    let off = Token { status: TokenStatus::Inactive, ..paid() };
    let security_code = SecurityCode::parse("123");
    let as_authorization = PayCommand { kind: PayKind::Authorization, ..charge() };
    let with_a_card = PayCommand { card: purchase().card, ..charge() };
    let encrypted = PayCommand { encrypted_card: Some("e30".into()), ..charge() };
    for (what, command, token, expected) in [
        ("an authorization", as_authorization, paid(), (refused::NOT_FOR_ECI, "eci")),
        ("a card", with_a_card, paid(), (refused::CONTRADICTING_PARAMETERS, "card_number")),
        ("an encrypted card", encrypted, paid(), (refused::CONTRADICTING_PARAMETERS, "card_number")),
        (
            "a security code",
            PayCommand { token_security_code: security_code, ..charge() },
            paid(),
            (refused::CONTRADICTING_PARAMETERS, "card_security_code"),
        ),
        (
            "nothing to pay with",
            PayCommand { token_name: None, ..charge() },
            paid(),
            (refused::MISSING_PARAMETER, "token_name"),
        ),
        ("a token that is off", charge(), off, (refused::TOKEN_NOT_FOUND, "token_name")),
        ("a customer who never paid", charge(), unpaid, (refused::NOT_FOR_ECI, "token_name")),
        ("mada", charge(), of_brand(Brand::Mada), (refused::NOT_VALID_FOR_OPTION, "eci")),
    ] {
        let (code, parameter) = code(&merchant(), &command, Some(&token)).unwrap_or_else(|| panic!("{what}"));
        assert_eq!((code, parameter.as_str()), expected, "{what}");
    }
    assert_eq!(code(&merchant(), &charge(), None).map(|refused| refused.0), Some(refused::TOKEN_NOT_FOUND));
}

#[test]
fn a_merchant_may_have_to_name_an_agreement_with_each_charge() {
    let mut merchant = merchant();
    merchant.terms.recurring.agreement = AgreementRule::Required;
    let (refusal, parameter) = code(&merchant, &charge(), Some(&paid())).unwrap();
    assert_eq!((refusal, parameter.as_str()), (refused::MISSING_PARAMETER, "agreement_id"));
    let named = RecurringWish { agreement_id: Some("A".into()), ..RecurringWish::default() };
    assert_eq!(code(&merchant, &PayCommand { recurring: named, ..charge() }, Some(&paid())), None);
    assert_eq!(code(&merchant, &by_token(), Some(&paid())), None, "the customer's own payments need none");
}

#[test]
fn a_mail_order_needs_no_security_code_and_keeps_to_brands_that_take_it() {
    let without_code = with_card(|card| card.security_code = None);
    assert_eq!(code(&merchant(), &without_code, None).map(|refused| refused.0), Some(refused::MISSING_PARAMETER));
    for kind in [PayKind::Authorization, PayKind::Purchase] {
        let by_phone = PayCommand { eci: Eci::Moto, kind, ..without_code.clone() };
        assert_eq!(code(&merchant(), &by_phone, None), None);
        let by_token = PayCommand { eci: Eci::Moto, kind, ..by_token() };
        assert_eq!(code(&merchant(), &by_token, Some(&kept("t"))), None, "no customer has to have paid before");
    }
    let mada = PayCommand { eci: Eci::Moto, ..by_token() };
    let refused_mada = code(&merchant(), &mada, Some(&of_brand(Brand::Mada))).map(|refused| refused.0);
    assert_eq!(refused_mada, Some(refused::NOT_VALID_FOR_OPTION));
    let mut closed = merchant();
    closed.terms.trusted_channel = None;
    let by_phone = PayCommand { eci: Eci::Moto, ..without_code };
    let refused_card = code(&closed, &by_phone, None).map(|refused| refused.0);
    assert_eq!(refused_card, Some(refused::INVALID_EXTRA_PARAMETERS), "card data needs the trusted channel");
    assert_eq!(code(&closed, &mada, Some(&kept("t"))), None, "a token does not");
}

#[test]
fn what_opens_an_agreement_fits_together() {
    let opens = |recurring| PayCommand { recurring, ..purchase() };
    let today = Day::of(now());
    let until = |day: Option<Day>| RecurringWish { last_day: day, ..opening(RecurringMode::Unscheduled, None) };
    for good in [
        opens(opening(RecurringMode::Fixed, Some(1))),
        opens(opening(RecurringMode::Unscheduled, None)),
        opens(until(Some(today))),
        // A mode that is not sent opens nothing, so the rest does not count.
        opens(RecurringWish { charges_max: Some(0), ..RecurringWish::default() }),
    ] {
        assert_eq!(code(&merchant(), &good, None), None, "{good:?}");
    }
    let yesterday = Day::from_number(today.number() - 1);
    let forgets = PayCommand { remember_me: Some(RememberMe::No), ..opens(opening(RecurringMode::Fixed, Some(3))) };
    let by_phone = PayCommand { eci: Eci::Moto, ..opens(opening(RecurringMode::Fixed, Some(3))) };
    for (command, expected) in [
        (opens(opening(RecurringMode::Fixed, None)), (refused::MISSING_PARAMETER, "recurring_transactions_count")),
        (opens(opening(RecurringMode::Variable, None)), (refused::MISSING_PARAMETER, "recurring_transactions_count")),
        (
            opens(opening(RecurringMode::Unscheduled, Some(0))),
            (refused::VALUE_NOT_ALLOWED, "recurring_transactions_count"),
        ),
        (opens(until(yesterday)), (refused::VALUE_NOT_ALLOWED, "recurring_expiry_date")),
        (forgets, (refused::CONTRADICTING_PARAMETERS, "remember_me")),
        (by_phone, (refused::NOT_FOR_ECI, "recurring_mode")),
    ] {
        let (code, parameter) = code(&merchant(), &command, None).unwrap();
        assert_eq!((code, parameter.as_str()), expected, "{command:?}");
        if command.eci == Eci::Ecommerce {
            let on_page = PayCommand { card: None, ..command };
            assert_eq!(decide::open_page(&merchant(), &on_page, None, now()).unwrap_err().code, expected.0);
        }
    }
    let mut without_tokens = merchant();
    without_tokens.terms.tokens = TokenService::Off;
    let refused_here = code(&without_tokens, &opens(opening(RecurringMode::Fixed, Some(1))), None).unwrap();
    assert_eq!(refused_here, (refused::NO_TOKEN_SERVICE, "recurring_mode".to_owned()));
}

#[test]
fn the_card_of_an_agreement_is_kept_whatever_the_account_says() {
    let recurring = opening(RecurringMode::Variable, Some(12));
    let new = PayCommand { recurring: recurring.clone(), ..purchase() };
    let intent = decide::pay(&merchant(), &new, None, now()).unwrap();
    assert_eq!(intent.token, TokenPlan::Save(None));
    let provisional =
        Token { lapses_at: Some(Timestamp(now().0 + 1)), after_payment: AfterPayment::Forget, ..kept("t") };
    let role = |command: &PayCommand| match decide::pay(&merchant(), command, Some(&provisional), now()).unwrap().token
    {
        TokenPlan::Use(token) => token.role,
        other => panic!("{other:?}"),
    };
    assert_eq!(role(&by_token()), TokenRole::Uses);
    assert_eq!(role(&PayCommand { recurring, ..by_token() }), TokenRole::Keeps);
}

#[test]
fn an_agreement_is_not_named_by_a_card_number() {
    let named = RecurringWish { agreement_id: Some("A-4005550000000001".into()), ..RecurringWish::default() };
    let command = PayCommand { recurring: named, money: money(100, "AED"), ..purchase() };
    let (refusal, parameter) = code(&merchant(), &command, None).unwrap();
    assert_eq!((refusal, parameter.as_str()), (refused::VALUE_NOT_ALLOWED, "agreement_id"));
}

/// A payment that opens an agreement which the gateway charges, with its parameters as they were sent.
fn scheduled(mode: RecurringMode, sent: &[(&'static str, &str)]) -> PayCommand {
    let mut command = purchase();
    for (name, value) in sent {
        command.params.push(name, value);
    }
    let parameters = RecurringWish::of_params(&command.params);
    command.recurring = RecurringWish { mode: Some(mode), charges_max: Some(12), ..parameters };
    command
}

#[test]
fn a_billing_cycle_fits_its_agreement() {
    let zone = |name: &str| {
        let mut merchant = merchant();
        merchant.terms.recurring.time_zone = TimeZoneName::parse(name).unwrap();
        merchant
    };
    let (cycle, first, amount) = ("recurring_billing_cycle", "recurring_first_charge_date", "recurring_amount");
    let tomorrow = Day::of(now()).plus(1).to_string();
    let same = purchase().money.amount.to_string();
    use RecurringMode::{Fixed, Unscheduled, Variable};
    for (mode, good) in [
        (Fixed, vec![(cycle, "MONTHLY")]),
        (Fixed, vec![(cycle, "freq=monthly;byday=-1fr"), (amount, same.as_str())]),
        (Fixed, vec![(cycle, "2 WEEKLY"), (first, tomorrow.as_str()), (amount, "7")]),
        (Variable, vec![(cycle, "DAILY"), (amount, "7")]),
    ] {
        assert_eq!(code(&zone("UTC"), &scheduled(mode, &good), None), None, "{good:?}");
    }
    let today = Day::of(now()).to_string();
    for (mode, bad, expected) in [
        (Fixed, vec![(cycle, "HOURLY")], (refused::VALUE_NOT_ALLOWED, cycle)),
        (Fixed, vec![(cycle, "FREQ=SECONDLY")], (refused::VALUE_NOT_ALLOWED, cycle)),
        (Fixed, vec![(first, tomorrow.as_str())], (refused::MISSING_PARAMETER, cycle)),
        (Fixed, vec![(amount, same.as_str())], (refused::MISSING_PARAMETER, cycle)),
        (Unscheduled, vec![(cycle, "DAILY")], (refused::CONTRADICTING_PARAMETERS, cycle)),
        (Fixed, vec![(cycle, "DAILY"), (first, today.as_str())], (refused::VALUE_NOT_ALLOWED, first)),
        (Fixed, vec![(cycle, "DAILY"), (amount, "7")], (refused::INVALID_AMOUNT, amount)),
        (Variable, vec![(cycle, "DAILY"), (amount, "0")], (refused::INVALID_AMOUNT, amount)),
    ] {
        let command = scheduled(mode, &bad);
        let found = code(&zone("UTC"), &command, None);
        assert_eq!(found, Some((expected.0, expected.1.to_owned())), "{bad:?}");
        let on_page = PayCommand { card: None, ..command };
        assert_eq!(decide::open_page(&merchant(), &on_page, None, now()).unwrap_err().code, expected.0, "{bad:?}");
    }
    let over = PayCommand {
        recurring: RecurringWish {
            last_day: Some(Day::of(now())),
            ..scheduled(Fixed, &[(cycle, "DAILY"), (first, &tomorrow)]).recurring
        },
        ..scheduled(Fixed, &[(cycle, "DAILY"), (first, &tomorrow)])
    };
    assert_eq!(code(&zone("UTC"), &over, None), Some((refused::VALUE_NOT_ALLOWED, first.to_owned())));
    // Where it is tomorrow already, tomorrow is the day of the payment.
    let eastern = scheduled(Fixed, &[(cycle, "DAILY"), (first, &tomorrow)]);
    let far_east = zone("Pacific/Kiritimati");
    let is_tomorrow_there = far_east.terms.recurring.time_zone.day(now()) > Day::of(now());
    assert_eq!(code(&far_east, &eastern, None).is_some(), is_tomorrow_there);
}

#[test]
fn a_billing_cycle_is_never_passed_over() {
    let sent = [("recurring_billing_cycle", "MONTHLY")];
    let without_mode = PayCommand { recurring: RecurringWish::default(), ..scheduled(RecurringMode::Fixed, &sent) };
    for (command, token, expected) in [
        (without_mode.clone(), None, (refused::MISSING_PARAMETER, "recurring_mode")),
        (PayCommand { eci: Eci::Moto, ..without_mode }, None, (refused::MISSING_PARAMETER, "recurring_mode")),
        (
            PayCommand { params: scheduled(RecurringMode::Fixed, &sent).params, ..charge() },
            Some(paid()),
            (refused::NOT_FOR_ECI, "recurring_billing_cycle"),
        ),
    ] {
        let found = code(&merchant(), &command, token.as_ref());
        assert_eq!(found, Some((expected.0, expected.1.to_owned())), "{command:?}");
    }
}

#[test]
fn a_change_of_an_agreement_keeps_to_the_account() {
    let nothing = UpdateAgreementCommand {
        agreement_id: "A".into(),
        status: None,
        amount: None,
        token_name: None,
        next_day: None,
    };
    let mut terms = merchant().terms;
    let refused_here = decide::update_agreement(&terms, &nothing, None).unwrap_err();
    assert_eq!(refused_here.code, refused::MISSING_PARAMETER);
    let paused = UpdateAgreementCommand { status: Some(ScheduleStatusWish::Paused), ..nothing };
    assert!(decide::update_agreement(&terms, &paused, None).is_ok());
    for currency in &mut terms.currencies {
        currency.amount_minor_max = Some(100);
    }
    let dearer = UpdateAgreementCommand { amount: Some(money(101, "AED").amount), ..paused };
    assert_eq!(
        decide::update_agreement(&terms, &dearer, Some(money(101, "AED"))).unwrap_err().parameter.as_deref(),
        Some("recurring_amount")
    );
    assert!(decide::update_agreement(&terms, &dearer, Some(money(100, "AED"))).is_ok());
}
