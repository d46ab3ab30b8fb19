//! The invoice of a payment link: `invoice_lines`, `invoice_number` and `due_date`, which FORT does not know.

use super::{mask_card_numbers, optional};
use crate::message::{Message, Object, Value};
use std::borrow::Cow;
use tollgate_core::code::refused;
use tollgate_core::invoice::{
    DueDate, INVOICE_LINES_MAX, InvoiceDraft, InvoiceFault, InvoiceLine, LineFault, LineFields, parse_lines, totals,
};
use tollgate_core::money::Money;
use tollgate_core::refusal::Refusal;

/// The parameter that holds the lines.
const LINES: &str = "invoice_lines";

/// The invoice that is asked for; its total is what the link asks for.
///
/// # Errors
/// 00001 when a number or a date stands there without lines, 00002 for lines that cannot be read, 00033 for a date that is
/// none, 00005 for an amount that is not the total.
pub(super) fn invoice(message: &Message, money: Money) -> Result<Option<InvoiceDraft>, Refusal> {
    let (number, due) = (optional(message, "invoice_number"), due_date(message)?);
    let Some(value) = message.value(LINES).filter(|value| value.is_sent()) else {
        if number.is_none() && due.is_none() {
            return Ok(None);
        }
        let detail = "an invoice has lines: send them, or leave invoice_number and due_date out";
        return Err(Refusal::request(refused::MISSING_PARAMETER, LINES, detail));
    };
    let unreadable = |fault: InvoiceFault| Refusal::request(refused::INVALID_FORMAT, LINES, fault.to_string());
    let mut lines = lines(value).map_err(unreadable)?;
    for line in &mut lines {
        // Customers see it for months: only what may be kept.
        if let Cow::Owned(masked) = mask_card_numbers(&line.description) {
            line.description = masked;
        }
    }
    let total_minor = totals(&lines).map_err(unreadable)?.total_minor;
    if total_minor != money.amount.minor() {
        let detail = format!("the lines and their taxes come to {total_minor}, and that has to be the amount");
        return Err(Refusal::request(refused::INVALID_AMOUNT, "amount", detail));
    }
    Ok(Some(InvoiceDraft { number, due, lines }))
}

fn due_date(message: &Message) -> Result<Option<DueDate>, Refusal> {
    let Some(text) = message.text("due_date") else { return Ok(None) };
    let refusal =
        || Refusal::request(refused::VALUE_NOT_ALLOWED, "due_date", "a date is a day of the calendar, YYYY-MM-DD");
    DueDate::parse(&text).map(Some).ok_or_else(refusal)
}

/// Lines come as a list of objects, or, where a form or a file has room for one text only, as that.
fn lines(value: Value<'_>) -> Result<Vec<InvoiceLine>, InvoiceFault> {
    let list = match value {
        Value::Text(text) => return parse_lines(text),
        Value::List(list) => list,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(InvoiceFault::NoLine),
    };
    let mut lines = Vec::new();
    for (value, line) in list.iter().zip(1..) {
        if line > INVOICE_LINES_MAX {
            return Err(InvoiceFault::TooManyLines);
        }
        let read = match value {
            Value::Object(object) => one_line(object),
            Value::Text(text) => InvoiceLine::parse(text),
            _ => Err(LineFault::Fields),
        };
        lines.push(read.map_err(|fault| InvoiceFault::Line { line, fault })?);
    }
    Ok(lines)
}

