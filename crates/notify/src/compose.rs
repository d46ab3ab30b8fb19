//! The port to whoever knows what messages are about.

use std::future::Future;
use std::pin::Pin;
use tollgate_core::message::NewMessage;
use tollgate_core::time::Timestamp;
use tollgate_store::MessageRow;

/// A letter on its way; the error says in words for operators why there is none now.
pub type ComposeFuture<'a> = Pin<Box<dyn Future<Output = Result<Composed, String>> + Send + 'a>>;
/// What follows, on its way.
pub type FollowFuture<'a> = Pin<Box<dyn Future<Output = Option<NewMessage>> + Send + 'a>>;

/// Makes letters at the moment of sending: by the account, the link and the keys of that moment, so that nothing is told
/// that is not true any more, and no secret has to be stored.
pub trait Composer: Send + Sync + 'static {
    /// The letter of a message.
    fn compose<'a>(&'a self, row: &'a MessageRow) -> ComposeFuture<'a>;

    /// Who else is told how a message ended.
    fn follows<'a>(&'a self, row: &'a MessageRow, ended: Ended) -> FollowFuture<'a>;

    /// `text` with the card numbers in it masked.
    fn mask(&self, text: &str) -> String;
}

/// What becomes of a message.
#[derive(Clone, Debug)]
pub enum Composed {
    /// It is sent.
    Send(Box<Letter>),
    /// It is not true any more, and is dropped; why.
    Drop(&'static str),
    /// Nobody can ever send it; why.
    GiveUp(&'static str),
    /// Whether it is true shows later.
    Later {
        /// When, in milliseconds from now.
        after_ms: u64,
    },
}

/// How a message ended for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Whoever carries it has taken it.
    Sent,
    /// It was given up.
    Failed,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum Letter {
    /// A mail.
    Mail(MailLetter),
    /// A text message.
    Text(TextLetter),
    /// A notification for a merchant's server.
    Notice(Notice),
}

/// A mail. Its texts may hold anything: what has no place in a header does not get there.
#[derive(Clone)]
pub struct MailLetter {
    /// The address.
    pub to: String,
    /// Whose it is.
    pub to_name: Option<String>,
    /// The shop on whose behalf it is sent; the sender's address is the gateway's.
    pub from_name: String,
    /// What it is about.
    pub subject: String,
    /// The text, for readers without HTML.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// A picture that the HTML shows as `cid:` and its name.
    pub picture: Option<MailPicture>,
    /// The left part of its `Message-ID`: the same in each try, so that a mail box can tell a repeat.
    pub name: String,
    /// Its date.
    pub date: Timestamp,
}

/// A picture inside a mail; nothing is loaded from anywhere when the mail is read.
#[derive(Clone)]
pub struct MailPicture {
    /// Its name within the mail.
    pub name: &'static str,
    /// The value of `Content-Type`.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A text message.
#[derive(Clone)]
pub struct TextLetter {
    /// The number: `+` and digits.
    pub to: String,
    /// The text.
    pub text: String,
    /// What names it, the same in each try.
    pub reference: String,
}

/// A notification for a merchant's server.
#[derive(Clone)]
pub struct Notice {
    /// Where it goes.
    pub url: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, signed.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for MailLetter {
    /// Without its texts: they hold names, addresses and links.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailLetter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TextLetter {
    /// Without number and text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextLetter").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Notice {
    /// Without URL and body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}
