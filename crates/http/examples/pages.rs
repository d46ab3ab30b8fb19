//! Serves every payment page with fixed contents, for the browser tests and for who works on the look:
//! `cargo run -p tollgate-http --example pages -- --listen 127.0.0.1:0`.
//!
//! Paths are `/{page}/{en|ar}`; what is posted to `/posted` is counted and told back without its values. With
//! `--write-inventory` it writes the hashes of the release and the inventory in docs/pages.md anew, and ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use http::{Method, StatusCode, header};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tollgate_core::bin::Brand;
use tollgate_core::invoice::{DueDate, Invoice, Seller, parse_lines, totals};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::page::WebOrigin;
use tollgate_core::page_face::{Colour, Logo};
use tollgate_core::time::Timestamp;
use tollgate_fort::text::Language;
use tollgate_http::pages::assets::{self, ASSETS_PATH, Asset, REPORTS_PATH};
use tollgate_http::pages::browser::WindowSize;
use tollgate_http::pages::invoice::InvoiceShown;
use tollgate_http::pages::link::*;
use tollgate_http::pages::nonce::Nonce;
use tollgate_http::pages::reports::PageReports;
use tollgate_http::pages::typed::Fault;
use tollgate_http::pages::view::*;
use tollgate_http::pages::*;
use tollgate_http::{Peer, Request, Response, Server, ServerSettings, Service, plain};

/// 2026-11-26T10:00:00Z.
const NOW: Timestamp = Timestamp(1_795_687_200_000_000);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--write-inventory"] => write_inventory(),
        ["--listen", address] => serve(address).await,
        _ => eprintln!("--listen ADDRESS, or --write-inventory"),
    }
}

async fn serve(address: &str) {
    let address = address.parse().expect("an address and a port");
    // The second origin stands for the ACS, and for a page around the iframe.
    let other = "127.0.0.1:0".parse().expect("an address");
    let pages = Arc::new(Pages {
        other: Mutex::new(String::new()),
        posted: AtomicU32::new(0),
        reports: PageReports::default(),
        reported: AtomicU32::new(0),
    });
    let server =
        Server::start(address, Arc::clone(&pages) as Arc<dyn Service>, ServerSettings::default()).await.unwrap();
    let acs = Arc::new(Other { pages: format!("http://{}", server.address()) });
    let other = Server::start(other, acs, ServerSettings::default()).await.unwrap();
    *pages.other.lock().unwrap() = format!("http://{}", other.address());
    println!("http://{} http://{}", server.address(), other.address());
    // Who started it closes its input when the tests are over.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await.unwrap().unwrap();
}

fn write_inventory() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(here.join("assets/hashes.txt"), assets::hashes_text()).unwrap();
    let path = here.join("../../docs/pages.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- inventory:begin -->\n", "<!-- inventory:end -->");
    let (head, rest) = text.split_once(begin).expect("the mark at the beginning");
    let (_, tail) = rest.split_once(end).expect("the mark at the end");
    std::fs::write(&path, format!("{head}{begin}{}{end}{tail}", assets::inventory_markdown())).unwrap();
}

/// The gateway's side.
struct Pages {
    other: Mutex<String>,
    posted: AtomicU32,
    reports: PageReports,
    reported: AtomicU32,
}

impl Service for Pages {
    fn call(self: Arc<Self>, request: Request, _peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request).await })
    }
}

impl Pages {
    async fn answer(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        if path == REPORTS_PATH {
            self.reported.fetch_add(1, Ordering::Relaxed);
            return self.reports.take(request, NOW).await;
        }
        if path.starts_with(ASSETS_PATH) {
            return match Asset::parse(&path) {
                Some(Asset::Script) => assets::script_response(),
                Some(Asset::Logo { hash, .. }) => assets::logo_response(logo(), hash).unwrap_or_else(missing),
                None => missing(),
            };
        }
        match path.as_str() {
            "/posted" if request.method() == Method::POST => {
                let names = names(request).await;
                let count = self.posted.fetch_add(1, Ordering::Relaxed) + 1;
                return plain(StatusCode::OK, format!("{count} {names}\n"));
            }
            "/favicon.ico" => {
                let mut nothing = plain(StatusCode::OK, "");
                *nothing.status_mut() = StatusCode::NO_CONTENT;
                return nothing;
            }
            "/counts" => {
                let counts = [self.posted.swap(0, Ordering::Relaxed), self.reported.swap(0, Ordering::Relaxed)];
                return plain(StatusCode::OK, format!("{} {}\n", counts[0], counts[1]));
            }
            _ => {}
        }
        let Some((page, language)) = path.trim_start_matches('/').split_once('/') else { return missing() };
        let language = Language::of(Some(language));
        let other = self.other.lock().unwrap().clone();
        shown(page, language, &other).unwrap_or_else(missing)
    }
}

