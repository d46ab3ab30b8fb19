//! Messages to customers and to merchants' servers: who carries them, and what they say, made at the moment of sending.

use crate::config::Config;
use crate::passphrases::secret_of_file;
use crate::sandbox::Mode;
use crate::wiring::Opened;
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use tollgate_app::{Gateway, MessageWays, SeenLink};
use tollgate_core::feedback::{Channel, FeedbackKind};
use tollgate_core::link_notice::{LinkNotifications, international_phone};
use tollgate_core::message::{MessageAbout, MessageChannel, MessageKind, MessageLimits, NewMessage};
use tollgate_core::payment_link::{LinkNotification, LinkStand};
use tollgate_core::secret::Secret;
use tollgate_feedback::HttpSender;
use tollgate_feedback::guard::Reach;
use tollgate_fort::command::mask_card_numbers;
use tollgate_fort::feedback_body;
use tollgate_fort::link_notice::{LinkNotice, link_notice, link_state};
use tollgate_fort::text::Language;
use tollgate_http::pages::letter::{LETTER_LOGO, LetterLogo, LetterOccasion, LinkLetter, link_mail, link_sms};
use tollgate_http::pages::view::{Face, World};
use tollgate_notify::{
    Carriers, ComposeFuture, Composed, Composer, Ended, FollowFuture, Letter, MailCarrier, MailLetter, MailPicture,
    Notice, Outbox, OutboxParts, SMS_CHARS_MAX, SmsCarrier, SmsProvider, SmtpMailer, TextLetter,
};
use tollgate_store::{MessageRow, StoreError};

/// How long a message waits whose link has a payment under way, in milliseconds.
const UNDER_WAY_WAIT_MS: u64 = 60_000;
/// How many occasions of a link's messages are numbered for each of them: one for each way.
const WAYS_PER_OCCASION: i64 = 4;

/// The mail server of the configuration, if it names one.
///
/// # Errors
/// When a setting is wrong, or a file cannot be read.
pub fn mailer(config: &Config) -> anyhow::Result<Option<SmtpMailer>> {
    let mail = &config.mail;
    let password = secret("mail password", mail.password_file.as_deref(), mail.password_env.as_deref())?;
    Ok(SmtpMailer::open(mail, password.as_ref())?)
}

/// The provider of text messages of the configuration, if it names one.
///
/// # Errors
/// When a setting is wrong, or a file cannot be read.
pub fn provider(config: &Config) -> anyhow::Result<Option<SmsProvider>> {
    let sms = &config.sms;
    let value = secret("SMS secret", sms.header_value_file.as_deref(), sms.header_value_env.as_deref())?;
    Ok(SmsProvider::open(sms, value.as_ref())?)
}

fn secret(what: &str, file: Option<&Path>, variable: Option<&str>) -> anyhow::Result<Option<Secret>> {
    match (file, variable) {
        (Some(file), _) => secret_of_file(what, file).map(Some),
        (None, Some(name)) => {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            let value = value.with_context(|| format!("the environment variable {name} holds no {what}"))?;
            Ok(Some(Secret::new(value)))
        }
        (None, None) => Ok(None),
    }
}

/// Who carries messages. In a sandbox without a mail server or a provider the sandbox takes them, and shows them.
///
/// # Errors
/// When a setting is wrong, or a file cannot be read.
pub fn carriers(config: &Config, mode: Mode) -> anyhow::Result<Carriers> {
    let reach = if mode == Mode::Sandbox { Reach::Sandbox } else { Reach::Public };
    let mail = match (mailer(config)?, mode) {
        (Some(mailer), _) => MailCarrier::Smtp(Box::new(mailer)),
        (None, Mode::Sandbox) => MailCarrier::Sandbox,
        (None, Mode::Production) => MailCarrier::None,
    };
    let sms = match (provider(config)?, mode) {
        (Some(provider), _) => SmsCarrier::Provider(Box::new(provider)),
        (None, Mode::Sandbox) => SmsCarrier::Sandbox,
        (None, Mode::Production) => SmsCarrier::None,
    };
    Ok(Carriers { mail, sms, server: HttpSender::new(reach), reach })
}

/// How customers can be told by these.
pub fn ways(config: &Config, carriers: &Carriers) -> MessageWays {
    let mail = (!matches!(carriers.mail, MailCarrier::None)).then_some(LinkNotification::Email);
    let sms = (!matches!(carriers.sms, SmsCarrier::None)).then_some(LinkNotification::Sms);
    let (per_thing_max, merchant_day_max) = (config.messages.per_thing_max, config.messages.merchant_day_max);
    let limits = MessageLimits { per_thing_max, merchant_day_max };
    MessageWays { ways: mail.into_iter().chain(sms).collect(), limits }
}

