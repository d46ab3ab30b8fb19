//! HTML as it is written: what is ours goes in as it is, everything else escaped.

use super::invoice::QrPicture;

/// A page on its way. Only texts of the program itself go in unescaped, by their type.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// An empty one.
    pub(super) fn new() -> Html {
        Html(String::with_capacity(16 * 1024))
    }

    /// Appends a piece of the program's own.
    pub(super) fn raw(&mut self, html: &'static str) -> &mut Html {
        self.0.push_str(html);
        self
    }

    /// Appends `text` as it may stand inside an element or a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Html {
        push_escaped(&mut self.0, text);
        self
    }

    /// Appends ` name="value"`.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Html {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    /// Appends ` name="value"`, or nothing.
    pub(super) fn attribute_if(&mut self, name: &'static str, value: Option<&str>) -> &mut Html {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Appends a QR code.
    pub(super) fn picture(&mut self, picture: &QrPicture) -> &mut Html {
        self.0.push_str(picture.svg());
        self
    }

    /// Appends a hidden field.
    pub(super) fn hidden(&mut self, name: &str, value: &str) -> &mut Html {
        self.raw("<input type=\"hidden\" name=\"").text(name).raw("\" value=\"").text(value).raw("\">\n")
    }

    /// The whole.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A text as it may stand inside an element or a quoted attribute.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// Line breaks are written out, because a browser would change them, and the signature of a returned field is over the
/// text as it is.
fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        let mut out = Html::new();
        out.text("\"><script>alert('x')</script>&amp;\r\nمحمد");
        assert_eq!(out.finish(), "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&#13;&#10;محمد");
    }
}
