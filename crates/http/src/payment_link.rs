//! `/pay/{code}`: a payment link, as its customer sees it.
//!
//! GET shows how it stands and counts that it was opened; programs that look into mails do that too, so it has no other
//! effect. POST goes on to the card form of a checkout ([`crate::checkout`]), or shows why that cannot be.

use crate::Request;
use crate::answer::{Response, plain};
use crate::body::{self, Body};
use crate::checkout::{CHECKOUT_PATH, brands_of_link, code_of, language_of_query, log, other_than, see_other};
use crate::invoice_paper::{self, InvoicePaperFault, invoice_pdf};
use crate::pages::invoice::InvoiceShown;
use crate::pages::link::{
    PayLinkPage, PayLinkTold, PayLinkToldPage, Receipt, ShopHears, TERMS_FIELD, TermsBox, TermsFault, pay_link_page,
    pay_link_told_page,
};
use crate::pages::nonce::Nonce;
use crate::pages::told_page;
use crate::pages::view::{Face, Framing, OrderSummary, PageSetting, Told, ToldPage};
use crate::payment_api::{PaymentApi, is_form};
use crate::source::{Arrival, Peer};
use http::{Method, StatusCode};
use tollgate_app::{LinkWay, SeenLink};
use tollgate_core::feedback::{Channel, FeedbackKind};
use tollgate_core::invoice::{InvoiceTotals, totals};
use tollgate_core::payment_link::LinkStand;
use tollgate_fort::message::Message;
use tollgate_fort::text::Language;

/// What stands before the code in the path.
pub(crate) const PAY_PATH: &str = "/pay/";
/// What stands behind the code in the path of its invoice.
const INVOICE_PDF: &str = "/invoice.pdf";
/// The largest form, in bytes: one box.
const FORM_BYTES_MAX: usize = 4 * 1024;

/// The answer to a customer's browser.
pub(crate) async fn answer(api: &PaymentApi, request: Request, peer: Peer) -> Response {
    let place = request.uri().path().strip_prefix(PAY_PATH).unwrap_or_default();
    let (code, shape) = match place.strip_suffix(INVOICE_PDF) {
        Some(code) => (code.to_owned(), Shape::Paper),
        None => (place.to_owned(), Shape::Page),
    };
    let asked = language_of_query(request.uri().query());
    let method = request.method().clone();
    if !matches!(method, Method::GET | Method::HEAD | Method::POST) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: a payment link is looked at with GET\n");
    }
    let seen = match api.gateway().payment_link(&code).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return missing(api, asked.unwrap_or_default()),
        Err(refused) => {
            tracing::error!(detail = %refused.refusal.detail, "a payment link cannot be shown");
            return plain_page(api, asked.unwrap_or_default(), Told::Unavailable);
        }
    };
    let language = asked.unwrap_or_else(|| Language::of(Some(&seen.link.language)));
    let desk = Desk { api, seen, language };
    if shape == Shape::Paper {
        return desk.paper(&method).await;
    }
    if method != Method::POST {
        if method == Method::GET && desk.seen.stand == LinkStand::Open {
            api.gateway().count_link_opening(&desk.seen).await;
        }
        return desk.page(TermsFault::None);
    }
    let is_form = is_form(&request);
    let (head, body) = request.into_parts();
    let arrival = Arrival { peer, headers: head.headers };
    let form = match body::read(body, FORM_BYTES_MAX).await {
        // A form without a field has nothing in it.
        Body::Whole(bytes) if is_form && !bytes.is_empty() => Message::from_form(&bytes).ok(),
        _ => None,
    };
    desk.go_on(form.as_ref(), &arrival).await
}

/// What is asked for of a payment link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Its page.
    Page,
    /// Its invoice as a PDF.
    Paper,
}

/// Where a payment link is, in this language.
pub(crate) fn path_of(code: &str, language: Language) -> String {
    format!("{PAY_PATH}{code}?language={}", code_of(language))
}

/// A payment link with what is needed to show it.
struct Desk<'a> {
    api: &'a PaymentApi,
    seen: SeenLink,
    language: Language,
}

