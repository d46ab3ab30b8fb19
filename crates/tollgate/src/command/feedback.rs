//! `tollgate feedback list|show|replay`.

use super::{DataArg, Format, small_runtime};
use crate::feedback::FortRenderer;
use crate::feedback_story as story;
use crate::wiring::{self, Keep, Opened};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::process::ExitCode;
use tollgate_app::{Accounts, Directory};
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::FortId;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_feedback::Renderer;
use tollgate_store::{FEEDBACK_ROWS_ROUSED_MAX, FeedbackFilter, FeedbackRouse, FeedbackState};

/// List, show and replay transaction feedback.
#[derive(Debug, Args)]
pub struct Feedback {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List feedback, newest first
    List(List),
    /// Show one: its row, its body as it would be sent now, every attempt that is kept
    Show(Show),
    /// Send feedback again, delivered or not: these, or all that a filter finds
    Replay(Replay),
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this merchant (its handle)
    #[arg(long)]
    merchant: Option<String>,
    /// Of orders with this merchant_reference
    #[arg(long)]
    reference: Option<String>,
    /// Of this order
    #[arg(long)]
    fort_id: Option<String>,
    /// waiting, behind, paused or delivered
    #[arg(long)]
    state: Option<String>,
    /// Written at or after: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, in UTC
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Written before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// The most rows
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How to print them
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct Show {
    /// The feedback, as `list` names it
    id: String,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct Replay {
    /// The feedback, as `list` names it
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Everything there is, when no filter is given
    #[arg(long)]
    all: bool,
}

impl Feedback {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let parts = wiring::open(&folder, Keep::Existing).await?;
            let done = match &self.action {
                Action::List(command) => list(&parts, command).await,
                Action::Show(command) => show(&parts, command).await,
                Action::Replay(command) => replay(&parts, command).await,
            };
            wiring::close(parts).await;
            done.map(|()| ExitCode::SUCCESS)
        })
    }
}

async fn list(parts: &Opened, command: &List) -> anyhow::Result<()> {
    let filter = FeedbackFilter { rows_max: command.limit, ..filter(parts, &command.filter).await? };
    let rows = parts.store.feedbacks(&filter).await?;
    match command.format {
        Format::Json => {
            let rows: Vec<_> = rows.iter().map(story::row_json).collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
        }
        Format::Text => {
            println!("{}", story::ROW_HEAD);
            rows.iter().for_each(|row| println!("{}", story::row_line(row)));
            if rows.len() == command.limit {
                println!("... there may be more: --limit");
            }
        }
    }
    Ok(())
}

async fn show(parts: &Opened, command: &Show) -> anyhow::Result<()> {
    let id = id(&command.id)?;
    let content = parts.store.feedback_content(id).await?;
    let content = content.with_context(|| format!("there is no feedback {id}: `tollgate feedback list` shows them"))?;
    let renderer = FortRenderer::new(Directory::new(parts.store.clone(), parts.vault.clone()));
    let rendered = renderer.render(&content).await;
    let attempts = parts.store.feedback_attempts(id).await?;
    match command.format {
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(&story::whole_json(&content, &rendered, &attempts))?);
        }
        Format::Text => story::print_whole(&content, &rendered, &attempts),
    }
    Ok(())
}

async fn replay(parts: &Opened, command: &Replay) -> anyhow::Result<()> {
    let now = parts.clock.now();
    let mut replayed = 0;
    let filter = filter(parts, &command.filter).await?;
    let has_filter = filter != FeedbackFilter::default();
    match (command.ids.is_empty(), has_filter) {
        (false, true) => bail!("name feedback or give a filter, not both"),
        (true, false) if !command.all => {
            bail!("say what to send again: names, a filter (see --help), or --all")
        }
        (false, false) => {
            let ids = command.ids.iter().map(|text| id(text)).collect::<anyhow::Result<Vec<_>>>()?;
            for ids in ids.chunks(FEEDBACK_ROWS_ROUSED_MAX) {
                for id in ids {
                    if parts.store.feedback_content(*id).await?.is_none() {
                        bail!("there is no feedback {id}: `tollgate feedback list` shows them");
                    }
                }
                replayed += parts.store.rouse_feedback(FeedbackRouse::Replay { ids: ids.to_vec(), now }).await?;
            }
        }
        (true, _) => {
            let mut before = None;
            loop {
                let page = FeedbackFilter { before, rows_max: FEEDBACK_ROWS_ROUSED_MAX, ..filter.clone() };
                let ids: Vec<FeedbackId> = parts.store.feedbacks(&page).await?.iter().map(|row| row.id).collect();
                let Some(last) = ids.last().copied() else { break };
                before = Some(last);
                replayed += parts.store.rouse_feedback(FeedbackRouse::Replay { ids, now }).await?;
            }
        }
    }
    println!("{replayed} due at once; a running gateway sends them within a second");
    Ok(())
}

async fn filter(parts: &Opened, filter: &Filter) -> anyhow::Result<FeedbackFilter> {
    let merchant = match &filter.merchant {
        None => None,
        Some(name) => {
            let accounts = Accounts::new(parts.store.clone(), parts.vault.clone(), parts.clock.clone());
            Some(accounts.by_name(name).await?.merchant.id)
        }
    };
    let fort_id = match &filter.fort_id {
        None => None,
        Some(text) => Some(FortId::parse(text).with_context(|| format!("{text:?} is no fort_id: 1 to 18 digits"))?),
    };
    let state = match &filter.state {
        None => None,
        Some(name) => {
            let state = FeedbackState::ALL.into_iter().find(|state| state.name() == name);
            Some(state.with_context(|| format!("{name:?} is no state: waiting, behind, paused or delivered"))?)
        }
    };
    Ok(FeedbackFilter {
        merchant,
        merchant_reference: filter.reference.clone(),
        fort_id,
        state,
        since: filter.since.as_deref().map(moment).transpose()?,
        until: filter.until.as_deref().map(moment).transpose()?,
        before: None,
        rows_max: 0,
    })
}

fn id(text: &str) -> anyhow::Result<FeedbackId> {
    FeedbackId::parse(text)
        .with_context(|| format!("{text:?} names no feedback: it looks like 179518080000000007.0, see `feedback list`"))
}

/// A day, or a moment in UTC.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let read = || {
        let Some((day, time)) = text.split_once('T') else { return Timestamp::parse_date(text) };
        let day = Timestamp::parse_date(day)?;
        let mut parts = time.strip_suffix('Z')?.split(':');
        let mut part = |max: u64| {
            let part = parts.next().filter(|part| part.len() == 2)?;
            part.parse::<u64>().ok().filter(|part| *part <= max)
        };
        let seconds = part(23)? * 3_600 + part(59)? * 60 + part(59)?;
        parts.next().is_none().then(|| day.plus_ms(seconds * 1_000))
    };
    read().with_context(|| format!("{text:?} is no time: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn days_and_moments_are_read() {
        assert_eq!(moment("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00.000Z");
        assert_eq!(moment("2026-11-20T13:05:59Z").unwrap().to_string(), "2026-11-20T13:05:59.000Z");
        for text in [
            "",
            "today",
            "2026-11-31",
            "2026-11-20T24:00:00Z",
            "2026-11-20T13:05Z",
            "2026-11-20T13:05:59",
            "2026-11-20T1:05:59Z",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
