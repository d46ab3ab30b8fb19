//! The pages of a payment link: what is to be paid, and what became of it.

use super::brands::brand_label;
use super::headers::{Forms, Powers, Scripts, page};
use super::html::Html;
use super::invoice::{self, InvoiceShown};
use super::layout::{self, Head, Shape};
use super::link_words::LinkWords;
use super::view::{OrderSummary, PageSetting};
use super::words::Words;
use crate::answer::Response;
use http::StatusCode;
use tollgate_core::bin::Brand;
use tollgate_core::time::Timestamp;

/// The name of the box that the customer ticks to agree to the terms; its value is `YES`.
pub const TERMS_FIELD: &str = "terms";

/// A payment link that can be paid.
#[derive(Clone, Copy, Debug)]
pub struct PayLinkPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// What is to be paid.
    pub summary: OrderSummary<'a>,
    /// `payment_link_id`.
    pub link_name: &'a str,
    /// The gateway's time now.
    pub now: Timestamp,
    /// When its time is over.
    pub ends_at: Timestamp,
    /// The brands that can be paid with.
    pub brands: &'a [Brand],
    /// The merchant's terms, where it has any: the customer has to agree to them.
    pub terms: Option<TermsBox<'a>>,
    /// Where the button posts to; a path at the gateway.
    pub action_url: &'a str,
    /// What is asked for line by line, where it is.
    pub invoice: Option<InvoiceShown<'a>>,
    /// Its address, for the code that telephones read.
    pub address: &'a str,
}

/// The box that the customer has to tick.
#[derive(Clone, Copy, Debug)]
pub struct TermsBox<'a> {
    /// Where the terms are read.
    pub url: &'a str,
    /// Whether the customer went on without ticking it.
    pub fault: TermsFault,
}

/// What was wrong with the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermsFault {
    /// Nothing.
    None,
    /// It was not ticked.
    Missing,
}

/// A payment link that cannot be paid.
#[derive(Clone, Copy, Debug)]
pub struct PayLinkToldPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// Why.
    pub told: PayLinkTold<'a>,
    /// What was asked for line by line, where it was.
    pub invoice: Option<InvoiceShown<'a>>,
}

