//! What every page keeps to: nothing breaks out of it, its headers let it do no more than it has to, no secret is in it.

#![allow(clippy::unwrap_used)]

use super::browser::WindowSize;
use super::invoice::InvoiceShown;
use super::link::*;
use super::nonce::Nonce;
use super::typed::Fault;
use super::view::*;
use super::*;
use crate::answer::Response;
use http::{StatusCode, header};
use tollgate_core::bin::Brand;
use tollgate_core::invoice::{DueDate, Invoice, InvoiceLine, InvoiceTotals, Seller, totals};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::page::WebOrigin;
use tollgate_core::time::Timestamp;
use tollgate_fort::text::Language;

/// A text that would break out of any place where it is not escaped.
const ODD: &str = "\"'><script>alert(1)</script>";
const NOW: Timestamp = Timestamp(1_795_687_200_000_000);
const CARD: &str = "4005 5500 0000 0001";

fn origin(text: &str) -> WebOrigin {
    WebOrigin::parse(text).unwrap()
}

async fn html(response: Response) -> String {
    use http_body_util::BodyExt;
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn said(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

fn policy(response: &Response) -> String {
    said(response, "content-security-policy")
}

struct World {
    face: Face,
    nonce: Nonce,
    framing: Framing,
    bill: Invoice,
    sums: InvoiceTotals,
}

impl World {
    fn new(framing: Framing) -> World {
        let line = InvoiceLine {
            description: ODD.into(),
            quantity_milli: 1_500,
            unit_price_minor: 100,
            discount_minor: 50,
            tax_rate: 500,
        };
        let odd = || Some(ODD.to_owned());
        let seller = Seller { name: odd(), address: odd(), tax_number: odd() };
        let bill = Invoice { number: odd(), due: DueDate::parse("2027-01-31"), seller, lines: vec![line] };
        let sums = totals(&bill.lines).unwrap();
        let face = Face { name: ODD.into(), ..Face::default() };
        World { face, nonce: Nonce::draw().unwrap(), framing, bill, sums }
    }

    fn invoice(&self) -> InvoiceShown<'_> {
        let currency = Currency::from_alpha("AED").unwrap();
        InvoiceShown { invoice: &self.bill, totals: &self.sums, currency, made_at: NOW, pdf_url: ODD }
    }

    fn setting(&self) -> PageSetting<'_> {
        PageSetting {
            language: Language::English,
            face: &self.face,
            nonce: Some(&self.nonce),
            framing: &self.framing,
            world: super::view::World::Sandbox,
            transport: Transport::Tls,
            other_language_url: Some("/x?language=ar"),
        }
    }

    fn card(&self) -> CardPage<'_> {
        let amount = Money { amount: Amount::from_minor(100).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
        CardPage {
            setting: self.setting(),
            purpose: CardPurpose::Pay,
            summary: Some(OrderSummary { amount, reference: Some(ODD), description: Some(ODD) }),
            card: CardAsked::Whole { typed: TypedBefore { expiry: ODD, holder: ODD }, save: SaveOffer::Offered },
            brands: &Brand::ALL,
            page_url: "/x",
            action_url: "/x/card",
            cancel_url: Some("/x/cancel"),
            redirect_origin: None,
            faults: &[],
            notice: None,
            attempts_left: Some(2),
            now: NOW,
            ends_at: NOW.plus_ms(60_000),
        }
    }

    fn link(&self, fault: TermsFault) -> PayLinkPage<'_> {
        PayLinkPage {
            setting: self.setting(),
            summary: self.card().summary.unwrap(),
            link_name: ODD,
            now: NOW,
            ends_at: NOW.plus_ms(2 * 86_400_000),
            brands: &[Brand::Visa, Brand::Mada],
            terms: Some(TermsBox { url: ODD, fault }),
            action_url: "/pay/x",
            invoice: Some(self.invoice()),
            address: "https://pay.example/pay/x",
        }
    }

    fn receipt(&self) -> Receipt<'_> {
        let summary = self.card().summary.unwrap();
        Receipt {
            summary,
            transaction: "169996200000132829",
            link_name: ODD,
            paid_at: Some(NOW),
            shop: crate::pages::link::ShopHears::OfIt,
        }
    }

    fn all(&self) -> Vec<Response> {
        let setting = self.setting();
        let fields = tollgate_fort::response::unreadable(tollgate_core::code::refused::INVALID_REQUEST_FORMAT);
        let card = self.card();
        let kept = CardAsked::Kept { mask: ODD, expiry: ODD, brand: None, code: CodeAsked::Asked };
        let acs = "https://acs.example/a\"><script>";
        let mut all = vec![
            card_page(&card),
            card_page(&CardPage { card: kept, ..card }),
            wait_page(&WaitPage { setting, summary: card.summary, next_url: ODD, pause_s: 0 }),
            method_page(&MethodPage { setting, method_url: acs, method_data: ODD, wait_ms: 1, go_on_url: ODD }),
            browser_page(&BrowserPage { setting, go_on_url: ODD }),
            notification_page(&NotificationPage { setting, over: StepOver::Method, go_on_url: ODD }),
            return_page(&ReturnPage { setting, target: ODD, fields: &fields }),
            return_link_page(&ReturnLinkPage { setting, target: ODD }),
            told_page(&ToldPage { setting, told: Told::Refused(&fields) }),
            told_page(&ToldPage { setting, told: Told::Paid(card.summary.unwrap()) }),
        ];
        all.push(pay_link_page(&self.link(TermsFault::Missing)));
        for told in [PayLinkTold::Paid(self.receipt()), PayLinkTold::Expired(card.summary.unwrap())] {
            all.push(pay_link_told_page(&PayLinkToldPage { setting, told, invoice: Some(self.invoice()) }));
        }
        for shown in [ChallengeShown::FullPage, ChallengeShown::Frame(WindowSize::W250H400)] {
            all.push(challenge_page(&ChallengePage {
                setting,
                acs_url: acs,
                creq: ODD,
                session_data: Some(ODD),
                shown,
                go_on_url: ODD,
                cancel_url: None,
            }));
        }
        all
    }
}

