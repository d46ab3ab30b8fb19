//! The merchants' servers, and the way of feedback to them: bodies, receivers that do not always answer, and what one
//! life of the gateway hears of them.

use crate::audit::Ask;
use crate::chance::Chance;
use crate::due::REFERENCE_MARK;
use crate::inbox::Feed;
use crate::life::Life;
use crate::mutants::Mutant;
use crate::plan::{Fault, Plan, Rates};
use crate::record::{Event, OrderNumber};
use crate::shop::{MERCHANTS, feedback_url, merchant_of};
use crate::tables::HashMap;
use crate::watch::Watch;
use std::future::pending;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tollgate_app::{FeedbackWatch, feedback_answer};
use tollgate_core::feedback::{FeedbackId, FeedbackKind};
use tollgate_core::ident::MerchantId;
use tollgate_core::order::OperationKind;
use tollgate_feedback::{Parcel, RenderFuture, Rendered, Renderer, Reply, SendFuture, Sender};
use tollgate_store::FeedbackContent;

/// The servers of all merchants.
pub struct Receivers {
    watch: Arc<Watch>,
    seed: u64,
    rates: Rates,
    calm_from_ms: u64,
    receivers: Vec<Receiver>,
    /// The place of the one that stays away for more than thirty days, and when that begins.
    silent: Mutex<Option<Silence>>,
    /// How often each feedback was sent: names its chance.
    tries: Mutex<HashMap<FeedbackId, u64>>,
}

/// One URL of one merchant.
struct Receiver {
    url: String,
    merchant: u64,
    kind: FeedbackKind,
    away: Vec<Away>,
}

/// One URL stays away until somebody ends it.
#[derive(Clone, Copy)]
struct Silence {
    place: usize,
    from_ms: u64,
}

/// A time in which a receiver does not answer.
struct Away {
    during_ms: Range<u64>,
    how: AwayHow,
}

#[derive(Clone, Copy)]
enum AwayHow {
    Refuses,
    Hangs,
}

/// What becomes of one try.
struct Fate {
    fault: Option<Fault>,
    there_ms: u64,
    back_ms: u64,
    status: u16,
    /// Whether an answer that is lost is seen to be lost, or waited for.
    breaks: bool,
}

impl Receivers {
    /// The servers of a plan's world.
    #[must_use]
    pub fn new(plan: &Plan, watch: Arc<Watch>) -> Receivers {
        let mut receivers: Vec<Receiver> = (0..MERCHANTS)
            .flat_map(|merchant| FeedbackKind::ALL.map(|kind| (merchant, kind)))
            .filter_map(|(merchant, kind)| {
                Some(Receiver { url: feedback_url(merchant, kind)?, merchant, kind, away: Vec::new() })
            })
            .collect();
        let (rates, calm_from_ms) = (plan.rates(), plan.calm_from_ms());
        for turn in 0..plan.times(Fault::ReceiverAway) {
            let mut chance = Chance::of(plan.seed, "receiver-away", &[turn]);
            let place = usize::try_from(chance.between(0, receivers.len() as u64 - 1)).unwrap_or(0);
            let from_ms = chance.between(0, calm_from_ms);
            let until_ms = (from_ms + chance.between(1_000, 60_000)).min(calm_from_ms);
            let how = chance.pick(&[AwayHow::Refuses, AwayHow::Hangs]);
            if let Some(receiver) = receivers.get_mut(place) {
                receiver.away.push(Away { during_ms: from_ms..until_ms, how });
            }
        }
        let mut chance = Chance::of(plan.seed, "silence", &[]);
        let silence = Silence {
            place: usize::try_from(chance.between(0, receivers.len() as u64 - 1)).unwrap_or(0),
            from_ms: chance.between(plan.window_ms() / 2, plan.window_ms()),
        };
        let silent = Mutex::new(plan.has_long_silence().then_some(silence));
        Receivers { watch, seed: plan.seed, rates, calm_from_ms, receivers, silent, tries: Mutex::default() }
    }

    /// Who has stayed away answers again.
    pub fn end_silence(&self) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn is_silent(&self, receiver: &Receiver, now_ms: u64) -> bool {
        let silent = *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent
            .filter(|silence| silence.from_ms <= now_ms)
            .is_some_and(|silence| self.receivers.get(silence.place).is_some_and(|silent| silent.url == receiver.url))
    }

