//! An invoice on paper: the PDF of a payment link.

use crate::answer::{AnswerBody, Response};
use crate::pages::invoice::{day, money};
use crate::pages::invoice_words::InvoiceWords;
use crate::pages::money_text::MoneyText;
use crate::pages::view::Face;
use http::{HeaderValue, header};
use tokio::sync::Semaphore;
use tollgate_app::SeenLink;
use tollgate_core::invoice::{Invoice, InvoiceTotals, totals};
use tollgate_core::payment_link::LinkStand;
use tollgate_fort::text::Language;
use tollgate_paper::{Block, Column, Entry, Paper, PaperDay, PaperLanguage, Side, Sum, Table, TableRow, Weight};

/// How many papers are set at once; more wait. Setting one takes some milliseconds of a thread that payments do not use.
const PAPERS_AT_ONCE_MAX: usize = 2;

static DESK: Semaphore = Semaphore::const_new(PAPERS_AT_ONCE_MAX);

/// Why there is no paper.
#[derive(Debug, thiserror::Error)]
pub enum InvoicePaperFault {
    /// The link was made without lines.
    #[error("the payment link has no invoice: it was made without lines")]
    NoInvoice,
    /// Our own fault.
    #[error("the invoice cannot be put on paper: {0}")]
    Ours(String),
}

/// The invoice of a link as a PDF, in this language.
///
/// # Errors
/// When it has none, or by our own fault.
pub async fn invoice_pdf(seen: &SeenLink, language: Language) -> Result<Vec<u8>, InvoicePaperFault> {
    let ours = |error: &dyn std::fmt::Display| InvoicePaperFault::Ours(error.to_string());
    let invoice = seen.link.invoice.as_deref().ok_or(InvoicePaperFault::NoInvoice)?;
    let totals = totals(&invoice.lines).map_err(|error| ours(&error))?;
    let paper = paper(seen, invoice, &totals, language);
    let _place = DESK.acquire().await.map_err(|error| ours(&error))?;
    let set = tokio::task::spawn_blocking(move || paper.pdf()).await.map_err(|error| ours(&error))?;
    set.map_err(|error| ours(&error))
}

/// A PDF as a response: shown by the browser, and kept by nobody on the way.
pub(crate) fn response(pdf: Vec<u8>, seen: &SeenLink) -> Response {
    let number = seen.link.invoice.as_deref().and_then(|invoice| invoice.number.as_deref());
    let name: String = number
        .unwrap_or(&seen.link.merchant_reference)
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    let mut response = Response::new(AnswerBody::whole(pdf));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/pdf"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&format!("inline; filename=\"invoice-{name}.pdf\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn paper(seen: &SeenLink, invoice: &Invoice, totals: &InvoiceTotals, language: Language) -> Paper {
    let words = InvoiceWords::of(language);
    let (link, merchant) = (&seen.link, &seen.account.merchant);
    let face = Face::of_merchant(merchant.id, &merchant.terms, language);
    let seller = invoice.seller.name.clone().unwrap_or(face.name);
    let made = link.created_at.utc();
    let title =
        invoice.number.as_ref().map_or_else(|| words.title.to_owned(), |number| format!("{} {number}", words.title));
    let mut blocks = vec![Block::Heading(words.title.to_owned())];
    blocks.push(columns(seen, invoice, &seller, words));
    if let Some(description) = &link.description {
        blocks.push(Block::Text(description.clone()));
    }
    blocks.push(table(invoice, totals, seen, language));
    blocks.push(sums(totals, seen, language));
    match seen.stand {
        LinkStand::Open | LinkStand::UnderWay => blocks.push(code(seen, words)),
        LinkStand::Paid => {
            let value =
                seen.paid_at.map_or_else(|| words.paid.to_owned(), |at| format!("{} {}", words.paid_at, day(at)));
            blocks.push(Block::Text(value));
        }
        LinkStand::Closed | LinkStand::Used | LinkStand::Expired => blocks.push(Block::Text(words.closed.to_owned())),
    }
    Paper {
        title,
        author: seller,
        language: match language {
            Language::English => PaperLanguage::English,
            Language::Arabic => PaperLanguage::Arabic,
        },
        day: PaperDay { year: u16::try_from(made.year).unwrap_or(2_000), month: made.month, day: made.day },
        blocks,
    }
}

