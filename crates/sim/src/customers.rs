//! Customers at the gateway's pages, who behave like real ones: they try one card after another, click twice, have the page
//! open in two tabs, cancel, stay away, come back late, and come again by another form of the merchant's.

use crate::chance::Chance;
use crate::desk::Desk;
use crate::desk::pages::{Opened, Page, Sent};
use crate::merchants::Session;
use crate::plan::Plan;
use crate::record::OrderNumber;
use crate::shop::CARDS;
use std::time::Duration;

/// How many things a customer does before giving up.
const ACTS_MAX: u64 = 9;
/// How often a form is sent that was not answered.
const FORMS_MAX: u64 = 4;
/// So many times in 10,000 a customer takes a card that often has no money left.
const POOR_CARD_PER_10_000: u64 = 4_000;
/// So many times in 10,000 a customer comes back when the time is over, or about to be.
const COMES_LATE_PER_10_000: u64 = 4_000;
/// Within so many milliseconds they come, around the end of the time.
pub const LATE_CUSTOMERS_MS: u64 = 3_000;
/// Of so many cards one is poor.
const POOR_CARD_EVERY: u64 = 8;

/// Whether the session with this number comes by the page.
#[must_use]
pub fn comes_by_the_page(plan: &Plan, order: OrderNumber) -> bool {
    Chance::of(plan.seed, "page", &[u64::from(order)]).happens(plan.pages_per_10_000())
}

/// A customer of one session.
pub struct Customer<'a> {
    session: &'a Session,
    desk: &'a Desk,
    chance: Chance,
}

/// What a customer does next.
#[derive(Clone, Copy)]
enum Act {
    /// Sends a card.
    Pay,
    /// Sends one card twice.
    ClickTwice,
    /// Sends two cards from two tabs.
    TwoTabs,
    /// Sends a card from one tab, and cancels in the other.
    PayAndCancel,
    /// Cancels.
    Cancel,
    /// Comes by another form of the merchant's.
    AnotherForm,
    /// Goes away for a while.
    ComeLater,
    /// Goes away for good.
    StayAway,
}

impl<'a> Customer<'a> {
    /// The customer of a session.
    #[must_use]
    pub fn of(session: &'a Session, desk: &'a Desk, seed: u64) -> Customer<'a> {
        Customer { session, desk, chance: Chance::of(seed, "customer", &[u64::from(session.order)]) }
    }

    /// Comes to the page, and goes on until the browser is sent back or the customer has had enough.
    pub async fn pay(mut self) {
        if !self.arrive().await {
            return;
        }
        for _ in 0..ACTS_MAX {
            self.pause().await;
            match self.look().await {
                Some(Page::Form) | None => {}
                Some(Page::Wait) => continue,
                // Who is sent back loads the page anew now and then, or comes again by another form.
                Some(Page::Return) if self.chance.happens(2_000) => {}
                Some(Page::Return | Page::Gone) => return,
            }
            let act = self.next_act();
            match act {
                Act::StayAway => return,
                act => self.act(act).await,
            }
        }
    }

    /// Comes back at about the moment when the time is over, sometimes.
    pub async fn comes_late(mut self) {
        self.chance = Chance::of(self.chance.bits(), "late", &[u64::from(self.session.order)]);
        if !self.chance.happens(COMES_LATE_PER_10_000) {
            return;
        }
        let ms = self.chance.between(0, LATE_CUSTOMERS_MS);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let act = self.chance.pick(&[Act::Pay, Act::Pay, Act::TwoTabs, Act::Cancel, Act::AnotherForm]);
        self.act(act).await;
    }

    async fn arrive(&mut self) -> bool {
        for _ in 0..FORMS_MAX {
            let opened = match self.chance.happens(500) {
                true => {
                    let both = tokio::join!(self.desk.open_page(self.session), self.desk.open_page(self.session));
                    if both.0 == Opened::Yes { both.0 } else { both.1 }
                }
                false => self.desk.open_page(self.session).await,
            };
            match opened {
                Opened::Yes => return true,
                Opened::No => return false,
                Opened::Nobody => self.pause().await,
            }
        }
        false
    }

    fn next_act(&mut self) -> Act {
        match self.chance.between(0, 99) {
            0..=49 => Act::Pay,
            50..=57 => Act::ClickTwice,
            58..=65 => Act::TwoTabs,
            66..=71 => Act::PayAndCancel,
            72..=83 => Act::Cancel,
            84..=89 => Act::AnotherForm,
            90..=95 => Act::ComeLater,
            _ => Act::StayAway,
        }
    }

    async fn act(&mut self, act: Act) {
        let (one, other, lag) = (self.card(), self.card(), self.lag());
        let (first, second) = (self.patience(), self.patience());
        let (desk, session) = (self.desk, self.session);
        match act {
            Act::Pay => {
                if desk.send_card(session, one, first).await == Sent::Unheard && self.chance.happens(3_000) {
                    desk.send_card(session, one, second).await;
                }
            }
            Act::ClickTwice => desk.click_twice(session, one, lag).await,
            Act::TwoTabs => {
                let later = async {
                    tokio::time::sleep(lag).await;
                    desk.send_card(session, other, second).await
                };
                tokio::join!(desk.send_card(session, one, first), later);
            }
            Act::PayAndCancel => {
                let later = async {
                    tokio::time::sleep(lag).await;
                    desk.cancel_page(session).await;
                };
                tokio::join!(desk.send_card(session, one, first), later);
            }
            Act::Cancel => desk.cancel_page(session).await,
            Act::AnotherForm => {
                desk.open_page(session).await;
            }
            Act::ComeLater => {
                let ms = self.chance.between(10_000, 60_000);
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Act::StayAway => {}
        }
    }

    async fn look(&mut self) -> Option<Page> {
        self.desk.look_at_page(self.session).await
    }

    /// A card, by its place in the list of cards.
    fn card(&mut self) -> usize {
        let any = self.chance.between(0, CARDS - 1);
        let poor = any - any % POOR_CARD_EVERY + (POOR_CARD_EVERY - 1);
        let card = if self.chance.happens(POOR_CARD_PER_10_000) { poor } else { any };
        usize::try_from(card).unwrap_or(0)
    }

    /// The time between two clicks.
    fn lag(&mut self) -> Duration {
        Duration::from_millis(if self.chance.happens(4_000) { 0 } else { self.chance.between(1, 400) })
    }

    fn patience(&mut self) -> Duration {
        Duration::from_millis(if self.chance.happens(8_500) { 60_000 } else { self.chance.between(10, 20_000) })
    }

    async fn pause(&mut self) {
        let ms = if self.chance.happens(7_000) {
            self.chance.between(10, 2_500)
        } else {
            self.chance.between(2_500, 20_000)
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
