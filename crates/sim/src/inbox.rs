//! What a merchant's servers have heard of one order by feedback: a model as simple as a merchant's own table of it.

use crate::audit::Ask;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_core::feedback::FeedbackKind;

/// A feedback as its receiver reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// To which of the merchant's two URLs it came.
    pub kind: FeedbackKind,
    /// The order's version that it tells of.
    pub sequence: u32,
    /// What was asked for.
    pub ask: Ask,
    /// The five-digit code.
    pub code: u32,
    /// How much, in minor units.
    pub amount: u64,
}

/// The sums of what was fed back, each feedback counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FedSums {
    /// Captured, in minor units.
    pub captured: u64,
    /// Refunded, in minor units.
    pub refunded: u64,
    /// Whether a void was told to have succeeded.
    pub voided: bool,
}

/// Everything that arrived for one order.
#[derive(Debug, Default)]
pub struct Inbox {
    /// By sequence.
    feeds: BTreeMap<u32, Arrived>,
    /// What came that tells of its schedule, by number.
    news: BTreeMap<u16, Feed>,
    /// What an operator has sent again, and has not arrived since.
    replayed: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Arrived {
    feed: Feed,
    /// Whether an acknowledgement of it has reached the gateway.
    acknowledged: bool,
}

impl Inbox {
    /// A feedback arrives. Answers the rule that it breaks, if it breaks one.
    pub fn arrived(&mut self, feed: Feed) -> Option<&'static str> {
        self.replayed.remove(&feed.sequence);
        if let Some(known) = self.feeds.get(&feed.sequence) {
            return (known.feed != feed).then_some("a sequence names one feedback, and a repeat says the same");
        }
        let beside = || self.feeds.values().filter(|other| other.feed.kind == feed.kind);
        let broken = if self.beside(feed.kind).any(|other| other.sequence > feed.sequence) {
            Some("feedback of one order to one URL comes in the order of its sequence")
        } else if beside().any(|other| !other.acknowledged) {
            Some("a newer feedback waits until the older one is acknowledged")
        } else {
            None
        };
        self.feeds.insert(feed.sequence, Arrived { feed, acknowledged: false });
        broken
    }

    /// Something arrives that tells of the order's schedule, as the `news`th of what does. Answers the rule that it breaks, if
    /// it breaks one.
    pub fn news_arrived(&mut self, feed: Feed, news: u16) -> Option<&'static str> {
        if let Some(known) = self.news.insert(news, feed) {
            return (known != feed).then_some("a repeat of what is told of a schedule says the same");
        }
        let newest = self.news.keys().next_back() == Some(&news);
        let is_overtaken = self.beside(feed.kind).any(|other| other.sequence > feed.sequence);
        (!newest || is_overtaken)
            .then_some("what is told of a schedule comes in its order, and in that of the order's changes")
    }

    /// Everything that came to the URL of this kind, of the order and of its schedule.
    fn beside(&self, kind: FeedbackKind) -> impl Iterator<Item = Feed> {
        let feeds = self.feeds.values().map(|arrived| arrived.feed);
        feeds.chain(self.news.values().copied()).filter(move |feed| feed.kind == kind)
    }

    /// An acknowledgement has reached the gateway.
    pub fn acknowledged(&mut self, sequence: u32) {
        if let Some(arrived) = self.feeds.get_mut(&sequence) {
            arrived.acknowledged = true;
        }
    }

    /// An operator has a feedback sent again.
    pub fn replayed(&mut self, sequence: u32) {
        self.replayed.insert(sequence);
    }

    /// Whether something that was sent again has not arrived since.
    #[must_use]
    pub fn awaits_repeat(&self) -> bool {
        !self.replayed.is_empty()
    }

    /// What was told of the payment itself, oldest first, whenever it came.
    pub fn payments(&self) -> impl DoubleEndedIterator<Item = Feed> {
        self.feeds.values().map(|arrived| arrived.feed).filter(|feed| feed.ask == Ask::Pay)
    }

    /// Whether the feedback of this sequence has arrived.
    #[must_use]
    pub fn has(&self, sequence: u32) -> bool {
        self.feeds.contains_key(&sequence)
    }

    /// How many feedbacks told `code` for `ask`.
    #[must_use]
    pub fn count(&self, ask: Ask, code: u32) -> usize {
        self.feeds.values().filter(|arrived| arrived.feed.ask == ask && arrived.feed.code == code).count()
    }

    /// The sums of all feedback for which `is_yes` holds of its code.
    #[must_use]
    pub fn sums(&self, is_yes: impl Fn(u32) -> bool) -> FedSums {
        let mut sums = FedSums::default();
        for Arrived { feed, .. } in self.feeds.values().filter(|arrived| is_yes(arrived.feed.code)) {
            match feed.ask {
                Ask::Pay => {}
                Ask::Capture => sums.captured += feed.amount,
                Ask::Refund => sums.refunded += feed.amount,
                Ask::Void => sums.voided = true,
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(kind: FeedbackKind, sequence: u32) -> Feed {
        Feed { kind, sequence, ask: Ask::Capture, code: 4_000, amount: 7 }
    }

    #[test]
    fn a_newer_feedback_comes_after_the_older_one_is_acknowledged() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.arrived(feed(FeedbackKind::Notification, 2)), None);
        assert_eq!(inbox.arrived(feed(FeedbackKind::Direct, 1)), None, "the other URL has an order of its own");
        assert!(inbox.arrived(feed(FeedbackKind::Notification, 3)).is_some());
        inbox.acknowledged(2);
        inbox.acknowledged(3);
        assert_eq!(inbox.arrived(feed(FeedbackKind::Notification, 4)), None);
        assert_eq!(inbox.arrived(feed(FeedbackKind::Notification, 2)), None, "a repeat may come at any time");
    }

    #[test]
    fn what_is_overtaken_or_told_otherwise_is_found() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.arrived(feed(FeedbackKind::Notification, 5)), None);
        inbox.acknowledged(5);
        assert!(inbox.arrived(feed(FeedbackKind::Notification, 4)).is_some());
        assert!(inbox.arrived(Feed { code: 5_000, ..feed(FeedbackKind::Notification, 5) }).is_some());
    }

    #[test]
    fn a_repeat_is_counted_once() {
        let mut inbox = Inbox::default();
        inbox.arrived(feed(FeedbackKind::Notification, 5));
        inbox.arrived(feed(FeedbackKind::Notification, 5));
        assert_eq!(inbox.sums(|code| code == 4_000), FedSums { captured: 7, ..FedSums::default() });
        assert_eq!(inbox.count(Ask::Capture, 4_000), 1);
    }
}
