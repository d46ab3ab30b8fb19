//! Where an uploaded file waits until the request that brings it is proven: sealed, in a file without a name.
//!
//! The signature may come behind the file, so all of it has to be kept before anybody knows whose it is or what is in it.
//! It is sealed under a key that lives in memory only, block by block, and what is small never touches the disk. When the
//! process ends, in whatever way, nothing can be read of it and the system has the space back.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tollgate_core::secret::Wiped;
use zeroize::Zeroizing;

/// The bytes of a block before it is sealed.
const BLOCK_BYTES: usize = 64 * 1024;
/// What sealing adds to a block: its tag.
const TAG_BYTES: usize = 16;
/// The bytes of a key.
const KEY_BYTES: usize = 32;

/// A file that is being written.
pub(crate) struct SpoolWriter {
    folder: PathBuf,
    sealed: Option<Arc<Sealed>>,
    blocks: u64,
    open: Wiped<Vec<u8>>,
}

/// A file that is there in whole.
pub(crate) struct Spool {
    sealed: Option<Arc<Sealed>>,
    blocks: u64,
    /// What follows the sealed blocks: the end of the file, or all of a small one.
    rest: Wiped<Vec<u8>>,
}

/// The blocks on the disk.
struct Sealed {
    file: File,
    key: LessSafeKey,
}

impl SpoolWriter {
    /// A file in this folder, once it is large enough to need one.
    pub(crate) fn new(folder: PathBuf) -> SpoolWriter {
        SpoolWriter { folder, sealed: None, blocks: 0, open: Wiped::with_capacity(BLOCK_BYTES) }
    }

    /// Adds a piece.
    pub(crate) async fn push(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let space = BLOCK_BYTES.saturating_sub(self.open.len());
            let (now, later) = piece.split_at(space.min(piece.len()));
            self.open.extend_from_slice(now);
            piece = later;
            if self.open.len() >= BLOCK_BYTES {
                self.seal().await?;
            }
        }
        Ok(())
    }

    /// The file as it is now.
    pub(crate) fn finish(self) -> Spool {
        Spool { sealed: self.sealed, blocks: self.blocks, rest: self.open }
    }

    async fn seal(&mut self) -> io::Result<()> {
        let sealed = match &self.sealed {
            Some(sealed) => Arc::clone(sealed),
            None => {
                let folder = self.folder.clone();
                let made = blocking(move || Sealed::make(&folder)).await?;
                Arc::clone(self.sealed.insert(Arc::new(made)))
            }
        };
        let mut block = std::mem::replace(&mut self.open, Wiped::with_capacity(BLOCK_BYTES));
        let number = self.blocks;
        self.blocks += 1;
        blocking(move || sealed.write(number, &mut block)).await
    }
}

impl Spool {
    /// How many pieces it has.
    pub(crate) const fn pieces(&self) -> u64 {
        self.blocks + 1
    }

    /// One piece, from 0; what is behind the last one is empty.
    pub(crate) async fn piece(&self, number: u64) -> io::Result<Wiped<Vec<u8>>> {
        match &self.sealed {
            Some(sealed) if number < self.blocks => {
                let sealed = Arc::clone(sealed);
                blocking(move || sealed.read(number)).await
            }
            _ if number == self.blocks => {
                let mut rest: Wiped<Vec<u8>> = Wiped::with_capacity(self.rest.len());
                rest.extend_from_slice(&self.rest);
                Ok(rest)
            }
            _ => Ok(Wiped::with_capacity(0)),
        }
    }
}

impl Sealed {
    /// A file that its owner alone can read and that has no name any more, and a key for it.
    fn make(folder: &Path) -> io::Result<Sealed> {
        let mut name = [0u8; 16];
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        for bytes in [&mut name[..], &mut key[..]] {
            aws_lc_rs::rand::fill(bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
        }
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!(".upload-{name}"));
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| io::Error::other("a key cannot be made"))?;
        Ok(Sealed { file, key: LessSafeKey::new(key) })
    }

    fn write(&self, number: u64, block: &mut Vec<u8>) -> io::Result<()> {
        let sealed = self.key.seal_in_place_append_tag(nonce(number), Aad::empty(), block);
        sealed.map_err(|_| io::Error::other("a block cannot be sealed"))?;
        // Blocks are written one after the other.
        (&self.file).write_all(block)
    }

    fn read(&self, number: u64) -> io::Result<Wiped<Vec<u8>>> {
        let mut block = Wiped::new(vec![0; BLOCK_BYTES + TAG_BYTES]);
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        self.file.read_exact_at(&mut block, number.saturating_mul(length))?;
        let opened = self.key.open_in_place(nonce(number), Aad::empty(), &mut block);
        let length = opened.map_err(|_| io::Error::other("a block was changed on the disk"))?.len();
        block.truncate(length);
        Ok(block)
    }
}

/// Each block has a nonce of its own, and each file a key of its own.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().rev().zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn spooled(folder: &Path, bytes: usize, pieces_of: usize) -> (Vec<u8>, Spool) {
        let whole: Vec<u8> = (0..bytes).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let mut writer = SpoolWriter::new(folder.to_owned());
        for piece in whole.chunks(pieces_of) {
            writer.push(piece).await.unwrap();
        }
        (whole, writer.finish())
    }

    #[tokio::test]
    async fn what_was_written_reads_back_and_leaves_no_name() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7] {
            let (whole, spool) = spooled(folder.path(), bytes, 10_007).await;
            let mut read = Vec::new();
            for number in 0..spool.pieces() {
                read.extend_from_slice(&spool.piece(number).await.unwrap());
            }
            assert!(read == whole, "{bytes}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{bytes}");
        }
    }

    #[tokio::test]
    async fn what_is_on_the_disk_is_sealed_and_a_changed_block_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, spool) = spooled(folder.path(), 2 * BLOCK_BYTES, BLOCK_BYTES).await;
        let sealed = spool.sealed.as_ref().unwrap();
        let mut on_disk = vec![0; 2 * (BLOCK_BYTES + TAG_BYTES)];
        sealed.file.read_exact_at(&mut on_disk, 0).unwrap();
        assert!(!on_disk.windows(16).any(|piece| piece == &whole[..16]));
        sealed.file.write_all_at(&[on_disk[100] ^ 1], 100).unwrap();
        assert!(spool.piece(0).await.is_err());
        assert!(spool.piece(1).await.is_ok());
        let small = spooled(folder.path(), 100, 100).await.1;
        assert!(small.sealed.is_none(), "what is small never touches the disk");
    }
}
