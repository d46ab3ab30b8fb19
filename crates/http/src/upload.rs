//! `POST /FortAPI/upload`: a form of parts, one of which is the file of a batch.
//!
//! The parts come in any order, so the file is put by ([`crate::spool`]) until all of the form is there; then the text
//! parts are judged as every request is, and the rows go to the store. A form that breaks off has changed nothing.

use crate::Request;
use crate::answer::{Response, plain};
use crate::body::BODY_BYTES_DRAINED_MAX;
use crate::payment_api::{CameFrom, PaymentApi, unreadable, written};
use crate::source::{Arrival, Peer};
use crate::spool::{Spool, SpoolWriter};
use futures_util::stream::Stream;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use multer::Multipart;
use std::borrow::Cow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tollgate_app::{Account, BatchSettings, BatchUpload, Gateway, ReceivingBatch, Refused};
use tollgate_core::answer::Answer;
use tollgate_core::batch::{self, BatchCall, BatchCommand, FILE_BYTES_MAX};
use tollgate_core::code::{message, refused};
use tollgate_core::feedback::FeedbackFormat;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::secret::Wiped;
use tollgate_fort::batch_file::{CardNumber, FileRow, Header, RowSplitter, columns_in_words};
use tollgate_fort::message::{BODY_BYTES_MAX, Message};
use tollgate_store::NewBatchRow;

/// The part that is the file.
const FILE_PART: &str = "file";
/// What the name of a file ends with.
const FILE_EXTENSION: &str = ".csv";
/// How much may be read without a part becoming more: the head of a part is far smaller.
const WITHOUT_PROGRESS_BYTES_MAX: usize = 256 * 1024;

/// Where and how uploads are taken.
pub struct UploadDoor {
    folder: PathBuf,
    places: Semaphore,
    arrival_max: Duration,
}

impl UploadDoor {
    /// Uploads wait in `folder`, sealed, until they are proven.
    #[must_use]
    pub fn new(folder: PathBuf, settings: &BatchSettings) -> UploadDoor {
        UploadDoor {
            folder,
            places: Semaphore::new(settings.uploads_at_once_max.max(1)),
            arrival_max: Duration::from_millis(settings.upload_ms_max),
        }
    }
}

/// What came as the file of an upload.
pub(crate) struct Uploaded {
    arrival: Arrival,
    file: Arc<Spool>,
    size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Fits,
    TooLarge,
}

impl Uploaded {
    /// How it came.
    pub(crate) const fn arrival(&self) -> &Arrival {
        &self.arrival
    }
}

/// The answer to an upload.
pub(crate) async fn answer(
    api: &PaymentApi,
    request: Request,
    peer: Peer,
    stray: Option<Cow<'static, str>>,
) -> Response {
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: a batch file is uploaded with POST\n");
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(|value| multer::parse_boundary(value).ok());
    let (head, body) = request.into_parts();
    let arrival = Arrival { peer, headers: head.headers };
    let fields = match boundary {
        None => unreadable("an upload is multipart/form-data with a boundary"),
        Some(boundary) => match arrived(api.uploads(), boundary, body).await {
            Err(why) => unreadable(&why),
            Ok(Arrived { message, file, size, _place }) => {
                let uploaded = Uploaded { arrival, file: Arc::new(file), size };
                api.told(&message, stray, CameFrom::Upload(&uploaded)).await.signed()
            }
        },
    };
    api.count(&fields);
    written(&fields, FeedbackFormat::Json)
}

/// All of a form.
struct Arrived<'a> {
    /// The text parts, and the name of the file as `file`.
    message: Message,
    file: Spool,
    size: Size,
    /// Kept until its rows are written.
    _place: SemaphorePermit<'a>,
}

/// Reads a form in its turn and in its time.
async fn arrived(door: &UploadDoor, boundary: String, body: Incoming) -> Result<Arrived<'_>, String> {
    let reading = async {
        let place = door.places.acquire().await.map_err(|_| "the gateway stops".to_owned())?;
        read(door, place, boundary, body).await
    };
    let in_time = tokio::time::timeout(door.arrival_max, reading).await;
    in_time.unwrap_or_else(|_| Err("the upload did not arrive in time".to_owned()))
}

