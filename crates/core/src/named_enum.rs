//! Words that stores keep by a number and people read by a name: states, kinds, events.

/// Makes such an enumeration: each word with its number, which never changes its meaning, and its name.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The number that stores keep; it never changes its meaning.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $($name::$variant => $number,)* }
            }

            /// The name for people and documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The one with this number.
            #[must_use]
            pub fn from_number(number: u8) -> Option<$name> {
                $name::ALL.iter().copied().find(|item| item.number() == number)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use named_enum;
