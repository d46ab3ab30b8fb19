//! The ladders of the gateway's own page: what can be judged before the customer has typed a card, and what then.

use super::*;

/// A purchase as the merchant's form begins it.
fn form() -> PayCommand {
    PayCommand { card: None, ..purchase() }
}

fn without_visa() -> Merchant {
    let mut merchant = merchant();
    merchant.terms.payment_options = vec![Brand::Mada];
    merchant
}

fn without_tokens() -> Merchant {
    let mut merchant = merchant();
    merchant.terms.tokens = TokenService::Off;
    merchant
}

/// A merchant whose trusted channel was never opened, and whose own form is off: neither is in the page's way.
fn of_the_page_alone() -> Merchant {
    let mut merchant = merchant();
    merchant.terms.trusted_channel = None;
    merchant
}

#[test]
fn a_page_is_opened_for_all_that_a_card_could_pay() {
    let lapsed = Token { lapses_at: Some(now()), ..kept("t") };
    let named = PayCommand { token_name: Some("t".into()), ..form() };
    for (what, command, token) in [
        ("a card that nobody knows yet", form(), None),
        ("an authorization", PayCommand { kind: PayKind::Authorization, ..form() }, None),
        ("one option", PayCommand { payment_option: Some("VISA".into()), ..form() }, None),
        ("a name for a new card", named.clone(), None),
        ("a name that has lapsed", named.clone(), Some(lapsed)),
        ("a card that is kept", named.clone(), Some(kept("t"))),
        ("to the limit", PayCommand { money: money(1_000_000, "AED"), ..form() }, None),
    ] {
        let opened = decide::open_page(&of_the_page_alone(), &command, token.as_ref(), now());
        assert_eq!(opened, Ok(()), "{what}");
    }
}

#[test]
fn each_guard_of_opening_a_page_has_its_code() {
    let named = || PayCommand { token_name: Some("t".into()), ..form() };
    let inactive = Token { status: TokenStatus::Inactive, ..kept("t") };
    let expired = Token { card: CardFacts { expiry: "2001".into(), ..kept("t").card }, ..kept("t") };
    let lapsed = Token { lapses_at: Some(now()), ..kept("t") };
    let option = |name: &str| Some(name.to_owned());
    let encrypted = PayCommand { encrypted_card: Some("a.b.c.d.e".into()), ..form() };
    let brought = PayCommand { authentication: Some(authenticated()), ..form() };
    let nothing = {
        let mut merchant = merchant();
        merchant.terms.payment_options.clear();
        merchant
    };
    let only_mada = || PayCommand { kind: PayKind::Authorization, ..form() };
    let number = "4005550000000001";
    let rows = [
        (
            "a card number as reference, before all",
            merchant(),
            PayCommand { merchant_reference: number.into(), eci: Eci::Moto, ..form() },
            None,
            refused::VALUE_NOT_ALLOWED,
        ),
        (
            "a card number as settlement reference",
            merchant(),
            PayCommand { settlement_reference: Some(number.into()), ..form() },
            None,
            refused::VALUE_NOT_ALLOWED,
        ),
        (
            "a card number as name",
            merchant(),
            PayCommand { token_name: Some(number.into()), ..form() },
            None,
            refused::VALUE_NOT_ALLOWED,
        ),
        ("moto", without_tokens(), PayCommand { eci: Eci::Moto, ..named() }, None, refused::NOT_FOR_ECI),
        ("service off", without_tokens(), PayCommand { ..named() }, Some(kept("t")), refused::NO_TOKEN_SERVICE),
        ("card data", nothing.clone(), purchase(), None, refused::INVALID_EXTRA_PARAMETERS),
        ("an encrypted card", merchant(), encrypted, None, refused::INVALID_EXTRA_PARAMETERS),
        ("an own MPI", merchant(), brought, None, refused::INVALID_EXTRA_PARAMETERS),
        ("nothing is taken", nothing.clone(), form(), None, refused::NO_ACTIVE_OPTION),
        ("nothing is taken, a lapsed name", nothing, named(), Some(lapsed), refused::NO_ACTIVE_OPTION),
        (
            "an option that is off",
            merchant(),
            PayCommand { payment_option: option("MASTERCARD"), ..form() },
            None,
            refused::OPTION_NOT_AVAILABLE,
        ),
        ("only cards for purchases", without_visa(), only_mada(), None, refused::OPTION_NOT_AVAILABLE),
        (
            "an option for purchases",
            merchant(),
            PayCommand { payment_option: option("MADA"), ..only_mada() },
            None,
            refused::OPTION_NOT_AVAILABLE,
        ),
        ("a name that is off", merchant(), named(), Some(inactive), refused::TOKEN_NOT_FOUND),
        ("a kept card that has expired", merchant(), named(), Some(expired), refused::CARD_EXPIRED),
        (
            "a kept card of another option",
            merchant(),
            PayCommand { payment_option: option("MADA"), ..named() },
            Some(kept("t")),
            refused::INVALID_PAYMENT_OPTION,
        ),
        ("a kept card that is off", without_visa(), named(), Some(kept("t")), refused::OPTION_NOT_AVAILABLE),
        ("currency", merchant(), PayCommand { money: money(1, "USD"), ..form() }, None, refused::CURRENCY_NOT_ACCEPTED),
        ("limit", merchant(), PayCommand { money: money(1_000_001, "AED"), ..form() }, None, refused::LIMIT_EXCEEDED),
    ];
    for (what, merchant, command, token, code) in rows {
        let refusal = decide::open_page(&merchant, &command, token.as_ref(), now()).unwrap_err();
        assert_eq!(refusal.code, code, "{what}");
        assert!(!format!("{refusal} {refusal:?}").contains(number), "{what}");
    }
}

