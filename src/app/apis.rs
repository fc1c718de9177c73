//! Ticket APIs from the configuration.

use std::{collections::HashMap, sync::Arc};

use rustls::ClientConfig;

use crate::{
    bridge::{context::Api, keys::KeyBook},
    config::{Config, TicketApi as ApiConfig, ticket_api::Kind, whmcs::Profile},
    model::ids::ApiName,
    runtime::clock::Clock,
    ticket_api::{
        TicketApi,
        common::{Common, SetUpError},
        hostup::Hostup,
        i3d::I3d,
        paradarum::Paradarum,
        whmcs,
    },
};

/// The folder of `state_dir` with what ticket systems gave for a login.
const TOKENS: &str = "tokens";

pub(super) fn build(
    config: &Config,
    tls: &Arc<ClientConfig>,
    clock: &Clock,
) -> Result<HashMap<ApiName, Api>, SetUpError> {
    config
        .ticket_apis
        .iter()
        .map(|api| Ok((ApiName::new(&api.name), one(api, config, tls, clock)?)))
        .collect()
}

fn one(api: &ApiConfig, config: &Config, tls: &Arc<ClientConfig>, clock: &Clock) -> Result<Api, SetUpError> {
    let (common, clock) = (common(api, config), clock.clone());
    let port: Arc<dyn TicketApi> = match &api.kind {
        Kind::Paradarum(own) => Arc::new(Paradarum::new(common, (**own).clone(), tls, clock)?),
        Kind::Hostup(own) => Arc::new(Hostup::new(common, (**own).clone(), tls, clock)?),
        Kind::I3d(own) => Arc::new(I3d::new(common, (**own).clone(), tls, clock)?),
        Kind::Whmcs(own) => match own.profile {
            Profile::Native(_) => Arc::new(whmcs::Native::new(common, (**own).clone(), tls, clock)?),
            Profile::Keliweb(_) => {
                let tokens = config.state_dir.join(TOKENS);
                Arc::new(whmcs::Keliweb::new(common, (**own).clone(), tokens, tls, clock)?)
            }
        },
    };
    let keys = api.kind.key_is_the_account().then(|| KeyBook::new(api.key.as_ref()));
    Ok(Api { port, settle: api.settle, poll: api.poll, panel: api.panel_url.clone(), keys })
}

fn common(api: &ApiConfig, config: &Config) -> Common {
    Common {
        key: api.key.clone(),
        call_timeout: config.timing.api_call,
        max_calls_per_second: api.max_calls_per_second,
        connections: api.connections,
        desk_mails_customers: api.desk_mails_customers,
        ..Common::new(ApiName::new(&api.name), api.base_url.clone())
    }
}
