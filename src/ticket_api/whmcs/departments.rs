//! The departments that a ticket may be filed under.

use crate::config::Whmcs as Settings;

/// Names and numbers, in the order in which the desk shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Departments(pub(super) Vec<(String, i64)>);

impl Departments {
    /// Those of `bot.toml`, if it names any.
    pub(super) fn configured(settings: &Settings) -> Option<Self> {
        let mut known: Vec<_> =
            settings.departments.iter().map(|(name, number)| (name.clone(), *number)).collect();
        known.sort_by_key(|(_, number)| *number);
        (!known.is_empty()).then_some(Self(known))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The number of what a ticket's topic names, or its number; else the default; else the first.
    pub(super) fn of(&self, topic: Option<&str>, settings: &Settings) -> Option<i64> {
        let number = |name: &str| {
            let known = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            known.map(|(_, number)| *number).or_else(|| name.trim().parse().ok())
        };
        let chosen = topic.and_then(number);
        if let (Some(topic), None) = (topic, chosen) {
            tracing::warn!(topic, "There is no such department; the ticket gets the default one.");
        }
        let default = || settings.default_department.as_deref().and_then(number);
        chosen.or_else(default).or_else(|| self.0.first().map(|(_, number)| *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::whmcs::{Native, Profile};

    #[test]
    fn by_name_by_number_by_default_and_else_the_first() {
        let mut settings = Settings::new(Profile::Native(Native::new("id")));
        let known = Departments(vec![("Support".to_owned(), 3), ("Billing".to_owned(), 1)]);
        for (topic, expected) in [(Some("billing"), 1), (Some("7"), 7), (Some("Sales"), 3), (None, 3)] {
            assert_eq!(known.of(topic, &settings), Some(expected), "{topic:?}");
        }
        settings.default_department = Some("Billing".to_owned());
        assert_eq!(known.of(None, &settings), Some(1));
        assert_eq!(known.of(Some("Sales"), &settings), Some(1));
        assert_eq!(
            Departments(Vec::new()).of(Some("Sales"), &Settings { default_department: None, ..settings }),
            None
        );
    }
}
