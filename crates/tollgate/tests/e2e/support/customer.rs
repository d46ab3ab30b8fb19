//! A customer at the gateway's own pages, with a browser that runs no scripts.

use super::page::{self, Returned};
use super::wire::{self, HttpAnswer};
use super::{Gateway, Merchant, text};

/// A customer whose browser has been sent to a checkout.
#[derive(Clone, Debug)]
pub struct Customer {
    address: String,
    /// The path of the checkout.
    pub path: String,
}

impl Customer {
    /// Posts a merchant's signed form; the gateway leads on to a checkout.
    pub fn arrive(gateway: &Gateway, merchant: &Merchant, params: &[(&str, &str)]) -> Customer {
        Customer::led_by(gateway, &page::post(gateway, &page::signed(merchant, params)))
    }

    /// Goes where the answer to a form leads.
    pub fn led_by(gateway: &Gateway, answer: &HttpAnswer) -> Customer {
        assert_eq!(answer.status, 303, "{}", text(&answer.body));
        let path = answer.header("location").expect("a checkout").to_owned();
        Customer { address: gateway.address.clone(), path }
    }

    /// The same checkout at a gateway that was started again.
    pub fn at(&self, gateway: &Gateway) -> Customer {
        Customer { address: gateway.address.clone(), path: self.path.clone() }
    }

    /// The page as it is now.
    pub fn look(&self) -> HttpAnswer {
        self.get(&self.path)
    }

    /// Any path of the gateway.
    pub fn get(&self, path: &str) -> HttpAnswer {
        let address = &self.address;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        wire::send(address, request.as_bytes())
    }

    /// Posts to a part of the checkout; the answer as it comes.
    pub fn post(&self, part: &str, fields: &[(&str, &str)]) -> HttpAnswer {
        let (address, body) = (&self.address, page::encoded(fields.iter().copied()));
        let head = format!(
            "POST {}{part} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n",
            self.path,
            body.len()
        );
        wire::send(address, format!("{head}{body}").as_bytes())
    }

    /// Types a card, and follows to what comes then.
    pub fn type_card(&self, card: &str, more: &[(&str, &str)]) -> HttpAnswer {
        let mut fields = vec![
            ("card_number", card),
            ("expiry_date", "05/30"),
            ("card_security_code", if card.starts_with("34") { "1234" } else { "123" }),
            ("card_holder_name", "Jo Doe"),
        ];
        fields.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        fields.extend_from_slice(more);
        self.follow(self.post("/card", &fields))
    }

    /// Cancels, and follows.
    pub fn cancel(&self) -> HttpAnswer {
        self.follow(self.post("/cancel", &[]))
    }

    /// Follows redirects to pages of the gateway's own, and waits as long as the pages say so.
    pub fn follow(&self, mut answer: HttpAnswer) -> HttpAnswer {
        super::wait_for("the end of the waiting pages", || {
            while answer.status == 303 && answer.header("location").is_some_and(|to| to.starts_with('/')) {
                let to = answer.header("location").expect("a way").to_owned();
                answer = self.get(&to);
            }
            let html = text(&answer.body);
            // A page that goes on at once is the way back to the shop.
            if !html.contains("http-equiv=\"refresh\"") || html.contains("http-equiv=\"refresh\" content=\"0;") {
                return Some(());
            }
            answer = self.look();
            None
        });
        answer
    }

    /// Types a card, and goes back to the merchant; the signature is right.
    pub fn pay(&self, merchant: &Merchant, card: &str, more: &[(&str, &str)]) -> Returned {
        went_back(merchant, &self.type_card(card, more))
    }
}

/// What the browser takes back to the merchant.
pub fn went_back(merchant: &Merchant, answer: &HttpAnswer) -> Returned {
    let returned = page::returned(answer);
    merchant.check(&returned.fields);
    returned
}

/// A form of a page, as a browser without scripts sees it.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is posted to.
    pub action: String,
    /// Its fields with what they hold.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// All forms of a page that are posted.
    pub fn all(html: &str) -> Vec<Form> {
        html.split("<form").skip(1).filter_map(Form::read).collect()
    }

    /// The form whose address has this in it.
    pub fn to(html: &str, part: &str) -> Form {
        let found = Form::all(html).into_iter().find(|form| form.action.contains(part));
        found.unwrap_or_else(|| panic!("no form to {part}: {html}"))
    }

    /// The same with this in a field.
    pub fn with(mut self, name: &str, value: &str) -> Form {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn read(text: &str) -> Option<Form> {
        let (head, rest) = text.split_once('>')?;
        let body = rest.split_once("</form>")?.0;
        let fields = body.split("<input").skip(1).filter_map(|input| {
            let input = input.split_once('>')?.0;
            let is_pressed =
                attribute(input, "type").is_some_and(|kind| matches!(kind.as_str(), "submit" | "checkbox"));
            let name = attribute(input, "name").filter(|_| !is_pressed)?;
            Some((name, attribute(input, "value").unwrap_or_default()))
        });
        Some(Form { action: attribute(head, "action")?, fields: fields.collect() })
    }
}

