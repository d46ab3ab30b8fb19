//! `tollgate init`.

use super::DataArg;
use crate::data_folder::DataFolder;
use crate::wiring::{self, Keep};
use anyhow::bail;
use clap::Args;
use std::process::ExitCode;

/// Make the database and the keys of a new production folder.
///
/// A gateway never makes them by itself: with a folder that is not mounted, or a mistyped name, it would begin anew with
/// nobody's accounts and other keys.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    data: DataArg,
}

impl Init {
    /// Runs it.
    ///
    /// # Errors
    /// When there is a database already, or none can be made.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = DataFolder::create_or_open(&self.data.data)?;
        if folder.database().exists() {
            bail!("{} holds a database already: nothing was changed", folder.path().display());
        }
        super::small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::OrCreate).await?;
            wiring::close(opened).await;
            anyhow::Ok(())
        })?;
        println!(
            "{} is ready. Back its keys up apart from the database: without them no stored card can be opened.\n\n  \
             tollgate merchant add NAME --data {0}\n  tollgate serve --data {0}",
            folder.path().display()
        );
        Ok(ExitCode::SUCCESS)
    }
}