/// Begins to send. The gateway's public address has to be known.
///
/// # Errors
/// When the store cannot be written.
pub async fn start(
    config: &Config,
    opened: &Opened,
    gateway: &Gateway,
    carriers: Carriers,
    mode: Mode,
) -> Result<Outbox, StoreError> {
    let parts = OutboxParts {
        store: opened.store.clone(),
        clock: opened.clock.clone(),
        composer: Arc::new(LinkComposer::new(gateway.clone(), mode)),
        carriers: Arc::new(carriers),
        node: config.gateway.node,
        settings: config.messages.clone(),
        server_schedule: config.feedback.clone(),
    };
    Outbox::start(parts, gateway.messages_wanted()).await
}

/// Makes the letters of payment links.
pub struct LinkComposer {
    gateway: Gateway,
    world: World,
}

impl LinkComposer {
    /// A composer for the links of a gateway.
    pub fn new(gateway: Gateway, mode: Mode) -> LinkComposer {
        let world = if mode == Mode::Sandbox { World::Sandbox } else { World::Live };
        LinkComposer { gateway, world }
    }

    /// The link that a message is about; `None` where it is not there any more.
    ///
    /// # Errors
    /// In words for operators.
    pub async fn link_of(&self, row: &MessageRow) -> Result<Option<SeenLink>, String> {
        let MessageAbout::PaymentLink(id) = row.about;
        let found = self.gateway.payment_link_numbered(id).await;
        found.map_err(|refused| refused.refusal.detail.into_owned())
    }

    /// What a message says, if somebody can be told by its way at all.
    ///
    /// # Errors
    /// In words for operators.
    pub async fn letter(&self, row: &MessageRow, seen: &SeenLink) -> Result<Option<Letter>, String> {
        match row.lane.channel {
            MessageChannel::Email => self.mail(row, seen).await.map(|mail| Some(Letter::Mail(mail))),
            MessageChannel::Sms => Ok(self.text(row, seen).map(Letter::Text)),
            MessageChannel::Server => self.notice(row, seen).map(|notice| notice.map(Letter::Notice)),
        }
    }

    async fn compose_now(&self, row: &MessageRow) -> Result<Composed, String> {
        let Some(seen) = self.link_of(row).await? else {
            return Ok(Composed::GiveUp("the payment link is not there any more"));
        };
        if row.lane.channel.reaches_customers() {
            match seen.stand {
                LinkStand::Open => {}
                LinkStand::UnderWay => return Ok(Composed::Later { after_ms: UNDER_WAY_WAIT_MS }),
                LinkStand::Paid => return Ok(Composed::Drop("the link is paid")),
                LinkStand::Closed => return Ok(Composed::Drop("the link is closed")),
                LinkStand::Used => return Ok(Composed::Drop("the reference was used by another way to pay")),
                LinkStand::Expired => return Ok(Composed::Drop("the time of the link is over")),
            }
            if !seen.account.merchant.active {
                return Ok(Composed::Drop("the account is switched off"));
            }
            let is_told_so = |way: &LinkNotification| way.channel() == row.lane.channel;
            if row.kind == MessageKind::Reminder && !seen.link.notifications.iter().any(is_told_so) {
                return Ok(Composed::Drop("the customer is not told by this way any more"));
            }
        }
        let is_wanted = seen.account.merchant.terms.links.notifications == LinkNotifications::On;
        if row.lane.channel == MessageChannel::Server && !is_wanted {
            return Ok(Composed::Drop("the merchant does not want to be told of links"));
        }
        Ok(match self.letter(row, &seen).await? {
            Some(letter) => Composed::Send(Box::new(letter)),
            None if row.lane.channel == MessageChannel::Server => {
                Composed::GiveUp("the merchant has no notification URL for the redirection channel")
            }
            None => Composed::GiveUp("the customer has no telephone number that a text message can be sent to"),
        })
    }

    async fn mail(&self, row: &MessageRow, seen: &SeenLink) -> Result<MailLetter, String> {
        let language = Language::of(Some(&seen.link.language));
        let merchant = &seen.account.merchant;
        let face = Face::of_merchant(merchant.id, &merchant.terms, language);
        let logo = match &face.logo {
            None => None,
            Some(_) => self.gateway.merchant_logo(merchant.id).await.map_err(|error| error.to_string())?,
        };
        let size = logo.as_ref().map(|logo| LetterLogo { width_px: logo.width_px, height_px: logo.height_px });
        let picture = logo.map(|logo| {
            let media_type = logo.kind.media_type();
            MailPicture { name: LETTER_LOGO, media_type, bytes: logo.bytes }
        });
        let texts = link_mail(&LinkLetter { logo: size, ..self.told(row, seen, &face, language) });
        let link = &seen.link;
        Ok(MailLetter {
            to: link.customer.email.clone(),
            to_name: link.customer.name.clone(),
            from_name: face.name.clone(),
            subject: texts.subject,
            text: texts.text,
            html: texts.html,
            picture,
            name: format!("{}.{}", row.id, link.id),
            date: seen.seen_at,
        })
    }

