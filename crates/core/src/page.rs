//! How a merchant's customers come to the gateway's page and go back from it.

/// How a merchant's pages are set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageTerms {
    /// Whether card data may come from a form of the merchant's own.
    pub custom_page: CustomPage,
    /// How the browser goes back.
    pub return_method: ReturnMethod,
    /// Where it goes back to when a request has no `return_url` of its own; http or https.
    pub return_url: Option<String>,
    /// What becomes of a token of TOKENIZATION by the payment that follows, when nobody said so.
    pub token_after_payment: AfterPayment,
}

/// Whether card data may come from a form of the merchant's own, posted by the customer's browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomPage {
    /// It may not: card fields are refused with 00027. Such a form puts the merchant's own page in the scope of
    /// PCI DSS, so somebody has to decide for it.
    #[default]
    Off,
    /// It may.
    On,
}

impl CustomPage {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CustomPage::Off => "off",
            CustomPage::On => "on",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<CustomPage> {
        [CustomPage::Off, CustomPage::On].into_iter().find(|known| known.name() == name)
    }
}

/// How the browser goes back to the merchant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnMethod {
    /// By a form that submits itself.
    #[default]
    Post,
    /// By a redirect with the fields in the URL, those of card and customer starred.
    Get,
}

impl ReturnMethod {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ReturnMethod::Post => "post",
            ReturnMethod::Get => "get",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ReturnMethod> {
        [ReturnMethod::Post, ReturnMethod::Get].into_iter().find(|known| known.name() == name)
    }
}

/// What becomes of a provisional token by a payment that succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterPayment {
    /// It becomes permanent.
    #[default]
    Keep,
    /// It lapses at its time all the same.
    Forget,
}

impl AfterPayment {
    /// Both of them.
    pub const ALL: [AfterPayment; 2] = [AfterPayment::Keep, AfterPayment::Forget];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AfterPayment::Keep => "keep",
            AfterPayment::Forget => "forget",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<AfterPayment> {
        AfterPayment::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// Whether the browser can be sent to `url`: http or https with a host, and no blank or control character.
#[must_use]
pub fn is_return_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        !host.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_gone_back_to() {
        for url in ["https://shop.example/pay?a=b#c", "http://127.0.0.1:8080", "https://a.b?x=http://c.d"] {
            assert!(is_return_url(url), "{url}");
        }
        for url in [
            "",
            "/pay",
            "//shop.example/pay",
            "javascript:alert(1)",
            "JavaScript://shop.example/%0aalert(1)",
            "data:text/html,x",
            "HTTPS://shop.example",
            " https://shop.example",
            "https://",
            "https:///pay",
            "https://?a",
            "https://\\shop.example",
            "https://shop.example/\r\nX: y",
            "https://shop.example/a b",
        ] {
            assert!(!is_return_url(url), "{url}");
        }
    }

    #[test]
    fn settings_read_back() {
        for one in [CustomPage::Off, CustomPage::On] {
            assert_eq!(CustomPage::parse(one.name()), Some(one));
        }
        for one in [ReturnMethod::Post, ReturnMethod::Get] {
            assert_eq!(ReturnMethod::parse(one.name()), Some(one));
        }
        for one in AfterPayment::ALL {
            assert_eq!(AfterPayment::parse(one.name()), Some(one));
        }
        assert_eq!(
            (CustomPage::parse("yes"), ReturnMethod::parse("POST"), AfterPayment::parse("")),
            (None, None, None)
        );
    }
}
