//! A report on its way out, page by page out of the store: whatever its size, little of it is in memory.

use crate::answer::{BrokenOff, Response, rows};
use http::{HeaderValue, header};
use hyper::body::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tollgate_app::ReportDownload;
use tollgate_fort::report_file::{ReportWriter, content_type, extension};

/// How many pages wait for a client that reads slowly.
const PAGES_WAITING_MAX: usize = 2;
/// How long a client may take to read a page, in milliseconds.
const PAGE_MS_MAX: u64 = 60_000;
/// What a piece has at least, in bytes, before it is sent: filters may leave little of each page.
const PIECE_BYTES_MIN: usize = 16 * 1024;

/// The answer to DOWNLOAD_REPORT of a report that is ready.
pub(crate) fn response(download: ReportDownload) -> Response {
    let (pieces, reader) = mpsc::channel(PAGES_WAITING_MAX);
    let mut response = rows(content_type(download.format), reader);
    // A reference is of letters, digits and - _ . alone.
    let name = format!("attachment; filename=\"{}.{}\"", download.reference, extension(download.format));
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    tokio::spawn(write(download, pieces));
    response
}

/// Writes rows until the last one, or until nobody reads them. What breaks off in the middle is no complete answer, and
/// the client can tell.
async fn write(mut download: ReportDownload, pieces: mpsc::Sender<Result<Bytes, BrokenOff>>) {
    let mut writer = ReportWriter::new(download.format, download.reader.spec().columns.clone());
    let mut text = String::new();
    writer.begin(&mut text);
    loop {
        match download.reader.next_page().await {
            Ok(Some(page)) => {
                for row in &page {
                    writer.push(&mut text, download.reader.cells(), row);
                }
                if text.len() >= PIECE_BYTES_MIN && !send(&pieces, &mut text).await {
                    return;
                }
                if pieces.is_closed() {
                    return;
                }
            }
            Ok(None) => {
                writer.end(&mut text);
                send(&pieces, &mut text).await;
                return;
            }
            Err(error) => {
                tracing::error!(reference = download.reference, %error, "a report cannot be read");
                let _gone = pieces.send(Err(BrokenOff)).await;
                return;
            }
        }
    }
}

/// `false` when nobody reads.
async fn send(pieces: &mpsc::Sender<Result<Bytes, BrokenOff>>, text: &mut String) -> bool {
    let sent = pieces.send(Ok(Bytes::from(std::mem::take(text))));
    matches!(tokio::time::timeout(Duration::from_millis(PAGE_MS_MAX), sent).await, Ok(Ok(())))
}
