//! Bodies of transaction feedback, made of what is stored by the account of this moment.

use std::sync::Arc;
use tokio::sync::Notify;
use tollgate_app::{Directory, FeedbackWatch, feedback_answer};
use tollgate_core::ident::MerchantId;
use tollgate_feedback::{Listeners, RenderFuture, Rendered, Renderer};
use tollgate_fort::command::mask_card_numbers;
use tollgate_fort::feedback_body;
use tollgate_fort::response::{self, Echo};
use tollgate_fort::schedule_news::{NewsReader, schedule_news};
use tollgate_fort::service::Service;
use tollgate_fort::text::Language;
use tollgate_store::FeedbackContent;

/// Renders by the FORT tables and signs with the response phrase of the access code that the request
/// came with.
pub struct FortRenderer {
    directory: Directory,
}

impl FortRenderer {
    /// A renderer by these accounts.
    pub fn new(directory: Directory) -> FortRenderer {
        FortRenderer { directory }
    }

    async fn rendered(&self, content: &FeedbackContent) -> Result<Rendered, String> {
        let account = self.directory.by_id(content.order.merchant).await;
        let account = account.map_err(|error| format!("the account cannot be read: {error}"))?;
        let account = account.ok_or("the account is not there any more")?;
        let merchant = &account.merchant;
        let access_code = content.request.get("access_code").unwrap_or_default();
        // Under another access code the signature would be right and the receiver could not tell.
        // What is told of a schedule may come years after the request, and is not the answer to it.
        let of_now = || merchant.credentials.first().filter(|_| content.news.is_some());
        let credential = merchant
            .credential(access_code)
            .or_else(of_now)
            .ok_or_else(|| format!("access_code {access_code} is not the merchant's any more"))?;
        let language = Language::of(content.request.get("language"));
        let fields = match &content.news {
            None => {
                let service = Service::from_name(content.operation.kind.command());
                response::render(service, Echo::Kept(&content.request), &feedback_answer(content), language)
            }
            Some(news) => {
                let reader = NewsReader {
                    access_code: &credential.access_code,
                    merchant_identifier: &merchant.merchant_identifier,
                    language,
                };
                schedule_news(news, &reader)
            }
        };
        let fields = fields.sign(&credential.response_phrase, credential.sha_type);
        let (channel, kind) = (content.row.lane.channel, content.row.lane.kind);
        let terms = &merchant.terms.feedback;
        let format = terms.format(channel, kind);
        Ok(Rendered {
            merchant: merchant.name.clone(),
            url: terms.endpoint(channel, kind).map(|endpoint| endpoint.url.to_owned()),
            content_type: feedback_body::content_type(format),
            body: feedback_body::body(&fields, format),
        })
    }
}

impl Renderer for FortRenderer {
    fn render<'a>(&'a self, content: &'a FeedbackContent) -> RenderFuture<'a> {
        Box::pin(self.rendered(content))
    }

    fn mask(&self, text: &str) -> String {
        mask_card_numbers(text).into_owned()
    }
}

/// What the use cases tell of feedback that they wrote.
pub struct Watch {
    /// Who listens.
    pub listeners: Arc<Listeners>,
    /// Wakes the deliveries.
    pub wake: Arc<Notify>,
}

impl FeedbackWatch for Watch {
    fn listens_to(&self, merchant: MerchantId) -> bool {
        self.listeners.listens_to(merchant)
    }

    fn written(&self) {
        self.wake.notify_one();
    }
}
