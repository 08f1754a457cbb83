//! JSON text to Python values and back.
//!
//! Written for this guest because exactness matters more than generality: integers of any size, floats as
//! Python prints them, dicts in their order, no user code called on the way out.

use std::fmt::Write as _;

use malachite_bigint::BigInt;
use rustpython_vm::builtins::{PyDict, PyDictRef, PyFloat, PyInt, PyList, PyStr, PyTuple, PyType};
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyRef, VirtualMachine, literal};

use crate::receiver;

/// How deep lists and dicts may be nested; the host has the same limit.
const MAX_DEPTH: usize = 100;

/// Reads JSON that the host has checked. `Err` says at which byte it is not JSON after all.
pub fn read(text: &str, vm: &VirtualMachine) -> Result<PyObjectRef, String> {
    let mut reader = Reader { text, at: 0, vm };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(reader.unexpected()) }
}

/// Reads a JSON object as a dict.
pub fn read_dict(text: &str, vm: &VirtualMachine) -> Result<PyDictRef, String> {
    read(text, vm)?.downcast().map_err(|_| "not a JSON object".to_owned())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    vm: &'a VirtualMachine,
}

impl<'a> Reader<'a> {
    fn unexpected(&self) -> String {
        format!("not JSON at byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, literal: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(literal.as_bytes());
        if found {
            self.at += literal.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<PyObjectRef, String> {
        self.space();
        let ctx = &self.vm.ctx;
        match self.peek() {
            Some(b'"') => Ok(self.string()?.into()),
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                Err(format!("JSON is nested deeper than {MAX_DEPTH} levels"))
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') if self.take("true") => Ok(ctx.true_value.clone().into()),
            Some(b'f') if self.take("false") => Ok(ctx.false_value.clone().into()),
            Some(b'n') if self.take("null") => Ok(ctx.none()),
            _ => Err(self.unexpected()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<PyObjectRef, String> {
        let dict = self.vm.ctx.new_dict();
        self.at += 1;
        self.space();
        if self.take("}") {
            return Ok(dict.into());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(self.unexpected());
            }
            let value = self.value(depth + 1)?;
            dict.set_item(&*key, value, self.vm).map_err(|_| "not a dict".to_owned())?;
            self.space();
            if self.take("}") {
                return Ok(dict.into());
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<PyObjectRef, String> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take("]") {
            return Ok(self.vm.ctx.new_list(items).into());
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(self.vm.ctx.new_list(items).into());
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
    }

    fn number(&mut self) -> Result<PyObjectRef, String> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let number = &self.text[self.at..self.at + length];
        let ctx = &self.vm.ctx;
        let value = if number.contains(['.', 'e', 'E']) {
            number
                .parse::<f64>()
                .ok()
                .filter(|float| float.is_finite())
                .map(|float| ctx.new_float(float).into())
        } else if let Ok(small) = number.parse::<i64>() {
            Some(ctx.new_int(small).into())
        } else {
            number.parse::<BigInt>().ok().map(|big| ctx.new_bigint(&big).into())
        };
        let value = value.ok_or_else(|| self.unexpected())?;
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<PyRef<PyStr>, String> {
        self.at += 1;
        let (plain, end) = self.plain()?;
        if end == b'"' {
            return Ok(self.vm.ctx.new_str(plain));
        }
        let mut string = plain.to_owned();
        loop {
            string.push(self.escape()?);
            let (plain, end) = self.plain()?;
            string.push_str(plain);
            if end == b'"' {
                return Ok(self.vm.ctx.new_str(string));
            }
        }
    }

    /// The text up to the next quote or backslash, and which of them it is.
    fn plain(&mut self) -> Result<(&'a str, u8), String> {
        let text = self.text;
        let rest = &text.as_bytes()[self.at..];
        let length = memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| self.unexpected())?;
        let plain = &text[self.at..self.at + length];
        self.at += length + 1;
        Ok((plain, rest[length]))
    }

    fn escape(&mut self) -> Result<char, String> {
        let escaped = self.peek().ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(match escaped {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let code = if (0xD800..0xDC00).contains(&first) && self.take("\\u") {
                    let second = self.hex()?;
                    0x10000 + ((first - 0xD800) << 10) + second.wrapping_sub(0xDC00)
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(|| self.unexpected())?
            }
            _ => return Err(self.unexpected()),
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.unexpected())?;
        let code = u32::from_str_radix(digits, 16).map_err(|_| self.unexpected())?;
        self.at += 4;
        Ok(code)
    }
}

/// What dict keys other than strings become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Refused: the value would come back as another one.
    Strict,
    /// Written as `json.dumps` writes them.
    Coerced,
}

/// Writes a value as JSON. `Err` says what in it is not JSON.
pub fn write(value: &PyObject, keys: Keys, vm: &VirtualMachine) -> Result<String, String> {
    let mut writer = Writer { out: String::new(), keys, vm };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// The bytes that a JSON string cannot hold as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        escaped[control] = true;
        control += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

struct Writer<'a> {
    out: String,
    keys: Keys,
    vm: &'a VirtualMachine,
}

impl Writer<'_> {
    fn value(&mut self, value: &PyObject, depth: usize) -> Result<(), String> {
        if self.scalar(value)? {
            return Ok(());
        }
        if let Some(text) = value.downcast_ref::<PyStr>() {
            return self.string(text);
        }
        if let Some(list) = value.downcast_ref::<PyList>() {
            let items = list.borrow_vec().to_vec();
            return self.array(&items, depth);
        }
        if let Some(tuple) = value.downcast_ref::<PyTuple>() {
            return self.array(tuple.as_slice(), depth);
        }
        if let Some(dict) = value.downcast_ref::<PyDict>() {
            return self.object(dict.to_owned(), depth);
        }
        Err(receiver::missing(value, self.vm)
            .unwrap_or_else(|| format!("a value of type '{}' is not JSON", value.class().name())))
    }

    /// Writes None, a bool or a number; `false` for everything else.
    fn scalar(&mut self, value: &PyObject) -> Result<bool, String> {
        let ctx = &self.vm.ctx;
        if self.vm.is_none(value) {
            self.out.push_str("null");
        } else if value.is(&ctx.true_value) {
            self.out.push_str("true");
        } else if value.is(&ctx.false_value) {
            self.out.push_str("false");
        } else if let Some(int) = value.downcast_ref::<PyInt>() {
            match i64::try_from(int.as_bigint()) {
                Ok(small) => self.out.push_str(itoa::Buffer::new().format(small)),
                Err(_) => self.out.push_str(&int.as_bigint().to_string()),
            }
        } else if let Some(float) = value.downcast_ref::<PyFloat>() {
            self.float(float.to_f64())?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// As `repr` writes it.
    fn float(&mut self, float: f64) -> Result<(), String> {
        if !float.is_finite() {
            return Err(format!("the float {} is not JSON", literal::float::to_string(float)));
        }
        // In this range both write all digits and no exponent.
        if (1e-4..1e16).contains(&float.abs()) {
            self.out.push_str(ryu::Buffer::new().format_finite(float));
        } else {
            self.out.push_str(&literal::float::to_string(float));
        }
        Ok(())
    }

    fn deeper(depth: usize) -> Result<(), String> {
        if depth < MAX_DEPTH {
            Ok(())
        } else {
            Err(format!("a value is nested deeper than {MAX_DEPTH} levels"))
        }
    }

    fn array(&mut self, items: &[PyObjectRef], depth: usize) -> Result<(), String> {
        Self::deeper(depth)?;
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.value(item, depth + 1)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, dict: PyDictRef, depth: usize) -> Result<(), String> {
        Self::deeper(depth)?;
        self.out.push('{');
        let (mut first, mut are_alike) = (None, true);
        for (index, (key, value)) in (&dict).into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            let class = key.class().to_owned();
            are_alike &= self.is_plain(&class) && first.get_or_insert_with(|| class.clone()).is(&class);
            self.key(&key)?;
            self.out.push(':');
            self.value(&value, depth + 1)?;
        }
        self.out.push('}');
        if are_alike { Ok(()) } else { self.distinct(&dict) }
    }

    /// Whether values of this class that are not equal are never the same text.
    fn is_plain(&self, class: &Py<PyType>) -> bool {
        let types = &self.vm.ctx.types;
        [types.str_type, types.int_type, types.float_type].iter().any(|plain| class.is(*plain))
    }

    /// Keys that Python tells apart may be the same text: readers would not agree on the value.
    fn distinct(&mut self, dict: &PyDictRef) -> Result<(), String> {
        let end = self.out.len();
        let mut texts = Vec::with_capacity(dict.__len__());
        for (key, _) in dict {
            self.key(&key)?;
            texts.push(self.out.split_off(end));
        }
        texts.sort_unstable();
        match texts.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twins) => Err(format!("a dict with two keys {} is not JSON", twins[0])),
            None => Ok(()),
        }
    }

    fn key(&mut self, key: &PyObject) -> Result<(), String> {
        if let Some(text) = key.downcast_ref::<PyStr>() {
            return self.string(text);
        }
        self.out.push('"');
        if self.keys == Keys::Strict || !self.scalar(key)? {
            return Err(format!(
                "a dict key of type '{}' is not JSON: keys must be strings",
                key.class().name()
            ));
        }
        self.out.push('"');
        Ok(())
    }

    fn string(&mut self, text: &PyStr) -> Result<(), String> {
        let text = text.to_str().ok_or("a string with lone surrogates is not JSON")?;
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if !ESCAPED[usize::from(byte)] {
                continue;
            }
            self.out.push_str(&text[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                // Writing to a String cannot fail.
                _ => drop(write!(self.out, "\\u{byte:04x}")),
            }
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
        Ok(())
    }
}
