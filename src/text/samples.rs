//! Sample data for every template: which variables each takes, and values as they might be.
//!
//! The data stand in `samples.json`, one template a line. Numbers of tickets are texts without `#`;
//! sizes, times and durations are texts as a person reads them. An optional variable is given as null
//! (`None`) where there is nothing; a variable that is missing altogether is an error.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// The variables of one template, in all its formats.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    values: Value,
    /// Those of the variables that may be null.
    #[serde(default)]
    optional: Vec<String>,
}

impl Sample {
    /// Every variable has a value.
    pub fn full(&self) -> Value {
        self.values.clone()
    }

    /// Optional variables are null, switches are turned.
    pub fn sparse(&self) -> Value {
        let mut values = self.values.clone();
        for (name, value) in values.as_object_mut().into_iter().flatten() {
            if self.optional.contains(name) {
                *value = Value::Null;
            } else if let Value::Bool(switch) = value {
                *switch = !*switch;
            }
        }
        values
    }

    /// The names of the variables that may be null.
    pub fn optional(&self) -> &[String] {
        &self.optional
    }
}

/// Sample data by the template's name.
pub fn samples() -> &'static BTreeMap<String, Sample> {
    #[expect(clippy::expect_used, reason = "a constant; the tests read it")]
    static SAMPLES: LazyLock<BTreeMap<String, Sample>> =
        LazyLock::new(|| serde_json::from_str(include_str!("samples.json")).expect("valid sample data"));
    &SAMPLES
}
