//! The options of `tollgate merchant set` that say how a merchant may charge customers who are not present.

use anyhow::Context;
use clap::Args;
use tollgate_core::agreement::AgreementRule;
use tollgate_core::billing::{ChargeHour, DunningEnd, DunningPlan, NoticeDays, TimeZoneName};
use tollgate_core::merchant::RecurringTerms;

/// How a merchant may charge customers who are not present.
#[derive(Debug, Args)]
pub struct RecurringArgs {
    /// Whether a RECURRING payment has to name an agreement (agreement_id), or may go by its token alone
    #[arg(long, value_name = "optional|required")]
    agreement: Option<String>,
    /// The time zone in which days of billing cycles are counted, for example Asia/Dubai [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The hour of the day at which the gateway charges by itself, 0 to 23 [default: 9]
    #[arg(long, value_name = "HOUR")]
    charge_hour: Option<u8>,
    /// Days after the due date on which a soft decline is tried again, or none [default: 1,3,7]
    #[arg(long, value_name = "DAYS")]
    dunning: Option<String>,
    /// The hour of the day of those tries, 0 to 23; 'same' is that of all charges [default: same]
    #[arg(long, value_name = "HOUR|same")]
    dunning_hour: Option<String>,
    /// What happens when the last of those tries was declined too [default: pause]
    #[arg(long, value_name = "pause|cancel|go-on")]
    dunning_end: Option<String>,
    /// How many days before a charge its notice is sent, 0 to 60; 0 is none [default: 0]
    #[arg(long, value_name = "DAYS")]
    upcoming_notice_days: Option<u8>,
}

impl RecurringArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut RecurringTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.agreement {
            terms.agreement = AgreementRule::parse(name)
                .with_context(|| format!("--agreement is optional or required, not {name:?}"))?;
        }
        if let Some(name) = &self.time_zone {
            terms.time_zone = TimeZoneName::parse(name).with_context(|| format!("--time-zone {name:?}"))?;
        }
        if let Some(hour) = self.charge_hour {
            terms.charge_hour = ChargeHour::new(hour).with_context(|| format!("--charge-hour {hour}"))?;
        }
        if let Some(days) = self.upcoming_notice_days {
            terms.upcoming_notice = NoticeDays::new(days).with_context(|| format!("--upcoming-notice-days {days}"))?;
        }
        self.change_dunning(&mut terms.dunning)
    }

    fn change_dunning(&self, plan: &mut DunningPlan) -> anyhow::Result<()> {
        let days = match &self.dunning {
            None => plan.days().to_vec(),
            Some(text) => DunningPlan::parse_days(text).with_context(|| format!("--dunning {text:?}"))?,
        };
        let hour = match self.dunning_hour.as_deref() {
            None => plan.hour,
            Some("same") => None,
            Some(text) => Some(
                text.parse()
                    .ok()
                    .and_then(|hour| ChargeHour::new(hour).ok())
                    .with_context(|| format!("--dunning-hour is an hour of 0 to 23 or same, not {text:?}"))?,
            ),
        };
        let end = match &self.dunning_end {
            None => plan.end,
            Some(name) => DunningEnd::parse(name)
                .with_context(|| format!("--dunning-end is pause, cancel or go-on, not {name:?}"))?,
        };
        *plan = DunningPlan::new(days, hour, end)?;
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &RecurringTerms) {
    let hour = |hour: ChargeHour| format!("{:02}:00", hour.number());
    println!("{:<22}{}", "agreement", terms.agreement.name());
    println!("{:<22}at {}, {}", "charges by itself", hour(terms.charge_hour), terms.time_zone);
    let dunning = &terms.dunning;
    let end = match dunning.end {
        DunningEnd::Pause => "pause",
        DunningEnd::Cancel => "cancel",
        DunningEnd::GoOn => "go on with the next charge",
    };
    let at = dunning.hour.map_or_else(String::new, |own| format!(" at {}", hour(own)));
    match dunning.days() {
        [] => println!("{:<22}none: {end} at once", "dunning"),
        _ => println!("{:<22}after {dunning} days{at}, then {end}", "dunning"),
    }
    match terms.upcoming_notice.number() {
        0 => println!("{:<22}none", "notice of charges"),
        days => println!("{:<22}{days} days before", "notice of charges"),
    }
}
