//! The body of a transaction feedback, and of an answer that may be asked for as XML: the fields of an answer, in
//! one of three forms.

use crate::response::{Fields, ListField};
use tollgate_core::feedback::FeedbackFormat;

/// The value of `Content-Type` for a format.
#[must_use]
pub const fn content_type(format: FeedbackFormat) -> &'static str {
    match format {
        FeedbackFormat::Json => "application/json;charset=UTF-8",
        FeedbackFormat::Form => "application/x-www-form-urlencoded;charset=UTF-8",
        FeedbackFormat::Xml => "application/xml;charset=UTF-8",
    }
}

/// The body of `fields` in a format, UTF-8.
#[must_use]
pub fn body(fields: &Fields, format: FeedbackFormat) -> Vec<u8> {
    match format {
        FeedbackFormat::Json => fields.to_json(),
        FeedbackFormat::Form => form(fields.iter()).into_bytes(),
        FeedbackFormat::Xml => xml(fields.iter(), fields.list()).into_bytes(),
    }
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::with_capacity(1024)).extend_pairs(fields).finish()
}

/// Root `response`, one element for each field; fields of one name that follow each other are a list,
/// `<x_list><x/><x/></x_list>`; the elements of a list of objects have their members inside.
fn xml<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>, objects: Option<&ListField>) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>");
    let fields: Vec<(&str, &str)> = fields.collect();
    for group in fields.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((name, _)) = group.first() else { continue };
        if let Some(list) = objects.filter(|list| list.name == *name) {
            push_objects(&mut out, list);
            continue;
        }
        let is_list = group.len() > 1;
        if is_list {
            out.push_str(&format!("<{name}_list>"));
        }
        for (_, value) in group {
            out.push_str(&format!("<{name}>"));
            push_text(&mut out, value);
            out.push_str(&format!("</{name}>"));
        }
        if is_list {
            out.push_str(&format!("</{name}_list>"));
        }
    }
    out.push_str("</response>\n");
    out
}

fn push_objects(out: &mut String, list: &ListField) {
    let name = list.name;
    out.push_str(&format!("<{name}_list>"));
    for row in &list.rows {
        out.push_str(&format!("<{name}>"));
        for (member, value) in row {
            out.push_str(&format!("<{member}>"));
            push_text(out, value);
            out.push_str(&format!("</{member}>"));
        }
        out.push_str(&format!("</{name}>"));
    }
    out.push_str(&format!("</{name}_list>"));
}

/// Text as XML 1.0 holds it. What XML cannot hold at all becomes the replacement character.
fn push_text(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A reader turns a bare carriage return into a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_as_browsers_do() {
        let fields = [("response_message", "Success & more"), ("customer_name", "محمد"), ("a", "1+1=2")];
        let text = form(fields.into_iter());
        assert_eq!(text, "response_message=Success+%26+more&customer_name=%D9%85%D8%AD%D9%85%D8%AF&a=1%2B1%3D2");
        let back: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        assert!(back.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(fields));
    }

    #[test]
    fn xml_has_one_element_for_each_field_and_lists_have_one_around_them() {
        let fields = [("status", "14"), ("token", "a"), ("token", "b"), ("name", "<a> & \"b\"\r\n\u{1}محمد")];
        assert_eq!(
            xml(fields.into_iter(), None),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response><status>14</status><token_list><token>a</token>\
             <token>b</token></token_list><name>&lt;a&gt; &amp; \"b\"&#13;\n\u{fffd}محمد</name></response>\n"
        );
    }
}
