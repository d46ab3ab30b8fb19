//! Messages in the store of one life. No plan has payment links yet, so nobody is told of any.

use super::WorldStore;
use tollgate_core::message::MessageId;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    MessageAttempt, MessageBacklog, MessageFilter, MessageFinish, MessageFinished, MessageLease, MessageRow, Messages,
    MessagesLeased, StoreFuture,
};

impl Messages for WorldStore {
    fn lease_messages(&self, lease: MessageLease) -> StoreFuture<'_, MessagesLeased> {
        self.inner.lease_messages(lease)
    }

    fn release_messages(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64> {
        self.inner.release_messages(node, now)
    }

    fn finish_message(&self, finish: MessageFinish) -> StoreFuture<'_, MessageFinished> {
        self.inner.finish_message(finish)
    }

    fn rouse_message(&self, id: MessageId, now: Timestamp) -> StoreFuture<'_, bool> {
        self.inner.rouse_message(id, now)
    }

    fn message(&self, id: MessageId) -> StoreFuture<'_, Option<MessageRow>> {
        self.inner.message(id)
    }

    fn messages<'a>(&'a self, filter: &'a MessageFilter) -> StoreFuture<'a, Vec<MessageRow>> {
        self.inner.messages(filter)
    }

    fn message_attempts(&self, id: MessageId) -> StoreFuture<'_, Vec<MessageAttempt>> {
        self.inner.message_attempts(id)
    }

    fn messages_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.inner.messages_next_due()
    }

    fn message_backlog(&self) -> StoreFuture<'_, MessageBacklog> {
        self.inner.message_backlog()
    }
}