    /// Sends a feedback, as far as a gateway can know.
    async fn send(self: &Arc<Receivers>, parcel: &Parcel) -> Reply {
        let Some(letter) = Letter::read(parcel) else {
            self.watch.auditor().found(None, "a feedback can be read", format!("{parcel:?}"));
            return Reply::failed("unreadable");
        };
        let order = letter.order;
        let Some(receiver) = self.receivers.iter().find(|receiver| receiver.url == parcel.url) else {
            self.watch.auditor().found(Some(order), "feedback goes to a URL of a merchant", parcel.url.clone());
            return Reply::failed("no such host");
        };
        if (receiver.merchant, receiver.kind) != (letter.merchant, letter.feed.kind) {
            self.watch.auditor().found(Some(order), "feedback goes to the URL that it is for", format!("{letter:?}"));
        }
        let now_ms = self.watch.clock.ms();
        if let Some(away) = receiver.away.iter().find(|away| away.during_ms.contains(&now_ms)) {
            self.watch.met(Some(order), Fault::ReceiverAway, "the receiver");
            return match away.how {
                AwayHow::Refuses => Reply::failed("connection refused"),
                AwayHow::Hangs => pending().await,
            };
        }
        if self.is_silent(receiver, now_ms) {
            self.watch.met(Some(order), Fault::ReceiverAway, "the receiver, for a month");
            return Reply::failed("connection refused");
        }
        let fate = self.fate(parcel.id, &letter);
        if let Some(fault) = fate.fault {
            self.watch.met(Some(order), fault, "the receiver");
        }
        let lost = fate.fault == Some(Fault::FeedbackLost);
        let breaks = fate.breaks;
        let (answer, answered) = oneshot::channel();
        let world = Arc::clone(self);
        // What is on the wire stays on the wire, whether or not somebody still waits for the answer.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(fate.there_ms)).await;
            world.arrive(&letter, fate.status);
            tokio::time::sleep(Duration::from_millis(fate.back_ms)).await;
            if !lost {
                let _ = answer.send(fate.status);
            }
        });
        match answered.await {
            Ok(status) => Reply { status: Some(status), error: None, answer: b"heard".to_vec() },
            Err(_) if breaks => Reply::failed("the connection broke"),
            Err(_) => pending().await,
        }
    }

    fn arrive(&self, letter: &Letter, status: u16) {
        let (order, feed) = (letter.order, letter.feed);
        let Feed { kind, sequence, code, .. } = feed;
        self.watch.note(Some(order), Event::Fed { kind: kind.name(), sequence, code, status });
        let mut auditor = self.watch.auditor();
        if let Some(news) = letter.news {
            return auditor.fed_news(order, feed, news);
        }
        auditor.fed(order, feed);
        if feed.ask == Ask::Pay {
            auditor.told_token(order, feed.code, letter.token.as_deref());
        }
    }

    fn fate(&self, id: FeedbackId, letter: &Letter) -> Fate {
        let count = {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let count = tries.entry(id).or_insert(0);
            *count += 1;
            *count
        };
        let mut chance = Chance::of(self.seed, "feedback", &[letter.order.into(), letter.feed.sequence.into(), count]);
        let (there_ms, back_ms) = (chance.between(1, 30), chance.between(1, 30));
        let status = chance.pick(&[200, 200, 204, 302]);
        let calm = Fate { fault: None, there_ms, back_ms, status, breaks: false };
        if self.watch.clock.ms() >= self.calm_from_ms {
            return calm;
        }
        let faults = [Fault::FeedbackSlow, Fault::FeedbackRefused, Fault::FeedbackLost];
        let fault = faults.into_iter().find(|fault| chance.happens(self.rates.of(*fault)));
        let slow_ms = chance.between(300, 40_000);
        let breaks = chance.happens(5_000);
        let fate = Fate { fault, breaks, ..calm };
        match fault {
            Some(Fault::FeedbackSlow) if chance.happens(5_000) => Fate { there_ms: slow_ms, ..fate },
            Some(Fault::FeedbackSlow) => Fate { back_ms: slow_ms, ..fate },
            Some(Fault::FeedbackRefused) => Fate { status: chance.pick(&[500, 503, 404, 301]), ..fate },
            _ => fate,
        }
    }
}

/// The way to the receivers as one life of the gateway has it.
pub struct LifeSender {
    receivers: Arc<Receivers>,
    life: Life,
    mutant: Option<Mutant>,
}

impl LifeSender {
    /// The way of `life`.
    #[must_use]
    pub fn new(receivers: Arc<Receivers>, life: Life, mutant: Option<Mutant>) -> LifeSender {
        LifeSender { receivers, life, mutant }
    }
}

impl Sender for LifeSender {
    fn send<'a>(&'a self, parcel: &'a Parcel) -> SendFuture<'a> {
        Box::pin(async move {
            self.life.go_on().await;
            if self.mutant == Some(Mutant::AckBeforeDelivery) && parcel.id.operation.0.rem_euclid(16) == 0 {
                return Reply { status: Some(200), ..Reply::default() };
            }
            let reply = self.receivers.send(parcel).await;
            self.life.go_on().await;
            if reply.acknowledges()
                && let Some(letter) = Letter::read(parcel).filter(|letter| letter.news.is_none())
            {
                self.receivers.watch.auditor().fed_acknowledged(letter.order, letter.feed.sequence);
            }
            reply
        })
    }
}

