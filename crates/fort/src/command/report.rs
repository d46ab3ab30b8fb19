//! GENERATE_REPORT, DOWNLOAD_REPORT and GET_REPORT.

use super::{Request, mandatory, moment};
use crate::message::{Message, Object, Value};
use tollgate_core::code::{message as number, refused};
use tollgate_core::refusal::Refusal;
use tollgate_core::report::{
    FILTER_VALUE_CHARS_MAX, FILTERS_MAX, ReportColumn, ReportCommand, ReportFilter, ReportFormat, ReportInterval,
    ReportKind, ReportSpec, failed,
};
use tollgate_core::time::Timestamp;

/// The most characters of the name of a column.
const COLUMN_CHARS_MAX: usize = 110;
/// `to_date` names a second, and that belongs to the interval.
const SECOND_MS: u64 = 1_000;

pub(super) fn generate(message: &Message) -> Result<Request, Refusal> {
    let spec = ReportSpec {
        kind: ReportKind::Transactions,
        interval: interval(message)?,
        columns: columns(message)?,
        filters: filters(message)?,
        language: message.text("language").unwrap_or("en".into()).into_owned(),
    };
    report(ReportCommand::Generate { reference: mandatory(message, "merchant_reference")?, spec })
}

pub(super) fn download(message: &Message) -> Result<Request, Refusal> {
    let format = match message.text("report_format").as_deref() {
        Some("JSON") => ReportFormat::Json,
        _ => ReportFormat::Csv,
    };
    report(ReportCommand::Download { reference: mandatory(message, "merchant_reference")?, format })
}

pub(super) fn status(message: &Message) -> Result<Request, Refusal> {
    report(ReportCommand::Status { reference: mandatory(message, "merchant_reference")? })
}

fn report(command: ReportCommand) -> Result<Request, Refusal> {
    Ok(Request::Report(Box::new(command)))
}

fn interval(message: &Message) -> Result<ReportInterval, Refusal> {
    let required = |name| {
        let moment = moment(message, name)?;
        moment.ok_or_else(|| Refusal::request(refused::MISSING_PARAMETER, name, "it was not sent"))
    };
    let (from, to): (Timestamp, Timestamp) = (required("from_date")?, required("to_date")?);
    if to < from {
        let detail = "the interval ends before it begins";
        return Err(Refusal::request(failed(number::INVALID_INTERVAL), "to_date", detail));
    }
    Ok(ReportInterval { from, before: to.plus_ms(SECOND_MS) })
}

fn columns(message: &Message) -> Result<Vec<ReportColumn>, Refusal> {
    let refusal = |code, detail: String| Refusal::request(code, "columns", detail);
    let Some(Value::List(list)) = message.value("columns") else {
        return Err(refusal(refused::INVALID_FORMAT, "columns is a JSON list of names".to_owned()));
    };
    let mut columns: Vec<ReportColumn> = Vec::new();
    for (place, value) in list.iter().enumerate() {
        let Value::Text(name) = value else {
            return Err(refusal(refused::INVALID_FORMAT, format!("element {} is no name", place + 1)));
        };
        let column = column(name)
            .map_err(|code| refusal(code, format!("element {} is no column; names are compared exactly", place + 1)))?;
        if columns.contains(&column) {
            return Err(refusal(refused::VALUE_NOT_ALLOWED, format!("{column} is there twice")));
        }
        columns.push(column);
    }
    match columns.is_empty() {
        true => Err(refusal(refused::MISSING_PARAMETER, "the list is empty".to_owned())),
        false => Ok(columns),
    }
}

