//! Secrets that are files: `NAME_FILE` names a file that holds what `NAME` would.

use std::fs::File;
use std::io::{self, Read as _};

use super::ConfigError;
use super::layers::{Layers, Origin};

/// What may be in a file: its setting, and the one that names the file.
pub(super) const SECRETS: [(&str, &str); 3] = [
    ("AURA_API_TOKEN", "AURA_API_TOKEN_FILE"),
    ("ARANGO_PASS", "ARANGO_PASS_FILE"),
    ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE"),
];

/// The most bytes of a secret.
const MOST: usize = 4_096;

/// Reads the files that decide. What a higher layer hides need not be there.
pub(super) fn read(layers: &mut Layers) -> Result<(), ConfigError> {
    for (name, file) in SECRETS {
        let Some((at, origin, path)) = layers.deciding(name, file)? else { continue };
        let text = text(&path).map_err(|why| ConfigError::Unusable(format!("{file} ({origin}): {why}")))?;
        layers.insert(at, Origin::File(path), name, text);
    }
    Ok(())
}

fn text(path: &str) -> Result<String, String> {
    let bytes = bytes(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {path}"),
        _ => format!("{path} cannot be read: {error}"),
    })?;
    let line = bytes.strip_suffix(b"\n").map_or(&*bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    match str::from_utf8(line) {
        _ if line.len() > MOST => Err(format!("{path} has more than {MOST} bytes, so it is no secret")),
        Ok("") => Err(format!("{path} is empty: write the secret into it")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(format!("{path} is not UTF-8 text")),
    }
}

/// All of a secret, a line's end, and a byte that is too many.
fn bytes(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST as u64 + 3).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn resolved(mut layers: Layers) -> Result<Layers, String> {
        read(&mut layers).map_err(|error| error.to_string())?;
        Ok(layers)
    }

    #[test]
    fn the_file_of_the_highest_layer_decides_and_is_shown_as_the_origin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let path = path.to_str().unwrap();
        for (content, value) in
            [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), (" a b\n\n", " a b\n")]
        {
            fs::write(path, content).unwrap();
            let file = ("AURA_API_TOKEN_FILE", path);
            let layers = Layers::for_test(&[], &[], &[file], &[("AURA_API_TOKEN", "other")]);
            let layers = resolved(layers).unwrap();
            assert_eq!(layers.get("AURA_API_TOKEN").text, value);
            let shown: Vec<_> = layers
                .settings()
                .into_iter()
                .filter(|setting| setting.name.starts_with("AURA_API_TOKEN"))
                .map(|setting| format!("{}={} {}", setting.name, setting.value, setting.origin))
                .collect();
            assert_eq!(
                shown,
                [format!("AURA_API_TOKEN=******** file {path}"), format!("AURA_API_TOKEN_FILE={path} .env")]
            );
        }
        let hidden = ("ARANGO_PASS_FILE", "/nowhere");
        let layers = Layers::for_test(&[], &[("ARANGO_PASS", "plain")], &[hidden], &[]);
        assert_eq!(resolved(layers).unwrap().get("ARANGO_PASS").text, "plain");
    }

    #[test]
    fn a_file_that_holds_no_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("empty"), "\n").unwrap();
        fs::write(path("long"), "x".repeat(4_097)).unwrap();
        fs::write(path("most"), "x".repeat(4_096) + "\r\n").unwrap();
        fs::write(path("bytes"), b"\xff\n").unwrap();
        let refused = |path: &str| {
            let file = ("OPENAI_API_KEY_FILE", path);
            resolved(Layers::for_test(&[], &[file], &[], &[])).err()
        };
        for (name, why) in [
            ("absent", "there is no file {}"),
            (".", "{} cannot be read: Is a directory (os error 21)"),
            ("empty", "{} is empty: write the secret into it"),
            ("long", "{} has more than 4096 bytes, so it is no secret"),
            ("bytes", "{} is not UTF-8 text"),
        ] {
            let text = format!("OPENAI_API_KEY_FILE (environment): {}", why.replace("{}", &path(name)));
            assert_eq!(refused(&path(name)), Some(text));
        }
        assert_eq!(refused(&path("most")), None);
        let both = [("ARANGO_PASS", "hush"), ("ARANGO_PASS_FILE", "/nowhere")];
        assert_eq!(
            resolved(Layers::for_test(&[], &[], &[], &both)).err().unwrap(),
            "ARANGO_PASS and ARANGO_PASS_FILE are both set (aura.toml): keep one of them."
        );
    }
}