async fn read<'a>(
    door: &'a UploadDoor,
    place: SemaphorePermit<'a>,
    boundary: String,
    body: Incoming,
) -> Result<Arrived<'a>, String> {
    let idle = Arc::new(AtomicUsize::new(0));
    let bytes_max = FILE_BYTES_MAX + BODY_BYTES_DRAINED_MAX;
    let pieces =
        Pieces { body: Box::pin(body.into_data_stream()), idle: Arc::clone(&idle), bytes: 0, bytes_max, gave: false };
    let mut parts = Multipart::new(pieces, boundary);
    let mut form: Wiped<String> = Wiped::with_capacity(1024);
    let mut file = SpoolWriter::new(door.folder.clone());
    let (mut file_bytes, mut files) = (0usize, 0u32);
    loop {
        let part = parts.next_field().await.map_err(|error| broken(&error))?;
        idle.store(0, Ordering::Relaxed);
        let Some(mut part) = part else { break };
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        if let (FILE_PART, Some(file_name)) = (name.as_str(), file_name) {
            files += 1;
            push_field(&mut form, FILE_PART, file_name.as_bytes())?;
            while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
                idle.store(0, Ordering::Relaxed);
                file_bytes = file_bytes.saturating_add(piece.len());
                // What is too large is read to its end, so that the client reads the answer, and not kept.
                if file_bytes <= FILE_BYTES_MAX && files == 1 {
                    file.push(&piece).await.map_err(|error| not_kept(&error))?;
                }
            }
            continue;
        }
        let mut value: Wiped<Vec<u8>> = Wiped::with_capacity(256);
        while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
            idle.store(0, Ordering::Relaxed);
            if value.len() + piece.len() > BODY_BYTES_MAX {
                return Err("a text part is longer than 64 KiB".to_owned());
            }
            value.extend_from_slice(&piece);
        }
        // A text part of this name is no file.
        if name != FILE_PART {
            push_field(&mut form, &name, &value)?;
        }
    }
    let message = Message::from_form(form.as_bytes()).map_err(|fault| fault.to_string())?;
    let size = if file_bytes <= FILE_BYTES_MAX { Size::Fits } else { Size::TooLarge };
    Ok(Arrived { message, file: file.finish(), size, _place: place })
}

/// Adds a text part to a form as browsers write them, within what a request may have.
fn push_field(form: &mut Wiped<String>, name: &str, value: &[u8]) -> Result<(), String> {
    let escaped = |text: &[u8]| form_urlencoded::byte_serialize(text).collect::<String>();
    let (name, value) = (escaped(name.as_bytes()), Wiped::new(escaped(value)));
    if form.len() + name.len() + value.len() + 2 > BODY_BYTES_MAX {
        return Err("the text parts are longer than 64 KiB".to_owned());
    }
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(&name);
    form.push('=');
    form.push_str(&value);
    Ok(())
}

/// The error's own text may repeat what the client sent, and goes nowhere.
fn broken(_: &multer::Error) -> String {
    "the upload is no multipart/form-data, or did not arrive in whole".to_owned()
}

fn not_kept(error: &std::io::Error) -> String {
    tracing::error!(%error, "an upload cannot be put by");
    "the upload cannot be put by: the disk may be full".to_owned()
}