/// The names of the fields that were posted, each with the number of characters of its value; of the browser's data the
/// value, which is no secret.
async fn names(request: Request) -> String {
    use http_body_util::BodyExt;
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    let one = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let is_told = name.starts_with("browser") || name.starts_with("challenge");
        if is_told { format!("{name}={value}") } else { format!("{name}:{}", value.chars().count()) }
    };
    form_urlencoded::parse(&bytes).map(one).collect::<Vec<_>>().join(" ")
}

fn missing() -> Response {
    plain(StatusCode::NOT_FOUND, "no such page\n")
}

fn money(minor: u64, alpha: &str) -> Money {
    Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(alpha).unwrap() }
}

/// A PNG of 96 by 64 pixels: three dunes, drawn here.
fn logo() -> Logo {
    Logo::read(include_bytes!("logo.png").to_vec()).unwrap()
}

fn face(language: Language, colour: &str) -> Face {
    let name = match language {
        Language::English => "Dune Books",
        Language::Arabic => "كتب الكثبان",
    };
    let mark = assets::logo_mark(&logo());
    let path = logo_path(tollgate_core::ident::MerchantId(7), &mark);
    Face {
        name: name.into(),
        logo: Some(FaceLogo { path, width_px: mark.width_px, height_px: mark.height_px }),
        colour: Colour::parse(colour),
    }
}

fn shown(page: &str, language: Language, other: &str) -> Option<Response> {
    let nonce = Nonce::draw();
    let face = match page {
        "card-plain" | "ended" => Face::default(),
        "card-yellow" => face(language, "#ffd400"),
        _ => face(language, "#0a7d5c"),
    };
    let around = vec![WebOrigin::parse(other)?];
    let framing = match page {
        "bare" | "bare-code" => Framing::Merchant(around),
        "notified" | "method-notified" => Framing::Gateway(Vec::new()),
        _ => Framing::Nobody,
    };
    let tag = if language == Language::English { "ar" } else { "en" };
    let other_language = format!("/{page}/{tag}");
    let setting = PageSetting {
        language,
        face: &face,
        nonce: nonce.as_ref(),
        framing: &framing,
        world: if page == "card" { World::Live } else { World::Sandbox },
        transport: Transport::Clear,
        other_language_url: Some(&other_language),
    };
    card(page, setting)
        .or_else(|| step(page, setting, other))
        .or_else(|| end(page, setting))
        .or_else(|| link(page, setting))
}