fn columns(seen: &SeenLink, invoice: &Invoice, seller: &str, words: &InvoiceWords) -> Block {
    let entry = |label: &str, value: Option<String>| {
        value.map(|value| Entry { label: Some(label.to_owned()), value, weight: Weight::Regular })
    };
    let bare = |value: Option<String>| value.map(|value| Entry { label: None, value, weight: Weight::Regular });
    let sells = Entry { label: Some(words.seller.to_owned()), value: seller.to_owned(), weight: Weight::Bold };
    let customer = &seen.link.customer;
    let first = [
        Some(sells),
        bare(invoice.seller.address.clone()),
        entry(words.tax_number, invoice.seller.tax_number.clone()),
        entry(words.customer, Some(customer.name.clone().unwrap_or_else(|| customer.email.clone()))),
    ];
    let second = [
        entry(words.number, invoice.number.clone()),
        entry(words.date, Some(day(seen.link.created_at))),
        entry(words.due, invoice.due.map(|due| due.to_string())),
        entry(words.reference, Some(seen.link.merchant_reference.clone())),
    ];
    Block::Columns { first: first.into_iter().flatten().collect(), second: second.into_iter().flatten().collect() }
}

fn table(invoice: &Invoice, totals: &InvoiceTotals, seen: &SeenLink, language: Language) -> Block {
    let words = InvoiceWords::of(language);
    let column = |title: &str, width_milli, side| Column { title: title.to_owned(), width_milli, side };
    let columns = vec![
        column(words.description, 400, Side::Start),
        column(words.quantity, 110, Side::End),
        column(words.unit_price, 190, Side::End),
        column(words.tax, 90, Side::End),
        column(words.net, 210, Side::End),
    ];
    let shown = |minor| MoneyText::of(money(minor, seen.link.currency), language);
    let rows = invoice.lines.iter().zip(&totals.lines).map(|(line, sums)| TableRow {
        cells: vec![
            line.description.clone(),
            line.quantity(),
            shown(line.unit_price_minor).number,
            format!("{}%", line.tax_percent()),
            shown(sums.net_minor).number,
        ],
        note: (line.discount_minor > 0).then(|| format!("{} {}", words.discount, shown(line.discount_minor).number)),
    });
    Block::Table(Table { columns, rows: rows.collect() })
}

fn sums(totals: &InvoiceTotals, seen: &SeenLink, language: Language) -> Block {
    let words = InvoiceWords::of(language);
    let sum = |label: String, minor, weight| {
        let value = MoneyText::of(money(minor, seen.link.currency), language).plain();
        Sum { label, value, weight }
    };
    let mut sums = Vec::new();
    if totals.tax_minor > 0 {
        sums.push(sum(words.before_tax.to_owned(), totals.net_minor, Weight::Regular));
        for tax in &totals.taxes {
            sums.push(sum(words.tax_of(&tax.percent()), tax.tax_minor, Weight::Regular));
        }
    }
    sums.push(sum(words.total.to_owned(), totals.total_minor, Weight::Bold));
    Block::Sums(sums)
}

fn code(seen: &SeenLink, words: &InvoiceWords) -> Block {
    let bare = |value: &str, weight| Entry { label: None, value: value.to_owned(), weight };
    let words =
        vec![bare(words.scan, Weight::Bold), bare(words.address, Weight::Regular), bare(&seen.url, Weight::Regular)];
    Block::Code { content: seen.url.clone(), words }
}
