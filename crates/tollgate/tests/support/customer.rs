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
            if answer.header("refresh").is_none() && !text(&answer.body).contains("http-equiv=\"refresh\"") {
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