#[tokio::test]
async fn nothing_of_a_value_breaks_out_of_a_page() {
    let world = World::new(Framing::Nobody);
    for response in world.all() {
        let html = html(response).await;
        assert!(!html.contains("<script>") && !html.contains("alert(1)<"), "{html}");
        assert!(html.contains("&quot;&#39;&gt;&lt;script&gt;"), "{html}");
    }
}

#[test]
fn every_page_is_held_to_its_own_scripts_and_kept_nowhere() {
    let world = World::new(Framing::Nobody);
    for response in world.all() {
        let policy = policy(&response);
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert!(policy.contains("base-uri 'none'") && policy.contains("form-action "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000"),
        ] {
            assert_eq!(said(&response, name), value, "{name}");
        }
        assert!(said(&response, "permissions-policy").contains("camera=()"));
    }
}

#[test]
fn a_page_may_be_framed_by_the_registered_origins_and_nobody_else() {
    let shop = || vec![origin("https://shop.example"), origin("https://other.example:8443")];
    for (framing, ancestors) in [
        (Framing::Nobody, Some("frame-ancestors 'none'")),
        (Framing::Merchant(Vec::new()), Some("frame-ancestors 'none'")),
        (Framing::Merchant(shop()), Some("frame-ancestors https://shop.example https://other.example:8443")),
        (Framing::Gateway(Vec::new()), Some("frame-ancestors 'self'")),
        (Framing::Gateway(shop()), Some("frame-ancestors 'self' https://shop.example https://other.example:8443")),
        (Framing::Anybody, None),
    ] {
        let may = framing != Framing::Nobody;
        let world = World::new(framing);
        let response = card_page(&world.card());
        let policy = policy(&response);
        match ancestors {
            Some(ancestors) => assert!(policy.split("; ").any(|part| part == ancestors), "{policy}"),
            None => assert!(!policy.contains("frame-ancestors"), "{policy}"),
        }
        assert_eq!(said(&response, "x-frame-options").is_empty(), may);
    }
}

#[test]
fn forms_and_frames_go_to_the_named_places_alone() {
    let world = World::new(Framing::Nobody);
    let setting = world.setting();
    let has = |response: &Response, part: &str| {
        let policy = policy(response);
        assert!(policy.split("; ").any(|one| one == part), "{part}: {policy}");
    };
    has(&card_page(&world.card()), "form-action 'self'");
    let shop = origin("https://shop.example");
    let back = CardPage { redirect_origin: Some(&shop), ..world.card() };
    has(&card_page(&back), "form-action 'self' https://shop.example");
    let method = |method_url| {
        method_page(&MethodPage { setting, method_url, method_data: "e30", wait_ms: 10_000, go_on_url: "/x" })
    };
    // An ACS may send the browser on to hosts that nobody has named; one of a sandbox, without TLS, may not.
    has(&method("https://acs.example/m?x=1"), "form-action 'self' https:");
    has(&method("https://acs.example/m?x=1"), "frame-src 'self' https:");
    has(&method("http://localhost:9/m?x=1"), "form-action 'self' http://localhost:9");
    has(&method("http://localhost:9/m?x=1"), "frame-src 'self' http://localhost:9");
    // Something that is no address of the web opens nothing.
    has(&method("javascript:alert(1)"), "form-action 'self'");
    assert!(!policy(&method("javascript:alert(1)")).contains("frame-src"));
    has(&wait_page(&WaitPage { setting, summary: None, next_url: "/x", pause_s: 3 }), "form-action 'none'");
}

#[tokio::test]
async fn what_was_typed_comes_back_but_for_card_number_and_code() {
    let world = World::new(Framing::Nobody);
    let typed = TypedBefore { expiry: "11/27", holder: "Jo Doe" };
    let again = |typed| CardPage {
        card: CardAsked::Whole { typed, save: SaveOffer::Ticked },
        faults: &[Fault::NumberMistyped, Fault::CodeMissing],
        ..world.card()
    };
    let page = html(card_page(&again(typed))).await;
    for kept in ["value=\"11/27\"", "value=\"Jo Doe\"", " checked>", "aria-invalid=\"true\"", "href=\"#card_number\""] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    // A number that was typed into the wrong field is not shown again.
    let page = html(card_page(&again(TypedBefore { expiry: CARD, holder: CARD }))).await;
    assert!(!page.contains("4005"), "{page}");
}

#[tokio::test]
async fn without_randomness_a_page_has_neither_style_nor_script_and_works() {
    let world = World::new(Framing::Nobody);
    let setting = PageSetting { nonce: None, ..world.setting() };
    let response = card_page(&CardPage { setting, ..world.card() });
    let policy = policy(&response);
    assert!(!policy.contains("script-src") && !policy.contains("style-src"), "{policy}");
    let page = html(response).await;
    assert!(!page.contains("<script") && !page.contains("<style") && page.contains("action=\"/x/card\""), "{page}");
    let fields = tollgate_fort::response::unreadable(tollgate_core::code::refused::INVALID_REQUEST_FORMAT);
    let page = html(return_page(&ReturnPage { setting, target: "https://shop.example", fields: &fields })).await;
    assert!(!page.contains("<script") && page.contains("Continue</button>"), "{page}");
}

#[tokio::test]
async fn a_payment_link_posts_to_the_gateway_alone_and_runs_no_script() {
    let world = World::new(Framing::Nobody);
    let response = pay_link_page(&world.link(TermsFault::None));
    let rules = policy(&response);
    assert!(rules.split("; ").any(|one| one == "form-action 'self'") && !rules.contains("script-src"), "{rules}");
    let page = html(response).await;
    for seen in ["name=\"terms\"", "required", "action=\"/pay/x\"", "2026-11-28 10:00", "(2 days)", "rel=\"noopener"] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("terms-error"), "{page}");
    let again = html(pay_link_page(&world.link(TermsFault::Missing))).await;
    assert!(again.contains("id=\"terms-error\"") && again.contains("aria-invalid=\"true\""), "{again}");
    let without = html(pay_link_page(&PayLinkPage { terms: None, ..world.link(TermsFault::None) })).await;
    assert!(!without.contains("checkbox") && without.contains("Make a payment"), "{without}");
}