/// The pieces of a body, one for each time that the reader of parts looks: so it holds one, however fast they come. And
/// none any more when the body is too large, or so much came without a part becoming more that it can be none.
struct Pieces {
    body: Pin<Box<http_body_util::BodyDataStream<Incoming>>>,
    idle: Arc<AtomicUsize>,
    bytes: usize,
    bytes_max: usize,
    gave: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, PiecesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = match self.body.as_mut().poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        Poll::Ready(match next {
            None => None,
            Some(Err(error)) => Some(Err(PiecesError::Broken(error))),
            Some(Ok(piece)) => {
                self.gave = true;
                self.bytes = self.bytes.saturating_add(piece.len());
                let idle = self.idle.fetch_add(piece.len(), Ordering::Relaxed).saturating_add(piece.len());
                let is_too_much = self.bytes > self.bytes_max || idle > WITHOUT_PROGRESS_BYTES_MAX;
                Some(if is_too_much { Err(PiecesError::TooMuch) } else { Ok(piece) })
            }
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum PiecesError {
    #[error("the client stopped sending: {0}")]
    Broken(hyper::Error),
    #[error("there is more than an upload may have")]
    TooMuch,
}

/// Takes the rows of a proven upload. Goes on to its end when the client hangs up: it has the whole file by now.
pub(crate) async fn receive(
    gateway: &Gateway,
    account: &Arc<Account>,
    access_code: &str,
    command: BatchCommand,
    message: &Message,
    uploaded: &Uploaded,
) -> Result<Answer, Refused> {
    let file_name = command.file_name.unwrap_or_default();
    let has_extension = file_name.len() > FILE_EXTENSION.len()
        && file_name
            .get(file_name.len() - FILE_EXTENSION.len()..)
            .is_some_and(|end| end.eq_ignore_ascii_case(FILE_EXTENSION));
    if !has_extension {
        return Err(invalid(message::BATCH_FILE_INVALID, "the name of the file has to end with .csv"));
    }
    if uploaded.size == Size::TooLarge {
        return Err(invalid(message::BATCH_FILE_INVALID, "the file is larger than 50 MB: make several of it"));
    }
    let upload = BatchUpload {
        reference: command.reference,
        access_code: access_code.to_owned(),
        language: message.text("language").map(Cow::into_owned).unwrap_or_default(),
        file_name,
        columns: Vec::new(),
    };
    let (gateway, account, file) = (gateway.clone(), Arc::clone(account), Arc::clone(&uploaded.file));
    let taking = tokio::spawn(async move { take(&gateway, &account, upload, &file).await });
    taking.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the receiving of a batch ended early");
        Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the receiving of the batch broke off").into())
    })
}

async fn take(gateway: &Gateway, account: &Account, upload: BatchUpload, file: &Spool) -> Result<Answer, Refused> {
    let mut splitter = Some(RowSplitter::default());
    let mut receiving: Option<ReceivingBatch> = None;
    let mut fault = None;
    for number in 0..=file.pieces() {
        let mut rows = Vec::new();
        if number < file.pieces() {
            let piece = file.piece(number).await.map_err(|error| failed(&error))?;
            if let Some(splitter) = &mut splitter {
                splitter.push(&piece, |row| rows.push(row));
                fault = splitter.fault();
            }
        } else if let Some(splitter) = splitter.take() {
            fault = splitter.finish(|row| rows.push(row)).err();
        }
        for row in rows {
            match &mut receiving {
                None => receiving = Some(gateway.receive_batch(account, headed(&upload, &row)?).await?),
                Some(batch) => {
                    if let Err(error) = batch.add(kept(row)).await {
                        discard(receiving).await;
                        return Err(error.into());
                    }
                }
            }
        }
        if fault.is_some() {
            break;
        }
    }
    let Some(mut batch) = receiving else {
        let why = fault.map_or("the file is empty", |fault| fault.name());
        return Err(invalid(message::BATCH_FILE_INVALID, why));
    };
    match batch.finish(fault).await {
        Ok(answer) => {
            tracing::info!(batch = %batch.id(), merchant = account.merchant.name, reference = upload.reference, "a batch is uploaded");
            Ok(answer)
        }
        Err(error) => {
            discard(Some(batch)).await;
            Err(error.into())
        }
    }
}

async fn discard(receiving: Option<ReceivingBatch>) {
    if let Some(batch) = receiving {
        batch.discard().await;
    }
}

/// The upload with the columns that its first row names.
fn headed(upload: &BatchUpload, first: &FileRow) -> Result<BatchUpload, Refused> {
    let header = Header::of(first).map_err(|fault| {
        let detail = format!("{fault}. Columns are: {}", columns_in_words());
        invalid(message::BATCH_HEADER_INVALID, detail)
    })?;
    Ok(BatchUpload { columns: header.names().to_vec(), ..upload.clone() })
}

/// A row as it is kept.
fn kept(row: FileRow) -> NewBatchRow {
    let card_number_in = match row.held_card_number {
        CardNumber::None => None,
        CardNumber::InColumn(place) => {
            metrics::counter!("tollgate_batch_card_numbers_total").increment(1);
            Some(place)
        }
    };
    NewBatchRow { line: row.line, cells: row.cells, card_number_in }
}

fn invalid(number: u16, detail: impl Into<Cow<'static, str>>) -> Refused {
    Refusal::request(batch::failed(BatchCall::Upload, number), FILE_PART, detail).into()
}

fn failed(error: &std::io::Error) -> Refused {
    tracing::error!(%error, "an upload that was put by cannot be read");
    Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the upload that was put by cannot be read").into()
}
