//! A policy of the audit.

use aura::audit::Policy;

pub fn read(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(policy) = Policy::parse(text) else { return false };
    let written = toml::to_string(&policy).expect("a policy is TOML");
    let again = Policy::parse(&written).expect("what is written is read");
    assert_eq!(again, policy);
    assert_eq!(again.digest(), policy.digest());
    true
}
