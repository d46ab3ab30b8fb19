//! Every documented test card by every route of the demo shop, with a browser without scripts: each payment comes to what
//! the tables say. The tables are those that people read (`docs/sandbox.md`, `docs/demo-shop.md`) and the one that the card
//! network follows.

use crate::support::customer::{Customer, Form, went_back};
use crate::support::demo::{Browser, Seen, between};
use crate::support::page::{self, Returned, encoded};
use crate::support::wire::HttpAnswer;
use crate::support::{Gateway, QUICK, field, status, text};
use std::collections::BTreeMap;
use tollgate_core::card::Expiry;
use tollgate_core::time::Timestamp;
use tollgate_issuer::{Behaviour, Behaviours, ThreeDsBehaviour};

const SANDBOX: &str = include_str!("../../../../docs/sandbox.md");
const DEMO_SHOP: &str = include_str!("../../../../docs/demo-shop.md");
/// What a browser without scripts types where the table names no date.
const EXPIRY: &str = "3005";
/// Amounts of the cards on which the amount decides: a decline, and an approval that takes its time.
const AMOUNTS: [&str; 2] = ["900.51", "901.01"];

#[test]
fn every_card_by_every_route_comes_to_what_the_tables_say() {
    let directory_server =
        [("TOLLGATE_THREE_DS_CONNECT_TIMEOUT_MS", "2000"), ("TOLLGATE_THREE_DS_ANSWER_TIMEOUT_MS", "2000")];
    let environment = [&QUICK[..], &directory_server].concat();
    let browser = Browser::at(Gateway::start_with(&environment));
    let (codes, cases) = (declines(), cases());
    assert!(cases.len() > 40, "the tables are there");
    let mut unknown = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        for (route, name) in ROUTES.iter().enumerate() {
            let language = ["en", "ar"][(place + route) % 2];
            let expected = expected(case, &codes);
            let what = format!("{name} in {language} with {} {:?}: {}", case.number, case.amount, case.note);
            let paid = pay(&browser, name, language, case);
            let known = known_later(case.behaviour);
            // Who comes back by a page is told how the payment stands then: what nobody knew may be found out by that time.
            let found_out = expected.code == "15777" && *name == "redirection" && paid.code == known;
            assert!(found_out || paid.code == expected.code, "{what}: {} instead of {}", paid.code, expected.code);
            assert_eq!(paid.challenged, expected.challenged, "{what}: whether the issuer asks");
            if expected.code == "15777" {
                unknown.push((paid.reference, known, what));
            }
        }
    }
    // What nobody knew is found out.
    for (reference, known, what) in unknown {
        let is_known = |answer: &serde_json::Map<_, _>| field(answer, "transaction_code") != "15777";
        let answer = browser.gateway.wait_for_status(&browser.merchant, &reference, is_known);
        assert_eq!(field(&answer, "transaction_code"), known, "{what}");
    }
}

#[test]
fn the_page_of_the_demo_shop_says_what_its_cards_come_to() {
    let (codes, cases) = (declines(), cases());
    let mut told = 0;
    for line in rows_under("| card | what the customer meets |") {
        let [cards, meets, comes_to] = cells(line);
        for number in cards.split('`').skip(1).step_by(2) {
            let case = cases.iter().rfind(|case| case.number == number && case.expiry.is_none());
            let case = case.unwrap_or_else(|| panic!("{number} is in no table"));
            let expected = expected(case, &codes);
            assert_eq!(meets.starts_with("a challenge"), expected.challenged || case.needs_scripts(), "{line}");
            let place = usize::from(case.needs_scripts());
            let code = comes_to.split("; ").nth(place).unwrap();
            assert_eq!(code.split(',').next(), Some(expected.code.as_str()), "{line}");
            told += 1;
        }
    }
    assert!(told > 10, "the table is there");
}

