//! Answers on their way out: exactly the fields that the service's table lists, all texts, none empty.

use crate::json_text;
use crate::message::{Message, Value};
use crate::recut::{Author, recut_name};
use crate::service::Service;
use crate::service::table::{AnswerField, Source, Table, table};
use crate::signature::{self, SIGNATURE};
use crate::text::{Language, acquirer_response_message, response_message};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use tollgate_core::answer::{Answer, StatusFacts, TokenEcho};
use tollgate_core::card::mask;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::SafeParams;
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenStatus};

/// Fields that never stand in a URL as they are: URLs are kept in histories and logs.
const STARRED_IN_URLS: [&str; 6] =
    ["card_number", "expiry_date", "card_holder_name", "customer_ip", "customer_email", "customer_name"];

/// Where echoed values come from.
#[derive(Clone, Copy, Debug)]
pub enum Echo<'a> {
    /// The request itself: values go back unchanged, the card number masked.
    Request(&'a Message),
    /// The same of a request whose signature was not verified: anybody may have written it.
    Unproven(&'a Message),
    /// The kept parameters of a request, for feedback that is made later.
    Kept(&'a SafeParams),
}

/// Renders `answer` by the response table of `service`.
///
/// `service` is `None` when the message names none: the fields of a payment are then echoed. Empty
/// values, lists and objects are not echoed, `card_security_code` never is, nor is a value that would let the signature
/// fit other parameters as well ([`recut_name`]).
#[must_use]
pub fn render(service: Option<Service>, echo: Echo<'_>, answer: &Answer, language: Language) -> Fields {
    let table: &'static Table = table(service.unwrap_or(Service::Purchase));
    let mut fields = Fields::none();
    for (AnswerField { name, source }, echoed) in table.answer.iter().zip(echo.values(table)) {
        let echoed = echoed.or_else(|| echo.seen(name, answer));
        if *source == Source::TokenList {
            fields.push_list(name, answer.tokens.as_deref().unwrap_or_default().iter().map(token_row).collect());
        } else if let Some(value) = value_of(*source, echo, echoed, answer, language) {
            fields.push(name, &value);
        }
    }
    fields.leave_out_recuts(echo.author());
    fields.push_code(answer.code, language);
    fields
}

/// The answer to a body that could not be read (00073): a code and nothing to echo.
#[must_use]
pub fn unreadable(code: ResponseCode) -> Fields {
    let mut fields = Fields::none();
    fields.push_code(code, Language::English);
    fields
}

/// The value of a field that is made of `source`; `echoed` is what the client sent under its name.
fn value_of<'a>(
    source: Source,
    echo: Echo<'a>,
    echoed: Option<Cow<'a, str>>,
    answer: &'a Answer,
    language: Language,
) -> Option<Cow<'a, str>> {
    let order = answer.order.as_ref();
    let status = answer.status.as_ref();
    let token = answer.token.as_ref();
    let network = || status.and_then(|status| status.network.as_ref());
    match source {
        Source::Echo => echoed,
        Source::EchoOnRefusal => echoed.filter(|_| is_bare_refusal(answer)),
        Source::OrderReference => {
            let known = order.map(|order| Cow::Borrowed(&*order.merchant_reference));
            match echo {
                Echo::Request(_) | Echo::Unproven(_) => echoed.or(known),
                // What is kept may be masked; the order knows its own reference.
                Echo::Kept(_) => known.or(echoed),
            }
        }
        Source::OrderNumber => order.map(|order| Cow::Owned(order.fort_id.to_string())),
        Source::CardBrand => match &answer.card {
            Some(card) => Some(Cow::Borrowed(card.brand.name())),
            None => echoed,
        },
        Source::Eci => match answer.eci {
            Some(eci) => Some(Cow::Borrowed(eci.name())),
            None => echoed,
        },
        Source::CardMask => match &answer.card {
            Some(card) => Some(Cow::Borrowed(&*card.mask)),
            None => masked(echo, echoed),
        },
        Source::CardExpiry => match &answer.card {
            Some(card) => Some(Cow::Borrowed(&*card.expiry)),
            None => echoed,
        },
        Source::CardHolder => match &answer.card {
            Some(card) => card.holder.as_deref().map(Cow::Borrowed),
            None => echoed,
        },
        Source::Token => match answer.token_echo {
            TokenEcho::Sent => answer.token_name.as_deref().map(Cow::Borrowed).or(echoed),
            TokenEcho::Withheld => None,
        },
        Source::Agreement => answer.agreement_id.as_deref().map(Cow::Borrowed).or(echoed),
        Source::ThreeDsUrl => answer.three_ds_url.as_deref().map(Cow::Borrowed),
        Source::TokenMade => answer.token_name.as_deref().map(Cow::Borrowed),
        Source::Authorization => answer.authorization_code.as_deref().map(Cow::Borrowed),
        Source::DeclineCode => answer.acquirer_code.as_deref().map(Cow::Borrowed),
        Source::DeclineText => answer.acquirer_code.as_deref().and_then(acquirer_response_message).map(Cow::Borrowed),
        Source::LastStatus | Source::LastCode | Source::LastText | Source::StatusAuthorization => {
            last_fact(source, status?, language)
        }
        Source::Authorized => status.map(|status| Cow::Owned(status.totals.authorized.to_string())),
        Source::Captured => status.map(|status| Cow::Owned(status.totals.captured.to_string())),
        Source::Refunded => status.map(|status| Cow::Owned(status.totals.refunded.to_string())),
        Source::TokenStatus => token.map(|token| Cow::Borrowed(token.status.name())).or(token_status(echoed)),
        Source::TokenCurrency => match token {
            Some(token) => token.currency.map(|currency| Cow::Owned(currency.to_string())),
            None => echoed,
        },
        Source::TokenBin => token.map(|token| Cow::Borrowed(&*token.bin)),
        Source::TokenCreated => token.map(|token| Cow::Owned(date_time(token.created_at))),
        // Written by itself: it is no text.
        Source::TokenList => None,
        Source::TokenCount => answer.tokens.as_ref().map(|tokens| Cow::Owned(tokens.len().to_string())),
        Source::BatchNumber | Source::BatchRows | Source::ReportRows => count_fact(source, answer, echoed),
        Source::NetworkWord => network().map(|network| Cow::Borrowed(network.processor_code)),
        Source::NetworkCode => network().map(|network| Cow::Borrowed(&*network.acquirer_code)),
        of_link => link_value(of_link, echo, echoed, answer),
    }
}

