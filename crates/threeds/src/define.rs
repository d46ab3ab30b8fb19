//! The macro that makes a message of a list of its elements: the type, how it is read and how it is written.
//!
//! One list for all three, so that none of them can know an element that the others do not.

/// Defines a message or a part of one: for each element its field, whether it has to be there, its type, and its name on
/// the wire.
macro_rules! elements {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(($message_type:expr))? {
            $($(#[$doc:meta])* $field:ident: $need:ident $type:ty = $wire:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$doc])* #[doc = concat!("\n\n`", $wire, "`")] pub $field: $crate::define::held!($need $type),)+
        }

        impl $name {
            /// The names of all elements.
            pub const ELEMENTS: &'static [&'static str] = &[$($wire,)+];

            fn read_members(members: &$crate::json::Members, faults: &mut $crate::faults::Faults) -> Option<$name> {
                $(let $field = $crate::define::got!($need members, $wire, faults);)+
                Some($name { $($field: $crate::define::taken!($need $field),)+ })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry("messageType", &$message_type)?;)?
                $($crate::define::put!($need map, $wire, &self.$field);)+
                map.end()
            }
        }
    };
}

/// How a field is held: as it is, or as an option.
macro_rules! held {
    (required $type:ty) => { $type };
    (optional $type:ty) => { Option<$type> };
}

/// What was read of an element.
macro_rules! got {
    (required $members:ident, $wire:literal, $faults:ident) => {
        match $members.get($wire) {
            Some(json) => $crate::element::Element::read(json, $wire, $faults),
            None => {
                $faults.missing($wire);
                None
            }
        }
    };
    (optional $members:ident, $wire:literal, $faults:ident) => {
        match $members.get($wire) {
            // Absent is what it should be, and nothing else; what is wrong is noted.
            Some(json) => $crate::element::Element::read(json, $wire, $faults),
            None => None,
        }
    };
}

/// What goes into the field of it.
macro_rules! taken {
    (required $field:ident) => {
        $field?
    };
    (optional $field:ident) => {
        $field
    };
}

/// Writes one element.
macro_rules! put {
    (required $map:ident, $wire:literal, $value:expr) => {
        $map.serialize_entry($wire, $value)?
    };
    (optional $map:ident, $wire:literal, $value:expr) => {
        if let Some(value) = $value {
            $map.serialize_entry($wire, value)?;
        }
    };
}

pub(crate) use {elements, got, held, put, taken};
