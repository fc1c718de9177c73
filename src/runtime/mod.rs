//! A long-lived process: clock, tasks, back-off, limits, secrets; knows nothing of tickets.
