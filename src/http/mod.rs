//! Doors for machines: health, metrics, hooks, the admin API.