#[test]
fn a_card_of_2_1_0_pays_where_scripts_run() {
    let browser = Browser::open();
    let cases = cases();
    let case = cases.iter().find(|case| case.needs_scripts()).unwrap();
    for language in ["en", "ar"] {
        let seen = begin(&browser, "trusted", language, case);
        let customer = Customer::sent_to(&browser.gateway, &three_ds_url(&seen));
        let asked = customer.follow(customer.look());
        let scripted = Form::to(&text(&asked.body), "/browser")
            .with("browser_javascript_enabled", "true")
            .with("browser_java_enabled", "false")
            .with("browser_language", language)
            .with("browser_color_depth", "24")
            .with("browser_screen_height", "800")
            .with("browser_screen_width", "1280")
            .with("browser_tz", "-240");
        let challenge = customer.go_on(customer.send(&scripted));
        let issuer = customer.at_the_issuer(&challenge);
        let back = customer.type_code(&issuer, &issuer.shown_code()).answer;
        let back = went_back(&browser.merchant, &back);
        assert_eq!(field(&back.fields, "response_code"), "14000", "{:?}", back.fields);
        assert_eq!(come_back(&browser, &seen.reference(), &back).outcome(), "14000");
    }
}

/// The routes by which a card is typed or sent.
const ROUTES: [&str; 4] = ["redirection", "standard", "custom", "trusted"];

/// A card as the tables have it.
struct Case {
    number: String,
    /// YYMM, where only this date does it.
    expiry: Option<Expiry>,
    /// The place of the card in the shop's list.
    place: usize,
    amount: Option<&'static str>,
    behaviour: Behaviour,
    three_ds: ThreeDsBehaviour,
    note: String,
}

impl Case {
    fn security_code(&self) -> &'static str {
        if self.number.len() == 15 { "1234" } else { "123" }
    }

    /// YYMM.
    fn expiry(&self) -> String {
        self.expiry.map_or_else(|| EXPIRY.to_owned(), |expiry| expiry.to_string())
    }

    /// A version of 3-D Secure that knows no browser without scripts.
    fn needs_scripts(&self) -> bool {
        self.note.contains("2.1.0")
    }
}

/// All cards of the network's table whose date is not over, and those on which the amount decides.
fn cases() -> Vec<Case> {
    let table = Behaviours::builtin().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp(i64::try_from(now.as_micros()).unwrap());
    let cards = table.cards().iter().enumerate().map(|(place, card)| Case {
        number: card.number().to_owned(),
        expiry: card.expiry,
        place,
        amount: None,
        behaviour: card.behaviour,
        three_ds: card.three_ds,
        note: card.note.clone(),
    });
    let of_amount = |amount: &str| {
        let last_digits: u32 = amount.replace('.', "").parse().unwrap();
        table.amounts().iter().find(|row| row.last_digits == last_digits).unwrap()
    };
    let by_amount = table
        .amount_cards()
        .iter()
        .enumerate()
        .flat_map(|(place, card)| AMOUNTS.into_iter().map(move |amount| (place, card, amount)));
    let by_amount = by_amount.map(|(place, card, amount)| Case {
        number: card.number().to_owned(),
        expiry: None,
        place: table.cards().len() + place,
        amount: Some(amount),
        behaviour: of_amount(amount).behaviour,
        three_ds: ThreeDsBehaviour::FrictionlessY,
        note: of_amount(amount).note.clone(),
    });
    let all = cards.chain(by_amount);
    all.filter(|case| case.expiry.is_none_or(|expiry| !expiry.is_past(now))).collect()
}

/// What the tables say of a card.
struct Expected {
    code: String,
    challenged: bool,
}

