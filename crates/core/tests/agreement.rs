//! The rules of agreements and of stored credentials: one row for each guard, and properties over many charges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tollgate_core::agreement::*;
use tollgate_core::billing::BillingCycle;
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::refused;
use tollgate_core::command::{Eci, SafeParams};
use tollgate_core::credential::*;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::page::AfterPayment;
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_core::token::{FirstPayment, Token, TokenId, TokenRole, TokenStatus};

/// Midnight.
const START: Timestamp = Timestamp(1_795_132_800_000_000);

fn money(minor: u64, alpha: &str) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(alpha).unwrap() }
}

fn days_later(days: i64) -> Timestamp {
    Timestamp(START.0 + days * DAY_US)
}

fn token(name: &str) -> Token {
    Token {
        id: TokenId(7),
        merchant: MerchantId(1),
        name: name.into(),
        status: TokenStatus::Active,
        lapses_at: None,
        after_payment: AfterPayment::Keep,
        card: CardFacts { mask: "*".into(), expiry: "3005".into(), holder: None, brand: Brand::Visa },
        bin: "400555".into(),
        currency: None,
        first_payment: Some(FirstPayment { at: START, network_transaction_id: id("TOKENS1") }),
        created_at: START,
        updated_at: START,
        version: 1,
    }
}

fn id(text: &str) -> Option<NetworkTransactionId> {
    NetworkTransactionId::parse(text)
}

fn agreement() -> Agreement {
    Agreement {
        number: AgreementNumber(5),
        merchant: MerchantId(1),
        id: "A".into(),
        terms: AgreementTerms {
            mode: RecurringMode::Fixed,
            money: money(10_000, "AED"),
            charges_max: Some(3),
            last_day: Some(Day::of(days_later(90))),
            days_between_min: Some(30),
        },
        token_name: "t".into(),
        token_since: START,
        token_id: TokenId(7),
        opened_by: FortId(5),
        opened_at: START,
        network_transaction_id: id("AGREEMENTS1"),
        state: AgreementState::Active,
        charges: 0,
        charges_open: 0,
        paid_at: START,
        version: 2,
    }
}

#[test]
fn each_guard_of_a_charge_has_its_code() {
    let (own, other) = (token("t"), token("u"));
    let good = Charge { token: &own, money: money(10_000, "AED"), at: days_later(30) };
    assert_eq!(agreement().judge(&good), Ok(()));
    assert_eq!(agreement().judge(&Charge { at: days_later(90), ..good }), Ok(()), "the last day counts");
    let ended = AgreementState::Ended(AgreementEnd { why: EndReason::Operator, at: days_later(1) });
    let terms = agreement().terms;
    for (what, agreement, charge, expected) in [
        (
            "opening",
            Agreement { state: AgreementState::Opening, ..agreement() },
            good,
            (refused::STILL_PROCESSING, "agreement_id"),
        ),
        ("ended", Agreement { state: ended, ..agreement() }, good, (refused::OPERATION_NOT_ALLOWED, "agreement_id")),
        (
            "another token",
            agreement(),
            Charge { token: &other, ..good },
            (refused::CONTRADICTING_PARAMETERS, "token_name"),
        ),
        (
            "a token that came after the agreed one was deleted",
            Agreement { token_since: Timestamp(START.0 - 1), ..agreement() },
            good,
            (refused::CONTRADICTING_PARAMETERS, "token_name"),
        ),
        (
            "another amount",
            agreement(),
            Charge { money: money(10_001, "AED"), ..good },
            (refused::INVALID_AMOUNT, "amount"),
        ),
        (
            "another currency",
            agreement(),
            Charge { money: money(10_000, "SAR"), ..good },
            (refused::INVALID_CURRENCY, "currency"),
        ),
        (
            "expired",
            agreement(),
            Charge { at: days_later(91), ..good },
            (refused::OPERATION_NOT_ALLOWED, "agreement_id"),
        ),
        ("used up", Agreement { charges: 3, ..agreement() }, good, (refused::OPERATION_NOT_ALLOWED, "agreement_id")),
        (
            "too soon",
            agreement(),
            Charge { at: Timestamp(days_later(30).0 - 1), ..good },
            (refused::OPERATION_NOT_ALLOWED, "agreement_id"),
        ),
        (
            "another one under way",
            Agreement { charges: 1, charges_open: 1, ..agreement() },
            good,
            (refused::STILL_PROCESSING, "agreement_id"),
        ),
    ] {
        let refusal = agreement.judge(&charge).unwrap_err();
        assert_eq!((refusal.code, refusal.parameter.as_deref()), (expected.0, Some(expected.1)), "{what}: {refusal}");
    }
    let variable = AgreementTerms { mode: RecurringMode::Variable, ..terms };
    let variable = Agreement { terms: variable, ..agreement() };
    assert_eq!(variable.judge(&Charge { money: money(1, "SAR"), ..good }), Ok(()), "only a fixed one has an amount");
    let loose = AgreementTerms { charges_max: None, last_day: None, days_between_min: None, ..terms };
    let loose = Agreement { terms: loose, charges: 500, charges_open: 2, ..agreement() };
    assert_eq!(loose.judge(&Charge { at: START, ..good }), Ok(()), "what is not agreed is no limit");
}