/// Makes the bodies.
pub struct Bodies {
    watch: Arc<Watch>,
}

impl Bodies {
    /// Bodies whose maker reports to `watch`.
    #[must_use]
    pub fn new(watch: Arc<Watch>) -> Bodies {
        Bodies { watch }
    }

    fn rendered(&self, content: &FeedbackContent) -> Result<Rendered, String> {
        let FeedbackContent { row, order, operation, news, .. } = content;
        let number = self.watch.order_number(&order.merchant_reference).ok_or("an order of nobody's")?;
        let merchant = merchant_of(order.merchant);
        let url = feedback_url(merchant, row.lane.kind);
        if url.is_none() {
            let rule = "nothing is fed back for a merchant without a URL";
            self.watch.auditor().found(Some(number), rule, row.lane.kind.name().to_owned());
        }
        let answer = feedback_answer(content);
        let letter = Letter {
            merchant,
            order: number,
            token: answer.token_name,
            news: news.is_some().then_some(row.id.place),
            feed: Feed {
                kind: row.lane.kind,
                sequence: row.sequence,
                ask: ask_of(operation.kind),
                code: answer.code.number(),
                amount: operation.money.amount.minor(),
            },
        };
        let body = letter.write().into_bytes();
        Ok(Rendered { merchant: format!("shop-{merchant}"), url, content_type: "text/plain", body })
    }
}

impl Renderer for Bodies {
    fn render<'a>(&'a self, content: &'a FeedbackContent) -> RenderFuture<'a> {
        Box::pin(async move { self.rendered(content) })
    }

    fn mask(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// Wakes the deliveries of one life when a feedback was written.
pub struct Bell(pub Arc<Notify>);

impl FeedbackWatch for Bell {
    fn listens_to(&self, _: MerchantId) -> bool {
        false
    }

    fn written(&self) {
        self.0.notify_one();
    }
}

/// The text of a body, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    merchant: u64,
    order: OrderNumber,
    /// The name that the payment used, or made.
    token: Option<String>,
    /// Where it tells of a schedule, and nothing of the payment that opened it: its number among what is told so.
    news: Option<u16>,
    feed: Feed,
}

impl Letter {
    fn write(&self) -> String {
        let Letter { merchant, order, token, news, feed: Feed { kind, sequence, ask, code, amount } } = self;
        let (kind, ask, token) = (kind.number(), word(*ask), token.as_deref().unwrap_or(NO_TOKEN));
        let news = news.unwrap_or(NO_NEWS);
        format!("{merchant} {REFERENCE_MARK}{order} {token} {kind} {sequence} {ask} {code:05} {amount} {news}")
    }

    fn read(parcel: &Parcel) -> Option<Letter> {
        let mut parts = std::str::from_utf8(&parcel.body).ok()?.split(' ');
        let mut letter = Letter {
            merchant: parts.next()?.parse().ok()?,
            order: parts.next()?.strip_prefix(REFERENCE_MARK)?.parse().ok()?,
            token: parts.next().filter(|name| *name != NO_TOKEN).map(str::to_owned),
            news: None,
            feed: Feed {
                kind: FeedbackKind::from_number(parts.next()?.parse().ok()?)?,
                sequence: parts.next()?.parse().ok()?,
                ask: {
                    let said = parts.next()?;
                    ASKS.into_iter().find(|ask| word(*ask) == said)?
                },
                code: parts.next()?.parse().ok()?,
                amount: parts.next()?.parse().ok()?,
            },
        };
        letter.news = Some(parts.next()?.parse().ok()?).filter(|news| *news != NO_NEWS);
        // What the header says is what the body says.
        (letter.feed.sequence == parcel.sequence).then_some(letter)
    }
}

/// Stands for no name; no token may be called so.
const NO_TOKEN: &str = "/";
/// Stands for no news.
const NO_NEWS: u16 = 0;

const ASKS: [Ask; 4] = [Ask::Pay, Ask::Capture, Ask::Void, Ask::Refund];

fn word(ask: Ask) -> &'static str {
    match ask {
        Ask::Pay => "pay",
        Ask::Capture => "capture",
        Ask::Void => "void",
        Ask::Refund => "refund",
    }
}

/// What a merchant calls an operation.
#[must_use]
pub fn ask_of(kind: OperationKind) -> Ask {
    match kind {
        OperationKind::Authorize | OperationKind::Purchase | OperationKind::Verify => Ask::Pay,
        OperationKind::Capture => Ask::Capture,
        OperationKind::Void => Ask::Void,
        OperationKind::Refund => Ask::Refund,
    }
}