/// The column *3-D Secure*, then the column *what happens*.
fn expected(case: &Case, declines: &BTreeMap<String, String>) -> Expected {
    use ThreeDsBehaviour as ThreeDs;
    let not_authenticated = || declines["1A"].clone();
    let (challenged, is_proved) = match case.three_ds {
        ThreeDs::NotEnrolled | ThreeDs::FrictionlessU => (false, false),
        ThreeDs::FrictionlessY | ThreeDs::FrictionlessA => (false, true),
        ThreeDs::FrictionlessN | ThreeDs::FrictionlessR | ThreeDs::Error | ThreeDs::Silent => {
            return Expected { code: not_authenticated(), challenged: false };
        }
        ThreeDs::Challenge if case.needs_scripts() => {
            return Expected { code: not_authenticated(), challenged: false };
        }
        ThreeDs::Challenge => (true, true),
        ThreeDs::ChallengeFails | ThreeDs::ChallengeNoResult | ThreeDs::CresLies => {
            return Expected { code: not_authenticated(), challenged: true };
        }
    };
    let code = match case.behaviour {
        Behaviour::Approve | Behaviour::DeclineLater(_) | Behaviour::Slow | Behaviour::Doubled => "14000".to_owned(),
        Behaviour::ThreeDSecure if is_proved => "14000".to_owned(),
        Behaviour::ThreeDSecure => not_authenticated(),
        // Codes that the table does not name are declines like any other.
        Behaviour::Decline(code) => declines.get(code.as_str()).unwrap_or(&declines["05"]).clone(),
        Behaviour::Late
        | Behaviour::Silent
        | Behaviour::Garbage
        | Behaviour::CutShort
        | Behaviour::NoCode
        | Behaviour::WrongAmount
        | Behaviour::DropBefore
        | Behaviour::DropAfter => "15777".to_owned(),
    };
    Expected { code, challenged }
}

/// What a payment whose outcome nobody knew turns out to be.
fn known_later(behaviour: Behaviour) -> &'static str {
    if behaviour == Behaviour::Late { "14000" } else { "13666" }
}

/// What a purchase comes to that is declined with a code of the network, as the page of the sandbox says it.
fn declines() -> BTreeMap<String, String> {
    let rows = SANDBOX.lines().filter_map(|line| {
        let (asked, network) = line.split_once(" | declines with ")?;
        let message = asked.rsplit(' ').next()?;
        let code = if message.len() == 3 { format!("13{message}") } else { message.to_owned() };
        Some((network.get(..2)?.to_owned(), code))
    });
    let all: BTreeMap<String, String> = rows.collect();
    assert!(all.len() >= 5 && all["05"] == "13666", "the table is there: {all:?}");
    all
}

/// The rows of a table of the shop's page.
fn rows_under(head: &str) -> impl Iterator<Item = &'static str> {
    let rest = DEMO_SHOP.split_once(head).expect("the table is there").1;
    rest.lines().skip(2).take_while(|line| line.starts_with('|'))
}

fn cells(row: &str) -> [&str; 3] {
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    cells.try_into().unwrap_or_else(|_| panic!("three cells: {row}"))
}

/// What came of a payment.
struct Paid {
    reference: String,
    /// The code of the signed answer; of a card that was declined on the gateway's page, what CHECK_STATUS says.
    code: String,
    challenged: bool,
}

/// Pays by a route, as far as it goes.
fn pay(browser: &Browser, route: &str, language: &str, case: &Case) -> Paid {
    let seen = begin(browser, route, language, case);
    let mut walk = Walk { browser, case, reference: seen.reference(), challenged: false };
    let back = match route {
        "redirection" => return walk.on_the_page(&seen),
        "standard" => {
            let customer = Customer::led_by(&browser.gateway, &browser.post_form(&seen, &[]));
            Some(went_back(&browser.merchant, &type_card(&customer, case)))
        }
        "custom" => {
            let expiry = case.expiry();
            let typed = [
                ("card_number", case.number.as_str()),
                ("expiry_date", &expiry),
                ("card_security_code", case.security_code()),
            ];
            Some(went_back(&browser.merchant, &browser.post_form(&seen, &typed)))
        }
        _ => None,
    };
    let seen = match back {
        Some(back) => {
            assert_eq!(field(&back.fields, "response_code"), "18000", "{:?}", back.fields);
            come_back(browser, &walk.reference, &back)
        }
        None => seen,
    };
    let messages = seen.messages();
    let answer = messages.iter().rfind(|message| message.title == "The gateway answers").expect("the server has asked");
    match answer.value("response_code") {
        "20064" => {
            let customer = Customer::sent_to(&browser.gateway, &three_ds_url(&seen));
            let answer = walk.through(&customer, customer.look());
            let back = went_back(&browser.merchant, &answer);
            assert_eq!(field(&back.fields, "language"), language);
            walk.paid(&back)
        }
        code => {
            all_fit(&seen, code);
            Paid { reference: walk.reference, code: code.to_owned(), challenged: false }
        }
    }
}

