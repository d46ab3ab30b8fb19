//! A customer's browser in the demo shop, without scripts.

use super::page::{self, Returned, encoded, returned};
use super::wire::{self, HttpAnswer};
use super::{Gateway, Merchant, text};
use std::cell::RefCell;
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;

/// A browser with a cookie, at a gateway.
pub struct Browser {
    pub gateway: Gateway,
    pub merchant: Merchant,
    pub cookie: RefCell<String>,
}

impl Browser {
    pub fn open() -> Browser {
        Browser::at(Gateway::start())
    }

    pub fn at(gateway: Gateway) -> Browser {
        let merchant = gateway.demo();
        Browser { gateway, merchant, cookie: RefCell::default() }
    }

    pub fn answer(&self, method: &str, path: &str, body: &str) -> HttpAnswer {
        let address = &self.gateway.address;
        let cookie = self.cookie.borrow().clone();
        // The browser sends the shop's cookie to the shop alone.
        let cookie = if path.starts_with("/demo") && !cookie.is_empty() {
            format!("Cookie: {cookie}\r\n")
        } else {
            String::new()
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{cookie}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let answer = wire::send(address, format!("{head}{body}").as_bytes());
        if let Some(set) = answer.header("set-cookie") {
            assert!(set.contains("HttpOnly; SameSite=Lax"), "{set}");
            *self.cookie.borrow_mut() = set.split(';').next().unwrap().to_owned();
        }
        answer
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = self.answer("GET", path, "");
        (answer.status, text(&answer.body))
    }

    pub fn front(&self) -> String {
        self.get("/demo").1
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let answer = self.answer("POST", path, &encoded(fields.iter().copied()));
        (answer.status, text(&answer.body))
    }

    /// Posts a form and goes where it leads.
    pub fn follow(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let answer = self.answer("POST", path, &encoded(fields.iter().copied()));
        assert_eq!(answer.status, 303, "{}", text(&answer.body));
        Seen::of(self.answer("GET", answer.header("location").unwrap(), ""))
    }

    /// The fields of the first page with this button pressed.
    pub fn cart<'a>(&self, button: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let usual = [("currency", "AED"), ("coffee", "1"), ("dates", "1"), ("cup", "0"), ("card", "0"), ("go", button)];
        super::shop::with(usual.to_vec(), more)
    }

    /// Presses a button of the first page.
    pub fn start(&self, button: &str, more: &[(&str, &str)]) -> Seen {
        self.front();
        self.follow("/demo/start", &self.cart(button, more))
    }

    /// Posts the form of a try to the gateway, with what the customer types; what comes then.
    pub fn post_form(&self, seen: &Seen, typed: &[(&str, &str)]) -> HttpAnswer {
        let fields = seen.form();
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.answer("POST", page::PATH, &encoded(fields.chain(typed.iter().copied())))
    }

    /// The same where the gateway leads back at once.
    pub fn post_to_gateway(&self, seen: &Seen, typed: &[(&str, &str)]) -> Returned {
        returned(&self.post_form(seen, typed))
    }

    /// Goes back to the shop with what the gateway gave.
    pub fn come_back(&self, back: &Returned) -> Seen {
        let fields: Vec<(&str, &str)> =
            back.fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        self.follow("/demo/return", &fields)
    }
}

/// The page of a try.
pub struct Seen {
    pub html: String,
    pub policy: String,
}

impl Seen {
    pub fn of(answer: HttpAnswer) -> Seen {
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        Seen { html: text(&answer.body), policy }
    }

    pub fn reference(&self) -> String {
        between(&self.html, "<bdi><code>", "</code>").to_owned()
    }

    pub fn outcome(&self) -> &str {
        between(&self.html, "<span class=\"outcome\"><bdi>", "</bdi>")
    }

    /// The hidden fields of the form for the gateway.
    pub fn form(&self) -> Vec<(String, String)> {
        let form = between(&self.html, "<form id=\"card-form\"", "</form>");
        let inputs = form.split("<input type=\"hidden\" ").skip(1);
        inputs
            .map(|input| (unescaped(between(input, "name=\"", "\"")), unescaped(between(input, "value=\"", "\""))))
            .collect()
    }

    /// What passed, oldest first.
    pub fn messages(&self) -> Vec<Shown> {
        let mut shown: Vec<Shown> = self.html.split("<details class=\"passed").skip(1).map(Shown::of).collect();
        shown.reverse();
        shown
    }
}

/// One message as the page shows it.
#[derive(Debug)]
pub struct Shown {
    pub title: String,
    pub verdict: String,
    pub fields: Vec<(String, String)>,
    pub hashed: String,
    pub signature: String,
}

impl Shown {
    pub fn of(html: &str) -> Shown {
        let summary = html.split("</summary>").next().unwrap();
        let verdict = summary.rsplit("<span class=\"badge").next().unwrap();
        let rows = html.split("<tr><th scope=\"row\" class=\"mono\">").skip(1);
        let pre = |class: &str| {
            let begin = format!("<pre class=\"{class}\" dir=\"ltr\">");
            html.split_once(&begin)
                .map_or_else(String::new, |(_, rest)| unescaped(rest.split("</pre>").next().unwrap()))
        };
        Shown {
            title: unescaped(between(summary, "<strong>", "</strong>")),
            verdict: between(verdict, ">", "</span>").to_owned(),
            fields: rows
                .map(|row| (row.split('<').next().unwrap().to_owned(), unescaped(between(row, "<bdi>", "</bdi>"))))
                .collect(),
            hashed: pre("hashed"),
            signature: pre("signature"),
        }
    }

    pub fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("{name}: {self:?}"))
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.fields.iter().any(|(known, shown)| known == name && shown == value)
    }

    /// The rule of SHA-256 signatures over what is shown, and over the fields by themselves.
    pub fn assert_signed_with(&self, phrase: &str) {
        let text = self.hashed.replace("(phrase)", phrase);
        let digest = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()));
        assert_eq!(digest, self.signature, "{}", self.hashed);
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signature = tollgate_fort::signature::sign(fields, &Secret::new(phrase), ShaType::Sha256);
        assert_eq!(signature, self.signature, "the table has all that is signed: {self:?}");
    }
}

pub fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let inside = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    inside.unwrap_or_else(|| panic!("{begin}: {text}")).0
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
