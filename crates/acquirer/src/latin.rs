//! Names in the letters that the card networks print: ASCII.

/// Fills `place` with `text`, each character in printable ASCII, cut at the end and padded with spaces.
///
/// Latin letters lose their marks, Arabic letters become the usual Latin ones, anything else becomes a question mark. A
/// letter that would become two of which only one fits is cut.
pub(crate) fn fill_ascii(place: &mut [u8], text: &str) {
    place.fill(b' ');
    let mut slots = place.iter_mut();
    let mut put = |letters: &str| {
        for (letter, slot) in letters.bytes().zip(&mut slots) {
            *slot = letter;
        }
    };
    for character in text.chars() {
        match character {
            ' '..='~' => put(character.encode_utf8(&mut [0; 4])),
            _ if character.is_whitespace() => put(" "),
            _ => put(letters_of(character)),
        }
    }
}

/// What stands for a character outside ASCII.
fn letters_of(character: char) -> &'static str {
    match character {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'Æ' => "AE",
        'æ' => "ae",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'Ð' | 'Ď' | 'Đ' => "D",
        'ð' | 'ď' | 'đ' => "d",
        'È'..='Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'Ğ' | 'Ģ' => "G",
        'ğ' | 'ģ' => "g",
        'Ì'..='Ï' | 'Ī' | 'Į' | 'İ' => "I",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'Ķ' => "K",
        'ķ' => "k",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => "L",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ő' => "O",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'Œ' => "OE",
        'œ' => "oe",
        'Ŕ' | 'Ř' => "R",
        'ŕ' | 'ř' => "r",
        'Ś' | 'Ş' | 'Š' | 'Ș' => "S",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'Ţ' | 'Ť' | 'Ț' => "T",
        'ţ' | 'ť' | 'ț' => "t",
        'Þ' => "TH",
        'þ' => "th",
        'Ù'..='Ü' | 'Ū' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'Ý' | 'Ÿ' => "Y",
        'ý' | 'ÿ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        '‘' | '’' | 'ʼ' => "'",
        '“' | '”' => "\"",
        '‐'..='―' | '−' => "-",
        _ => arabic_letters_of(character),
    }
}

/// Arabic letters and digits, short vowels and joiners left out.
fn arabic_letters_of(character: char) -> &'static str {
    match character {
        'ء' | 'ع' => "'",
        'آ' | 'أ' | 'إ' | 'ا' | 'ى' | 'ة' => "a",
        'ب' => "b",
        'ت' | 'ط' => "t",
        'ث' => "th",
        'ج' => "j",
        'ح' | 'ه' => "h",
        'خ' => "kh",
        'د' | 'ض' => "d",
        'ذ' => "dh",
        'ر' => "r",
        'ز' | 'ظ' => "z",
        'س' | 'ص' => "s",
        'ش' => "sh",
        'غ' => "gh",
        'ف' => "f",
        'ق' => "q",
        'ك' => "k",
        'ل' => "l",
        'م' => "m",
        'ن' => "n",
        'و' | 'ؤ' => "w",
        'ي' | 'ئ' => "y",
        '٠' => "0",
        '١' => "1",
        '٢' => "2",
        '٣' => "3",
        '٤' => "4",
        '٥' => "5",
        '٦' => "6",
        '٧' => "7",
        '٨' => "8",
        '٩' => "9",
        'ـ' | '\u{64B}'..='\u{652}' => "",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::fill_ascii;

    fn filled<const WIDTH: usize>(text: &str) -> String {
        let mut place = [0; WIDTH];
        fill_ascii(&mut place, text);
        String::from_utf8_lossy(&place).into_owned()
    }

    #[test]
    fn text_is_padded_and_cut_to_its_place() {
        assert_eq!(filled::<8>("Dubai"), "Dubai   ");
        assert_eq!(filled::<4>("Dubai"), "Duba");
        assert_eq!(filled::<3>(""), "   ");
    }

    #[test]
    fn letters_outside_ascii_become_the_nearest_ones() {
        assert_eq!(filled::<14>("Café Müller\u{a0}ß"), "Café Müller ss".replace('é', "e").replace('ü', "u"));
        assert_eq!(filled::<10>("مكتبة دبي"), "mktba dby ");
        assert_eq!(filled::<4>("書店\t\u{7}"), "?? ?");
        assert_eq!(filled::<2>("aß"), "as");
    }

    #[test]
    fn whatever_comes_only_printable_ascii_goes_out() {
        for code in 0..0x3000u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = filled::<4>(&character.to_string());
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{code:04x}");
        }
    }
}
