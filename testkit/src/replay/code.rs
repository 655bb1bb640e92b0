//! Values as Rust expressions.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleVariant, Serializer,
};

/// Writes the expression of what is serialized into it.
///
/// The types of `redial-core` serialize under their own names, with variants in snake case; that is
/// all it needs to know, so a variant that is new tomorrow has its expression already.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) text: String,
    /// The types that the expression names.
    pub(super) names: BTreeSet<String>,
}

/// Something that has no expression.
#[derive(Debug)]
pub(super) struct NoCode(String);

impl Display for NoCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoCode {}

impl serde::ser::Error for NoCode {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

impl Code {
    fn name(&mut self, name: &str) -> &mut Self {
        self.names.insert(name.to_owned());
        self.text += name;
        self
    }

    fn variant(&mut self, name: &str, variant: &str) -> &mut Self {
        self.name(name).text += "::";
        for word in variant.split('_') {
            let mut letters = word.chars();
            self.text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            self.text += letters.as_str();
        }
        self
    }

    fn open(&mut self, bracket: &str, close: &'static str) -> Parts<'_> {
        self.text += bracket;
        Parts { code: self, first: true, close }
    }

    fn put(&mut self, value: impl Display) -> Result<(), NoCode> {
        write!(self.text, "{value}").map_err(NoCode::custom)
    }
}

impl<'a> Serializer for &'a mut Code {
    type Ok = ();
    type Error = NoCode;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Impossible<(), NoCode>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Impossible<(), NoCode>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_i8(self, value: i8) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), NoCode> {
        self.put(value)
    }

    fn serialize_f32(self, _: f32) -> Result<(), NoCode> {
        Err(NoCode::custom("no floats"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), NoCode> {
        Err(NoCode::custom("no floats"))
    }

    fn serialize_char(self, value: char) -> Result<(), NoCode> {
        self.put(format_args!("{value:?}"))
    }

    fn serialize_str(self, value: &str) -> Result<(), NoCode> {
        self.put(format_args!("{value:?}"))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), NoCode> {
        Err(NoCode::custom("no bytes"))
    }

    fn serialize_none(self) -> Result<(), NoCode> {
        self.put("None")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoCode> {
        self.text += "Some(";
        value.serialize(&mut *self)?;
        self.put(")")
    }

    fn serialize_unit(self) -> Result<(), NoCode> {
        self.put("()")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), NoCode> {
        self.name(name);
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), NoCode> {
        self.variant(name, variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NoCode> {
        let make = if matches!(name, "Timestamp" | "Span") { "from_millis" } else { "new" };
        self.name(name).text += "::";
        self.text += make;
        self.text += "(";
        value.serialize(&mut *self)?;
        self.put(")")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NoCode> {
        self.variant(name, variant).text += "(";
        value.serialize(&mut *self)?;
        self.put(")")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, NoCode> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, NoCode> {
        // In the forms of this crate a tuple is an array.
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, NoCode> {
        Err(NoCode::custom(format_args!("no expression for {name}")))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, NoCode> {
        Ok(self.variant(name, variant).open("(", ")"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NoCode> {
        Err(NoCode::custom("no maps"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, NoCode> {
        Ok(self.name(name).open(" { ", " }"))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, NoCode> {
        Ok(self.variant(name, variant).open(" { ", " }"))
    }
}

/// The parts of something that has several.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    code: &'a mut Code,
    first: bool,
    close: &'static str,
}

impl Parts<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoCode> {
        if !std::mem::take(&mut self.first) {
            self.code.text += ", ";
        }
        value.serialize(&mut *self.code)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), NoCode> {
        if !std::mem::take(&mut self.first) {
            self.code.text += ", ";
        }
        self.code.text += key;
        self.code.text += ": ";
        // The rules of a policy are a list that is checked when it is made.
        if key == "rules" {
            self.code.name("Rules").text += "::new(&";
            value.serialize(&mut *self.code)?;
            return self.code.put(")");
        }
        value.serialize(&mut *self.code)
    }

    fn close(self) -> Result<(), NoCode> {
        self.code.put(self.close)
    }
}

impl SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = NoCode;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoCode> {
        self.part(value)
    }

    fn end(self) -> Result<(), NoCode> {
        self.close()
    }
}

impl SerializeTuple for Parts<'_> {
    type Ok = ();
    type Error = NoCode;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoCode> {
        self.part(value)
    }

    fn end(self) -> Result<(), NoCode> {
        self.close()
    }
}

impl SerializeTupleVariant for Parts<'_> {
    type Ok = ();
    type Error = NoCode;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoCode> {
        self.part(value)
    }

    fn end(self) -> Result<(), NoCode> {
        self.close()
    }
}

impl SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = NoCode;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NoCode> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), NoCode> {
        self.close()
    }
}

impl SerializeStructVariant for Parts<'_> {
    type Ok = ();
    type Error = NoCode;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NoCode> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), NoCode> {
        self.close()
    }
}
