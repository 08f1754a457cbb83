//! JSON text to Python values and back.
//!
//! Written for this guest because exactness matters more than generality: integers of any size, floats as
//! Python prints them, dicts in their order, no user code called on the way out.

use std::fmt::Write as _;

use malachite_bigint::BigInt;
use rustpython_vm::builtins::{PyDict, PyDictRef, PyFloat, PyInt, PyList, PyStr, PyTuple};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, VirtualMachine, literal};

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

impl Reader<'_> {
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
        if depth > MAX_DEPTH {
            return Err(format!("JSON is nested deeper than {MAX_DEPTH} levels"));
        }
        self.space();
        let ctx = &self.vm.ctx;
        match self.peek() {
            Some(b'"') => Ok(ctx.new_str(self.string()?).into()),
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
            let key = self.vm.ctx.new_str(self.string()?);
            self.space();
            if !self.take(":") {
                return Err(self.unexpected());
            }
            let value = self.value(depth + 1)?;
            dict.set_item(key.as_object(), value, self.vm).map_err(|_| "not a dict".to_owned())?;
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
            number.parse::<f64>().ok().filter(|float| float.is_finite()).map(|float| ctx.new_float(float).into())
        } else if let Ok(small) = number.parse::<i64>() {
            Some(ctx.new_int(small).into())
        } else {
            number.parse::<BigInt>().ok().map(|big| ctx.new_bigint(&big).into())
        };
        let value = value.ok_or_else(|| self.unexpected())?;
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let run = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or_else(|| self.unexpected())?;
            string.push_str(&self.text[self.at..self.at + run]);
            self.at += run + 1;
            if rest[run] == b'"' {
                return Ok(string);
            }
            string.push(self.escape()?);
        }
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

struct Writer<'a> {
    out: String,
    keys: Keys,
    vm: &'a VirtualMachine,
}

impl Writer<'_> {
    fn value(&mut self, value: &PyObject, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("a value is nested deeper than {MAX_DEPTH} levels"));
        }
        if let Some(text) = self.scalar(value)? {
            self.out.push_str(&text);
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
        Err(format!("a value of type '{}' is not JSON", value.class().name()))
    }

    /// The text of None, a bool or a number; `None` for everything else.
    fn scalar(&self, value: &PyObject) -> Result<Option<String>, String> {
        let ctx = &self.vm.ctx;
        if self.vm.is_none(value) {
            return Ok(Some("null".to_owned()));
        }
        if value.is(&ctx.true_value) {
            return Ok(Some("true".to_owned()));
        }
        if value.is(&ctx.false_value) {
            return Ok(Some("false".to_owned()));
        }
        if let Some(int) = value.downcast_ref::<PyInt>() {
            return Ok(Some(int.as_bigint().to_string()));
        }
        let Some(float) = value.downcast_ref::<PyFloat>() else { return Ok(None) };
        let float = float.to_f64();
        if float.is_finite() {
            Ok(Some(literal::float::to_string(float)))
        } else {
            Err(format!("the float {} is not JSON", literal::float::to_string(float)))
        }
    }

    fn array(&mut self, items: &[PyObjectRef], depth: usize) -> Result<(), String> {
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
        self.out.push('{');
        for (index, (key, value)) in dict.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.key(&key)?;
            self.out.push(':');
            self.value(&value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn key(&mut self, key: &PyObject) -> Result<(), String> {
        if let Some(text) = key.downcast_ref::<PyStr>() {
            return self.string(text);
        }
        let coerced = if self.keys == Keys::Coerced { self.scalar(key)? } else { None };
        let text = coerced
            .ok_or_else(|| format!("a dict key of type '{}' is not JSON: keys must be strings", key.class().name()))?;
        self.out.push('"');
        self.out.push_str(&text);
        self.out.push('"');
        Ok(())
    }

    fn string(&mut self, text: &PyStr) -> Result<(), String> {
        let text = text.to_str().ok_or("a string with lone surrogates is not JSON")?;
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 => "",
                _ => continue,
            };
            self.out.push_str(&text[plain..at]);
            plain = at + 1;
            if escape.is_empty() {
                // Writing to a String cannot fail.
                let _ = write!(self.out, "\\u{byte:04x}");
            } else {
                self.out.push_str(escape);
            }
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
        Ok(())
    }
}