/// What CHECK_STATUS tells of an order's last operation.
fn last_fact(source: Source, status: &StatusFacts, language: Language) -> Option<Cow<'_, str>> {
    match source {
        Source::LastStatus => Some(Cow::Owned(status.transaction_code.status_text())),
        Source::LastCode => Some(Cow::Owned(status.transaction_code.to_string())),
        Source::LastText => Some(Cow::Borrowed(response_message(status.transaction_code, language))),
        Source::StatusAuthorization => status.authorization_code.as_deref().map(Cow::Borrowed),
        _ => None,
    }
}

/// What is told of a batch: its number, else the one that the client sent; and how many rows it has, as of a report.
fn count_fact<'a>(source: Source, answer: &Answer, echoed: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let batch = answer.batch.as_ref();
    match source {
        Source::BatchNumber => batch.map(|batch| Cow::Owned(batch.id.to_string())).or(echoed),
        Source::ReportRows => answer.report_rows.map(|rows| Cow::Owned(rows.to_string())),
        _ => batch.and_then(|batch| batch.rows).map(|rows| Cow::Owned(rows.to_string())),
    }
}

/// The value of a field that is made of a payment link.
fn link_value<'a>(
    source: Source,
    echo: Echo<'a>,
    echoed: Option<Cow<'a, str>>,
    answer: &'a Answer,
) -> Option<Cow<'a, str>> {
    if source == Source::PaidLink {
        return echo.paid_link();
    }
    let Some(link) = answer.link.as_deref() else { return echoed.filter(|_| source == Source::LinkName) };
    Some(match source {
        Source::LinkName => Cow::Borrowed(&*link.name),
        Source::LinkUrl => Cow::Borrowed(&*link.url),
        Source::LinkAmount => Cow::Owned(link.amount.to_string()),
        Source::LinkStatus => Cow::Borrowed(link.status.name()),
        Source::LinkExpiry => Cow::Owned(date_time_z(link.expires_at)),
        Source::LinkOpenings => Cow::Owned(link.openings.to_string()),
        _ => return None,
    })
}

