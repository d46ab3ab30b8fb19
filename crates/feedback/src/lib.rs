//! Transaction feedback: from the outbox to the merchants' servers.
//!
//! The rows are in the store already, written with the outcomes they tell of. [`Deliveries`] leases them,
//! has the body rendered and signed ([`Renderer`]), sends it ([`Sender`], by default [`HttpSender`]) and
//! writes what came of it. A receiver that is slow or dead holds back its own lane and nobody else's
//! ([`lanes`]); what is not acknowledged is tried again ([`schedule`]), paused in the end, never
//! forgotten. [`guard`] says which addresses may be called at all. [`Listeners`] are developers who
//! want to see each delivery, or be the receiver themselves.

mod connect;
pub mod guard;
pub mod lanes;
mod listeners;
mod render;
pub mod schedule;
mod send;
mod settings;
mod tls;
mod worker;

pub use connect::{Resolve, ResolveFuture, SystemResolver};
pub use listeners::{Delivery, Listener, ListenerReport, Listeners};
pub use render::{RenderFuture, Rendered, Renderer};
pub use send::{HttpSender, Parcel, Post, PostHeader, Reply, SendFuture, Sender};
pub use settings::FeedbackSettings;
pub use worker::{Deliveries, FeedbackParts};
