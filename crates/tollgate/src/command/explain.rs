//! `tollgate explain`: one payment's whole story.

use super::{DataArg, Format, small_runtime};
use crate::wiring::{self, Keep};
use crate::{feedback_story, story};
use anyhow::bail;
use clap::Args;
use std::process::ExitCode;
use tollgate_core::checkout::{Checkout, CheckoutId};
use tollgate_core::ident::FortId;
use tollgate_store::{FeedbackAttempt, FeedbackFilter, FeedbackRow, Store};

/// Tell one payment's whole story.
#[derive(Debug, Args)]
pub struct Explain {
    /// A fort_id or a merchant_reference
    key: String,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    data: DataArg,
}

/// How many orders and refusals of one reference are told.
const TOLD_MAX: usize = 50;
/// How much feedback of one order is told, the newest.
const FEEDBACK_TOLD_MAX: usize = 200;
/// A fort_id has this many digits; a shorter number may be a reference.
const FORT_ID_DIGITS: usize = 18;

impl Explain {
    /// Prints the story.
    ///
    /// # Errors
    /// When nothing is known of it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            // A story holds no card, so the vault stays closed.
            let looked = wiring::look(&folder, Keep::Existing).await?;
            let told = tell(looked.store.as_ref(), &self.key, self.format).await;
            looked.close().await;
            told.map(|()| ExitCode::SUCCESS)
        })
    }
}

async fn tell(store: &dyn Store, key: &str, format: Format) -> anyhow::Result<()> {
    let mut orders = Vec::new();
    if key.len() == FORT_ID_DIGITS {
        orders.extend(FortId::parse(key));
    }
    orders.extend(store.orders_by_reference(key, TOLD_MAX).await?);
    let mut stories = Vec::new();
    for fort_id in orders {
        stories.extend(store.story(fort_id).await?);
    }
    let refusals = store.refusals_by_reference(key, TOLD_MAX).await?;
    let apart: Vec<_> =
        refusals.into_iter().filter(|row| !stories.iter().any(|story| story.refusals.contains(row))).collect();
    if stories.is_empty() && apart.is_empty() {
        bail!(
            "nothing is known of {key:?}: it is neither a fort_id nor a merchant_reference of an order or a refused request here"
        );
    }
    match format {
        Format::Text => {
            for story in &stories {
                let checkout = checkout(store, story.order.fort_id).await?;
                story::print(story, checkout.as_ref());
                if let Some(link) = store.payment_link_of_order(story.order.fort_id).await? {
                    story::payment_link::print(&link);
                }
                for told in feedback(store, story.order.fort_id).await? {
                    feedback_story::print_in_story(&told.row, &told.attempts);
                }
            }
            apart.iter().for_each(story::print_refusal);
        }
        Format::Json => {
            let mut orders = Vec::new();
            for story in &stories {
                let checkout = checkout(store, story.order.fort_id).await?;
                let mut order = story::to_json(story, checkout.as_ref());
                let told = feedback(store, story.order.fort_id).await?;
                let link = store.payment_link_of_order(story.order.fort_id).await?;
                order["payment_link"] = story::payment_link::to_json(link.as_ref());
                order["feedback"] =
                    told.iter().map(|told| feedback_story::in_story_json(&told.row, &told.attempts)).collect();
                orders.push(order);
            }
            let refusals: Vec<_> = apart.iter().map(story::refusal_json).collect();
            println!(
                "{}",
                serde_json::to_string_pretty(&serde_json::json!({ "orders": orders, "refusals": refusals }))?
            );
        }
    }
    Ok(())
}

/// The customer's page of an order, which has its number; `None` where it has none, or ended long ago.
async fn checkout(store: &dyn Store, fort_id: FortId) -> anyhow::Result<Option<Checkout>> {
    let found = store.checkout(CheckoutId(fort_id.0)).await?;
    Ok(found.filter(|checkout| checkout.order() == Some(fort_id)))
}

/// A feedback with the attempts that are kept.
struct Told {
    row: FeedbackRow,
    attempts: Vec<FeedbackAttempt>,
}

/// The feedback of an order, oldest first.
async fn feedback(store: &dyn Store, fort_id: FortId) -> anyhow::Result<Vec<Told>> {
    let filter = FeedbackFilter { fort_id: Some(fort_id), rows_max: FEEDBACK_TOLD_MAX, ..FeedbackFilter::default() };
    let mut told = Vec::new();
    for row in store.feedbacks(&filter).await? {
        let attempts = store.feedback_attempts(row.id).await?;
        told.push(Told { row, attempts });
    }
    told.sort_by_key(|told| (told.row.sequence, told.row.id));
    Ok(told)
}