/// Whether there is no order that it could be about.
fn is_bare_refusal(answer: &Answer) -> bool {
    answer.code.status() == 0 && answer.order.is_none()
}

/// A token's status that was sent, and nothing else: cut anew, `token_status=14` reads as `status=14`.
fn token_status(sent: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    sent.filter(|sent| TokenStatus::parse(sent).is_some())
}

/// One token of a list, in the order in which its members go out.
fn token_row(token: &Token) -> Row {
    vec![
        ("card_number", token.card.mask.clone()),
        ("expiry_date", token.card.expiry.clone()),
        ("token_name", token.name.clone()),
        ("card_brand", token.card.brand.name().to_owned()),
        ("card_bin", token.bin.clone()),
        ("token_status", token.status.name().to_owned()),
        ("creation_date", date_time(token.created_at)),
    ]
}

/// A moment as FORT writes it: ISO 8601 to the second, with the offset of UTC in digits.
fn date_time(at: Timestamp) -> String {
    let t = at.utc();
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// A moment as the status of a payment link tells it: ISO 8601 to the second, with a Z for UTC.
fn date_time_z(at: Timestamp) -> String {
    date_time(at).replace("+00:00", "Z")
}

impl<'a> Echo<'a> {
    /// The payment link that a payment belongs to: nothing that a client could send.
    fn paid_link(self) -> Option<Cow<'a, str>> {
        match self {
            Echo::Kept(params) => params.get(SafeParams::PAYMENT_LINK).map(Cow::Borrowed),
            Echo::Request(_) | Echo::Unproven(_) => None,
        }
    }

    /// Who chose the values. What is kept is that of a request that was signed.
    const fn author(self) -> Author {
        match self {
            Echo::Request(_) | Echo::Kept(_) => Author::Merchant,
            Echo::Unproven(_) => Author::Anyone,
        }
    }

    /// What the gateway saw itself and tells under the name of a parameter that was not sent. A refusal tells only what
    /// was sent.
    fn seen(self, name: &str, answer: &Answer) -> Option<Cow<'a, str>> {
        match self {
            Echo::Kept(params) if name == "customer_ip" && !is_bare_refusal(answer) => {
                params.get(SafeParams::CUSTOMER_IP_SEEN).map(Cow::Borrowed)
            }
            _ => None,
        }
    }

    /// What the client sent under the name of each field of an answer, in the table's order: texts
    /// that are not empty.
    fn values(self, table: &Table) -> Vec<Option<Cow<'a, str>>> {
        match self {
            Echo::Request(message) | Echo::Unproven(message) => {
                table.echoed(message).into_iter().map(|value| value.and_then(Value::scalar)).collect()
            }
            Echo::Kept(params) => table.answer.iter().map(|field| params.get(&field.name).map(Cow::Borrowed)).collect(),
        }
    }
}

/// The card number as it may be seen; what is kept is masked already.
fn masked<'a>(echo: Echo<'_>, echoed: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    match echo {
        Echo::Request(_) | Echo::Unproven(_) => echoed.map(|number| Cow::Owned(mask(&number))),
        Echo::Kept(_) => echoed,
    }
}

/// The fields of an answer, in the order in which they go out.
///
/// `Debug` shows names only: a client may have put anything into a field that is echoed.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields {
    text: String,
    fields: Vec<Field>,
    /// The one field that is no text, if there is one. Its value among the others is what is hashed.
    list: Option<ListField>,
}

/// A field that is a list of objects.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ListField {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// The members of one object of a list, in order; none is empty.
pub(crate) type Row = Vec<(&'static str, String)>;

#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: &'static str,
    value: Range<usize>,
}

impl Fields {
    /// No fields yet.
    #[must_use]
    pub fn none() -> Fields {
        Fields { text: String::with_capacity(512), fields: Vec::with_capacity(32), list: None }
    }

