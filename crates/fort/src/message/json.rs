//! A strict reader of JSON (RFC 8259) into one buffer, with limits.

use super::{DEPTH_LEVELS_MAX, FaultKind, MEMBERS_MAX, Member, Message, Node, ParseFault, Span, sorted_by_name};
use tollgate_core::secret::Wiped;

/// Reads `input`, which has to be one object and nothing else.
pub(super) fn parse(input: &str) -> Result<Message, ParseFault> {
    // Unescaping never makes a text longer, so that the buffer never moves and leaves a copy behind.
    let text = Wiped::with_capacity(input.len());
    let mut reader = Reader { input, at: 0, text };
    reader.skip_blanks();
    match reader.peek() {
        Some(b'{') => {}
        Some(_) => return Err(reader.fault(FaultKind::NotAnObject)),
        None => return Err(reader.fault(FaultKind::EndsEarly)),
    }
    let params = reader.members(1)?;
    reader.skip_blanks();
    if reader.peek().is_some() {
        return Err(reader.fault(FaultKind::TrailingText));
    }
    let text = std::mem::take(&mut *reader.text);
    Message::new(text, params)
}

struct Reader<'a> {
    input: &'a str,
    at: usize,
    text: Wiped<String>,
}

impl Reader<'_> {
    fn fault(&self, kind: FaultKind) -> ParseFault {
        ParseFault { kind, offset_bytes: self.at }
    }

    /// A fault of syntax, or of the end when there is nothing left.
    fn unexpected(&self) -> ParseFault {
        self.fault(if self.peek().is_some() { FaultKind::Syntax } else { FaultKind::EndsEarly })
    }

    fn peek(&self) -> Option<u8> {
        self.input.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, level: usize) -> Result<Node, ParseFault> {
        match self.peek() {
            Some(b'"') => self.string().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Node::Number),
            Some(b'{') => {
                let members = self.members(level + 1)?;
                sorted_by_name(&self.text, &members)?;
                Ok(Node::Object(members))
            }
            Some(b'[') => self.elements(level + 1).map(Node::List),
            Some(b'n') => self.word("null", Node::Null),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, ParseFault> {
        let rest = self.input.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.fault(FaultKind::Syntax));
        }
        self.at += word.len();
        Ok(node)
    }

    /// An object from its opening brace on; `level` is its own.
    fn members(&mut self, level: usize) -> Result<Vec<Member>, ParseFault> {
        self.open(level)?;
        let mut members = Vec::with_capacity(if level == 1 { 32 } else { 0 });
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            if members.len() == MEMBERS_MAX {
                return Err(self.fault(FaultKind::TooManyMembers));
            }
            let offset_bytes = self.at;
            let name = self.string()?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.unexpected());
            }
            self.skip_blanks();
            let value = self.value(level)?;
            members.push(Member { name, value, offset_bytes });
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(members);
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    /// A list from its opening bracket on; `level` is its own.
    fn elements(&mut self, level: usize) -> Result<Vec<Node>, ParseFault> {
        self.open(level)?;
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(elements);
        }
        loop {
            self.skip_blanks();
            if elements.len() == MEMBERS_MAX {
                return Err(self.fault(FaultKind::TooManyMembers));
            }
            elements.push(self.value(level)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(elements);
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn open(&mut self, level: usize) -> Result<(), ParseFault> {
        if level > DEPTH_LEVELS_MAX {
            return Err(self.fault(FaultKind::TooDeep));
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<Span, ParseFault> {
        let from = self.at;
        self.take(b'-');
        let whole_from = self.at;
        let whole = self.digits();
        let leading_zero = whole > 1 && self.input.as_bytes().get(whole_from) == Some(&b'0');
        if whole == 0 || leading_zero {
            return Err(self.fault(FaultKind::Number));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.fault(FaultKind::Number));
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.fault(FaultKind::Number));
            }
        }
        let start = self.text.len();
        self.copy(from)?;
        Ok(Span::new(start, self.text.len()))
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - from
    }

    /// Appends the input from `from` to here.
    fn copy(&mut self, from: usize) -> Result<(), ParseFault> {
        let Some(piece) = self.input.get(from..self.at) else {
            return Err(self.fault(FaultKind::Syntax));
        };
        self.text.push_str(piece);
        Ok(())
    }

    /// A string from its opening quote on, unescaped.
    fn string(&mut self) -> Result<Span, ParseFault> {
        self.at += 1;
        let start = self.text.len();
        let mut from = self.at;
        loop {
            let rest = self.input.as_bytes().get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20);
            self.at += plain.unwrap_or(rest.len());
            match self.peek() {
                None => return Err(self.fault(FaultKind::EndsEarly)),
                Some(b'"') => {
                    self.copy(from)?;
                    self.at += 1;
                    return Ok(Span::new(start, self.text.len()));
                }
                Some(b'\\') => {
                    self.copy(from)?;
                    let character = self.escape()?;
                    self.text.push(character);
                    from = self.at;
                }
                Some(_) => return Err(self.fault(FaultKind::ControlCharacter)),
            }
        }
    }

    /// An escape from its backslash on.
    fn escape(&mut self) -> Result<char, ParseFault> {
        self.at += 1;
        let Some(letter) = self.peek() else {
            return Err(self.fault(FaultKind::EndsEarly));
        };
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.fault(FaultKind::Escape)),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `uXXXX`, or two of them that make a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, ParseFault> {
        let first = self.hex_unit()?;
        let code = match first {
            0xD800..0xDC00 => {
                if !(self.take(b'\\') && self.peek() == Some(b'u')) {
                    return Err(self.fault(FaultKind::Escape));
                }
                let second = self.hex_unit()?;
                if !(0xDC00..0xE000).contains(&second) {
                    return Err(self.fault(FaultKind::Escape));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            0 => return Err(self.fault(FaultKind::ControlCharacter)),
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.fault(FaultKind::Escape))
    }

    /// `u` and four hex digits.
    fn hex_unit(&mut self) -> Result<u32, ParseFault> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.fault(FaultKind::EndsEarly));
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.fault(FaultKind::Escape));
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }
}