#[test]
fn what_was_typed_on_the_page_pays_without_any_other_channel() {
    let intent = decide::pay_on_page(&of_the_page_alone(), &purchase(), None, now()).unwrap();
    assert_eq!((intent.facts.mask.as_str(), intent.money), ("400555******0001", money(15000, "AED")));
    assert_eq!((intent.token, intent.authentication), (TokenPlan::None, None));
    let remembered = PayCommand { remember_me: Some(RememberMe::Yes), ..purchase() };
    let intent = decide::pay_on_page(&of_the_page_alone(), &remembered, None, now()).unwrap();
    assert_eq!(intent.token, TokenPlan::Save(None));
    let with_code = PayCommand { token_security_code: SecurityCode::parse("737"), ..by_token() };
    let intent = decide::pay_on_page(&of_the_page_alone(), &with_code, Some(&kept("t")), now()).unwrap();
    assert!(matches!(intent.card, PayCard::Kept { security_code: Some(_), .. }));
    assert_eq!(intent.token, TokenPlan::Use(OrderToken { name: "t".into(), role: TokenRole::Uses }));
}

#[test]
fn each_guard_of_what_was_typed_has_its_code() {
    let table = [
        (
            "a card number as holder",
            merchant(),
            with_card(|card| card.holder = Some("4005 5500 0000 0001".into())),
            None,
            refused::VALUE_NOT_ALLOWED,
        ),
        ("service off", without_tokens(), by_token(), Some(kept("t")), refused::NO_TOKEN_SERVICE),
        ("nothing typed", merchant(), form(), None, refused::MISSING_PARAMETER),
        ("a name that is gone", merchant(), by_token(), None, refused::TOKEN_NOT_FOUND),
        ("a kept card without its code", merchant(), by_token(), Some(kept("t")), refused::MISSING_PARAMETER),
        ("no code", merchant(), with_card(|card| card.security_code = None), None, refused::MISSING_PARAMETER),
        ("no number", merchant(), with_card(|card| card.number = None), None, refused::MISSING_PARAMETER),
        (
            "check digit",
            merchant(),
            with_card(|card| card.number = Some(Secret::new("4005550000000002"))),
            None,
            refused::INVALID_CARD_NUMBER,
        ),
        ("expired", merchant(), with_card(|card| card.expiry = Some("2610".into())), None, refused::CARD_EXPIRED),
        ("month 13", merchant(), with_card(|card| card.expiry = Some("3013".into())), None, refused::INVALID_EXPIRY),
        (
            "another option",
            merchant(),
            PayCommand { payment_option: Some("MADA".into()), ..purchase() },
            None,
            refused::INVALID_PAYMENT_OPTION,
        ),
        ("a brand that is off", without_visa(), purchase(), None, refused::OPTION_NOT_AVAILABLE),
        (
            "a card for purchases alone",
            merchant(),
            PayCommand {
                kind: PayKind::Authorization,
                ..with_card(|card| card.number = Some(Secret::new("5297412542005689")))
            },
            None,
            refused::NOT_VALID_FOR_OPTION,
        ),
        // The merchant may have changed its account while the customer typed.
        (
            "currency",
            merchant(),
            PayCommand { money: money(1, "USD"), ..purchase() },
            None,
            refused::CURRENCY_NOT_ACCEPTED,
        ),
        (
            "limit",
            merchant(),
            PayCommand { money: money(1_000_001, "AED"), ..purchase() },
            None,
            refused::LIMIT_EXCEEDED,
        ),
    ];
    for (what, merchant, command, token, code) in table {
        let refusal = decide::pay_on_page(&merchant, &command, token.as_ref(), now()).unwrap_err();
        assert_eq!(refusal.code, code, "{what}");
    }
}