fn filters(message: &Message) -> Result<Vec<ReportFilter>, Refusal> {
    let refusal = |code, detail: String| Refusal::request(code, "filters", detail);
    let list = match message.value("filters").filter(|value| value.is_sent()) {
        None => return Ok(Vec::new()),
        Some(Value::List(list)) => list,
        Some(_) => return Err(refusal(refused::INVALID_FORMAT, "filters is a JSON list of objects".to_owned())),
    };
    if list.iter().count() > FILTERS_MAX {
        return Err(refusal(refused::INVALID_LENGTH, format!("there are more than {FILTERS_MAX} filters")));
    }
    let filters = list.iter().enumerate().map(|(place, value)| {
        let Value::Object(object) = value else {
            return Err(refusal(refused::INVALID_FORMAT, format!("filter {} is no object", place + 1)));
        };
        filter(object).map_err(|fault| refusal(fault.code, format!("filter {}: {}", place + 1, fault.detail)))
    });
    filters.collect()
}

/// What is wrong with one filter.
struct FilterFault {
    code: tollgate_core::code::ResponseCode,
    detail: &'static str,
}

/// `{"key": COLUMN, "value": TEXT}`, in either order and with nothing else.
fn filter(object: Object<'_>) -> Result<ReportFilter, FilterFault> {
    let fault = |code, detail| FilterFault { code, detail };
    let (mut key, mut value) = (None, None);
    for (name, member) in object.iter() {
        let slot = match name {
            "key" => &mut key,
            "value" => &mut value,
            _ => return Err(fault(refused::INVALID_FORMAT, "it has a member besides key and value")),
        };
        *slot = member.scalar();
    }
    let (Some(key), Some(value)) = (key, value) else {
        return Err(fault(refused::INVALID_FORMAT, "key and value are texts, and neither may be absent"));
    };
    if value.chars().count() > FILTER_VALUE_CHARS_MAX {
        return Err(fault(refused::INVALID_LENGTH, "its value is longer than 250 characters"));
    }
    let column = column(&key).map_err(|code| fault(code, "its key is no column; names are compared exactly"))?;
    Ok(ReportFilter { column, value: value.into_owned() })
}

