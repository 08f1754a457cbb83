//! Tests of programs that put their own list of tests together.

use libtest_mimic::Trial;

/// A test that fails by a panic.
pub fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// Tests with the names of their functions; `if` says whether this machine has what one needs.
#[macro_export]
macro_rules! trials {
    ($($module:ident::$test:ident $(if $there:expr)?),+ $(,)?) => {
        vec![
            $($crate::trial(concat!(stringify!($module), "::", stringify!($test)), $module::$test)
                $(.with_ignored_flag(!$there))?),+
        ]
    };
}
