//! Programs from a seed: pieces put together at random, with expressions of the grammar in their places.

use aura::object::{CEILING, Json, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::Call;
use fastrand::Rng;

use super::grammar::{self, FLOAT_LITERALS, STRING_LITERALS};
use super::program::Program;

/// What every generated program begins with.
const BEGINNING: &str = "\
import array, base64, binascii, bisect, calendar, cmath, collections, colorsys, contextlib, copy, csv, dataclasses
import datetime, decimal, difflib, enum, fractions, functools, graphlib, hashlib, heapq, hmac, html, io, ipaddress
import itertools, json, math, operator, pprint, random, re, secrets, statistics, string, struct, textwrap, time
import unicodedata, uuid, zlib
out = []
def note(make):
    try:
        out.append(repr(make()))
    except Exception as error:
        out.append(f'{type(error).__name__}: {error}')
";

/// How deep expressions are nested in each other.
const DEPTH: u32 = 3;
/// More is cut down to leaves: an expression of an expression can grow without end.
const MAX_EXPRESSION: usize = 600;

/// The `number`th program of all.
pub fn program(number: u64) -> Program {
    let mut rng = Rng::with_seed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let pieces: Vec<&str> = include_str!("pieces.py").split("# ---\n").skip(1).map(str::trim_end).collect();
    let mut source = BEGINNING.to_owned();
    for unique in 0..rng.usize(2..7) {
        let piece = rng.choice(&pieces).copied().unwrap_or_default();
        source += &expand(&mut rng, &piece.replace("$u", &unique.to_string()), DEPTH);
        source.push('\n');
    }
    source += "return out\n";
    let attributes =
        format!(r#"{{"total": {}, "items": ["é", 1.0], "nested": {{"b": 1, "a": []}}}}"#, rng.i32(..));
    let args = format!(r#"[{}, {}, "text {}"]"#, rng.i16(..), rng.f64(), rng.char('a'..='ÿ'));
    let call = Call {
        receiver: ObjectId::parse("UvmObjects/generated").expect("an id"),
        method: MethodName::parse("program").expect("a name"),
        source: Source::parse(&source).expect("a body"),
        attributes: Json::parse(attributes).expect("JSON"),
        inherited: Json::parse(r#"{"shared": [1, 2], "total": -1}"#.to_owned()).expect("JSON"),
        args: Json::parse(args).expect("JSON"),
        kwargs: Json::parse(format!(r#"{{"n": {}}}"#, rng.u32(..))).expect("JSON"),
        seed: rng.u64(..),
        time: Timestamp(rng.i64(0..4_000_000_000_000)),
        quota: quota(&mut rng),
    };
    Program { name: format!("generated {number}"), call }
}

/// Mostly plenty; at times less of one thing than most programs need.
fn quota(rng: &mut Rng) -> Quota {
    let mut quota = Quota { fuel: 1_000_000_000, wall_ms: CEILING.wall_ms, ..Quota::default() };
    match rng.u32(0..25) {
        0 | 1 => quota.fuel = rng.u64(1_000..3_000_000),
        2 => quota.output_bytes = rng.u64(0..100),
        3 => quota.memory_bytes = rng.u64(36 << 20..64 << 20),
        _ => {}
    }
    quota
}

/// Fills the places of `text`.
fn expand(rng: &mut Rng, text: &str, depth: u32) -> String {
    let mut filled = String::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        if char != '$' {
            filled.push(char);
            continue;
        }
        match rest.next() {
            Some('$') => filled.push('$'),
            Some(letter) if letter.is_uppercase() => filled += &expression(rng, letter, depth),
            Some(letter) => filled += &literal(rng, letter),
            None => panic!("a place without a kind in {text}"),
        }
    }
    filled
}

fn expression(rng: &mut Rng, letter: char, depth: u32) -> String {
    let kind = grammar::kind(letter);
    if depth > 0 {
        let branch = rng.choice(kind.branches).copied().unwrap_or_default();
        let text = expand(rng, branch, depth - 1);
        if text.len() <= MAX_EXPRESSION {
            return text;
        }
    }
    let leaf = rng.choice(kind.leaves).copied().unwrap_or_default();
    expand(rng, leaf, 0)
}

fn literal(rng: &mut Rng, letter: char) -> String {
    match letter {
        'n' => rng.i32(-100_000..100_000).to_string(),
        'k' => rng.u32(1..10).to_string(),
        'b' => format!("{}{}", rng.i64(..), rng.u64(..)),
        'f' => rng.choice(FLOAT_LITERALS).copied().unwrap_or_default().to_owned(),
        's' => rng.choice(STRING_LITERALS).copied().unwrap_or_default().to_owned(),
        other => panic!("there is no literal {other}"),
    }
}