    /// The fields as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (field.name, self.text.get(field.value.clone()).unwrap_or_default()))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The fields as they may stand in a URL: those of card and customer starred, each star for one character. They
    /// are signed as they are then.
    #[must_use]
    pub fn starred(&self) -> Fields {
        let mut starred = Fields::none();
        for field in &self.fields {
            let value = self.text.get(field.value.clone()).unwrap_or_default();
            match STARRED_IN_URLS.contains(&field.name) {
                true => starred.push(field.name, &"*".repeat(value.chars().count())),
                false => starred.push(field.name, value),
            }
        }
        starred
    }

    /// Adds `signature` (lower-case hex) over all fields.
    #[must_use]
    pub fn sign(mut self, response_phrase: &Secret, sha: ShaType) -> Fields {
        let signature = signature::sign(self.iter(), response_phrase, sha);
        self.fields.retain(|field| field.name != SIGNATURE);
        self.push(SIGNATURE, &signature);
        self
    }

    /// The field that is a list, if there is one.
    pub(crate) fn list(&self) -> Option<&ListField> {
        self.list.as_ref()
    }

    /// The body of an answer or of a feedback: one JSON object of strings, UTF-8; flat but for the list of
    /// GET_TOKENS.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = String::with_capacity(self.text.len() + self.fields.len() * 32);
        for (name, value) in self.iter() {
            out.push(if out.is_empty() { '{' } else { ',' });
            json_text::push(&mut out, name);
            out.push(':');
            match &self.list {
                Some(list) if list.name == name => push_rows(&mut out, &list.rows),
                _ => json_text::push(&mut out, value),
            }
        }
        out.push_str(if out.is_empty() { "{}" } else { "}" });
        out.into_bytes()
    }

    fn push(&mut self, name: &'static str, value: &str) {
        if value.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(value);
        self.fields.push(Field { name, value: start..self.text.len() });
    }

    /// Adds a list, unless it is empty. It is hashed as clients render lists: `[{k=v, k=v}, {k=v}]`.
    fn push_list(&mut self, name: &'static str, rows: Vec<Row>) {
        let hashed: Vec<String> = rows
            .iter()
            .map(|row| row.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "))
            .map(|members| format!("{{{members}}}"))
            .collect();
        if !hashed.is_empty() {
            self.push(name, &format!("[{}]", hashed.join(", ")));
            self.list = Some(ListField { name, rows });
        }
    }

    /// Leaves out what would let the signature fit other parameters. A list of ours names parameters in its rows, and
    /// goes between servers only.
    fn leave_out_recuts(&mut self, author: Author) {
        // All values at once: nearly no answer has a `=` anywhere.
        if !self.text.contains('=') {
            return;
        }
        let Fields { text, fields, list } = self;
        let list = list.as_ref().map(|list| list.name);
        fields.retain(|field| {
            let value = text.get(field.value.clone()).unwrap_or_default();
            list == Some(field.name) || recut_name(field.name, value, author).is_none()
        });
    }

    fn push_code(&mut self, code: ResponseCode, language: Language) {
        self.push("response_code", &code.to_string());
        self.push("response_message", response_message(code, language));
        self.push("status", &code.status_text());
    }
}