#[test]
fn days_are_those_of_the_calendar_and_not_of_the_hour() {
    let own = token("t");
    let late = Agreement { paid_at: Timestamp(START.0 + DAY_US - 1), ..agreement() };
    let charge = Charge { token: &own, money: money(10_000, "AED"), at: days_later(30) };
    assert_eq!(late.judge(&charge), Ok(()), "a second before midnight and a second after are two days");
    assert_eq!(late.next_day(), Some(Day::of(days_later(30))));
    let ended = AgreementState::Ended(AgreementEnd { why: EndReason::Operator, at: START });
    assert_eq!(Agreement { state: ended, ..late }.next_day(), None, "an ended agreement has no next day");
}

#[test]
fn days_read_back() {
    for text in ["1970-01-01", "2026-11-26", "2028-02-29", "9999-12-31"] {
        let day = Day::parse(text).unwrap();
        assert_eq!(day.to_string(), text);
        assert_eq!(Day::from_number(day.number()), Some(day));
    }
    assert_eq!(Day::parse("2027-02-29"), None);
    assert_eq!(Day::from_number(i64::MAX), None);
}

#[test]
fn a_wish_is_read_from_parameters() {
    let mut params = SafeParams::default();
    for (name, value) in [
        ("agreement_id", "A"),
        ("recurring_mode", "VARIABLE"),
        ("recurring_transactions_count", "12"),
        ("recurring_expiry_date", "2027-11-30"),
        ("recurring_days_between_payments", "28"),
        ("recurring_billing_cycle", "2 WEEKLY"),
        ("recurring_first_charge_date", "2027-01-15"),
        ("recurring_amount", "4900"),
    ] {
        params.push(name, value);
    }
    let wish = RecurringWish {
        agreement_id: Some("A".into()),
        mode: Some(RecurringMode::Variable),
        charges_max: Some(12),
        last_day: Day::parse("2027-11-30"),
        days_between_min: Some(28),
        cycle: BillingCycle::parse("2 WEEKLY").ok(),
        first_day: Day::parse("2027-01-15"),
        charge_amount: Amount::from_minor(4_900),
    };
    assert_eq!(RecurringWish::of_params(&params), wish);
    assert_eq!(RecurringWish::of_params(&SafeParams::default()), RecurringWish::default());
}

#[test]
fn the_network_is_told_who_pays_for_which_time_and_what_for() {
    let paid = token("t");
    let unpaid = Token { first_payment: None, ..token("t") };
    let provisional = Token { lapses_at: Some(days_later(1)), ..unpaid.clone() };
    let base = CredentialFacts { eci: Eci::Ecommerce, role: None, token: None, opens: None, charges: None };
    let told = |facts: CredentialFacts<'_>| facts.told().map(|told| (told.by, told.turn, told.used_for));
    let (customer, initial, later) = (Initiator::Customer, CredentialTurn::Initial, CredentialTurn::Subsequent);
    let uses = Some(TokenRole::Uses);
    for (what, facts, expected) in [
        ("a card that is not kept", base, None),
        (
            "a card that is forgotten afterwards",
            CredentialFacts { role: uses, token: Some(&provisional), ..base },
            None,
        ),
        (
            "a card that is kept",
            CredentialFacts { role: Some(TokenRole::Saves), ..base },
            Some((customer, initial, CredentialUse::Unscheduled)),
        ),
        (
            "a provisional token",
            CredentialFacts { role: Some(TokenRole::Keeps), token: Some(&provisional), ..base },
            Some((customer, initial, CredentialUse::Unscheduled)),
        ),
        (
            "a token that nobody has paid with",
            CredentialFacts { role: uses, token: Some(&unpaid), ..base },
            Some((customer, initial, CredentialUse::Unscheduled)),
        ),
        (
            "a token that is paid with again",
            CredentialFacts { role: uses, token: Some(&paid), ..base },
            Some((customer, later, CredentialUse::Unscheduled)),
        ),
        (
            "a token for which an agreement is opened",
            CredentialFacts { role: uses, token: Some(&paid), opens: Some(RecurringMode::Fixed), ..base },
            Some((customer, initial, CredentialUse::Recurring)),
        ),
        (
            "a new card with an agreement",
            CredentialFacts { role: Some(TokenRole::Saves), opens: Some(RecurringMode::Variable), ..base },
            Some((customer, initial, CredentialUse::StandingOrder)),
        ),
        (
            "a telephone order",
            CredentialFacts { eci: Eci::Moto, role: uses, token: Some(&paid), ..base },
            Some((customer, later, CredentialUse::Unscheduled)),
        ),
    ] {
        assert_eq!(told(facts), expected, "{what}");
        assert_eq!(facts.told().and_then(|told| told.original), None, "{what}: a customer's own goes back to nothing");
    }
}

