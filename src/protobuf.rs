//! Protocol buffers over prost, without its derive, which would bring half a dozen crates: the messages of the formats here are
//! few and stable, so a macro declares them.

/// Declares messages: `number: optional|repeated|packed kind field: type`, the kind being prost's name for the encoding. A field that
/// is not set is not written; fields that are not declared are skipped in reading.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$about:meta])* $tag:literal: $label:ident $kind:ident $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: $crate::protobuf::messages!(@type $label $type),)*
        }

        impl prost::Message for $name {
            fn encode_raw(&self, buffer: &mut impl prost::bytes::BufMut) {
                $($crate::protobuf::messages!(@encode $label $kind, $tag, &self.$field, buffer);)*
            }

            fn encoded_len(&self) -> usize {
                0 $(+ $crate::protobuf::messages!(@length $label $kind, $tag, &self.$field))*
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire: prost::encoding::WireType,
                buffer: &mut impl prost::bytes::Buf,
                context: prost::encoding::DecodeContext,
            ) -> Result<(), prost::DecodeError> {
                match tag {
                    $($tag => $crate::protobuf::messages!(@merge $label $kind, wire, &mut self.$field, buffer, context),)*
                    _ => prost::encoding::skip_field(wire, tag, buffer, context),
                }
            }

            fn clear(&mut self) {
                *self = Self::default();
            }
        }
    )*};
    (@type optional $type:ty) => { Option<$type> };
    (@type $many:ident $type:ty) => { Vec<$type> };
    (@encode optional $kind:ident, $tag:literal, $field:expr, $buffer:ident) => {
        if let Some(value) = $field {
            prost::encoding::$kind::encode($tag, value, $buffer);
        }
    };
    (@encode repeated $kind:ident, $tag:literal, $field:expr, $buffer:ident) => {
        prost::encoding::$kind::encode_repeated($tag, $field, $buffer)
    };
    (@encode packed $kind:ident, $tag:literal, $field:expr, $buffer:ident) => {
        prost::encoding::$kind::encode_packed($tag, $field, $buffer)
    };
    (@length optional $kind:ident, $tag:literal, $field:expr) => {
        $field.as_ref().map_or(0, |value| prost::encoding::$kind::encoded_len($tag, value))
    };
    (@length repeated $kind:ident, $tag:literal, $field:expr) => {
        prost::encoding::$kind::encoded_len_repeated($tag, $field)
    };
    (@length packed $kind:ident, $tag:literal, $field:expr) => {
        prost::encoding::$kind::encoded_len_packed($tag, $field)
    };
    (@merge optional $kind:ident, $wire:ident, $field:expr, $buffer:ident, $context:ident) => {
        prost::encoding::$kind::merge($wire, $field.get_or_insert_default(), $buffer, $context)
    };
    // Readers of packed fields take both forms.
    (@merge $many:ident $kind:ident, $wire:ident, $field:expr, $buffer:ident, $context:ident) => {
        prost::encoding::$kind::merge_repeated($wire, $field, $buffer, $context)
    };
}

pub(crate) use messages;
