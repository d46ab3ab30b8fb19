//! The port to whoever knows accounts and the FORT wire.

use std::future::Future;
use std::pin::Pin;
use tollgate_store::FeedbackContent;

/// A rendered feedback on its way; the error says in words for operators why there is none.
pub type RenderFuture<'a> = Pin<Box<dyn Future<Output = Result<Rendered, String>> + Send + 'a>>;

/// Makes bodies: by the account and with the phrase of this moment, so that a phrase that was rotated
/// or an address that was mended serves what waits already.
pub trait Renderer: Send + Sync + 'static {
    /// The signed body of a feedback and where it goes.
    fn render<'a>(&'a self, content: &'a FeedbackContent) -> RenderFuture<'a>;

    /// `text` with the card numbers in it masked.
    fn mask(&self, text: &str) -> String;
}

/// A rendered feedback.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The merchant's handle, for logs and listeners.
    pub merchant: String,
    /// Where it goes; `None` when the merchant has no URL for it.
    pub url: Option<String>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, signed.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Rendered {
    /// Without the body: it holds names and addresses of customers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered").field("merchant", &self.merchant).field("url", &self.url).finish_non_exhaustive()
    }
}