fn one_line(object: Object<'_>) -> Result<InvoiceLine, LineFault> {
    let [mut description, mut quantity, mut unit_price, mut tax_rate, mut discount] = [const { Cow::Borrowed("") }; 5];
    for (name, value) in object.iter() {
        let text = value.scalar().ok_or(LineFault::Fields)?;
        match name {
            "description" => description = text,
            "quantity" => quantity = text,
            "unit_price" => unit_price = text,
            "tax_rate" => tax_rate = text,
            "discount" => discount = text,
            _ => return Err(LineFault::Fields),
        }
    }
    InvoiceLine::read(&LineFields {
        description: &description,
        quantity: &quantity,
        unit_price: &unit_price,
        tax_rate: &tax_rate,
        discount: &discount,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::Request;
    use super::*;
    use crate::service::Service;

    /// PAYMENT_LINK with these lines as JSON, and more of it.
    fn asked(amount: u32, lines: &str, more: &str) -> Result<Option<InvoiceDraft>, String> {
        let body = format!(
            r#"{{"service_command":"PAYMENT_LINK","access_code":"AC","merchant_identifier":"MI","merchant_reference":"R-1",
            "amount":"{amount}","currency":"AED","language":"en","customer_email":"a@b.c","notification_type":"NONE",
            "request_expiry_date":"2027-12-20T15:36:55+03:00","signature":"00"{lines}{more}}}"#
        );
        let message = Message::from_json(body.as_bytes()).unwrap();
        match Request::parse(Service::of(&message).unwrap(), &message) {
            Ok(Request::PaymentLink(command)) => Ok(command.invoice),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(format!("{} {}", refusal.code, refusal.parameter.as_deref().unwrap_or_default())),
        }
    }

    #[test]
    fn lines_come_as_a_list_of_objects_or_as_a_text() {
        let nested = r#","invoice_lines":[{"description":"Novel; hard cover","quantity":2,"unit_price":3500,"tax_rate":"5"},
            {"description":"Postage","quantity":"1","unit_price":"1500","tax_rate":"","discount":500}]"#;
        let draft = asked(8_350, nested, r#","invoice_number":"INV-7","due_date":"2027-01-31""#).unwrap().unwrap();
        assert_eq!((draft.number.as_deref(), draft.due.unwrap().to_string().as_str()), (Some("INV-7"), "2027-01-31"));
        assert_eq!((draft.lines[0].description.as_str(), draft.lines[1].discount_minor), ("Novel; hard cover", 500));
        let text =
            asked(8_350, r#","invoice_lines":"Novel, hard cover;2;3500;5|Postage;1;1500;;500""#, "").unwrap().unwrap();
        assert_eq!(text.lines[1], draft.lines[1]);
        assert_eq!(asked(100, "", "").unwrap(), None);
        assert_eq!(asked(100, r#","invoice_lines":"""#, "").unwrap(), None, "empty is not sent");
    }

    #[test]
    fn what_is_no_invoice_is_refused_with_the_parameter() {
        let line = r#","invoice_lines":"x;1;100;5""#;
        for (amount, lines, more, fault) in [
            (105, line, "", ""),
            (104, line, "", "00005 amount"),
            (100, "", r#","invoice_number":"INV-7""#, "00001 invoice_lines"),
            (100, "", r#","due_date":"2027-01-31""#, "00001 invoice_lines"),
            (105, line, r#","due_date":"2027-02-30""#, "00033 due_date"),
            (105, line, r#","due_date":"tomorrow""#, "00002 due_date"),
            (105, line, r#","invoice_number":"a=b""#, "00002 invoice_number"),
            (105, line, r#","invoice_number":"12345678901234567890123456789012345678901""#, "00032 invoice_number"),
            (100, r#","invoice_lines":{"description":"x"}"#, "", "00002 invoice_lines"),
            (100, r#","invoice_lines":[]"#, "", "00002 invoice_lines"),
            (100, r#","invoice_lines":[1]"#, "", "00002 invoice_lines"),
            (
                100,
                r#","invoice_lines":[{"description":"x","quantity":1,"unit_price":100,"colour":"red"}]"#,
                "",
                "00002 invoice_lines",
            ),
            (
                100,
                r#","invoice_lines":[{"description":{"x":1},"quantity":1,"unit_price":100}]"#,
                "",
                "00002 invoice_lines",
            ),
            (100, r#","invoice_lines":[{"description":"x","quantity":1,"unit_price":1.5}]"#, "", "00002 invoice_lines"),
        ] {
            assert_eq!(asked(amount, lines, more).err().unwrap_or_default(), fault, "{lines} {more}");
        }
        let many = format!(r#","invoice_lines":[{}"x;1;1"]"#, r#""x;1;1","#.repeat(50));
        assert_eq!(asked(51, &many, "").unwrap_err(), "00002 invoice_lines");
    }

    #[test]
    fn no_line_keeps_a_card_number() {
        let draft = asked(100, r#","invoice_lines":"card 4005550000000001;1;100""#, "").unwrap().unwrap();
        assert!(!draft.lines[0].description.contains("4005550000000001"), "{draft:?}");
    }
}