/// The value of an attribute.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(page::unescaped(rest.split_once('"')?.0))
}

impl Customer {
    /// A customer whom the merchant has sent to this address of the gateway's.
    pub fn sent_to(gateway: &Gateway, url: &str) -> Customer {
        let path = url.strip_prefix(&format!("http://{}", gateway.address)).unwrap_or_else(|| panic!("{url}"));
        Customer { address: gateway.address.clone(), path: path.to_owned() }
    }

    /// Posts a form, wherever it leads, without following.
    pub fn send(&self, form: &Form) -> HttpAnswer {
        let (address, path) = match form.action.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
            Some((address, path)) => (address.to_owned(), format!("/{path}")),
            None => (self.address.clone(), form.action.clone()),
        };
        let body = page::encoded(form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nUser-Agent: Customer/1\r\n\
             Accept: text/html\r\nAccept-Language: en\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        wire::send(&address, format!("{head}{body}").as_bytes())
    }

    /// Goes through 3-D Secure as far as it goes without the customer: what comes then is the challenge of the issuer, the
    /// card form again, or the way back.
    pub fn go_on(&self, answer: HttpAnswer) -> HttpAnswer {
        let mut answer = self.follow(answer);
        while let Some(form) = Form::all(&text(&answer.body)).into_iter().find(|form| form.action.contains("/browser"))
        {
            answer = self.follow(self.send(&form));
        }
        answer
    }

    /// From our page around the challenge to the issuer's page.
    pub fn at_the_issuer(&self, answer: &HttpAnswer) -> IssuerPage {
        let form = Form::to(&text(&answer.body), "/acs/challenge");
        let (base, _) = form.action.split_once("/acs/").expect("an address of the issuer's");
        IssuerPage { base: base.to_owned(), answer: self.send(&form) }
    }

    /// From the issuer's page with this code to what comes then.
    pub fn type_code(&self, issuer: &IssuerPage, code: &str) -> IssuerPage {
        self.press(issuer, "submit", Some(code))
    }

    /// Presses a button of the issuer's page: `submit`, `cancel`, `resend`. Where that is its end, the browser comes back.
    pub fn press(&self, issuer: &IssuerPage, action: &str, code: Option<&str>) -> IssuerPage {
        let answer = self.come_back(self.send(&issuer.form(action, code)));
        IssuerPage { base: issuer.base.clone(), answer }
    }

    /// Where the issuer's page has come to its end, back to the gateway.
    pub fn come_back(&self, issuer: HttpAnswer) -> HttpAnswer {
        let html = text(&issuer.body);
        if !html.contains("/challenged") {
            return issuer;
        }
        self.send(&Form::to(&html, "/challenged"));
        self.go_on(self.look())
    }
}

/// A page of the issuer's; or, where that came to its end, what came then.
pub struct IssuerPage {
    base: String,
    pub answer: HttpAnswer,
}

impl IssuerPage {
    /// The code that the sandbox's issuer shows, for want of a phone: six digits.
    pub fn shown_code(&self) -> String {
        let html = text(&self.answer.body);
        let shown = html.split_once("<p id=\"sandbox\"").and_then(|(_, rest)| rest.split_once("</p>"));
        let digits = shown.iter().flat_map(|(shown, _)| shown.chars()).filter(char::is_ascii_digit);
        let code: String = digits.collect();
        assert_eq!(code.len(), 6, "{html}");
        code
    }

    /// The form behind a button.
    pub fn form(&self, action: &str, code: Option<&str>) -> Form {
        let html = text(&self.answer.body);
        let does = |form: &Form| form.fields.iter().any(|(name, value)| name == "action" && value == action);
        let form = Form::all(&html).into_iter().find(does).unwrap_or_else(|| panic!("no {action}: {html}"));
        let form = Form { action: format!("{}{}", self.base, form.action), ..form };
        match code {
            Some(code) => form.with("code", code),
            None => form,
        }
    }
}