fn column(name: &str) -> Result<ReportColumn, tollgate_core::code::ResponseCode> {
    if name.chars().count() > COLUMN_CHARS_MAX {
        return Err(refused::INVALID_LENGTH);
    }
    ReportColumn::parse(name).ok_or(refused::VALUE_NOT_ALLOWED)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use crate::command::Request;
    use crate::message::Message;
    use crate::service::Service;
    use tollgate_core::refusal::Refusal;
    use tollgate_core::report::{ReportColumn, ReportCommand, ReportSpec};
    use tollgate_core::time::Timestamp;

    /// The published request, with other lists and dates where they are given.
    fn parsed(changes: &[(&str, &str)]) -> Result<ReportSpec, Refusal> {
        let mut members = vec![
            ("query_command", "\"GENERATE_REPORT\""),
            ("access_code", "\"zx0IPmPy5jp1vAz8Kpg7\""),
            ("merchant_identifier", "\"CycHZxVj\""),
            ("merchant_reference", "\"XYZ9239-yu898\""),
            ("from_date", "\"2017-08-03T00:00:01+03:00\""),
            ("to_date", "\"2017-08-03T23:59:59+03:00\""),
            ("columns", r#"["fort_id","amount","3ds_indicator","Invoice_id"]"#),
            ("filters", r#"[{"key":"currency","value":"USD"},{"value":"VISA","key":"payment_option"}]"#),
            ("signature", "\"00ff\""),
        ];
        for (name, value) in changes {
            members.retain(|(known, _)| known != name);
            members.push((name, value));
        }
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let message = Message::from_json(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
        match Request::parse(Service::GenerateReport, &message)? {
            Request::Report(command) => match *command {
                ReportCommand::Generate { spec, .. } => Ok(spec),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn refused(changes: &[(&str, &str)]) -> String {
        let refusal = parsed(changes).expect_err(&format!("{changes:?}"));
        format!("{} {}", refusal.code, refusal.parameter.unwrap_or_default())
    }

    #[test]
    fn an_order_for_a_report_is_read_with_its_lists_in_their_order() {
        let spec = parsed(&[]).unwrap();
        let names: Vec<&str> = spec.columns.iter().map(|column| column.name()).collect();
        assert_eq!(names, ["fort_id", "amount", "3ds_indicator", "Invoice_id"]);
        let filters: Vec<(ReportColumn, &str)> =
            spec.filters.iter().map(|filter| (filter.column, filter.value.as_str())).collect();
        assert_eq!(filters, [(ReportColumn::Currency, "USD"), (ReportColumn::PaymentOption, "VISA")]);
        assert_eq!(spec.interval.from, Timestamp::parse_utc("2017-08-02T21:00:01Z").unwrap());
        let before = Timestamp::parse_utc("2017-08-03T21:00:00Z").unwrap();
        assert_eq!(spec.interval.before, before, "the second that to_date names belongs to it");
        assert_eq!(spec.language, "en");
        assert!(parsed(&[("filters", "null")]).unwrap().filters.is_empty());
        assert_eq!(parsed(&[("language", "\"ar\"")]).unwrap().language, "ar");
    }

    #[test]
    fn every_column_of_the_list_is_known_by_its_exact_name() {
        let names: Vec<String> = ReportColumn::ALL.iter().map(|column| format!("\"{column}\"")).collect();
        assert_eq!(names.len(), 39);
        let spec = parsed(&[("columns", &format!("[{}]", names.join(",")))]).unwrap();
        assert_eq!(spec.columns, ReportColumn::ALL);
    }

    #[test]
    fn each_fault_has_its_code_and_names_its_parameter() {
        for (name, value, expected) in [
            ("columns", "null", "00001 columns"),
            ("columns", "[]", "00001 columns"),
            ("columns", "\"fort_id\"", "00002 columns"),
            ("columns", "{\"a\":\"fort_id\"}", "00002 columns"),
            ("columns", "[1]", "00002 columns"),
            ("columns", "[\"FORT_ID\"]", "00033 columns"),
            ("columns", "[\"invoice_id\"]", "00033 columns"),
            ("columns", "[\"amount\",\"amount\"]", "00033 columns"),
            ("filters", "{\"key\":\"currency\",\"value\":\"USD\"}", "00002 filters"),
            ("filters", "[\"currency\"]", "00002 filters"),
            ("filters", "[{\"key\":\"currency\"}]", "00002 filters"),
            ("filters", "[{\"key\":\"currency\",\"value\":[]}]", "00002 filters"),
            ("filters", "[{\"key\":\"currency\",\"value\":\"USD\",\"or\":\"SAR\"}]", "00002 filters"),
            ("filters", "[{\"key\":\"merchant_extra\",\"value\":\"1\"}]", "00033 filters"),
            ("from_date", "\"2017-08-03\"", "00002 from_date"),
            ("to_date", "\"\"", "00001 to_date"),
            ("to_date", "\"2017-08-03T00:00:00+03:00\"", "57122 to_date"),
            ("merchant_reference", "\"a b\"", "00002 merchant_reference"),
            ("response_format", "\"CSV\"", "00033 response_format"),
        ] {
            assert_eq!(refused(&[(name, value)]), expected, "{name} {value}");
        }
        let many = [r#"{"key":"currency","value":"USD"}"#; 11].join(",");
        assert_eq!(refused(&[("filters", &format!("[{many}]"))]), "00032 filters");
        let long = format!(r#"[{{"key":"currency","value":"{}"}}]"#, "x".repeat(251));
        assert_eq!(refused(&[("filters", &long)]), "00032 filters");
        let long = format!("[\"{}\"]", "x".repeat(111));
        assert_eq!(refused(&[("columns", &long)]), "00032 columns");
        assert_eq!(parsed(&[("to_date", "\"2017-08-03T00:00:01+03:00\"")]).unwrap().columns.len(), 4, "one second");
    }
}
