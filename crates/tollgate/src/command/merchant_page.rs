//! The options of `tollgate merchant set` that say how a merchant's customers come to the page and go back.

use anyhow::{Context, bail};
use clap::Args;
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::page::{AfterPayment, CustomPage, PageTerms, ReturnMethod, is_return_url};
use tollgate_core::shown::harmless;

/// How a merchant's customers come to the page and go back.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// Take card data from a form of the merchant's own (TOKENIZATION, CREATE_TOKEN), or refuse it with 00027
    #[arg(long, value_name = "on|off")]
    custom_page: Option<String>,
    /// How the browser goes back: post, or get with the fields of card and customer starred
    #[arg(long, value_name = "post|get")]
    return_method: Option<String>,
    /// Where the browser goes back to when a request names no return_url; 'none' removes it
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// What the payment after a TOKENIZATION without remember_me does to the token: keep it, or let it lapse
    #[arg(long, value_name = "keep|forget")]
    token_after_payment: Option<String>,
}

impl PageArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut PageTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.custom_page {
            terms.custom_page =
                CustomPage::parse(name).with_context(|| format!("--custom-page is on or off, not {name:?}"))?;
        }
        if let Some(name) = &self.return_method {
            terms.return_method =
                ReturnMethod::parse(name).with_context(|| format!("--return-method is post or get, not {name:?}"))?;
        }
        if let Some(name) = &self.token_after_payment {
            terms.token_after_payment = AfterPayment::parse(name)
                .with_context(|| format!("--token-after-payment is keep or forget, not {name:?}"))?;
        }
        match self.return_url.as_deref() {
            None => {}
            Some("none") => terms.return_url = None,
            Some(url) if holds_card_number(url) => bail!("the URL holds a card number"),
            Some(url) if !is_return_url(url) => bail!("{:?} is no http or https URL", harmless(url)),
            Some(url) => terms.return_url = Some(url.to_owned()),
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &PageTerms) {
    println!("{:<22}{}", "custom page", terms.custom_page.name());
    println!("{:<22}{}", "return method", terms.return_method.name());
    println!("{:<22}{}", "return URL", terms.return_url.as_deref().unwrap_or("none"));
    println!("{:<22}{}", "token after payment", terms.token_after_payment.name());
}