/// Presses the button of a route, with the case's card and amount chosen.
fn begin(browser: &Browser, route: &str, language: &str, case: &Case) -> Seen {
    let place = case.place.to_string();
    let mut more = vec![("card", place.as_str())];
    more.extend(case.amount.map(|amount| ("amount", amount)));
    browser.start(&format!("{route} PURCHASE {language}"), &more)
}

/// Types the case's card on the gateway's page.
fn type_card(customer: &Customer, case: &Case) -> HttpAnswer {
    let expiry = case.expiry();
    let expiry = format!("{}/{}", &expiry[2..], &expiry[..2]);
    customer.type_card(&case.number, &[("expiry_date", &expiry), ("card_security_code", case.security_code())])
}

/// The way of one customer through 3-D Secure.
struct Walk<'a> {
    browser: &'a Browser,
    case: &'a Case,
    reference: String,
    challenged: bool,
}

impl Walk<'_> {
    /// Pays on the gateway's page. Where the card comes to nothing, another one could be tried; this customer cancels.
    fn on_the_page(mut self, seen: &Seen) -> Paid {
        let browser = self.browser;
        let customer = Customer::led_by(&browser.gateway, &browser.post_form(seen, &[]));
        let answer = self.through(&customer, type_card(&customer, self.case));
        if text(&answer.body).contains("returnUrlForm") {
            return self.paid(&went_back(&browser.merchant, &answer));
        }
        // What came of this one is told all the same.
        let told = browser.gateway.call(&browser.merchant, &status(&self.reference));
        let cancelled = self.paid(&went_back(&browser.merchant, &customer.cancel()));
        assert_eq!(cancelled.code, "00072");
        Paid { code: field(&told, "transaction_code").to_owned(), ..cancelled }
    }

    /// The end, with what the browser takes back to the shop.
    fn paid(&self, back: &Returned) -> Paid {
        let code = field(&back.fields, "response_code").to_owned();
        all_fit(&come_back(self.browser, &self.reference, back), &code);
        Paid { reference: self.reference.clone(), code, challenged: self.challenged }
    }

    /// Goes on to the end, with the right code where the issuer asks for one.
    fn through(&mut self, customer: &Customer, answer: HttpAnswer) -> HttpAnswer {
        let answer = customer.go_on(answer);
        if !text(&answer.body).contains("/acs/challenge") {
            return answer;
        }
        self.challenged = true;
        let issuer = customer.at_the_issuer(&answer);
        let code = issuer.shown_code();
        if self.case.three_ds != ThreeDsBehaviour::ChallengeNoResult {
            return customer.type_code(&issuer, &code).answer;
        }
        let end = customer.send(&issuer.form("submit", Some(&code)));
        customer.send(&Form::to(&text(&end.body), "/challenged"));
        self.browser.gateway.run_well(&["clock", "advance", "1m"]);
        customer.go_on(customer.look())
    }
}

/// Goes back to the shop, whether in the window or in a frame.
fn come_back(browser: &Browser, reference: &str, back: &Returned) -> Seen {
    let fields = back.fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let answer = browser.answer("POST", "/demo/return", &encoded(fields));
    assert!(matches!(answer.status, 200 | 303), "{}", text(&answer.body));
    Seen::of(browser.answer("GET", &format!("/demo/try/{reference}"), ""))
}

/// Where the shop's page leads to.
fn three_ds_url(seen: &Seen) -> String {
    assert_eq!(seen.outcome(), "20064", "{}", seen.html);
    page::unescaped(between(&seen.html, "<a class=\"button three-ds\" href=\"", "\""))
}

/// Whatever came from the gateway has its signature, and the shop shows the code; of what nobody knew it may know more by
/// now.
fn all_fit(seen: &Seen, code: &str) {
    assert!(code == "15777" || seen.outcome() == code, "{} in place of {code}", seen.outcome());
    for message in seen.messages() {
        assert!(["signature fits", "signed by the shop"].contains(&message.verdict.as_str()), "{message:?}");
    }
}