#[test]
fn the_status_says_how_a_payment_link_stands() {
    let world = World::new(Framing::Nobody);
    let order = world.card().summary.unwrap();
    for (told, status) in [
        (PayLinkTold::Paid(world.receipt()), StatusCode::OK),
        (PayLinkTold::UnderWay(order), StatusCode::OK),
        (PayLinkTold::Expired(order), StatusCode::GONE),
        (PayLinkTold::Closed(order), StatusCode::GONE),
        (PayLinkTold::Used(order), StatusCode::GONE),
        (PayLinkTold::Missing, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(
            pay_link_told_page(&PayLinkToldPage { setting: world.setting(), told, invoice: None }).status(),
            status
        );
    }
}

#[test]
fn the_status_says_how_a_checkout_stands() {
    let world = World::new(Framing::Nobody);
    for (told, status) in [
        (Told::SessionEnded, StatusCode::NOT_FOUND),
        (Told::TimeUp, StatusCode::GONE),
        (Told::Cancelled, StatusCode::OK),
        (Told::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        assert_eq!(told_page(&ToldPage { setting: world.setting(), told }).status(), status);
    }
}

/// The script has the list of its own; it would show a wrong mark if the two differed.
#[test]
fn the_script_knows_the_mada_cards_that_the_gateway_knows() {
    let script = include_str!("../../assets/pay.js");
    let list = script.split("var MADA = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let known: Vec<u32> = list.split_whitespace().map(|lead| lead.parse().unwrap()).collect();
    let mut found = Vec::new();
    for lead in 100_000..1_000_000_u32 {
        if tollgate_core::bin::brand_of(&format!("{lead}0000000000")) == Some(Brand::Mada) {
            found.push(lead);
        }
    }
    assert_eq!(known, found);
}

#[test]
fn the_script_is_served_as_what_it_is_and_for_ever() {
    let response = assets::script_response();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(said(&response, "cache-control"), "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn the_page_of_an_invoice_shows_its_lines_taxes_and_total_and_a_code() {
    let world = World::new(Framing::Nobody);
    let page = html(pay_link_page(&world.link(TermsFault::None))).await;
    // 1.5 times 1.00 less 0.50, and 5% on that.
    for told in [
        "Total before tax",
        "AED</span>&nbsp;1.00",
        "Tax 5%",
        "AED</span>&nbsp;0.05",
        "AED</span>&nbsp;1.05",
        "2027-01-31",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(page.contains("<svg"), "the code is a picture in the page");
    assert!(!page.contains("<?xml"));
    let without = html(pay_link_page(&PayLinkPage { invoice: None, ..world.link(TermsFault::None) })).await;
    assert!(!without.contains("Total before tax") && without.contains("<svg"), "{without}");
}
