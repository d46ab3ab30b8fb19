//! Questions to a person at the terminal, with answers that are not shown.

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use tollgate_core::secret::{Secret, Wiped};
use zeroize::Zeroize;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// Control characters as a keyboard sends them.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const BACKSPACE: [u8; 2] = [8, 127];

/// The terminal that this process was started on.
pub struct Terminal {
    device: File,
}

impl Terminal {
    /// `None` where nobody sits at one: in a script, or without standard input.
    pub fn open() -> Option<Terminal> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(|device| Terminal { device })
    }

    /// Shows a text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn say(&self, text: &str) -> anyhow::Result<()> {
        (&self.device).write_all(text.as_bytes()).context("the terminal is gone")
    }

    /// Asks for a line.
    ///
    /// # Errors
    /// When the person gives up or the terminal is gone.
    pub fn ask(&self, question: &str) -> anyhow::Result<String> {
        self.say(question)?;
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).trim().to_owned()),
                byte if line.len() < ANSWER_BYTES_MAX => line.push(byte),
                _ => bail!("the answer is too long"),
            }
        }
    }

    /// Asks for a line that is not shown while it is typed. Backspace and Ctrl-U work, Ctrl-C gives up.
    ///
    /// # Errors
    /// When the person gives up or the terminal is gone.
    pub fn ask_secret(&self, question: &str) -> anyhow::Result<Secret> {
        let hidden = Hidden::begin(&self.device)?;
        self.say(question)?;
        let read = self.secret_line();
        drop(hidden);
        self.say("\n")?;
        read
    }

    fn secret_line(&self) -> anyhow::Result<Secret> {
        // Its room is there from the start: growing would leave a copy behind.
        let mut line: Wiped<Vec<u8>> = Wiped::with_capacity(ANSWER_BYTES_MAX);
        loop {
            match self.byte()? {
                b'\n' | b'\r' => break,
                CTRL_C | CTRL_D => bail!("given up at the terminal"),
                CTRL_U => line.zeroize(),
                byte if BACKSPACE.contains(&byte) => drop_character(&mut line),
                _ if line.len() == ANSWER_BYTES_MAX => bail!("the answer is too long"),
                byte => line.push(byte),
            }
        }
        let text = std::str::from_utf8(&line).context("the answer is no text in UTF-8")?;
        Ok(Secret::new(text))
    }

    /// One byte at a time, so that nothing that was typed ahead is left in a buffer.
    fn byte(&self) -> anyhow::Result<u8> {
        let mut byte = [0];
        (&self.device).read_exact(&mut byte).context("the terminal is gone")?;
        let [read] = byte;
        byte.zeroize();
        Ok(read)
    }
}

/// The last character, of one byte or several.
fn drop_character(line: &mut Vec<u8>) {
    while let Some(byte) = line.last_mut() {
        let continues = *byte & 0b1100_0000 == 0b1000_0000;
        *byte = 0;
        line.pop();
        if !continues {
            break;
        }
    }
}

/// While this lives, the terminal shows nothing, and hands every key over at once.
struct Hidden<'a> {
    device: &'a File,
    before: Termios,
}

impl Hidden<'_> {
    fn begin(device: &File) -> anyhow::Result<Hidden<'_>> {
        let before = tcgetattr(device).context("the terminal cannot be asked how it is set")?;
        let mut quiet = before.clone();
        // Without signals too: Ctrl-C would leave a terminal behind that shows nothing.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(device, OptionalActions::Flush, &quiet).context("the terminal cannot be told to show nothing")?;
        Ok(Hidden { device, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // When the terminal is gone, there is nothing to put right.
        let _ = tcsetattr(self.device, OptionalActions::Now, &self.before);
    }
}
