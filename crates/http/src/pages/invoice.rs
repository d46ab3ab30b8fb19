//! What the page of a payment link shows of its invoice: who sells, each line, the taxes and the total; and the code by which a
//! telephone comes to the same page.

use super::html::Html;
use super::invoice_words::InvoiceWords;
use super::layout;
use super::view::PageSetting;
use tollgate_core::invoice::{Invoice, InvoiceLine, InvoiceTotals, LineTotals};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::time::Timestamp;

/// An invoice on a page.
#[derive(Clone, Copy, Debug)]
pub struct InvoiceShown<'a> {
    /// It.
    pub invoice: &'a Invoice,
    /// What it comes to.
    pub totals: &'a InvoiceTotals,
    /// In which currency.
    pub currency: Currency,
    /// When it was made.
    pub made_at: Timestamp,
    /// Where it is as a PDF; a path at the gateway.
    pub pdf_url: &'a str,
}

/// Writes the invoice.
pub(super) fn invoice(out: &mut Html, setting: &PageSetting<'_>, shown: &InvoiceShown<'_>) {
    let words = InvoiceWords::of(setting.language);
    let Invoice { number, due, seller, lines } = shown.invoice;
    out.raw("<section class=\"bill\" aria-labelledby=\"bill\">\n<h2 id=\"bill\">").text(words.title).raw("</h2>\n");
    let facts = [
        (words.number, number.clone()),
        (words.date, Some(day(shown.made_at))),
        (words.due, due.map(|due| due.to_string())),
        (words.seller, seller.name.clone()),
        (words.tax_number, seller.tax_number.clone()),
    ];
    for (name, value) in facts {
        let Some(value) = value else { continue };
        out.raw("<p class=\"label\">").text(name).raw(" <bdi class=\"code\">").text(&value).raw("</bdi></p>\n");
    }
    if let Some(address) = &seller.address {
        out.raw("<p class=\"label\"><bdi>").text(address).raw("</bdi></p>\n");
    }
    out.raw("<ul class=\"lines\">\n");
    for (line, totals) in lines.iter().zip(&shown.totals.lines) {
        one_line(out, setting, shown.currency, line, *totals);
    }
    out.raw("</ul>\n<ul class=\"sums\">\n");
    let sum = |out: &mut Html, name: &str, minor| {
        out.raw("<li><span>").text(name).raw("</span> ");
        layout::money(out, setting, money(minor, shown.currency));
        out.raw("</li>\n");
    };
    if shown.totals.tax_minor > 0 {
        sum(out, words.before_tax, shown.totals.net_minor);
        for tax in &shown.totals.taxes {
            sum(out, &words.tax_of(&tax.percent()), tax.tax_minor);
        }
    }
    sum(out, words.total, shown.totals.total_minor);
    out.raw("</ul>\n<p><a class=\"again\"").attribute("href", shown.pdf_url).raw(">").text(words.download);
    out.raw("</a></p>\n</section>\n");
}

fn one_line(out: &mut Html, setting: &PageSetting<'_>, currency: Currency, line: &InvoiceLine, totals: LineTotals) {
    let words = InvoiceWords::of(setting.language);
    out.raw("<li><div><p><bdi>").text(&line.description).raw("</bdi></p><p class=\"label\"><bdi dir=\"ltr\">");
    out.text(&line.quantity()).raw("</bdi> × ");
    layout::money(out, setting, money(line.unit_price_minor, currency));
    if line.discount_minor > 0 {
        out.raw(" · ").text(words.discount).raw(" ");
        layout::money(out, setting, money(line.discount_minor, currency));
    }
    if line.tax_rate > 0 {
        out.raw(" · <bdi>").text(&words.tax_of(&line.tax_percent())).raw("</bdi>");
    }
    out.raw("</p></div> ");
    layout::money(out, setting, money(totals.net_minor, currency));
    out.raw("</li>\n");
}

/// Writes the code of an address, behind words that open it: on a telephone it is of no use.
pub(super) fn code(out: &mut Html, setting: &PageSetting<'_>, url: &str) {
    let words = InvoiceWords::of(setting.language);
    let Some(picture) = QrPicture::of(url) else { return };
    out.raw("<details class=\"qr\"><summary>")
        .text(words.phone)
        .raw("</summary>\n<p class=\"label\">")
        .text(words.scan);
    out.raw("</p>\n").picture(&picture).raw("\n</details>\n");
}

/// A QR code as an SVG picture: numbers and letters of the program's own, whatever text it holds.
pub(super) struct QrPicture(String);

impl QrPicture {
    fn of(text: &str) -> Option<QrPicture> {
        tollgate_paper::qr_svg(text).ok().map(QrPicture)
    }

    /// The picture.
    pub(super) fn svg(&self) -> &str {
        &self.0
    }
}

/// An amount of this currency.
pub(crate) fn money(minor: u64, currency: Currency) -> Money {
    // What an invoice comes to is an amount, and so is each part of it.
    Money { amount: Amount::from_minor(minor).unwrap_or(Amount::ZERO), currency }
}

/// A day in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    let t = at.utc();
    format!("{:04}-{:02}-{:02}", t.year, t.month, t.day)
}