    fn text(&self, row: &MessageRow, seen: &SeenLink) -> Option<TextLetter> {
        let language = Language::of(Some(&seen.link.language));
        let merchant = &seen.account.merchant;
        let face = Face::of_merchant(merchant.id, &merchant.terms, language);
        Some(TextLetter {
            to: international_phone(seen.link.customer.phone.as_deref()?)?,
            text: link_sms(&self.told(row, seen, &face, language), SMS_CHARS_MAX),
            reference: format!("{}.{}", row.id, seen.link.id),
        })
    }

    fn told<'a>(&self, row: &MessageRow, seen: &'a SeenLink, face: &'a Face, language: Language) -> LinkLetter<'a> {
        let link = &seen.link;
        let occasion =
            if row.kind == MessageKind::Reminder { LetterOccasion::Reminder } else { LetterOccasion::Request };
        LinkLetter {
            language,
            occasion,
            world: self.world,
            shop: &face.name,
            colour: face.colour,
            logo: None,
            customer: link.customer.name.as_deref(),
            amount: link.money(),
            description: link.description.as_deref(),
            reference: &link.merchant_reference,
            link_name: &link.name,
            url: &seen.url,
            now: seen.seen_at,
            ends_at: link.expires_at,
        }
    }

    /// `None` where the merchant has no URL for it.
    fn notice(&self, row: &MessageRow, seen: &SeenLink) -> Result<Option<Notice>, String> {
        let (link, merchant) = (&seen.link, &seen.account.merchant);
        let terms = &merchant.terms.feedback;
        let (channel, kind) = (Channel::Redirection, FeedbackKind::Notification);
        let Some(endpoint) = terms.endpoint(channel, kind) else { return Ok(None) };
        let access_code = &link.access_code;
        // Under another access code the signature would be right and the receiver could not tell.
        let credential = merchant
            .credential(access_code)
            .ok_or_else(|| format!("access_code {access_code} is not the merchant's any more"))?;
        let state = link_state(row.kind).ok_or("a message of this kind is none for a server")?;
        let fort_id = seen.link.order.filter(|_| row.kind == MessageKind::LinkPaid).map(|order| order.to_string());
        let told = LinkNotice {
            link,
            merchant_identifier: &merchant.merchant_identifier,
            state,
            channel: channel_of(row),
            fort_id: fort_id.as_deref(),
            at: row.created_at,
        };
        let fields = link_notice(&told).sign(&credential.response_phrase, credential.sha_type);
        Ok(Some(Notice {
            url: endpoint.url.to_owned(),
            content_type: feedback_body::content_type(endpoint.format),
            body: feedback_body::body(&fields, endpoint.format),
        }))
    }

    async fn follow(&self, row: &MessageRow, ended: Ended) -> Option<NewMessage> {
        if row.kind != MessageKind::Link || !row.lane.channel.reaches_customers() {
            return None;
        }
        let seen = match self.link_of(row).await {
            Ok(seen) => seen?,
            Err(detail) => {
                tracing::error!(detail, "whether a merchant's server is told of a message cannot be read");
                return None;
            }
        };
        let kind = match ended {
            Ended::Sent => MessageKind::LinkSent,
            Ended::Failed => MessageKind::LinkSendFailed,
        };
        let occasion = row.occasion.saturating_mul(WAYS_PER_OCCASION) + i64::from(row.lane.channel.number());
        let is_wanted = seen.account.merchant.terms.links.notifications == LinkNotifications::On;
        is_wanted.then(|| seen.link.notice(kind, occasion, self.gateway.now()))
    }
}

/// By which way the customer was told, of a notification that says so.
fn channel_of(row: &MessageRow) -> Option<MessageChannel> {
    if !matches!(row.kind, MessageKind::LinkSent | MessageKind::LinkSendFailed) {
        return None;
    }
    u8::try_from(row.occasion.rem_euclid(WAYS_PER_OCCASION)).ok().and_then(MessageChannel::from_number)
}

impl Composer for LinkComposer {
    fn compose<'a>(&'a self, row: &'a MessageRow) -> ComposeFuture<'a> {
        Box::pin(self.compose_now(row))
    }

    fn follows<'a>(&'a self, row: &'a MessageRow, ended: Ended) -> FollowFuture<'a> {
        Box::pin(self.follow(row, ended))
    }

    fn mask(&self, text: &str) -> String {
        mask_card_numbers(text).into_owned()
    }
}
