//! The use cases of the gateway, one file per operation, and its jobs.
//!
//! A use case reads, asks the pure rules of `tollgate-core` for a decision, makes the intent durable,
//! talks to the network, and makes the outcome durable before it answers. It names ports only, so
//! that any store, key provider and network can stand behind it.

mod accounts;
mod ages;
mod agreement;
mod agreement_desk;
mod audit;
mod batch;
mod channel;
mod check_status;
mod check_verification;
mod checkout;
mod claims;
mod counted;
mod directory;
mod doubts;
mod feedback;
mod gateway;
mod jobs;
mod lapses;
mod life;
mod list_tokens;
mod maintain;
mod pace;
mod pay;
mod payment_link;
mod release;
mod report;
mod rotation;
mod route_days;
mod schedule;
mod settle;
mod stans;
mod three_ds;
mod token;
mod token_desk;
mod tokenize;
mod transfer;
mod unknown;
mod update_token;

pub use accounts::{AccountError, Accounts, Activity, CardCustomers, NewMerchant, PhraseRotation, TermsChange};
pub use agreement_desk::{AgreementDesk, AgreementDeskError, AgreementPage, AgreementRest, ShownAgreement};
pub use audit::{
    AuditBreak, AuditError, AuditFault, AuditFilter, AuditReport, begin_audit, count_audit, read_audit, verify_audit,
};
pub use batch::{BatchJobs, BatchSettings, BatchTold, BatchUpload, ReceivingBatch, RowReader};
pub use channel::{ChannelError, ChannelKey, ChannelKeys, PUBLISHED_KEYS_CACHED_SECONDS_MAX};
pub use checkout::{CheckoutLink, SeenCheckout, Stage, ThreeDsEvent};
pub use counted::Counted;
pub use directory::{Account, Directory};
pub use feedback::{FeedbackWatch, feedback_answer};
pub use gateway::{Gateway, GatewayParts, GatewaySettings, Refused, UnlinkedCharges};
pub use jobs::Jobs;
pub use life::BeginError;
pub use payment_link::{LinkCode, LinkPage, LinkRest, LinkWay, MessageWays, SeenLink};
pub use report::{ReportDesk, ReportDownload, ReportPace, ReportReader, ReportSettings, ReportTold, ReportTurns};
pub use rotation::{RotationDone, RotationError, RotationProgress, Rotations};
pub use schedule::{
    ScheduleDesk, ScheduleDeskError, ScheduleJobs, SchedulePage, ScheduleRest, ScheduleSettings, ScheduleStatusWish,
    ScheduleWish, ShownSchedule,
};
pub use three_ds::{PUBLIC_URL_CHARS_MAX, ThreeDsSetup};
pub use token_desk::{DeletedToken, TokenDesk, TokenDeskError, TokenPage, TokenRest, Traces};
pub use transfer::{ExportPage, Imported, OtherCard, Transfer, TransferError};
pub use unknown::{ForcedOutcome, Resolution, ResolveError, Resolved, UnknownOperation};