fn tokenization(card: Option<CardInput>) -> TokenizeCommand {
    TokenizeCommand {
        kind: TokenizeKind::Tokenization,
        merchant_reference: "R".into(),
        card,
        token_name: None,
        currency: None,
        remember_me: None,
    }
}

#[test]
fn each_guard_of_opening_a_page_for_a_token_has_its_code() {
    let number = "4005550000000001";
    let nothing = {
        let mut merchant = merchant();
        merchant.terms.payment_options.clear();
        merchant
    };
    let good = tokenization(None);
    for kind in [TokenizeKind::Tokenization, TokenizeKind::CreateToken] {
        let command = TokenizeCommand { kind, token_name: Some("t".into()), ..good.clone() };
        assert_eq!(decide::open_token_page(&of_the_page_alone().terms, &command), Ok(()));
    }
    for (what, merchant, command, code) in [
        (
            "a card number as reference",
            without_tokens(),
            TokenizeCommand { merchant_reference: number.into(), ..good.clone() },
            refused::VALUE_NOT_ALLOWED,
        ),
        (
            "a card number as name",
            without_tokens(),
            TokenizeCommand { token_name: Some(number.into()), ..good.clone() },
            refused::VALUE_NOT_ALLOWED,
        ),
        ("service off", without_tokens(), good.clone(), refused::NO_TOKEN_SERVICE),
        ("nothing is taken", nothing, good, refused::NO_ACTIVE_OPTION),
    ] {
        assert_eq!(decide::open_token_page(&merchant.terms, &command).unwrap_err().code, code, "{what}");
    }
}

#[test]
fn a_card_typed_on_the_gateways_form_is_kept_though_the_merchants_own_form_is_off() {
    let terms = of_the_page_alone().terms;
    assert_eq!(terms.channel.page.custom_page, CustomPage::Off);
    let judged = |terms: &Terms, command: &TokenizeCommand| {
        decide::tokenize(terms, command, CardForm::Gateways, now()).map_err(|refusal| refusal.code)
    };
    let made = judged(&terms, &tokenization(purchase().card)).unwrap();
    assert_eq!((made.facts.brand, made.after_payment), (Brand::Visa, AfterPayment::Keep));
    assert!(made.lapses_at.is_some(), "provisional until a payment");
    let created = TokenizeCommand { kind: TokenizeKind::CreateToken, ..tokenization(purchase().card) };
    assert_eq!(judged(&terms, &created).unwrap().lapses_at, None);
    let typed = |change: fn(&mut CardInput)| tokenization(with_card(change).card);
    for (what, terms, command, code) in [
        ("nothing", &terms, tokenization(None), refused::MISSING_PARAMETER),
        ("service off", &without_tokens().terms, tokenization(purchase().card), refused::NO_TOKEN_SERVICE),
        (
            "check digit",
            &terms,
            typed(|card| card.number = Some(Secret::new("4005550000000002"))),
            refused::INVALID_CARD_NUMBER,
        ),
        ("expired", &terms, typed(|card| card.expiry = Some("2610".into())), refused::CARD_EXPIRED),
        ("no code", &terms, typed(|card| card.security_code = None), refused::MISSING_PARAMETER),
        ("a brand that is off", &without_visa().terms, tokenization(purchase().card), refused::OPTION_NOT_AVAILABLE),
        (
            "a card number as holder",
            &terms,
            typed(|card| card.holder = Some("4005550000000001".into())),
            refused::VALUE_NOT_ALLOWED,
        ),
    ] {
        assert_eq!(judged(terms, &command).unwrap_err(), code, "{what}");
    }
}