#[test]
fn a_charge_goes_back_to_the_customers_own_payment() {
    let (paid, agreed) = (token("t"), agreement());
    let replaced = Token { id: TokenId(8), ..token("t") };
    let old = Token { first_payment: Some(FirstPayment { at: START, network_transaction_id: None }), ..token("t") };
    let base = CredentialFacts {
        eci: Eci::Recurring,
        role: Some(TokenRole::Uses),
        token: Some(&paid),
        opens: None,
        charges: Some(&agreed),
    };
    for (what, facts, original, used_for) in [
        ("by an agreement", base, Some("AGREEMENTS1"), CredentialUse::Recurring),
        (
            "of a card that took the first one's place",
            CredentialFacts { token: Some(&replaced), ..base },
            Some("TOKENS1"),
            CredentialUse::Recurring,
        ),
        ("by a token alone", CredentialFacts { charges: None, ..base }, Some("TOKENS1"), CredentialUse::Unscheduled),
        (
            "of a token from before such names were kept",
            CredentialFacts { charges: None, token: Some(&old), ..base },
            None,
            CredentialUse::Unscheduled,
        ),
    ] {
        let told = facts.told().unwrap();
        assert_eq!((told.by, told.turn), (Initiator::Merchant, CredentialTurn::Subsequent), "{what}");
        assert_eq!(told.original, original.and_then(id), "{what}");
        assert_eq!(told.used_for, used_for, "{what}");
        assert_eq!(facts.notes(), None, "{what}: only a customer's own payment is noted");
    }
}

#[test]
fn a_token_is_noted_with_the_first_payment_of_its_customer_and_its_name() {
    let unpaid = Token { first_payment: None, ..token("t") };
    let nameless =
        Token { first_payment: Some(FirstPayment { at: START, network_transaction_id: None }), ..token("t") };
    let paid = token("t");
    let facts =
        |token, eci, role| CredentialFacts { eci, role: Some(role), token: Some(token), opens: None, charges: None };
    for (token, eci, role, missing) in [
        (&unpaid, Eci::Ecommerce, TokenRole::Uses, Some(MissingNote::Payment)),
        (&nameless, Eci::Ecommerce, TokenRole::Uses, Some(MissingNote::NetworkTransactionId)),
        (&paid, Eci::Ecommerce, TokenRole::Uses, None),
        (&unpaid, Eci::Moto, TokenRole::Uses, None),
        (&unpaid, Eci::Ecommerce, TokenRole::Saves, None),
    ] {
        assert_eq!(facts(token, eci, role).notes().map(|note| note.missing), missing, "{eci} {role:?}");
    }
}

/// What happens to an agreement of the property test.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A charge is asked for, so many days later.
    Asked(u32),
    /// One that is under way succeeds.
    Succeeded,
    /// One that is under way comes to nothing.
    CameToNothing,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0u32..20).prop_map(Happening::Asked),
        2 => Just(Happening::Succeeded),
        1 => Just(Happening::CameToNothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked in whatever order: never more charges than agreed count or may come to count, no two payments
    /// that succeeded lie nearer than agreed, and none lies behind the last day.
    #[test]
    fn no_sequence_of_charges_breaks_what_was_agreed(
        charges_max in proptest::option::of(1u32..5),
        days_between in proptest::option::of(0u32..40),
        last_day in proptest::option::of(0i64..200),
        happenings in proptest::collection::vec(happening(), 1..80),
    ) {
        let own = token("t");
        let mut agreed = Agreement {
            terms: AgreementTerms {
                charges_max,
                days_between_min: days_between,
                last_day: last_day.map(|days| Day::of(days_later(days))),
                ..agreement().terms
            },
            ..agreement()
        };
        let (mut today, mut under_way, mut paid_on): (i64, Vec<i64>, Vec<i64>) = (0, vec![], vec![0]);
        for happening in happenings {
            match happening {
                Happening::Asked(days) => {
                    today += i64::from(days);
                    let charge = Charge { token: &own, money: money(10_000, "AED"), at: days_later(today) };
                    if agreed.judge(&charge).is_ok() {
                        agreed.charges += 1;
                        agreed.charges_open += 1;
                        under_way.push(today);
                    }
                }
                Happening::Succeeded => if let Some(day) = under_way.pop() {
                    agreed.charges_open -= 1;
                    agreed.paid_at = agreed.paid_at.max(days_later(day));
                    paid_on.push(day);
                }
                Happening::CameToNothing => if under_way.pop().is_some() {
                    agreed.charges -= 1;
                    agreed.charges_open -= 1;
                }
            }
            let counted = u32::try_from(under_way.len() + paid_on.len() - 1).unwrap();
            prop_assert_eq!(agreed.charges, counted);
            prop_assert!(charges_max.is_none_or(|max| counted <= max));
        }
        paid_on.sort_unstable();
        for pair in paid_on.windows(2) {
            prop_assert!(days_between.is_none_or(|days| pair[1] - pair[0] >= i64::from(days)), "{:?}", paid_on);
        }
        prop_assert!(paid_on[1..].iter().all(|day| last_day.is_none_or(|last| *day <= last)));
    }
}