fn summary(setting: &PageSetting<'_>) -> OrderSummary<'static> {
    let description = match setting.language {
        Language::English => "Two novels and a map of the Empty Quarter",
        Language::Arabic => "روايتان وخريطة الربع الخالي",
    };
    OrderSummary {
        amount: money(1_234_500, "KWD"),
        reference: Some("ORDER-2026-000417"),
        description: Some(description),
    }
}

fn card(page: &str, setting: PageSetting<'_>) -> Option<Response> {
    let whole = CardAsked::Whole { typed: TypedBefore::default(), save: SaveOffer::NotOffered };
    let mut view = CardPage {
        setting,
        purpose: CardPurpose::Pay,
        summary: Some(summary(&setting)),
        card: whole,
        brands: &Brand::ALL,
        page_url: "/ended/en",
        action_url: "/posted",
        cancel_url: Some("/posted"),
        redirect_origin: None,
        faults: &[],
        notice: None,
        attempts_left: None,
        now: NOW,
        ends_at: NOW.plus_ms(15 * 60_000),
    };
    match page {
        "card" | "card-yellow" => {}
        "card-plain" => {
            view.summary = Some(OrderSummary { amount: money(9_900, "USD"), reference: None, description: None });
            view.brands = &[Brand::Visa, Brand::Mastercard];
        }
        "card-save" => view.card = CardAsked::Whole { typed: TypedBefore::default(), save: SaveOffer::Offered },
        "card-faults" => {
            view.faults = &[Fault::NumberMistyped, Fault::ExpiryTurned, Fault::CodeMissing];
            view.card =
                CardAsked::Whole { typed: TypedBefore { expiry: "2711", holder: "Jo Doe" }, save: SaveOffer::Ticked };
            view.attempts_left = Some(3);
        }
        "card-declined" => {
            view.notice = Some(Notice::Declined);
            view.attempts_left = Some(2);
            view.card = CardAsked::Whole {
                typed: TypedBefore { expiry: "11/27", holder: "Jo Doe" },
                save: SaveOffer::NotOffered,
            };
        }
        "kept" => {
            let (mask, expiry) = ("400555******0001", "2711");
            view.card = CardAsked::Kept { mask, expiry, brand: Some(Brand::Visa), code: CodeAsked::Asked };
        }
        "kept-no-code" => {
            let (mask, expiry) = ("345678*****4564", "2711");
            view.card = CardAsked::Kept { mask, expiry, brand: Some(Brand::Amex), code: CodeAsked::NotAsked };
        }
        "bare" => {
            view.purpose = CardPurpose::Tokenize;
            view.summary = None;
            view.cancel_url = None;
        }
        "ends-soon" => view.ends_at = NOW.plus_ms(1_000),
        _ => return None,
    }
    Some(card_page(&view))
}

fn step(page: &str, setting: PageSetting<'_>, other: &str) -> Option<Response> {
    let acs_url = format!("{other}/challenge");
    let method_url = format!("{other}/method");
    let challenge = |shown| {
        challenge_page(&ChallengePage {
            setting,
            acs_url: &acs_url,
            creq: "eyJhIjoxfQ",
            session_data: Some("c2Vzc2lvbg"),
            shown,
            go_on_url: "/paid/en",
            cancel_url: Some("/posted"),
        })
    };
    Some(match page {
        "wait" => wait_page(&WaitPage { setting, summary: Some(summary(&setting)), next_url: "/paid/en", pause_s: 3 }),
        "method" | "method-silent" => method_page(&MethodPage {
            setting,
            method_url: if page == "method" { &method_url } else { &acs_url },
            method_data: "eyJhIjoxfQ",
            wait_ms: if page == "method" { 10_000 } else { 300 },
            go_on_url: "/posted",
        }),
        "method-notified" => {
            notification_page(&NotificationPage { setting, over: StepOver::Method, go_on_url: "/paid/en" })
        }
        "browser" => browser_page(&BrowserPage { setting, go_on_url: "/posted" }),
        "challenge" => challenge(ChallengeShown::Frame(WindowSize::W390H400)),
        "challenge-full" => challenge(ChallengeShown::Frame(WindowSize::FullScreen)),
        "challenge-page" => challenge(ChallengeShown::FullPage),
        "notified" => {
            notification_page(&NotificationPage { setting, over: StepOver::Challenge, go_on_url: "/paid/en" })
        }
        _ => return None,
    })
}

fn end(page: &str, setting: PageSetting<'_>) -> Option<Response> {
    let refused = tollgate_fort::response::unreadable(tollgate_core::code::refused::INVALID_REQUEST_FORMAT);
    let order = summary(&setting);
    let told = match page {
        "refused" => Told::Refused(&refused),
        "ended" => Told::SessionEnded,
        "time-up" => Told::TimeUp,
        "cancelled" => Told::Cancelled,
        "paid" => Told::Paid(order),
        "not-paid" => Told::NotPaid(order),
        "unknown" => Told::Unknown(order),
        "card-kept" => Told::CardKept,
        "unavailable" => Told::Unavailable,
        "return" => return Some(return_page(&ReturnPage { setting, target: "/posted", fields: &refused })),
        "return-link" => return Some(return_link_page(&ReturnLinkPage { setting, target: "/paid/en" })),
        _ => return None,
    };
    Some(told_page(&ToldPage { setting, told }))
}

/// The pages of a payment link.
fn link(page: &str, setting: PageSetting<'_>) -> Option<Response> {
    let order = summary(&setting);
    let open = |terms| {
        pay_link_page(&PayLinkPage {
            setting,
            summary: order,
            link_name: "179568720000000007",
            now: NOW,
            ends_at: NOW.plus_ms(12 * 86_400_000),
            brands: &Brand::ALL,
            terms,
            action_url: "/posted",
            invoice: None,
            address: "https://pay.example/pay/Jn0Yb1pGqvZ3tD5sK8wXcR2mLhTfUe7oAiQ9yN4kB6g",
        })
    };
    let lines = match setting.language {
        Language::English => "Novel, hard cover;2;3500;5|Postage to Al Ain;1;1500;5;500|Gift voucher;0.5;10000",
        Language::Arabic => "رواية، غلاف مقوّى;2;3500;5|شحن إلى العين;1;1500;5;500|قسيمة هدية;0.5;10000",
    };
    let seller = Seller {
        name: Some("Al Noor Books L.L.C".to_owned()),
        address: Some("Office 12, Street 7, Dubai".to_owned()),
        tax_number: Some("100123456700003".to_owned()),
    };
    let lines = parse_lines(lines).unwrap_or_default();
    let sums = totals(&lines).ok();
    let bill = Invoice { number: Some("INV-2026-7".to_owned()), due: DueDate::parse("2027-01-31"), seller, lines };
    let currency = order.amount.currency;
    let invoice = sums.as_ref().map(|totals| InvoiceShown {
        invoice: &bill,
        totals,
        currency,
        made_at: NOW,
        pdf_url: "/ended/en",
    });
    let agreed = |fault| Some(TermsBox { url: "/ended/en", fault });
    let told = match page {
        "link" => return Some(open(None)),
        "link-invoice" => {
            let minor = sums.as_ref().map_or(0, |sums| sums.total_minor);
            let amount = Money { amount: Amount::from_minor(minor).unwrap_or(Amount::ZERO), currency };
            return Some(pay_link_page(&PayLinkPage {
                setting,
                summary: OrderSummary { amount, ..order },
                link_name: "179568720000000007",
                now: NOW,
                ends_at: NOW.plus_ms(12 * 86_400_000),
                brands: &Brand::ALL,
                terms: None,
                action_url: "/posted",
                invoice,
                address: "https://pay.example/pay/Jn0Yb1pGqvZ3tD5sK8wXcR2mLhTfUe7oAiQ9yN4kB6g",
            }));
        }
        "link-terms" => return Some(open(agreed(TermsFault::None))),
        "link-terms-missing" => return Some(open(agreed(TermsFault::Missing))),
        "link-paid" => PayLinkTold::Paid(Receipt {
            summary: order,
            transaction: "179568720000000107",
            link_name: "179568720000000007",
            paid_at: Some(NOW),
            shop: tollgate_http::pages::link::ShopHears::OfIt,
        }),
        "link-under-way" => PayLinkTold::UnderWay(order),
        "link-expired" => PayLinkTold::Expired(order),
        "link-closed" => PayLinkTold::Closed(order),
        "link-used" => PayLinkTold::Used(order),
        "link-missing" => PayLinkTold::Missing,
        _ => return None,
    };
    Some(pay_link_told_page(&PayLinkToldPage { setting, told, invoice: None }))
}

/// The other origin: an ACS that posts back, and a shop that frames the bare form.
struct Other {
    pages: String,
}

impl Service for Other {
    fn call(self: Arc<Self>, request: Request, _peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let pages = &self.pages;
        let html = match request.uri().path() {
            "/method" => format!(
                "<!doctype html><title>method</title><form method=get action=\"{pages}/method-notified/en\"></form>\
                 <script>document.forms[0].submit()</script>"
            ),
            "/challenge" => format!(
                "<!doctype html><html lang=en><title>bank</title><h1>Your bank</h1><form method=get \
                 action=\"{pages}/notified/en\"><button>Confirm</button></form>"
            ),
            path => format!(
                "<!doctype html><html lang=en><title>shop</title><h1>Shop</h1>\
                 <iframe title=card width=420 height=640 src=\"{pages}{path}\"></iframe>"
            ),
        };
        let mut response = plain(StatusCode::OK, html);
        let html = header::HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        Box::pin(async move { response })
    }
}