fn push_rows(out: &mut String, rows: &[Row]) {
    out.push('[');
    for (place, row) in rows.iter().enumerate() {
        out.push_str(if place > 0 { ",{" } else { "{" });
        for (place, (name, value)) in row.iter().enumerate() {
            out.push_str(if place > 0 { "," } else { "" });
            json_text::push(out, name);
            out.push(':');
            json_text::push(out, value);
        }
        out.push('}');
    }
    out.push(']');
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|field| field.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::code::refused;

    #[test]
    fn an_unreadable_body_gets_three_fields() {
        let fields = unreadable(refused::INVALID_REQUEST_FORMAT);
        let json = String::from_utf8(fields.to_json()).unwrap();
        assert_eq!(json, r#"{"response_code":"00073","response_message":"Invalid request format","status":"00"}"#);
    }

    #[test]
    fn echoed_values_are_texts_unchanged_and_never_empty() {
        let body = "{\"command\":\"PURCHASE\",\"amount\":1000.0,\"merchant_extra\":\"a\\\"\\\\\\n<é>'\",
            \"merchant_extra1\":\"\",\"merchant_extra2\":null,\"merchant_extra3\":[\"x\"],\"merchant_extra4\":true,
            \"merchant_reference\":77,\"card_security_code\":\"737\",\"check_3ds\":\"NO\",
            \"card_number\":\"4005550000000001\",
            \"unknown\":\"u\",\"return_url\":\"https://a.b/?c=d\"}";
        let message = Message::from_json(body.as_bytes()).unwrap();
        let answer = Answer::bare(refused::INVALID_AMOUNT);
        let fields = render(Some(Service::Purchase), Echo::Request(&message), &answer, Language::Arabic);
        let expected = [
            ("command", "PURCHASE"),
            ("amount", "1000"),
            ("merchant_extra", "a\"\\\n<é>'"),
            ("merchant_extra4", "true"),
            ("merchant_reference", "77"),
            ("card_number", "400555******0001"),
            ("return_url", "https://a.b/?c=d"),
            ("response_code", "00005"),
            ("response_message", "المبلغ غير صحيح"),
            ("status", "00"),
        ];
        assert_eq!(fields.iter().count(), expected.len(), "{fields:?}");
        for (name, value) in expected {
            assert_eq!(fields.get(name), Some(value), "{name}");
        }
        let read: serde_json::Value = serde_json::from_slice(&fields.to_json()).unwrap();
        assert_eq!(read["merchant_extra"], "a\"\\\n<é>'");
        assert!(!format!("{fields:?}").contains("1000"));
    }

    #[test]
    fn nothing_that_a_signed_text_could_be_cut_at_is_echoed() {
        let body = br#"{"command":"PURCHASE","merchant_reference":"R","merchant_extra":"astatus=14token_name=x",
            "merchant_extra1":"a=b","customer_email":"a@b.c","return_url":"https://a.b/?c=d&status=new"}"#;
        let message = Message::from_json(body).unwrap();
        let answer = Answer::bare(refused::SIGNATURE_MISMATCH);
        let kept = crate::command::safe_params(&message);
        let shown = |echo| render(None, echo, &answer, Language::English);
        for (echo, url) in [
            (Echo::Request(&message), Some("https://a.b/?c=d&status=new")),
            (Echo::Kept(&kept), Some("https://a.b/?c=d&status=new")),
            (Echo::Unproven(&message), None),
        ] {
            let fields = shown(echo);
            assert_eq!(fields.get("merchant_extra"), None, "{echo:?}");
            assert_eq!(fields.get("return_url"), url, "{echo:?}");
            for (name, value) in [("merchant_extra1", "a=b"), ("merchant_reference", "R"), ("status", "00")] {
                assert_eq!(fields.get(name), Some(value), "{echo:?}");
            }
        }
    }

    /// A long name can be read as its ending, whatever the values are: nobody chooses what an outcome would read then.
    #[test]
    fn no_field_that_ends_like_an_outcome_repeats_what_was_sent() {
        for service in Service::ALL {
            for AnswerField { name, source } in &table(service).answer {
                let is_like = name.ends_with("status") || name.ends_with("response_code");
                assert!(!is_like || !matches!(source, Source::Echo | Source::EchoOnRefusal), "{service:?}: {name}");
            }
        }
        let answer = Answer::bare(refused::SIGNATURE_MISMATCH);
        for (sent, shown) in
            [("14", None), ("ACTIVE", Some("ACTIVE")), ("INACTIVE", Some("INACTIVE")), ("active", None)]
        {
            let body = crate::client::json(&[("service_command", "UPDATE_TOKEN"), ("token_status", sent)]);
            let message = Message::from_json(&body).unwrap();
            for echo in [Echo::Request(&message), Echo::Unproven(&message)] {
                let fields = render(Some(Service::UpdateToken), echo, &answer, Language::English);
                assert_eq!(fields.get("token_status"), shown, "{sent}");
            }
        }
    }

    #[test]
    fn return_url_comes_back_only_when_no_order_was_made() {
        let message = Message::from_json(br#"{"command":"PURCHASE","return_url":"https://a.b"}"#).unwrap();
        let shown = |code| {
            let answer = Answer::bare(code);
            render(None, Echo::Request(&message), &answer, Language::English).get("return_url").is_some()
        };
        assert!(shown(refused::REFERENCE_EXISTS));
        assert!(!shown(ResponseCode::new(13, 666)));
    }
}
