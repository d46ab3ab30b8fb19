//! The options of `tollgate merchant set` that say how a merchant's payment links are told of.

use anyhow::Context;
use clap::Args;
use tollgate_core::link_notice::{LinkNotifications, LinkTerms, REMINDERS_MAX, Reminders};

/// How a merchant's payment links are told of.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// Tell the merchant's server how its links stand (sent, opened, paid, expired, closed), at its notification URL of the
    /// redirection channel. Plugins of shops do not know these notifications
    #[arg(long, value_name = "on|off")]
    link_notifications: Option<String>,
    /// When customers are reminded of links that do not say it themselves: times before the end, such as 3d,1d; 'none' is
    /// never
    #[arg(long, value_name = "TIMES|none")]
    link_reminders: Option<String>,
}

impl LinkArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut LinkTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.link_notifications {
            terms.notifications = LinkNotifications::parse(name)
                .with_context(|| format!("--link-notifications is on or off, not {name:?}"))?;
        }
        if let Some(text) = &self.link_reminders {
            terms.reminders = Reminders::parse(text).with_context(|| {
                format!("--link-reminders is 'none', or up to {REMINDERS_MAX} times such as 3d,1d,12h, not {text:?}")
            })?;
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &LinkTerms) {
    println!("{:<22}{}", "link notifications", terms.notifications.name());
    println!("{:<22}{}", "link reminders", terms.reminders);
}