/// Why a payment link cannot be paid.
#[derive(Clone, Copy, Debug)]
pub enum PayLinkTold<'a> {
    /// It is paid (HTTP 200).
    Paid(Receipt<'a>),
    /// A payment is under way, or nobody knows yet what came of it (HTTP 200).
    UnderWay(OrderSummary<'a>),
    /// Its time is over (HTTP 410).
    Expired(OrderSummary<'a>),
    /// It was closed, or its last try was used up (HTTP 410).
    Closed(OrderSummary<'a>),
    /// Its order was paid, or begun, in another way (HTTP 410).
    Used(OrderSummary<'a>),
    /// There is no such link (HTTP 404).
    Missing,
}

/// What a customer keeps of a payment.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// What was paid.
    pub summary: OrderSummary<'a>,
    /// `fort_id`.
    pub transaction: &'a str,
    /// `payment_link_id`.
    pub link_name: &'a str,
    /// When, where it is known.
    pub paid_at: Option<Timestamp>,
    /// Whether the shop hears of it by itself.
    pub shop: ShopHears,
}

/// Whether a shop's server is told of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopHears {
    /// It is.
    OfIt,
    /// Nobody is told: the shop has to look.
    Nothing,
}

/// What is to be paid, and the button that leads to the card form. It does all that it does without scripts.
#[must_use]
pub fn pay_link_page(view: &PayLinkPage<'_>) -> Response {
    let (words, general) = (LinkWords::of(view.setting.language), Words::of(view.setting.language));
    let is_refused = view.terms.is_some_and(|terms| terms.fault == TermsFault::Missing);
    let title = if is_refused { format!("{}: {}", general.errors_title, words.title) } else { words.title.to_owned() };
    let mut out = Html::new();
    let head = Head { title: &title, heading: words.title, refresh: None, shape: Shape::Whole };
    layout::begin(&mut out, &view.setting, &head);
    layout::summary(&mut out, &view.setting, &view.summary);
    if let Some(shown) = &view.invoice {
        invoice::invoice(&mut out, &view.setting, shown);
    }
    out.raw("<div class=\"told\">\n");
    line(&mut out, words.link, view.link_name);
    out.raw("<p class=\"label\">").text(words.valid_until).raw(" ");
    moment(&mut out, words, view.ends_at);
    out.raw(" (").text(&words.time_left(view.ends_at.since_ms(view.now))).raw(")</p>\n");
    out.raw("<p class=\"label\">").text(general.brands).raw(" <bdi>");
    out.text(&view.brands.iter().map(|brand| brand_label(*brand)).collect::<Vec<_>>().join(", "));
    out.raw("</bdi></p>\n</div>\n");
    out.raw("<form method=\"post\"").attribute("action", view.action_url).raw(">\n");
    if let Some(terms) = &view.terms {
        terms_box(&mut out, words, terms);
    }
    out.raw("<button class=\"go\" type=\"submit\"><span>").text(words.make).raw("</span></button>\n</form>\n");
    invoice::code(&mut out, &view.setting, view.address);
    layout::end(&mut out);
    let powers = Powers { forms: Forms::Gateway(None), frame: None, scripts: Scripts::None };
    page(&view.setting, StatusCode::OK, out.finish(), &powers)
}

/// Why nothing is to be paid.
#[must_use]
pub fn pay_link_told_page(view: &PayLinkToldPage<'_>) -> Response {
    let (words, general) = (LinkWords::of(view.setting.language), Words::of(view.setting.language));
    let (status, title, text) = match view.told {
        PayLinkTold::Paid(Receipt { shop: ShopHears::OfIt, .. }) => (StatusCode::OK, words.paid_title, words.paid_told),
        PayLinkTold::Paid(_) => (StatusCode::OK, words.paid_title, words.paid),
        PayLinkTold::UnderWay(_) => (StatusCode::OK, general.unknown_title, general.unknown),
        PayLinkTold::Expired(_) => (StatusCode::GONE, words.expired_title, words.expired),
        PayLinkTold::Closed(_) => (StatusCode::GONE, words.closed_title, words.closed),
        PayLinkTold::Used(_) => (StatusCode::GONE, words.used_title, words.used),
        PayLinkTold::Missing => (StatusCode::NOT_FOUND, words.missing_title, words.missing),
    };
    let mut out = Html::new();
    layout::begin(&mut out, &view.setting, &Head { title, heading: title, refresh: None, shape: Shape::Whole });
    match &view.told {
        PayLinkTold::Paid(receipt) => written(&mut out, &view.setting, words, receipt),
        PayLinkTold::UnderWay(summary)
        | PayLinkTold::Expired(summary)
        | PayLinkTold::Closed(summary)
        | PayLinkTold::Used(summary) => layout::summary(&mut out, &view.setting, summary),
        PayLinkTold::Missing => {}
    }
    out.raw("<p>").text(text).raw("</p>\n");
    if let Some(shown) = &view.invoice {
        invoice::invoice(&mut out, &view.setting, shown);
    }
    layout::end(&mut out);
    page(&view.setting, status, out.finish(), &Powers::TEXT)
}

fn written(out: &mut Html, setting: &PageSetting<'_>, words: &LinkWords, receipt: &Receipt<'_>) {
    let general = Words::of(setting.language);
    out.raw("<section class=\"order\"").attribute("aria-label", general.order).raw(">\n<p class=\"amount\">");
    out.raw("<span class=\"label\">").text(words.paid_amount).raw("</span> ");
    layout::money(out, setting, receipt.summary.amount);
    out.raw("</p>\n");
    if let Some(description) = receipt.summary.description {
        out.raw("<p class=\"what\"><bdi>").text(description).raw("</bdi></p>\n");
    }
    line(out, words.transaction, receipt.transaction);
    if let Some(paid_at) = receipt.paid_at {
        out.raw("<p class=\"label\">").text(words.paid_at).raw(" ");
        moment(out, words, paid_at);
        out.raw("</p>\n");
    }
    if let Some(reference) = receipt.summary.reference {
        line(out, general.reference, reference);
    }
    line(out, words.link, receipt.link_name);
    out.raw("</section>\n");
}

/// A name and a value that is read from left to right.
fn line(out: &mut Html, name: &'static str, value: &str) {
    out.raw("<p class=\"label\">").text(name).raw(" <bdi class=\"code\">").text(value).raw("</bdi></p>\n");
}

/// Nobody knows in which time zone a customer is, so it is told in one that all can reckon with.
fn moment(out: &mut Html, words: &LinkWords, at: Timestamp) {
    let t = at.utc();
    let text = format!("{:04}-{:02}-{:02} {:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute);
    out.raw("<bdi dir=\"ltr\">").text(&text).raw("</bdi> ").text(words.gmt);
}

fn terms_box(out: &mut Html, words: &LinkWords, terms: &TermsBox<'_>) {
    let is_missing = terms.fault == TermsFault::Missing;
    out.raw("<div class=\"tick\"><input type=\"checkbox\" value=\"YES\" required");
    out.attribute("id", TERMS_FIELD).attribute("name", TERMS_FIELD);
    if is_missing {
        out.raw(" aria-invalid=\"true\" aria-describedby=\"terms-error\" autofocus");
    }
    out.raw("><div><label").attribute("for", TERMS_FIELD).raw(">").text(words.agree).raw("</label>");
    out.raw("<p><a class=\"again\" target=\"_blank\" rel=\"noopener noreferrer\"").attribute("href", terms.url);
    out.raw(">").text(words.terms).raw("</a></p>");
    if is_missing {
        out.raw("<p class=\"error\" id=\"terms-error\" role=\"alert\">").text(words.terms_missing).raw("</p>");
    }
    out.raw("</div></div>\n");
}