impl Desk<'_> {
    /// The page as the link stands.
    fn page(&self, terms_fault: TermsFault) -> Response {
        let summary = self.summary();
        let told = match self.seen.stand {
            LinkStand::Open => return self.open(terms_fault),
            LinkStand::Paid => {
                let number = self.seen.order.as_ref().map(|order| order.fort_id.to_string()).unwrap_or_default();
                return self.told(PayLinkTold::Paid(Receipt {
                    summary,
                    transaction: &number,
                    link_name: &self.seen.link.name,
                    paid_at: self.seen.paid_at,
                    shop: self.shop_hears(),
                }));
            }
            LinkStand::UnderWay => PayLinkTold::UnderWay(summary),
            LinkStand::Expired => PayLinkTold::Expired(summary),
            LinkStand::Closed => PayLinkTold::Closed(summary),
            LinkStand::Used => PayLinkTold::Used(summary),
        };
        self.told(told)
    }

    fn open(&self, terms_fault: TermsFault) -> Response {
        let brands = brands_of_link(&self.seen);
        let (action_url, pdf_url, totals) = (self.path(), self.pdf_path(), self.totals());
        let terms = self.terms_url().map(|url| TermsBox { url, fault: terms_fault });
        self.shown(|setting| {
            pay_link_page(&PayLinkPage {
                setting,
                summary: self.summary(),
                link_name: &self.seen.link.name,
                now: self.seen.seen_at,
                ends_at: self.seen.link.expires_at,
                brands: &brands,
                terms,
                action_url: &action_url,
                invoice: self.invoice(totals.as_ref(), &pdf_url),
                address: &self.seen.url,
            })
        })
    }

    /// The invoice as a PDF. Looking at it is not counted: the page was opened before.
    async fn paper(&self, method: &Method) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: an invoice is looked at with GET\n");
        }
        match invoice_pdf(&self.seen, self.language).await {
            Ok(pdf) => invoice_paper::response(pdf, &self.seen),
            Err(InvoicePaperFault::NoInvoice) => missing(self.api, self.language),
            Err(InvoicePaperFault::Ours(error)) => {
                tracing::error!(error, "an invoice cannot be put on paper");
                plain_page(self.api, self.language, Told::Unavailable)
            }
        }
    }

    /// The sums of its invoice, where it has one.
    fn totals(&self) -> Option<InvoiceTotals> {
        let invoice = self.seen.link.invoice.as_deref()?;
        totals(&invoice.lines).ok()
    }

    fn invoice<'s>(&'s self, totals: Option<&'s InvoiceTotals>, pdf_url: &'s str) -> Option<InvoiceShown<'s>> {
        let link = &self.seen.link;
        let (invoice, totals) = link.invoice.as_deref().zip(totals)?;
        Some(InvoiceShown { invoice, totals, currency: link.currency, made_at: link.created_at, pdf_url })
    }

    fn pdf_path(&self) -> String {
        format!("{PAY_PATH}{}{INVOICE_PDF}?language={}", self.seen.code.as_str(), code_of(self.language))
    }

    /// To the card form; what cannot be paid is shown instead.
    async fn go_on(&self, form: Option<&Message>, arrival: &Arrival) -> Response {
        if self.seen.stand != LinkStand::Open {
            return see_other(&self.path());
        }
        let agreed = form.and_then(|form| form.text(TERMS_FIELD)).as_deref() == Some("YES");
        if self.terms_url().is_some() && !agreed {
            return self.page(TermsFault::Missing);
        }
        let customer = self.api.address_of(arrival);
        match self.api.gateway().begin_payment_link(self.seen.code.as_str(), customer).await {
            Ok(Some(LinkWay::Checkout(link))) => {
                see_other(&format!("{CHECKOUT_PATH}{}?language={}", link.as_str(), code_of(self.language)))
            }
            Ok(Some(LinkWay::Link) | None) => see_other(&self.path()),
            Err(refused) => {
                log(&self.seen.account, &refused.refusal);
                self.shown(|setting| told_page(&ToldPage { setting, told: Told::Unavailable }))
            }
        }
    }

    fn told(&self, told: PayLinkTold<'_>) -> Response {
        let (pdf_url, totals) = (self.pdf_path(), self.totals());
        let invoice = self.invoice(totals.as_ref(), &pdf_url);
        self.shown(|setting| pay_link_told_page(&PayLinkToldPage { setting, told, invoice }))
    }

    fn summary(&self) -> OrderSummary<'_> {
        let link = &self.seen.link;
        OrderSummary {
            amount: link.money(),
            reference: Some(&link.merchant_reference),
            description: link.description.as_deref(),
        }
    }

    /// Whether a feedback URL leads to the shop's server.
    fn shop_hears(&self) -> ShopHears {
        let feedback = &self.seen.account.merchant.terms.feedback;
        match feedback.endpoint(Channel::Redirection, FeedbackKind::Direct) {
            Some(_) => ShopHears::OfIt,
            None => ShopHears::Nothing,
        }
    }

    /// The merchant's terms in the customer's language, else in the other one.
    fn terms_url(&self) -> Option<&str> {
        let page = &self.seen.account.merchant.terms.channel.page;
        let (own, other) = match self.language {
            Language::English => (&page.terms_url, &page.terms_url_ar),
            Language::Arabic => (&page.terms_url_ar, &page.terms_url),
        };
        own.as_deref().or(other.as_deref())
    }

    fn path(&self) -> String {
        path_of(self.seen.code.as_str(), self.language)
    }

    fn shown(&self, page: impl FnOnce(PageSetting<'_>) -> Response) -> Response {
        let merchant = &self.seen.account.merchant;
        let face = Face::of_merchant(merchant.id, &merchant.terms, self.language);
        let nonce = Nonce::draw();
        let other_url = path_of(self.seen.code.as_str(), other_than(self.language));
        page(PageSetting {
            language: self.language,
            face: &face,
            nonce: nonce.as_ref(),
            framing: &Framing::Nobody,
            world: self.api.host().world,
            transport: self.api.host().transport,
            other_language_url: Some(&other_url),
        })
    }
}

fn missing(api: &PaymentApi, language: Language) -> Response {
    plain_setting(api, language, |setting| {
        pay_link_told_page(&PayLinkToldPage { setting, told: PayLinkTold::Missing, invoice: None })
    })
}

fn plain_page(api: &PaymentApi, language: Language, told: Told<'_>) -> Response {
    plain_setting(api, language, |setting| told_page(&ToldPage { setting, told }))
}

/// A page of nobody's.
fn plain_setting(api: &PaymentApi, language: Language, page: impl FnOnce(PageSetting<'_>) -> Response) -> Response {
    let nonce = Nonce::draw();
    page(PageSetting {
        language,
        face: &Face::default(),
        nonce: nonce.as_ref(),
        framing: &Framing::Nobody,
        world: api.host().world,
        transport: api.host().transport,
        other_language_url: None,
    })
}
